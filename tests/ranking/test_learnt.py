"""The re-rankers as cuts go by: fitted anew where the last fit has become a week old."""

from __future__ import annotations

from pipeline.models.catalog import rerankers
from pipeline.ranking.learnt import Learnt
from pipeline.runs.job import Job
from tests.shelf import day


def test_a_fit_serves_for_less_than_a_week(learnt: Job) -> None:
    """What was bought in the week between two fits is known to the later one."""
    of_night = Learnt(learnt.settings, [learnt.folder.table("examples")])
    first = of_night.by(day(60))
    assert set(first) == set(rerankers())
    assert of_night.by(day(66.9)) is first
    later = of_night.by(day(67))
    assert later is not first
    assert later["blend"] != first["blend"]
    assert of_night.fitted_at == day(67)
    assert of_night.by(day(73)) is later


def test_rows_that_come_are_learnt_at_the_next_fit(learnt: Job) -> None:
    rows = learnt.folder.table("examples")
    oldest = rows.filter(rows["cut_at"].combine_chunks().dictionary_encode().indices.to_numpy() == 0)
    grown, whole = Learnt(learnt.settings, [oldest]), Learnt(learnt.settings, [rows])
    before = grown.by(day(86))
    grown.rows[:] = [rows]
    assert grown.by(day(90)) is before
    assert grown.by(day(93))["blend"] == whole.by(day(93))["blend"] != before["blend"]


def test_nothing_is_learnt_from_nothing_and_named_rerankers_alone_are_fitted(learnt: Job) -> None:
    nothing = Learnt(learnt.settings)
    assert nothing.by(day(60)) == {}
    nothing.rows.append(learnt.folder.table("examples"))
    assert set(nothing.by(day(61))) == set(rerankers()), "tried again, though no week has passed"
    named = Learnt(learnt.settings, [learnt.folder.table("examples")], names=["blend"])
    assert set(named.by(day(60))) == {"blend"}
