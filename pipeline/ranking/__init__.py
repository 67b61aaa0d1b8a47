"""Re-ranking: candidates for each user, their features, and the models that put them in order."""
