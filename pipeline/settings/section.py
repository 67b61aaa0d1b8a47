"""What every section of `config.toml` shares: frozen, typed, strict; the ranges that more than one needs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

PRESETS = ("@hourly", "@daily", "@weekly", "@monthly", "@quarterly", "@yearly")
"""Airflow's names for schedules."""


class Section(BaseModel):
    """A section: an unknown key, another type or a value out of range is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"no time zone {name!r}") from error
    return name


def _cron(cron: str) -> str:
    """`cron` if Airflow, which reads it with croniter, will find a time for it.

    Where only a door to the lists is installed there is no croniter, and no night begins.
    """
    if cron and cron not in PRESETS:
        try:
            from croniter import croniter
        except ImportError:
            return cron
        try:
            croniter(cron, datetime(2026, 1, 1, tzinfo=UTC)).get_next()
        except (ValueError, KeyError) as error:
            raise ValueError(f"no schedule, {error}") from error
    return cron


def _encoding(name: str) -> str:
    try:
        "".encode(name)
    except (LookupError, ValueError) as error:
        raise ValueError(f"no encoding {name!r}; for instance latin-1 or windows-1252") from error
    return name


Zone = Annotated[str, AfterValidator(_zone)]
"""A name of the time zone database, such as Europe/Berlin."""
Encoding = Annotated[str, AfterValidator(_encoding)]
"""A text encoding that Python knows."""
Cron = Annotated[str, AfterValidator(_cron)]
"""A cron expression, one of PRESETS, or empty."""
Identifier = Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]{0,40}$")]
"""A name in the serving database that needs no quotes."""
Share = Annotated[float, Field(ge=0.0, le=1.0)]
HalfLife = Annotated[float, Field(ge=0.0, le=36_500.0)]
"""In days; 0: nothing fades."""
Length = Annotated[int, Field(ge=1, le=1000)]
"""Items in a list."""
AtLeastOne = Annotated[int, Field(ge=1, le=1_000_000)]
