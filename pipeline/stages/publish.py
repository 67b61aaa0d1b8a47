"""Put the lists live in one short transaction, or record the refusal and fail with its reasons."""

from __future__ import annotations

from typing import Any

import pyarrow.compute as pc

from pipeline import report
from pipeline.contract.datasets import FALLBACK, PUBLISHED
from pipeline.errors import Refused
from pipeline.report.trend import window
from pipeline.rollback_form import save_choices
from pipeline.runs.job import Counts, Job
from pipeline.serving import About, publish, refuse
from pipeline.serving.copy_lines import KINDS


def run(job: Job) -> Counts:
    """Lists, `metrics`, `split`, `best_params`, `fallback`, `decision`
    -> the serving schema, `publication`; the report.

    Raises Refused, with the gate's reasons, once the refusal is recorded.
    """
    folder, settings, url = job.folder, job.settings, job.databases.serving()
    decision = folder.document("decision")
    if job.force and not decision["publish"]:
        decision = {**decision, "publish": True, "forced": True}
    rule = folder.document("fallback")["model"]
    ours = _measured(job, rule)
    sizes = {name: ours.get(name) for name in ("n_users", "n_buyers")}
    recorded = {**decision, "measured_in": {**window(folder.document("split"), settings), **sizes}}
    about = About(ours.get("precision_at_3"), _params(job, rule), recorded)
    if not decision["publish"]:
        refuse(url, settings, folder, about, say=job.say)
        report.leave(job)
        raise Refused(
            f"run {folder.run_id} is not published; apps read what they read before",
            found="; ".join(decision["reasons"]),
            promised="lists that pass every rule of the gate",
            then="mend what the reasons name and run again; or publish all the same: trigger with force, or"
            f" python -m pipeline run publish --run-id {folder.run_id} --force",
        )
    force = job.force or bool(decision["forced"])
    published = publish(url, settings, folder, about, say=job.say, force=force)
    folder.write_document("publication", vars(published))
    save_choices(url, settings, job.say)
    report.leave(job, vars(published))
    return {
        "rows_out": sum(folder.rows(kind.dataset) for kind in KINDS),
        "version": published.version or 0,
        "is_live": str(published.is_live).lower(),
        "n_users": published.n_users,
        "n_items": published.n_items,
        "n_recommendations": published.n_recommendations,
    }


def _params(job: Job, rule: str | None) -> dict[str, Any]:
    """What the lists were made with: `best_params`, with the rule where one replaces the chosen model."""
    params = job.folder.document("best_params")
    return {**params, "model": rule or params["model"]}


def _measured(job: Job, rule: str | None) -> dict[str, Any]:
    """The row of `metrics` of the lists that go live, in their mode; empty when nobody is measured in it.

    rule: the rule whose lists go live in place of the chosen model's
    """
    metrics = job.folder.table("metrics")
    rows = metrics.filter(
        pc.and_(
            pc.equal(metrics["model"], FALLBACK if rule else PUBLISHED),
            pc.equal(metrics["repeat_purchases"], job.settings.run.repeat_purchases),
        )
    ).to_pylist()
    return dict(rows[0]) if rows else {}
