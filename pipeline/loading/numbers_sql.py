"""The lines of a drafted SELECT that hold numbers: the quantity, and what events may carry."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pipeline.contract.datasets import MAY_CARRY
from pipeline.loading.columns_sql import Line, reference, shown
from pipeline.loading.guess import Match
from pipeline.loading.neighbours import Plan

THOUSANDS = re.compile(r"-?\d{1,3}(\.\d{3})+")

CHECK = {
    "price": "LOOK AT IT: {} must be paid for one piece; of a whole line, divide it by the quantity",
    "discount": "LOOK AT IT: {} must be money off one piece; of a line, divide it by the quantity, and of a"
    " percentage compute the amount",
    "rating": "the rating: {}; nothing, unless weights.rating_weight says otherwise",
}
"""Our column -> what is said of the one that is taken for it."""


def lines(plan: Plan, carried: Sequence[str]) -> list[Line]:
    """The quantity, and the columns `carried`, which are null where no file of the plan has one."""
    return [_quantity(plan), *(_carried(plan, name) for name in carried)]


def carried_by(plans: Sequence[Plan]) -> list[str]:
    """The columns of MAY_CARRY that a file of some plan has: all parts of a query select the same ones."""
    return [name for name in MAY_CARRY if any(plan.role(name) for plan in plans)]


def _quantity(plan: Plan) -> Line:
    if (place := plan.role("quantity")) is None:
        return Line("quantity", "1", ())
    number, match = place
    sql, comments = _number(plan, "quantity", number, match)
    if any(value.startswith("-") for value in match.column.values):
        comments.append("quantities below 0 are returns, which a night leaves out")
    return Line("quantity", sql, tuple(comments))


def _carried(plan: Plan, name: str) -> Line:
    if (place := plan.role(name)) is None:
        return Line(name, "NULL", ())
    number, match = place
    # what is no number becomes null, so that one price costs no load
    sql, comments = _number(plan, name, number, match, "TRY_CAST")
    return Line(name, sql, (CHECK[name].format(shown(match.column.name)), *comments))


def _number(plan: Plan, role: str, number: int, match: Match, cast: str = "CAST") -> tuple[str, list[str]]:
    """SQL that reads a column as a number, and what is to be said of its commas and points."""
    column, values = reference(plan, number, match.column), match.column.values
    if match.column.is_text and any("," in value for value in values):
        decimal = any(re.search(r",(\d{1,2}|\d{4,})$", value) for value in values)
        inner = f"replace(replace({column}, '.', ''), ',', '.')" if decimal else f"replace({column}, ',', '')"
        where = "before the decimals" if decimal else "between thousands: LOOK AT IT, if it has decimals"
        comments = [f"the {role}: {shown(match.column.name)}, its comma {where}"]
        return f"{cast}({inner} AS DOUBLE)", comments
    comments = []
    if match.column.is_text and values and all(map(THOUSANDS.fullmatch, values)):
        comments = [
            f"LOOK AT IT: is the point in the {role} one between thousands? Then replace(..., '.', '')"
        ]
    return f"{cast}({column} AS DOUBLE)", comments
