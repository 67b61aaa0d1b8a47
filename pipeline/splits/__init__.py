"""What is known at a cut in time, and what is held out after it."""
