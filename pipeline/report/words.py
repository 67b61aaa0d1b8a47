"""The words of the pages: names of models, groups, parameters and features, and how numbers are written."""

from __future__ import annotations

from datetime import datetime

from pipeline.models.catalog import MODELS
from pipeline.times import utc

NBSP = "\N{NO-BREAK SPACE}"
PUBLISHED = "These lists"
GROUPS = {
    "activity": "By how often they buy",
    "tenure": "By how long the shop has known them",
    "category": "By the category they buy most from",
    "segment": "By the shop's own segments",
}
REASONS = {
    "bought_again": "bought before",
    "recently_popular": "popular now",
    "similar_to_purchase": "close to what they bought",
}
PARAMETERS = {
    "factors": "factors: numbers that describe a taste",
    "iterations": "iterations",
    "regularization": "regularization",
    "alpha": "alpha: confidence that a purchase adds",
    "regularization_scale": "regularization, scaled by activity",
    "half_life_days": "half-life of an event, days",
    "is_quantity_weighed": "more weight for a larger quantity",
    "purchase": "weight of a purchase",
    "view": "weight of a view",
    "cart": "weight of an add to cart",
}
ENDED = {"trials": "after the last of its trials", "minutes": "when its minutes were used up"}


def model(name: str) -> str:
    """What a model is called."""
    if name == "published":
        return PUBLISHED
    return MODELS[name].title if name in MODELS else plain(name)


def reason(name: str | None) -> str:
    """The words for a list's reason; empty where it has none."""
    return REASONS.get(name, plain(name)) if name else ""


def plain(name: str) -> str:
    """The name of a column or setting with spaces."""
    return name.replace("_", " ")


def of_100(share: float) -> str:
    """Precision@3 as items bought of 100 shown: 38.4, 2.63, 0.52."""
    value = 100 * share
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def percent(share: float, digits: int = 1) -> str:
    """A share as `12.3 %`, with a space that does not break."""
    return f"{100 * share:.{digits}f}{NBSP}%"


def signed(share: float) -> str:
    """A relative difference: +2.4 %, -0.5 %."""
    return f"{100 * share:+.1f}{NBSP}%".replace("-", "\N{MINUS SIGN}")


def count(number: float, one: str, many: str = "") -> str:
    """`1 buyer`, `2,469 buyers`."""
    return f"{number:,.0f} {one if number == 1 else many or one + 's'}"


def days(number: float | None) -> str:
    """The length of the test, `number` days, in words; None: not known."""
    if number is None:
        return "afterwards"
    return "the day after" if number == 1 else f"in the {number:.3g} days after"


def date(moment: datetime | str) -> str:
    """`21 November 2026`."""
    at = _moment(moment)
    return f"{at.day} {at:%B %Y}"


def time(moment: datetime | str) -> str:
    """`21 November 2026, 04:01 UTC`."""
    at = _moment(moment)
    return f"{date(at)}, {at:%H:%M} UTC"


def short_date(moment: datetime | str) -> str:
    """`21 Nov`."""
    at = _moment(moment)
    return f"{at.day} {at:%b}"


def _moment(moment: datetime | str) -> datetime:
    return utc(datetime.fromisoformat(moment) if isinstance(moment, str) else moment)


FEATURES = {
    "n_days": "days on which the buyer bought it",
    "n_lines": "how often the buyer bought it",
    "last_age": "days since the buyer last bought it",
    "first_age": "days since the buyer first bought it",
    "n_last_14": "bought in the last 14 days",
    "n_last_28": "bought in the last 28 days",
    "own_gap": "the buyer's usual days between two purchases of it",
    "own_due": "how due it is for the buyer",
    "own_due_by_item": "how due it is, by other buyers' habit",
    "own_trip_share": "share of the buyer's shopping days with it",
    "own_rate": "how often the buyer buys it",
    "seen_age": "days since the buyer looked at it",
    "als_score": "ALS: its score",
    "als_share": "ALS: its score beside the buyer's best",
    "als_rank": "ALS: its rank",
    "near_score": "bought by the same people: its score",
    "near_share": "bought by the same people: beside the best",
    "near_rank": "bought by the same people: its rank",
    "popular_rank": "rank among the best sellers of late",
    "decay_7": "the buyer's purchases of it, the last week's above all",
    "decay_30": "the buyer's purchases of it, the last month's above all",
    "decay_90": "the buyer's purchases of it, the last season's above all",
    "bought_3": "its sales of the last three days",
    "seen_7": "all that happened with it in the last week",
    "item_decay_7": "its sales, the last week's above all",
    "item_decay_30": "its sales, the last month's above all",
    "item_decay_90": "its sales, the last season's above all",
    "user_trips_28": "the buyer's shopping days in the last four weeks",
    "item_age": "days since the shop first sold it",
    "item_buyers": "how many people buy it",
    "item_trend_short": "its sales this week, against this month",
    "item_trend_long": "its sales this month, against this season",
    "item_repeat_share": "share of its buyers who buy it again",
    "item_gap": "other buyers' usual days between two purchases",
    "item_share_in_category": "its share of its category",
    "user_trips": "days on which the buyer shops",
    "user_last_age": "days since the buyer last bought anything",
    "user_trip_gap": "the buyer's days between two shopping days",
    "user_items": "how many different items the buyer buys",
    "user_basket": "the buyer's items a shopping day",
    "user_repeat_share": "share of what the buyer buys again",
    "taste_days": "days on which the buyer bought of the category",
    "taste_last_age": "days since the buyer bought of the category",
    "taste_share": "share of the category in what the buyer buys",
}


def feature(name: str) -> str:
    """The name of one of the re-ranker's features on a page."""
    return FEATURES.get(name, plain(name))
