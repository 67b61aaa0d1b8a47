"""Nightshelf: restocks a shop's recommendation shelves every night."""

__version__ = "0.2.0"
