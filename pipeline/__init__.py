"""Nightshelf: restocks a shop's recommendation shelves every night."""

__version__ = "0.1.0"
