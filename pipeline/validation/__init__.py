"""The shop's data held against expectations."""
