"""Tonight's parameters and the model that is published, chosen on the validation set."""
