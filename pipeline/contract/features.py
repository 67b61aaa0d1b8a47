"""The features of a candidate: what a re-ranker knows of one user and one item before a cut.

Every feature has one entry: its name, its unit, its meaning, and the value it has where there is nothing to
measure. They are float32 columns of the datasets `examples` and `latest_examples`, in the order of FEATURES.
`decay_<d>` is a count of purchases in which each is halved every d days of its age.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import nan


@dataclass(frozen=True)
class Feature:
    """One column of the candidate table.

    unit:    days, count, decayed count, score, share, rank or ratio
    meaning: in words for a person; the report shows them
    absent:  the value where the user has no such events: 0 for a count of nothing, NaN for what is unknown;
             of what is looked up by pair it is filled in, the rest is computed so, which tests hold to it
    """

    name: str
    unit: str
    meaning: str
    absent: float = nan


OWN = (
    Feature("n_days", "count", "days on which the buyer bought it", absent=0.0),
    Feature("n_lines", "count", "how often the buyer bought it", absent=0.0),
    Feature("last_age_days", "days", "days since the buyer last bought it"),
    Feature("first_age_days", "days", "days since the buyer first bought it"),
    Feature("decay_7", "decayed count", "the buyer's purchases of it, the last week's above all", absent=0.0),
    Feature(
        "decay_30", "decayed count", "the buyer's purchases of it, the last month's above all", absent=0.0
    ),
    Feature(
        "decay_90", "decayed count", "the buyer's purchases of it, the last season's above all", absent=0.0
    ),
    Feature("n_last_14", "count", "bought in the last 14 days", absent=0.0),
    Feature("n_last_28", "count", "bought in the 14 days before the last 14", absent=0.0),
)
"""The user's own purchases of the item: columns of sql/transform/bought_pairs.sql."""

OWN_DERIVED = (
    Feature("own_gap_days", "days", "the buyer's usual days between two purchases of it"),
    Feature("own_due", "ratio", "how due it is for the buyer"),
    Feature("own_due_by_item", "ratio", "how due it is, by other buyers' habit"),
    Feature("own_trip_share", "share", "share of the buyer's shopping days with it"),
    Feature("own_rate", "ratio", "how often the buyer buys it"),
    Feature("own_trips", "ratio", "the buyer's usual shopping trips since the last purchase of it"),
    Feature("own_trips_28", "share", "share of the buyer's shopping days of four weeks with it"),
    Feature("own_gap_in_trips", "ratio", "the buyer's usual shopping trips between two purchases of it"),
)
"""What follows from OWN, OF_ITEM and OF_USER: when the item is due again."""

RANKED_OWN = ("n_days", "decay_30", "decay_90")
"""Counts of OWN that are also put beside those of the user's other candidates."""

AMONG_OWN = (
    Feature("n_days_rank", "rank", "rank of its days among the buyer's candidates"),
    Feature("n_days_share", "share", "its days beside those of the buyer's most bought"),
    Feature("n_days_part", "share", "its part of all days on which the buyer bought a candidate"),
    Feature("decay_30_rank", "rank", "rank among what the buyer bought lately"),
    Feature("decay_30_share", "share", "its late purchases beside those of the buyer's most bought"),
    Feature("decay_30_part", "share", "its part of what the buyer bought lately"),
    Feature("decay_90_rank", "rank", "rank among what the buyer bought this season"),
    Feature("decay_90_share", "share", "its purchases this season beside those of the buyer's most bought"),
    Feature("decay_90_part", "share", "its part of what the buyer bought this season"),
)

SEEN = (
    Feature("seen_age_days", "days", "days since the buyer looked at it"),
    Feature("views_7", "decayed count", "the buyer's views of it, the last week's above all", absent=0.0),
    Feature("views_30", "decayed count", "the buyer's views of it, the last month's above all", absent=0.0),
    Feature("carts_30", "decayed count", "how often the buyer put it into the cart lately", absent=0.0),
)
"""The user's views and carts of the item: columns of sql/transform/seen_pairs.sql."""

CANDIDATE_SCORES = (
    Feature("als_score", "score", "ALS: its score"),
    Feature("als_share", "share", "ALS: its score beside the buyer's best"),
    Feature("als_rank", "rank", "ALS: its rank"),
    Feature("ease_score", "score", "EASE: its score", absent=0.0),
    Feature("ease_share", "share", "EASE: its score beside the buyer's best"),
    Feature("ease_rank", "rank", "EASE: its rank"),
    Feature("near_score", "score", "bought by the same people: its score", absent=0.0),
    Feature("near_share", "share", "bought by the same people: beside the best", absent=0.0),
    Feature("near_rank", "rank", "bought by the same people: its rank"),
    Feature("popular_rank", "rank", "rank among the best sellers of late"),
)
"""How the sources of candidates rate the item for the user."""

OF_ITEM = (
    Feature("item_age_days", "days", "days since the shop first sold it"),
    Feature("bought_3", "decayed count", "its sales of the last three days"),
    Feature("seen_7", "decayed count", "all that happened with it in the last week"),
    Feature("item_buyers", "count", "how many people buy it", absent=0.0),
    Feature("item_decay_7", "decayed count", "its sales, the last week's above all", absent=0.0),
    Feature("item_decay_30", "decayed count", "its sales, the last month's above all", absent=0.0),
    Feature("item_decay_90", "decayed count", "its sales, the last season's above all", absent=0.0),
    Feature("item_trend_short", "ratio", "its sales this week, against this month"),
    Feature("item_trend_long", "ratio", "its sales this month, against this season"),
    Feature("item_repeat_share", "share", "share of its buyers who buy it again"),
    Feature("item_gap_days", "days", "other buyers' usual days between two purchases"),
    Feature("item_share_in_category", "share", "its share of its category"),
)

OF_USER = (
    Feature("user_trips", "count", "days on which the buyer shops"),
    Feature("user_trips_28", "count", "the buyer's shopping days in the last four weeks"),
    Feature("user_last_age_days", "days", "days since the buyer last bought anything"),
    Feature("user_trip_gap_days", "days", "the buyer's days between two shopping days"),
    Feature("user_items", "count", "how many different items the buyer buys", absent=0.0),
    Feature("user_basket", "ratio", "the buyer's items a shopping day"),
    Feature("user_repeat_share", "share", "share of what the buyer buys again"),
)

TASTE = (
    Feature("taste_decay_90", "decayed count", "the buyer's purchases of its category this season"),
    Feature("taste_days", "count", "days on which the buyer bought of the category"),
    Feature("taste_last_age_days", "days", "days since the buyer bought of the category"),
)
"""The user's purchases in the item's category: unknown where the user has none, or the item no category."""

TASTE_SHARE = (Feature("taste_share", "share", "share of the category in what the buyer buys"),)

ENTRIES = (
    *OWN, *OWN_DERIVED, *AMONG_OWN, *SEEN, *CANDIDATE_SCORES, *OF_ITEM, *OF_USER, *TASTE, *TASTE_SHARE,
)  # fmt: skip
BY_NAME = {feature.name: feature for feature in ENTRIES}
FEATURES = tuple(BY_NAME)
"""The names, in the order of the columns."""
