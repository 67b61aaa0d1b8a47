"""Variety: lists that are not everybody's hundred best sellers, and hold no two kinds of one product."""
