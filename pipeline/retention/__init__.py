"""What is removed: old run folders, and everything about a user who is to be forgotten."""
