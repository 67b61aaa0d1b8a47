"""pipeline/gate/output.py: what the gate knows of the shop and its lists, counted from the files alone."""

from __future__ import annotations

import pyarrow.parquet as pq

from pipeline.config import ROOT
from pipeline.gate.output import LISTS, TABLES, check_lists, read_shop
from pipeline.runs.job import Job
from pipeline.validation.suites import SOURCE_SUITES
from tests.shelf import give
from tests.tastes import shop as purchases


def test_every_suite_is_checked_in_validate_or_in_the_gate() -> None:
    suites = {path.stem for path in (ROOT / "expectations").glob("*.json")}
    assert suites == {*SOURCE_SUITES, *LISTS}


def test_the_shop_is_counted_apart_from_who_made_the_lists(learnt: Job) -> None:
    """40 buyers, all with a list; of 20 items all but one are available."""
    give(learnt.folder, events=purchases())
    shop = read_shop(learnt)
    assert shop.n_users == 40
    assert shop.n_shown == 19
    assert set(shop.tables) == set(TABLES)
    assert pq.read_table(shop.tables["buyers"])["user_id"].to_pylist() == list(range(40))
    items = pq.read_table(shop.tables["known_items"])
    assert items.num_rows == 20
    assert shop.newest == max(purchases()["occurred_at"].to_pylist())


def test_each_list_is_checked_and_one_that_breaks_its_suite_fails(learnt: Job) -> None:
    give(learnt.folder, events=purchases())
    rows = {name: learnt.folder.rows(name) for name in LISTS}
    assert all(result.is_success for result in check_lists(learnt, read_shop(learnt), rows).values())
    table = learnt.folder.table("recommendations")
    give(learnt.folder, recommendations=table.filter([user != 7 for user in table["user_id"].to_pylist()]))
    results = check_lists(learnt, read_shop(learnt), rows)
    assert not results["recommendations"].is_success
    assert results["popular_items"].is_success
