"""The features of a candidate."""

from __future__ import annotations

OWN = (
    "n_days", "n_lines", "last_age", "first_age", "decay_7", "decay_30", "decay_90", "n_last_14", "n_last_28",
)  # fmt: skip


OWN_DERIVED = (
    "own_gap", "own_due", "own_due_by_item", "own_trip_share", "own_rate", "own_trips", "own_trips_28",
    "own_gap_in_trips",
)  # fmt: skip


OF_OWN = ("n_days", "decay_30", "decay_90")


AMONG_OWN = tuple(f"{name}_{among}" for name in OF_OWN for among in ("rank", "share", "part"))


SEEN = ("seen_age", "views_7", "views_30", "carts_30")


RECALLED = ("als_score", "als_share", "als_rank", "near_score", "near_share", "near_rank", "popular_rank")


OF_ITEM = (
    "item_age", "bought_3", "seen_7", "item_buyers", "item_decay_7", "item_decay_30", "item_decay_90",
    "item_trend_short", "item_trend_long", "item_repeat_share", "item_gap", "item_share_in_category",
)  # fmt: skip


OF_USER = (
    "user_trips", "user_trips_28", "user_last_age", "user_trip_gap", "user_items", "user_basket",
    "user_repeat_share",
)  # fmt: skip


TASTE = ("taste_decay_90", "taste_days", "taste_last_age")


FEATURES = (*OWN, *OWN_DERIVED, *AMONG_OWN, *SEEN, *RECALLED, *OF_ITEM, *OF_USER, *TASTE, "taste_share")


"""What the second step knows of a candidate (pipeline/features.py), float32, in this order."""
