"""The trigger form: the settings that a single run can change, with the texts and ranges of config.toml."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import Param

from pipeline import config

if TYPE_CHECKING:
    from pipeline.config import Settings

SECTIONS = {
    "window_days": "Events",
    "repeat_purchases": "Learning",
    "tune": "Learning",
    "trials": "Learning",
}
"""The section of the form in which each setting of config.FORM stands."""


def form(settings: Settings) -> dict[str, Param]:
    """The fields in the order of the form; the defaults are the shop's settings."""
    fields = {
        "as_of": Param(
            None,
            type=["null", "string"],
            format="date-time",
            title="As of",
            description="end of the window; empty: the logical date, else the time of the trigger",
            section="Events",
        )
    }
    for name in config.FORM:
        value, schema = config.form_value(settings, name), config.form_schema(name)
        fields[name] = Param(value, section=SECTIONS[name], **schema)
    fields["dry_run"] = Param(
        False,
        type="boolean",
        title="Dry run",
        description="everything but publish: apps see no change",
        section="Publishing",
    )
    fields["force"] = Param(
        False,
        type="boolean",
        title="Force",
        description="publish although the gate refuses or newer lists are live; recorded",
        section="Publishing",
    )
    return fields
