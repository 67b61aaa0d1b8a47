"""docs/aws.md names what there is: routes, metrics, parameters of the template."""

from __future__ import annotations

import re

from pipeline.config import ROOT
from pipeline.handler import records
from pipeline.handler.door import HEALTH, READY
from pipeline.reading.routes import ROUTES
from tests.docs.pages import text
from tests.handler.test_template import template

PAGE = ROOT / "docs" / "aws.md"


def table(head: str) -> list[list[str]]:
    """The rows of the table that begins with `head`: the words in backticks of each cell."""
    rows = text(PAGE).partition(f"\n| {head} |")[2].split("\n\n")[0].splitlines()[2:]
    return [[" ".join(re.findall(r"`(\w+)`", cell)) for cell in row.split("|")[1:-1]] for row in rows]


def test_every_route_is_named_with_what_it_takes() -> None:
    told = {name: set(takes.split()) for names, takes in table("`route`") for name in names.split()}
    known = {route.name: set(route.names) for route in ROUTES if route.name != "top_n"}
    known |= {"session": {"item_ids", "n", "explain"}, HEALTH: set(), READY: set()}
    assert told == known


def test_every_metric_is_named() -> None:
    assert {name for names, _ in table("metric") for name in names.split()} == set(records.METRICS)


def test_every_parameter_of_the_template_is_named() -> None:
    told = {name for names, _ in table("parameter of the template") for name in names.split()}
    assert told - {"x86_64"} == set(template()["Parameters"])
