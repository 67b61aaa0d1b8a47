"""The commands of `python -m pipeline`: runs, loads, local servers; serving_commands has the others."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise
from pathlib import Path

from pipeline import advice, cli, config, disk, jobs, serving_commands
from pipeline.config import Settings
from pipeline.contract.stages import STAGES
from pipeline.errors import AirflowError, NightshelfError, RunError
from pipeline.home import keep_private
from pipeline.runs.folder import RunFolder, latest
from pipeline.runs.job import Databases, Job

Say = Callable[[str], None]


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status. A NightshelfError is printed to stderr, with status 1.

    What is said and proposed names this command's Python and settings file, so that it can be pasted.
    """
    options = cli.parser().parse_args(arguments)
    file: Path | None = getattr(options, "config", None)
    python = advice.typed_python(Path(sys.executable), Path.cwd(), shutil.which("python"))
    try:
        keep_private()
        with disk.noticing(config.home()):
            COMMANDS[options.command](
                options, lambda line: say(advice.in_python(advice.in_commands(line, file), python))
            )
    except NightshelfError as error:
        advice.fit(error, file)
        print(advice.in_python(str(error), python), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    return 0


def say(line: str) -> None:
    """One line of progress; a bar that stands there moves down."""
    from pipeline.progress import beside_bars

    with beside_bars():
        print(line, flush=True)


def run(options: argparse.Namespace, say: Say) -> None:
    """Run all stages, or one."""
    from pipeline.report import leave

    job = _job(options, say)
    names = [options.stage] if options.stage else [stage.name for stage in STAGES]
    say(f"run {job.folder.run_id}, as of {job.folder.as_of.isoformat()}")
    for name in names:
        if name == "publish" and options.dry_run:
            say("publish: left out (--dry-run); apps read what they read before")
            leave(job)
        else:
            jobs.play(name, job)
    if options.stage:
        follower = {a.name: b.name for a, b in pairwise(STAGES)}.get(options.stage)
        if follower:
            say(f"next: python -m pipeline run {follower} --run-id {job.folder.run_id}")
    else:
        from pipeline.report.summary import ending

        say(ending(job.folder, job.settings))


def _job(options: argparse.Namespace, say: Say) -> Job:
    overrides = {
        field: getattr(options, field) for field in config.FORM if getattr(options, field) is not None
    }
    settings = config.load(options.config, overrides)
    runs, now = config.runs_folder(settings), datetime.now(UTC).replace(microsecond=0)
    databases = _databases()
    as_of = _as_of(options.as_of, settings, databases, now)
    run_id = options.run_id
    if as_of is None and run_id is None and options.stage:
        folders = latest(runs)
        if not folders and options.stage != STAGES[0].name:
            raise RunError(
                f"{options.stage} cannot start: there is no run under {runs} to go on with",
                then="python -m pipeline run",
            )
        run_id = folders[0].name if folders else None
    is_new = run_id is None or not RunFolder.exists(runs, run_id)
    if as_of is None and is_new and options.stage in (None, STAGES[0].name):
        as_of = now
    return jobs.job_for(
        jobs.cli_run_id(as_of or now) if run_id is None else run_id,
        as_of=as_of,
        overrides=overrides,
        config_path=options.config,
        databases=databases,
        now=now,
        say=say,
        force=options.force,
    )


def _as_of(text: str | None, settings: Settings, databases: Databases, now: datetime) -> datetime | None:
    if text is None:
        return None
    if text == "now":
        return now
    if text == "last":
        from pipeline.source import last_event_at

        return jobs.just_after(last_event_at(databases.source(), settings.source, now))
    return jobs.moment(text, settings.source.timezone, "run")


def _databases() -> Databases:
    from pipeline.databases.urls import url_of

    return Databases(partial(url_of, "source"), partial(url_of, "serving"))


def report(options: argparse.Namespace, say: Say) -> None:
    """Build the report of a run again."""
    from pipeline.report import build

    settings = config.load(options.config)
    run_ids = [path.name for path in latest(config.runs_folder(settings))]
    if not run_ids and options.run_id is None:
        raise RunError("there is no run to report", then="python -m pipeline run")
    run_id, now = run_ids[0] if options.run_id is None else options.run_id, datetime.now(UTC)
    job = jobs.job_for(run_id, databases=_databases(), now=now, say=say, config_path=options.config)
    with job.folder.held("report"):
        say(f"report: {build(job.folder, job.settings)}")


def backtest(options: argparse.Namespace, say: Say) -> None:
    """Judge every model on an events file."""
    from pipeline import backtest as trial
    from pipeline.loading.query_file import Query
    from pipeline.report.backtest_table import table

    overrides = {"repeat_purchases": options.repeat_purchases} if options.repeat_purchases else {}
    settings = config.load(options.config, overrides)
    if options.test_days is not None:
        settings = config.changed(settings, "split", test_days=options.test_days)
    if options.json:
        trial.check_place(options.json)
    events = options.events or Query(options.query)
    items = options.items or (options.items_query and Query(options.items_query))
    document = trial.backtest(
        events,
        items,
        settings,
        options.as_of,
        options.windows,
        say,
        embeddings=options.embeddings,
        users=options.users,
    )
    if options.json:
        trial.write_json(options.json, document)
    say(table(document))


def load(options: argparse.Namespace, say: Say) -> None:
    """Fill the source database, and say what the shop's events look like."""
    from pipeline.databases.urls import url_of
    from pipeline.home import make_home
    from pipeline.loading import load as fill
    from pipeline.splits import first_look, first_look_words

    kept = ("command", "kind", "config")
    load_options = {name: value for name, value in vars(options).items() if name not in kept}
    settings = config.load(options.config)
    now, home = datetime.now(UTC), config.home()
    make_home(home)
    with tempfile.TemporaryDirectory(prefix="load-", dir=home) as scratch:
        copy = Path(scratch) / "events.parquet"
        loaded = fill(
            options.kind, url_of("source"), now=now, say=say, settings=settings, copy=copy, **load_options
        )
        if loaded.last_at and loaded.has_times:
            as_of = jobs.just_after(min(loaded.last_at, now))
            look = first_look.look(copy, settings, as_of, Path(scratch))
            for line in first_look_words.lines(look, first_look_words.SETTINGS):
                say(line)


def url(options: argparse.Namespace, _: Say) -> None:
    """Print the connection URL in use."""
    from pipeline.databases.urls import url_of

    prefix = config.load(options.config).serving.role_prefix
    print(url_of(options.database, options.role, prefix))


def tidy(options: argparse.Namespace, say: Say) -> None:
    """Remove old run folders."""
    from pipeline.databases.urls import url_of
    from pipeline.retention.old_runs import remove_old_runs

    remove_old_runs(config.load(options.config), url_of("serving"), now=datetime.now(UTC), say=say)


def demo(options: argparse.Namespace, say: Say) -> None:
    """Run the DAG once on real purchases under a local Airflow."""
    from pipeline.local.demo import demo as play

    play(say, on_spark=options.spark)


def up(_: argparse.Namespace, say: Say) -> None:
    """Start the local Airflow and leave it running."""
    from pipeline.local.servers import up as start

    start(say)


def down(_: argparse.Namespace, say: Say) -> None:
    """Stop the local Airflow and the embedded database."""
    from pipeline.local.servers import down as stop

    stop(say)


def status(_: argparse.Namespace, say: Say) -> None:
    """Print which local servers run."""
    from pipeline.local.servers import status as report_status

    say(report_status())


def airflow(options: argparse.Namespace, _: Say) -> None:
    """An `airflow` command against the local Airflow, in place of this process."""
    from pipeline.local.airflow import LocalAirflow

    local = LocalAirflow()
    if not local.is_running():
        raise AirflowError("the local Airflow does not run", then="make up")
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, "-m", "airflow", *options.words], local.environment())


COMMANDS: dict[str, Callable[[argparse.Namespace, Say], None]] = {
    "run": run,
    "report": report,
    "backtest": backtest,
    "load": load,
    "url": url,
    "migrate": serving_commands.migrate,
    "publications": serving_commands.publications,
    "rollback": serving_commands.rollback,
    "release": serving_commands.release,
    "export": serving_commands.export,
    "forget": serving_commands.forget,
    "serve": serving_commands.serve,
    "tidy": tidy,
    "demo": demo,
    "up": up,
    "down": down,
    "status": status,
    "airflow": airflow,
}

if __name__ == "__main__":
    sys.exit(main())
