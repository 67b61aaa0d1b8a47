"""Defines the command line: the commands and flags of `python -m pipeline`."""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline import config
from pipeline.contract import as_of
from pipeline.contract.stages import STAGES
from pipeline.errors import shortened
from pipeline.help import Parser, capital
from pipeline.service.options import add_options
from pipeline.version import version

GROUPS = {
    "the night": {
        "run": "run the night without Airflow, or one stage of it",
        "report": "make a run's page again, report.html in its folder",
        "backtest": "judge every model on an events file; no database is needed",
        "tidy": "remove run folders nobody touched for run.keep_runs_days",
    },
    "the serving schema, which apps read": {
        "migrate": "create or upgrade the serving schema",
        "publications": "stored versions with their metrics, and which is live",
        "rollback": "put an earlier publication live again",
        "release": "end a hold; the newest publication it kept back goes live",
        "serve": "answer apps by HTTP, and people with a page (make serve)",
        "export": "copy what is live to Redis, for apps that look lists up by key",
        "forget": "erase a user from every version and run, and keep the user out",
    },
    "data": {
        "load": "fill the source database with a shop's events",
        "url": "print the URL of a database, with its password",
    },
    "Airflow and PostgreSQL on this machine": {
        "demo": "a night on real purchases, under a local Airflow (make demo)",
        "up": "start the local Airflow and print where its UI is (make up)",
        "down": "stop the local Airflow and the embedded database (make down)",
        "status": "what runs locally (make status)",
        "airflow": "an `airflow` command against the local Airflow",
    },
}
"""The commands in the order of `--help`: group -> command -> what it does."""

EMBEDDINGS = "Parquet: item_id, embedding and, if there, kind, known_at"
SUMMARIES = {name: summary for group in GROUPS.values() for name, summary in group.items()}

KINDS = {
    "complete-journey": "a year of real grocery purchases",
    "retailrocket": "that dataset's events.csv",
    "events": "your events as Parquet or CSV; dates are kept",
    "query": "one SELECT over any files of yours; dates are kept",
    "synthetic": "made-up views, carts and purchases of any number",
}
"""The kinds of `load`, and what each one loads."""


class _Version(argparse.Action):
    """Prints the version and ends. argparse's own `version` would ask git at every start."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        sys.stdout.write(f"{version()}\n")
        parser.exit()


def parser() -> argparse.ArgumentParser:
    """The parser of every command; its namespace holds the command's name as `command`."""
    prog = "python -m pipeline"
    top = Parser(
        prog=prog,
        usage=f"{prog} [--help] [--version] COMMAND ...",
        description="Restocks a shop's recommendation shelves.",
        epilog=f"{prog} COMMAND --help says more about a command.",
        add_help=False,
    )
    for group, summaries in GROUPS.items():
        top.add_argument_group(group, _rows(summaries, width=14))
    options = top.add_argument_group("options")
    options.add_argument("-h", "--help", action="help", help="show this help message and exit")
    options.add_argument(
        "--version",
        action=_Version,
        nargs=0,
        dest=argparse.SUPPRESS,
        default=argparse.SUPPRESS,
        help="show the version and the commit, and exit",
    )
    commands = top.add_subparsers(
        dest="command", required=True, metavar="COMMAND", help=argparse.SUPPRESS, prog=prog
    )
    _run(commands)
    report = _command(commands, "report")
    report.add_argument("--run-id", metavar="ID", help="which run (default: the latest)")
    _config(report)
    _backtest(commands)
    _load(commands)
    url = _command(commands, "url")
    url.add_argument("database", choices=("source", "serving"), help="which database")
    url.add_argument(
        "--as",
        dest="role",
        choices=("owner", "publisher", "reader", "operator"),
        default="owner",
        help="role to act as (default: %(default)s, who may SET ROLE to the others)",
    )
    _config(url)
    migrate = _command(commands, "migrate")
    _config(migrate)
    migrate.add_argument(
        "--reset-serving",
        action="store_true",
        help="drop every publication and blocked item first: the way to other id types, and on from a schema"
        " of an earlier development version. Apps see nothing until the next night",
    )
    _serving(commands)
    add_options(_command(commands, "serve"))
    _config(_command(commands, "tidy"))
    demo = _command(commands, "demo")
    demo.add_argument(
        "--spark",
        action="store_true",
        help="the heavy work on a Spark cluster of one master and two workers here (make demo-spark)",
    )
    for name in ("up", "down", "status"):
        _command(commands, name)
    airflow = _command(commands, "airflow")
    airflow.add_argument(
        "words", nargs=argparse.REMAINDER, metavar="...", help="such as: backfill create --help"
    )
    return top


