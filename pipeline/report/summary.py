"""What a person wants to see when a night has ended."""

from __future__ import annotations

from pipeline.config import Settings
from pipeline.runs.folder import RunFolder
from pipeline.runs.pages import page_of


def ending(folder: RunFolder, settings: Settings) -> str:
    """The metrics of the published mode, where the run and its page lie, and what is live now."""
    lines = ["", metrics_table(folder, settings), "", f"files: {folder.path}"]
    if page := page_of(folder.path.parent, folder.run_id):
        lines.append(f"report: {page}")
    if folder.has("publication"):
        lines.append(live_line(folder, settings))
    return "\n".join(lines)


def metrics_table(folder: RunFolder, settings: Settings) -> str:
    """`metrics` of the mode that is published, best model first."""
    mode = settings.run.repeat_purchases
    rows = folder.table("metrics").to_pylist()
    return metrics_lines([row for row in rows if row["repeat_purchases"] == mode], mode)


def metrics_lines(rows: list[dict[str, object]], mode: str) -> str:
    """The metrics of one mode as a person reads them, best first."""
    if not rows:
        return f"repeat_purchases = {mode}: nobody can be measured"
    what = "only items new to the user count" if mode == "exclude" else "every purchase counts"
    first = rows[0]
    head = (
        f"repeat_purchases = {mode} ({what}): {first['n_users']:,} users measured,"
        f" ceiling {first['ceiling_at_3']:.3f}"
    )
    columns = f"  {'model':<18}{'Precision@3':>12}{'95% interval':>20}{'Recall@10':>11}{'NDCG@10':>9}"
    lines = [head, columns + f"{'MAP@10':>8}{'hit rate':>10}{'coverage':>10}"]
    for row in sorted(rows, key=lambda row: -float(str(row["precision_at_3"]))):
        interval = f"{row['ci_low']:.4f} to {row['ci_high']:.4f}"
        lines.append(
            f"  {row['model']:<18}{row['precision_at_3']:>12.4f}{interval:>20}{row['recall_at_10']:>11.4f}"
            f"{row['ndcg_at_10']:>9.4f}{row['map_at_10']:>8.4f}{row['hit_rate_at_10']:>10.4f}"
            f"{row['coverage_at_3']:>10.4f}"
        )
    return "\n".join(lines)


def live_line(folder: RunFolder, settings: Settings) -> str:
    """How many lists apps read now, or why they read what they read before."""
    told = folder.document("publication")
    schema = settings.serving.schema_name
    if not told.get("is_live", True):
        return f"stored as version {told.get('version')}, not live"
    return f"live: version {told['version']}, lists for {told['n_users']:,} users in {schema}.recommendations"
