"""One night, whichever door it comes through: the job that Airflow's tasks and the command line share.

The doors read clock and environment and pass them in; this module only puts together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from pipeline import config
from pipeline.config import Settings
from pipeline.contract.as_of import Door, promised
from pipeline.errors import DataError, SettingsError, shortened
from pipeline.home import make_home
from pipeline.runs.folder import RunFolder
from pipeline.runs.job import Counts, Databases, Job
from pipeline.runs.run_stage import run_stage
from pipeline.times import CLOCK_SKEW, FIRST_OF_A_SHOP, utc


def job_for(
    run_id: str,
    *,
    databases: Databases,
    now: datetime,
    say: Callable[[str], None],
    as_of: datetime | None = None,
    overrides: Mapping[str, object] | None = None,
    config_path: Path | None = None,
    force: bool = False,
) -> Job:
    """The job of run `run_id`: a new run when `as_of` is given, else one that exists.

    overrides: the form fields that were asked for; the others are those of config.toml

    A run records every field of the form as it began, and keeps them to its end whatever becomes of
    config.toml meanwhile: its lists and its number are of one mode. Raises RunError when there is no
    such run, or when it exists with another as_of, schema or form fields; SettingsError when `as_of`
    lies in the future or before every shop, or a model races that cannot be trained here.
    """
    asked = dict(overrides or {})
    settings = config.load(config_path, asked)
    runs, ids = config.runs_folder(settings), settings.ids.model_dump()
    if as_of is None:
        folder = RunFolder.open(runs, run_id, ids)
    else:
        refuse_before_shops(as_of)
        _refuse_future(as_of, now)
        refuse_untrainable(settings)
        make_home(config.home())
        form = {name: config.form_value(settings, name) for name in config.FORM}
        folder = RunFolder.create(runs, run_id, as_of, ids, form)
    others = {name: folder.overrides.get(name) for name in asked if folder.overrides.get(name) != asked[name]}
    if others:
        raise folder.differs(_in_words(others), _in_words({name: asked[name] for name in others}))
    settings = config.load(config_path, folder.overrides)
    _refuse_other_shop(folder, settings)
    return Job(folder, settings, databases, utc(now), say, force, config_path)


def refuse_untrainable(settings: Settings) -> None:
    """SettingsError where a model races that nothing here can train."""
    if "ncf" in settings.models.race:
        from pipeline.models.ncf import refuse_without_torch  # loads what a night needs, and others do not

        refuse_without_torch(settings)


def play(stage: str, job: Job) -> Counts:
    """Run one stage; a night that the data stops leaves its report all the same."""
    try:
        return run_stage(stage, job)
    except DataError:
        from pipeline.report import leave

        leave(job)
        raise


def _refuse_other_shop(folder: RunFolder, settings: Settings) -> None:
    """One shop's lists must never go live in another's schema because of a forgotten --config."""
    begun_with = folder.receipt("extract").get("params", {}).get("serving", {}).get("schema")
    schema = settings.serving.schema_name
    if begun_with not in (None, schema):
        raise folder.differs(f"serving schema {begun_with}", f"serving schema {schema}")


def _in_words(fields: Mapping[str, object]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in fields.items())


def _refuse_future(as_of: datetime, now: datetime) -> None:
    """A run of tomorrow would keep tonight's from going live, and hide events of the future."""
    if utc(as_of) > utc(now) + CLOCK_SKEW:
        raise SettingsError(
            f"as_of {utc(as_of).isoformat()} lies in the future",
            found=f"it is {utc(now).isoformat(timespec='seconds')}",
            promised="a time that has passed",
            then="leave as_of empty, or give a time that has passed",
        )


def refuse_before_shops(as_of: datetime) -> None:
    """No event lies before so early an end; and the days before it would soon be before year 1."""
    if utc(as_of) < FIRST_OF_A_SHOP:
        raise SettingsError(
            f"as_of {utc(as_of).isoformat()} lies before every shop",
            promised=f"a time from {FIRST_OF_A_SHOP:%Y-%m-%d} on",
            then="give a later as_of; if the shop's last event is of that time, mend its occurred_at",
        )


def moment(text: str, zone: str, door: Door) -> datetime:
    """An ISO 8601 date or time as UTC; without a zone of its own it is read in `zone`.

    door: where `text` comes from, whose words the refusal promises
    """
    try:
        moment = datetime.fromisoformat(text)
        return utc(moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone)))
    except (ValueError, OverflowError) as error:
        raise SettingsError(
            f"as_of {shortened(repr(text))} is no time",
            promised=promised(door),
            then="give as_of another value",
        ) from error


def cli_run_id(as_of: datetime) -> str:
    """`cli__20261120T060000Z`, with the microseconds where there are any."""
    at = as_of.astimezone(UTC)
    return f"cli__{at:%Y%m%dT%H%M%S}{f'.{at.microsecond:06}' if at.microsecond else ''}Z"


def check_form(given: Mapping[str, object], known: Mapping[str, object]) -> None:
    """Refuse a form (an Airflow run's conf) with fields that nobody reads."""
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise SettingsError(
            "the form has fields that do not exist",
            found=", ".join(unknown),
            promised=", ".join(known),
            then="trigger again without them",
        )


def just_after(last_event_at: datetime) -> datetime:
    """The first whole second after the last event: a window that ends there holds it.

    Raises DataError where the event is of the last second that there is.
    """
    try:
        return utc(last_event_at).replace(microsecond=0) + timedelta(seconds=1)
    except OverflowError:
        raise DataError(
            f"the last event is of {last_event_at.isoformat()}: no window can end after it",
            promised="times of a shop, in occurred_at",
            then="mend that event, or give as_of a time",
        ) from None