def _command(commands: argparse._SubParsersAction[Parser], name: str, **options: Any) -> Parser:
    """The parser of one command of GROUPS."""
    return commands.add_parser(name, description=f"{capital(SUMMARIES[name])}.", **options)


def _rows(summaries: Mapping[str, str], width: int) -> str:
    """Names, in a column of `width`, and what each does: argparse knows one group of subcommands only."""
    return "\n".join(f"{name:{width}}{summary}" for name, summary in summaries.items())


def _number(text: str) -> int:
    """The number of an option. argparse's own refusal would repeat all digits of too long a one."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{shortened(repr(text), 40)} is no whole number") from None


def _config(command: argparse._ActionsContainer) -> None:
    command.add_argument(
        "--config", type=Path, default=None, metavar="FILE", help="settings (default: config.toml)"
    )


def _run(commands: argparse._SubParsersAction[Parser]) -> None:
    stages = (
        textwrap.fill(stage.summary, 79, initial_indent=f"  {stage.name:20}", subsequent_indent=" " * 22)
        for stage in STAGES
    )
    run = _command(commands, "run", epilog="\n".join(("Stages, in order:", *stages)))
    which = run.add_argument_group("what is run")
    which.add_argument(
        "stage",
        nargs="?",
        metavar="STAGE",
        choices=[stage.name for stage in STAGES],
        help="one stage of the latest run (or of --run-id); without it, the whole night",
    )
    which.add_argument(
        "--run-id", metavar="ID", help="the run to make or to go on with (default: cli__AS_OF)"
    )
    which.add_argument(
        "--as-of",
        metavar=as_of.metavar("run"),
        help="end of the window: now (default), last (just after the last event) or a time",
    )
    _config(which)
    publishing = run.add_argument_group("publishing")
    publishing.add_argument(
        "--force", action="store_true", help="publish although the gate refuses; recorded"
    )
    publishing.add_argument("--dry-run", action="store_true", help="everything but publish")
    form = run.add_argument_group("settings for this run (default: those of the settings file)")
    for field in config.FORM:
        schema = config.form_schema(field)
        form.add_argument(
            f"--{field.replace('_', '-')}",
            dest=field,
            type=_number if schema["type"] == "integer" else str,
            choices=schema.get("enum"),
            metavar=None if "enum" in schema else "N",
            help=schema["description"],
        )


def _backtest(commands: argparse._SubParsersAction[Parser]) -> None:
    judge = _command(commands, "backtest")
    events = judge.add_mutually_exclusive_group(required=True)
    events.add_argument(
        "--events",
        type=Path,
        metavar="FILE",
        help="Parquet or CSV: user_id, item_id, event_type, occurred_at and, if there, order_id, quantity",
    )
    events.add_argument(
        "--query", type=Path, metavar="SQL", help="a file with one SELECT over any files: the same columns"
    )
    items = judge.add_mutually_exclusive_group()
    items.add_argument("--items", type=Path, metavar="FILE", help="item_id and, if there, category, ...")
    items.add_argument("--items-query", type=Path, metavar="SQL", help="a SELECT with those columns")
    judge.add_argument("--users", type=Path, metavar="FILE", help="user_id and, if there, segment, ...")
    judge.add_argument("--embeddings", type=Path, metavar="FILE", help=EMBEDDINGS)
    judge.add_argument(
        "--as-of",
        default="last",
        metavar=as_of.metavar("backtest"),
        help="end of the test (default: just after the last event)",
    )
    judge.add_argument(
        "--test-days",
        type=lambda text: text if text == "auto" else _number(text),
        metavar="N",
        help="days that a list is judged by; auto: the fewest that measure enough (default: config.toml's)",
    )
    how_often = "judge K times, each a test's length earlier (default: %(default)s)"
    judge.add_argument("--windows", type=_number, default=1, metavar="K", help=how_often)
    judge.add_argument(
        "--repeat-purchases",
        choices=("allow", "exclude"),
        help="whether a list may hold what its user bought (default: config.toml's)",
    )
    judge.add_argument("--json", type=Path, metavar="OUT", help="write the results there too")
    _config(judge)


def _serving(commands: argparse._SubParsersAction[Parser]) -> None:
    stored = _command(commands, "publications")
    rollback = _command(commands, "rollback")
    rollback.add_argument(
        "--to",
        type=_number,
        metavar="VERSION",
        help="a stored version; default: the one that was live before this one, so twice undoes itself",
    )
    rollback.add_argument(
        "--hold", action="store_true", help="keep later nights stored but not live, until release"
    )
    release = _command(commands, "release")
    export = _command(commands, "export")
    export.add_argument("store", choices=("redis",), help="where to: the server of NIGHTSHELF_REDIS_URL")
    export.add_argument("--again", action="store_true", help="copy the lists even if they are there")
    forget = _command(commands, "forget")
    forget.add_argument(
        "user_id",
        metavar="USER_ID",
        help="the id as the shop writes it; - reads it from stdin, so that no shell history keeps it",
    )
    for command in (stored, rollback, release, export, forget):
        _config(command)


def _load(commands: argparse._SubParsersAction[Parser]) -> None:
    load = _command(commands, "load", usage="%(prog)s [-h] KIND ...")
    load.add_argument_group("kinds", _rows(KINDS, width=18))
    kinds = load.add_subparsers(
        dest="kind", required=True, metavar="KIND", help=argparse.SUPPRESS, prog=load.prog
    )
    parsers = {
        name: kinds.add_parser(name, description=f"{capital(summary)}.") for name, summary in KINDS.items()
    }
    rocket, synthetic = parsers["retailrocket"], parsers["synthetic"]
    rocket.add_argument("file", type=Path, metavar="FILE", help="events.csv, as it was downloaded")
    more: dict[str, Any] = {"type": Path, "action": "append", "default": [], "metavar": "FILE"}
    rocket.add_argument("--properties", **more, help="item_properties_part1.csv; again for part2")
    for name, kind in (("events", "Parquet or CSV"), ("query", "a SELECT of DuckDB")):
        one = parsers[name]
        one.add_argument("file", type=Path, metavar="FILE", help=f"{kind}: user_id, item_id, ...")
        one.add_argument("--items", type=Path, metavar="FILE", help=f"{kind}: item_id, name, category, ...")
        one.add_argument("--users", type=Path, metavar="FILE", help=f"{kind}: user_id, segment, ...")
        one.add_argument("--embeddings", type=Path, metavar="FILE", help=EMBEDDINGS)
    synthetic.add_argument(
        "--events", dest="n_events", type=_number, required=True, metavar="N", help="how many"
    )
    synthetic.add_argument(
        "--seed",
        type=_number,
        default=0,
        metavar="S",
        help="the same seed, the same events (default: %(default)s)",
    )
    synthetic.add_argument(
        "--products",
        dest="n_products",
        type=_number,
        default=0,
        metavar="N",
        help="how many the shop has (default: one for 150 events, at most 200,000)",
    )
    synthetic.add_argument(
        "--promotion-days",
        type=_number,
        default=0,
        metavar="D",
        help="promote one best seller in the last D days, so that a model loses to best sellers"
        " (default: %(default)s)",
    )
    synthetic.add_argument(
        "--look-first",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="share of the buyers who look around for weeks or months before they first buy, so that what"
        " they look at can tell what they will buy (default: %(default)s)",
    )
    for name, parser in parsers.items():
        if name not in ("events", "query"):
            parser.add_argument(
                "--keep-dates",
                action="store_true",
                help="do not shift all times so that the last is of today",
            )
        _config(parser)
