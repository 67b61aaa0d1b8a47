"""What the shop says of its users beyond their segment, as a model reads it."""
