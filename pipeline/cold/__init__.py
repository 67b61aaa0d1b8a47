"""Cold items, which nobody bought yet or only lately: what they are like, and who may want them."""
