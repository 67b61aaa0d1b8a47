"""Decide whether this run's lists may be published: any rule can refuse, and `force` overrides them all."""

from __future__ import annotations

from pipeline.gate import rules
from pipeline.gate.output import LISTS, check_lists, read_shop
from pipeline.runs.job import Counts, Job

MAY_BE_EMPTY = ("similar_items", "user_segments", "popular_in_segment")


def run(job: Job) -> Counts:
    """Lists, `events`, `items`, `purchaser_events`, `split`, `comparison`, `fallback`, `live`,
    `validation` -> `decision`.

    The document is that of `gate.rules.decision` with `repeat_purchases` and `fallback`. A refusal does
    not fail this stage: `publish` records it in the serving schema and then fails.
    """
    folder, limits, mode = job.folder, job.settings.gate, job.settings.run.repeat_purchases
    rows = {name: folder.rows(name) for name in LISTS}
    shop = read_shop(job)
    comparison, fallback = folder.document("comparison"), folder.document("fallback")
    model = fallback["model"] or comparison["published"]
    findings = (
        rules.output(rows, check_lists(job, shop, rows), MAY_BE_EMPTY),
        rules.judged(
            folder.document("split"),
            folder.document("live"),
            folder.as_of,
            mode,
            may_publish=limits.publish_unjudged,
        ),
        rules.precision(comparison, limits.max_loss, fallback),
        rules.shrink(shop.n_users, shop.n_items, folder.document("live"), limits.max_shrink, model),
        rules.age(shop.newest, folder.as_of, limits.max_age_hours),
        rules.known(folder.document("validation").get("left_out", {}), limits.max_unknown),
    )
    document = rules.decision(findings, force=job.force)
    about = {"repeat_purchases": mode, "fallback": fallback}
    folder.write_document("decision", {**document, **about})
    for reason in document["reasons"]:
        job.say(f"gate: {'forced, though ' if document['forced'] else 'refused: '}{reason}")
    for warning in document["warnings"]:
        job.say(f"gate: warning: {warning}")
    for skipped in document["skipped"]:
        job.say(f"gate: {skipped['why']}")
    return {
        "verdict": "publish" if document["publish"] else "refuse",
        "forced": int(document["forced"]),
        "n_reasons": len(document["reasons"]),
        "n_warnings": len(document["warnings"]),
    }
