"""Segments of people without purchases: groups who looked at alike things, and what is popular in each."""
