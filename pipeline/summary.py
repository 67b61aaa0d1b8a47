"""What a person wants to see when a night has ended."""

from __future__ import annotations

from pipeline.config import Settings
from pipeline.run import RunFolder
from pipeline.stages.evaluate import table


def ending(folder: RunFolder, settings: Settings) -> str:
    """The metrics of the published mode, where the run lies, and what is live now."""
    lines = ["", metrics_table(folder, settings), "", f"files: {folder.path}"]
    if folder.has("publication"):
        lines.append(live_line(folder, settings))
    return "\n".join(lines)


def metrics_table(folder: RunFolder, settings: Settings) -> str:
    """`metrics` of the mode that is published, best model first."""
    mode = settings.run.repeat_purchases
    rows = folder.table("metrics").to_pylist()
    return table([row for row in rows if row["repeat_purchases"] == mode], mode)


def live_line(folder: RunFolder, settings: Settings) -> str:
    """How many lists apps read now, or why they read what they read before."""
    told = folder.document("publication")
    schema = settings.serving.schema_name
    if not told.get("is_live", True):
        return f"stored as version {told.get('version')}, not live"
    return f"live: version {told['version']}, lists for {told['n_users']:,} users in {schema}.recommendations"
