"""What a publication emits, what a night can wait for, and the example that waits."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from pipeline import config
from pipeline.config import ROOT

pytestmark = pytest.mark.usefixtures("airflow_tables")


def events(name: str = "serving.recommendations") -> list[dict[str, Any]]:
    """The extras of the asset's events, oldest first."""
    from airflow.models.asset import AssetEvent, AssetModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        query = (
            select(AssetEvent.extra)
            .join(AssetModel, AssetModel.id == AssetEvent.asset_id)
            .where(AssetModel.name == name)
            .order_by(AssetEvent.id)
        )
        return [dict(extra) for extra in session.scalars(query)]


def state_of(run: Any, task: str) -> str:
    return str(next(each.state for each in run.get_task_instances() if each.task_id == task))


def test_a_night_announces_what_went_live(dag: Any, shop: str) -> None:
    before = len(events())
    run = dag.test(run_conf={"tune": "never"})
    [extra] = events()[before:]
    with psycopg.connect(shop) as db:
        [row] = db.execute(
            "SELECT version, run_id, n_users, n_items, precision_at_3, params ->> 'model'"
            " FROM serving.publications WHERE is_live"
        ).fetchall()
    names = ("version", "run_id", "n_users", "n_items", "precision_at_3", "model")
    assert extra == {
        **dict(zip(names, row, strict=True)),
        "is_fallback": False,
        "fallback_why": "",
        "is_unjudged": False,
        "split_method": "time",
    }
    assert extra["run_id"] == run.run_id


@pytest.mark.slow
def test_only_what_goes_live_is_announced(bag: Any, dag: Any, shop: str) -> None:
    dag.test(run_conf={"tune": "never"})
    before = events()
    past = datetime.now(UTC).replace(microsecond=0) - timedelta(days=2)
    older = dag.test(run_conf={"tune": "never"}, logical_date=past)
    assert state_of(older, "publish") == "skipped"
    assert str(older.state) == "success"
    assert events() == before
    with psycopg.connect(shop) as db:
        rows = db.execute("SELECT as_of, is_live FROM serving.publications ORDER BY version").fetchall()
    assert [is_live for _, is_live in rows] == [True, False]
    assert rows[1][0] == past
    folder = config.runs_folder(config.load()) / older.run_id
    assert (folder / "report.html").exists()
    assert (folder / "metrics.parquet").exists()
    counts = older.get_task_instance("publish").xcom_pull(task_ids="publish")
    assert counts["is_live"] == "false"

    past -= timedelta(days=1)
    forced = dag.test(run_conf={"tune": "never", "force": True}, logical_date=past)
    assert state_of(forced, "publish") == "success"
    assert events()[-1]["version"] == 3
    with psycopg.connect(shop) as db:
        assert db.execute("SELECT version FROM serving.publications WHERE is_live").fetchone() == (3,)

    bag.dags["rollback"].test()
    assert events()[-1]["version"] == 1


def test_the_night_can_wait_for_the_shop_s_asset(
    monkeypatch: pytest.MonkeyPatch, make_settings: Callable[..., config.Settings]
) -> None:
    waiting = make_settings(schedule={"asset": "shop.events"})
    monkeypatch.setattr(config, "load", lambda file: waiting)
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(dag_folder=str(ROOT / "dags" / "recommendations.py"))
    assert bag.import_errors == {}
    [waits_for] = bag.dags["recommendations"].timetable.asset_condition.objects
    assert waits_for.name == "shop.events"


def test_the_example_waits_for_what_a_night_emits(bag: Any) -> None:
    example = bag.dags["on_new_recommendations"]
    [waits_for] = example.timetable.asset_condition.objects
    [emitted] = bag.dags["recommendations"].get_task("publish").outlets
    assert waits_for.name == emitted.name
