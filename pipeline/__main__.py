"""`python -m pipeline`: the stages, the loaders and the local servers, for a person at a terminal."""

from __future__ import annotations

import argparse
import os
import pwd
import socket
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise

from pipeline import cli, config, night
from pipeline.config import Settings
from pipeline.errors import AirflowError, NightshelfError, RunError
from pipeline.run import Databases, Job, latest
from pipeline.stages import STAGES


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit status. A NightshelfError is told on stderr and ends in 1."""
    given = cli.parser().parse_args(arguments)
    try:
        COMMANDS[given.command](given)
    except NightshelfError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    return 0


def say(line: str) -> None:
    """One line of progress."""
    print(line, flush=True)


def run(given: argparse.Namespace) -> None:
    """The night, or one stage of it."""
    from pipeline.report import leave

    job = _job(given)
    names = [given.stage] if given.stage else [stage.name for stage in STAGES]
    say(f"run {job.folder.run_id}, as of {job.folder.as_of.isoformat()}")
    for name in names:
        if name == "publish" and given.dry_run:
            say("publish: left out (--dry-run); apps read what they read before")
            leave(job)
        else:
            night.play(name, job)
    if given.stage:
        follower = {a.name: b.name for a, b in pairwise(STAGES)}.get(given.stage)
        if follower:
            say(f"next: python -m pipeline run {follower} --run-id {job.folder.run_id}")
    else:
        from pipeline.summary import ending

        say(ending(job.folder, job.settings))


def _job(given: argparse.Namespace) -> Job:
    overrides = {field: getattr(given, field) for field in config.FORM if getattr(given, field) is not None}
    settings = config.load(given.config, overrides)
    runs, now = config.runs_folder(settings), datetime.now(UTC).replace(microsecond=0)
    databases = _databases()
    as_of = _as_of(given.as_of, settings, databases, now)
    run_id = given.run_id
    if as_of is None and run_id is None and given.stage:
        there = latest(runs)
        if not there and given.stage != STAGES[0].name:
            raise RunError(
                f"{given.stage} cannot start: there is no run under {runs} to go on with",
                then="python -m pipeline run",
            )
        run_id = there[0].name if there else None
    is_new = run_id is None or not (runs / run_id / "run.json").exists()
    if as_of is None and is_new and given.stage in (None, STAGES[0].name):
        as_of = now
    return night.job_for(
        run_id or night.cli_run_id(as_of or now),
        as_of=as_of,
        overrides=overrides,
        config_path=given.config,
        databases=databases,
        now=now,
        say=say,
        force=given.force,
    )


def _as_of(text: str | None, settings: Settings, databases: Databases, now: datetime) -> datetime | None:
    if text is None:
        return None
    if text == "now":
        return now
    if text == "last":
        from pipeline.source import last_event_at

        return night.just_after(last_event_at(databases.source(), settings.source, now))
    return night.moment(text, settings.source.timezone)


def _databases() -> Databases:
    from pipeline.databases import url_of

    return Databases(partial(url_of, "source"), partial(url_of, "serving"))


def report(given: argparse.Namespace) -> None:
    """The page of a run, made again."""
    from pipeline.report import build

    settings = config.load(given.config)
    there = [path.name for path in latest(config.runs_folder(settings))]
    if not there and given.run_id is None:
        raise RunError("there is no run to report", then="python -m pipeline run")
    run_id, now = given.run_id or there[0], datetime.now(UTC)
    job = night.job_for(run_id, databases=_databases(), now=now, say=say, config_path=given.config)
    with job.folder.held("report"):
        say(f"report: {build(job.folder, job.settings)}")


def backtest(given: argparse.Namespace) -> None:
    """Judge every model on an events file."""
    from pipeline import backtest as trial

    overrides = {"repeat_purchases": given.repeat_purchases} if given.repeat_purchases else {}
    settings = config.load(given.config, overrides)
    if given.test_days is not None:
        settings = config.changed(settings, "split", test_days=given.test_days)
    if given.json:
        trial.check_place(given.json)
    document = trial.backtest(given.events, given.items, settings, given.as_of, given.windows, say)
    if given.json:
        trial.write_json(given.json, document)
    say(trial.table(document))


def load(given: argparse.Namespace) -> None:
    """Fill the source database."""
    from pipeline.databases import url_of
    from pipeline.loading import load as fill

    kept = ("command", "kind", "config")
    options = {name: value for name, value in vars(given).items() if name not in kept}
    settings = config.load(given.config)
    fill(given.kind, url_of("source"), now=datetime.now(UTC), say=say, settings=settings, **options)


def url(given: argparse.Namespace) -> None:
    """The connection URL in use."""
    from pipeline.databases import url_of

    prefix = config.load(given.config).serving.role_prefix
    print(url_of(given.database, given.role, prefix))


def migrate(given: argparse.Namespace) -> None:
    """Create the serving schema, or reset it."""
    from pipeline.databases import url_of
    from pipeline.serving import migrate as create

    settings = config.load(given.config)
    create(url_of("serving"), settings, say=say, reset=given.reset_serving)


def publications(given: argparse.Namespace) -> None:
    """The stored versions, the live one marked."""
    from pipeline.databases import url_of
    from pipeline.serving import publications as stored
    from pipeline.showing import publications_table

    rows, hold = stored(url_of("serving"), config.load(given.config))
    say(publications_table(rows, hold))


def rollback(given: argparse.Namespace) -> None:
    """Put an earlier publication live again."""
    from pipeline.databases import url_of
    from pipeline.serving import rollback as put_back
    from pipeline.versions import remember

    settings, serving = config.load(given.config), url_of("serving")
    put_back(serving, settings, to=given.to, hold=given.hold, who=account(), say=say)
    remember(serving, settings, say)


def release(given: argparse.Namespace) -> None:
    """End a hold."""
    from pipeline.databases import url_of
    from pipeline.serving import release as end_hold
    from pipeline.versions import remember

    settings, serving = config.load(given.config), url_of("serving")
    end_hold(serving, settings, who=account(), say=say)
    remember(serving, settings, say)


def forget(given: argparse.Namespace) -> None:
    """Erase a user, and keep that user out of later nights."""
    from pipeline.databases import url_of
    from pipeline.forget import forget as erase

    text = sys.stdin.read().rstrip("\r\n") if given.user_id == "-" else given.user_id
    settings = config.load(given.config)
    runs = config.runs_folder(settings)
    erase(text, settings, url_of("serving"), runs, now=datetime.now(UTC), say=say)


def tidy(given: argparse.Namespace) -> None:
    """Remove old run folders."""
    from pipeline.databases import url_of
    from pipeline.tidying import remove_old_runs

    remove_old_runs(config.load(given.config), url_of("serving"), now=datetime.now(UTC), say=say)


def account() -> str:
    """Who types, for the record: `anna@host`."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = f"uid {os.getuid()}"
    return f"{name}@{socket.gethostname()}"


