"""The words of the pages: names of models, groups, parameters and features, and how numbers are written."""

from __future__ import annotations

from datetime import datetime

from pipeline.contract.features import BY_NAME
from pipeline.times import utc

NBSP = "\N{NO-BREAK SPACE}"
OURS = "These lists"
CHOSEN = "Chosen before the test"
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
    "also_bought_with": "bought by people who bought the same",
    "favourite_category": "of a category they buy from often",
    "on_discount": "reduced, and they often buy reduced items",
    "new_in_category": "new, of a category they buy from",
}
PARAMETERS = {
    "factors": "factors: numbers that describe a taste",
    "iterations": "iterations",
    "regularization": "regularization",
    "alpha": "alpha: confidence that a purchase adds",
    "regularization_scale": "regularization, scaled by activity",
    "half_life_days": "half-life of an event, days",
    "is_quantity_weighed": "more weight for a larger quantity",
    "rating_weight": "what a rating does to the weight",
    "purchase": "weight of a purchase",
    "view": "weight of a view",
    "cart": "weight of an add to cart",
}
FEW_BUYERS = 30
"""Of fewer, one who buys one item of the list moves Precision@3 by more than 0.01."""
ENDED = {"trials": "after the last of its trials", "minutes": "when its minutes were used up"}


def model(name: str) -> str:
    """What a model is called."""
    from pipeline.models.catalog import MODELS  # loads implicit, which the validation page does without

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


def points(share: float) -> str:
    """A difference of shares in points of 100: +1.23, -0.05."""
    return f"{100 * share:+.2f}".replace("-", "\N{MINUS SIGN}")


def count(number: float, one: str, many: str = "") -> str:
    """`1 buyer`, `2,469 buyers`."""
    return f"{number:,.0f} {one if number == 1 else many or one + 's'}"


def within(number: float | None) -> str:
    """For how long what buyers bought counts, `number` days, in words; None: not known."""
    if number is None:
        return "afterwards"
    return f"within {'a day' if number == 1 else f'{number:.3g} days'} of getting the list"


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


def feature(name: str) -> str:
    """What one of the re-ranker's features means, on a page."""
    return BY_NAME[name].meaning if name in BY_NAME else plain(name)
