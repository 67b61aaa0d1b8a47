"""Defines the command line: the commands and flags of `python -m pipeline`."""

from __future__ import annotations

import argparse
from pathlib import Path

from pipeline import config
from pipeline.contract.stages import STAGES

EPILOG = """stages, in order:
""" + "\n".join(f"  {stage.name:18} {stage.summary}" for stage in STAGES)


def parser() -> argparse.ArgumentParser:
    """The parser of every command; its namespace holds the command's name as `command`."""
    top = argparse.ArgumentParser(
        prog="python -m pipeline",
        description="Restocks a shop's recommendation shelves. The same stages as the DAG, without Airflow.",
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _run(commands)
    report = commands.add_parser("report", help="make a run's page again, report.html in its folder")
    report.add_argument("--run-id", metavar="ID", help="which run (default: the latest)")
    _config(report)
    _backtest(commands)
    _load(commands)
    url = commands.add_parser("url", help="print the URL of a database, with its password")
    url.add_argument("database", choices=("source", "serving"))
    url.add_argument(
        "--as",
        dest="role",
        choices=("owner", "publisher", "reader", "operator"),
        default="owner",
        help="role to act as (default: owner, who may SET ROLE to the others)",
    )
    _config(url)
    migrate = commands.add_parser("migrate", help="create or upgrade the serving schema")
    _config(migrate)
    migrate.add_argument(
        "--reset-serving",
        action="store_true",
        help="drop every publication and blocked item first: the way to other id types, and on from a schema"
        " of an earlier development version. Apps see nothing until the next night",
    )
    _serving(commands)
    tidy = commands.add_parser("tidy", help="remove run folders nobody touched for run.keep_runs_days")
    _config(tidy)
    for name, text in (
        ("demo", "a night on real purchases, under a local Airflow (make demo)"),
        ("up", "start the local Airflow and print where its UI is (make up)"),
        ("down", "stop the local Airflow and the embedded database (make down)"),
        ("status", "what runs locally (make status)"),
    ):
        commands.add_parser(name, help=text)
    airflow = commands.add_parser(
        "airflow",
        help="an `airflow` command against the local Airflow, which make up has started",
        add_help=False,
    )
    airflow.add_argument("words", nargs=argparse.REMAINDER, help="such as: backfill create --help")
    return top


def _config(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--config", type=Path, default=None, metavar="FILE", help="settings (default: config.toml)"
    )


def _run(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    run = commands.add_parser(
        "run",
        help="run the night, or one stage of it",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    run.add_argument(
        "stage",
        nargs="?",
        metavar="STAGE",
        choices=[stage.name for stage in STAGES],
        help="one stage of the latest run (or of --run-id); without it, the whole night",
    )
    run.add_argument("--run-id", metavar="ID", help="the run to make or to go on with (default: cli__AS_OF)")
    run.add_argument(
        "--as-of",
        metavar="now|last|TIME",
        help="end of the window: now (default), last (just after the last event) or a time",
    )
    _config(run)
    run.add_argument("--force", action="store_true", help="publish although the gate refuses; recorded")
    run.add_argument("--dry-run", action="store_true", help="everything but publish")
    for field in config.FORM:
        schema = config.form_schema(field)
        run.add_argument(
            f"--{field.replace('_', '-')}",
            dest=field,
            type=int if schema["type"] == "integer" else str,
            choices=schema.get("enum"),
            metavar=None if "enum" in schema else "N",
            help=schema["description"],
        )


def _backtest(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    judge = commands.add_parser("backtest", help="judge every model on an events file; no database is needed")
    judge.add_argument(
        "--events",
        type=Path,
        required=True,
        metavar="FILE",
        help="Parquet or CSV: user_id, item_id, event_type, occurred_at and, if there, order_id, quantity",
    )
    judge.add_argument("--items", type=Path, metavar="FILE", help="item_id and, if there, category, ...")
    judge.add_argument(
        "--as-of",
        default="last",
        metavar="last|TIME",
        help="end of the test (default: just after the last event)",
    )
    judge.add_argument("--test-days", type=int, metavar="N", help="days held out (default: config.toml's)")
    judge.add_argument("--windows", type=int, default=1, metavar="K", help="roll the cut back K times")
    judge.add_argument("--repeat-purchases", choices=("allow", "exclude"), help="default: config.toml's")
    judge.add_argument("--json", type=Path, metavar="OUT", help="write the results there too")
    _config(judge)


def _serving(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    stored = commands.add_parser("publications", help="stored versions with their metrics, and which is live")
    rollback = commands.add_parser("rollback", help="put an earlier publication live again")
    rollback.add_argument(
        "--to",
        type=int,
        metavar="VERSION",
        help="a stored version; default: the one that was live before this one, so twice undoes itself",
    )
    rollback.add_argument(
        "--hold", action="store_true", help="keep later nights stored but not live, until release"
    )
    release = commands.add_parser("release", help="end a hold; the newest publication it kept back goes live")
    forget = commands.add_parser(
        "forget", help="erase a user from every stored version and kept run folder, and keep the user out"
    )
    forget.add_argument(
        "user_id",
        metavar="USER_ID",
        help="the id as the shop writes it; - reads it from stdin, so that no shell history keeps it",
    )
    for command in (stored, rollback, release, forget):
        _config(command)


def _load(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    load = commands.add_parser("load", help="fill the source database with a shop's events")
    kinds = load.add_subparsers(dest="kind", required=True, metavar="KIND")
    complete = kinds.add_parser("complete-journey", help="a year of real grocery purchases")
    rocket = kinds.add_parser("retailrocket", help="that dataset's events.csv")
    rocket.add_argument("file", type=Path, metavar="FILE")
    events = kinds.add_parser("events", help="your events as Parquet or CSV; dates are kept")
    events.add_argument("file", type=Path, metavar="FILE")
    events.add_argument("--items", type=Path, metavar="FILE", help="item_id, name, category, ...")
    events.add_argument("--users", type=Path, metavar="FILE", help="user_id, segment")
    synthetic = kinds.add_parser("synthetic", help="made-up views, carts and purchases of any number")
    synthetic.add_argument("--events", dest="n_events", type=int, required=True, metavar="N", help="how many")
    synthetic.add_argument("--seed", type=int, default=0, metavar="S", help="the same seed, the same events")
    for kind in (complete, rocket, synthetic):
        kind.add_argument(
            "--keep-dates", action="store_true", help="do not shift all times so that the last is of today"
        )
    for kind in (complete, rocket, events, synthetic):
        _config(kind)
