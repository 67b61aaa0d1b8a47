"""Generated forms, and confs of Airflow's REST API: refused by Airflow's schema or by one NightshelfError."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import strategies as st

from pipeline import config
from pipeline.errors import NightshelfError, RunError
from pipeline.rollback_form import MAX_VERSION, version_of
from pipeline.runs.job import Job
from pipeline.shops import Shop
from tests.doors.tries import ends_well, texts, through, tries

anything = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.sampled_from([2**63, 10**400]), st.floats(), texts),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)


@tries
def test_any_conf_of_a_night(n: int, bag: Any) -> None:
    """As the API server and the first task see it: a run, its params filled in, `extract` begins."""
    from airflow.models.dagrun import DagRun
    from airflow.sdk.definitions.param import process_params
    from airflow.sdk.exceptions import ParamValidationError
    from airflow.utils.types import DagRunType
    from nightshelf_airflow import tasks

    dag = bag.dags["recommendations"]
    settings, shop = config.load(), Shop("", config.path())
    fitting = {
        "as_of": st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat) | st.dates().map(str),
        "window_days": st.integers(1, 3650),
        "repeat_purchases": st.sampled_from(["allow", "exclude"]),
        "tune": st.sampled_from(["auto", "never", "always"]),
        "trials": st.integers(1, 10_000),
        "dry_run": st.booleans(),
        "force": st.booleans(),
    }
    pairs = st.one_of(
        *(st.tuples(st.just(name), values | anything) for name, values in fitting.items()),
        st.tuples(texts, anything),
    )

    def begin(conf: dict[str, Any], run_id: str) -> Job | str:
        try:
            run = DagRun(dag_id=dag.dag_id, run_id=run_id, run_type=DagRunType.MANUAL, conf=conf)
            params = process_params(dag, dag.get_task("extract"), conf, suppress_exception=False)
        except (ParamValidationError, ValueError) as refusal:
            return f"refused by Airflow: {type(refusal).__name__}"
        if run.run_id is None:
            return "Airflow makes an id of its own"
        run.run_after = datetime(2026, 11, 20, tzinfo=UTC)
        context = {"params": params, "dag_run": run, "logical_date": None}
        return tasks._job(shop, settings, "extract", context)

    def check(given: list[tuple[str, Any]], run_id: str) -> None:
        outcome = ends_well(begin, dict(given), run_id)
        assert isinstance(outcome, Job | str | NightshelfError)

    run_ids = st.one_of(texts, st.uuids().map(str), st.just("manual__2026-11-21T01:05:00+00:00"))
    through(n, check, given=st.lists(pairs, max_size=4), run_id=run_ids)


@tries
def test_any_version_of_a_rollback(n: int, bag: Any) -> None:
    """What Airflow's schema lets through is a version that PostgreSQL can hold, or refused in words."""
    from airflow.sdk.exceptions import ParamValidationError

    param = bag.dags["rollback"].params.get_param("version")

    def check(given: Any) -> None:
        try:
            value = param.resolve(given)
        except ParamValidationError:
            return
        version = ends_well(version_of, value)
        assert version is None or isinstance(version, NightshelfError) or 0 <= version <= MAX_VERSION

    numbers = st.integers().map(str) | st.tuples(st.just("version "), texts).map("".join)
    through(n, check, given=anything | numbers)


def test_a_word_of_the_command_line_is_no_time_of_the_form(bag: Any) -> None:
    from airflow.models.dagrun import DagRun
    from airflow.utils.types import DagRunType
    from nightshelf_airflow import tasks

    run = DagRun(dag_id="recommendations", run_id="a", run_type=DagRunType.MANUAL, conf={"as_of": "last"})
    context = {"params": {"as_of": "last", "force": False}, "dag_run": run, "logical_date": None}
    with pytest.raises(NightshelfError, match="'last' is no time") as refused:
        tasks._job(Shop("", config.path()), config.load(), "extract", context)
    assert refused.value.promised.startswith("a time such as 2026-11-20")
    assert "now" not in refused.value.promised


def test_a_run_id_of_airflow_that_is_no_folder_name_is_refused(bag: Any) -> None:
    from airflow.models.dagrun import DagRun
    from airflow.utils.types import DagRunType
    from nightshelf_airflow import tasks

    run = DagRun(dag_id="recommendations", run_id="n" * 240, run_type=DagRunType.MANUAL, conf={})
    run.run_after = datetime(2026, 11, 20, tzinfo=UTC)
    context = {"params": {"as_of": None, "force": False}, "dag_run": run, "logical_date": None}
    with pytest.raises(RunError, match="cannot be a folder name") as refused:
        tasks._job(Shop("", config.path()), config.load(), "extract", context)
    assert "trigger a new run" in refused.value.then