def demo(_: argparse.Namespace) -> None:
    """A night on real purchases under a local Airflow."""
    from pipeline.local.demo import demo as play

    play(say)


def up(_: argparse.Namespace) -> None:
    """Start the local Airflow and leave it running."""
    from pipeline.local.servers import up as start

    start(say)


def down(_: argparse.Namespace) -> None:
    """Stop the local Airflow and the embedded database."""
    from pipeline.local.servers import down as stop

    stop(say)


def status(_: argparse.Namespace) -> None:
    """What runs locally."""
    from pipeline.local.servers import status as told

    say(told())


def airflow(given: argparse.Namespace) -> None:
    """An `airflow` command against the local Airflow, in place of this process."""
    from pipeline.local.airflow import LocalAirflow

    local = LocalAirflow()
    if not local.is_running():
        raise AirflowError("the local Airflow does not run", then="make up")
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, "-m", "airflow", *given.words], local.environment())


COMMANDS: dict[str, Callable[[argparse.Namespace], None]] = {
    "run": run,
    "report": report,
    "backtest": backtest,
    "load": load,
    "url": url,
    "migrate": migrate,
    "publications": publications,
    "rollback": rollback,
    "release": release,
    "forget": forget,
    "tidy": tidy,
    "demo": demo,
    "up": up,
    "down": down,
    "status": status,
    "airflow": airflow,
}

if __name__ == "__main__":
    sys.exit(main())
