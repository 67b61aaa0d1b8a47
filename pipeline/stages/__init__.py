"""The stages of a night: one module each, with one function `run(job)`; contract/stages.py lists them."""
