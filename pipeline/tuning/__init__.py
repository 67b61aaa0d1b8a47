"""Hyperparameter search and model selection, both on the validation set."""
