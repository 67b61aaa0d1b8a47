"""Popular items."""

from __future__ import annotations

from pipeline.config import Settings


def longest_popular(settings: Settings) -> int:
    """Items in the shop's own popular list: it fills a shelf of max_n though half of them were blocked."""
    return max(settings.recommend.popular_length, 2 * settings.serving.max_n)
