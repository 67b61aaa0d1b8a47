"""Backtest: every model evaluated on an events file, at one cut or several, without a database.

Each window is a run folder of its own in a scratch folder: the events before its `as_of`, then validate,
filter_purchasers, split, tune, train and evaluate as the night runs them. Nothing is carried from
one window to another. Several windows repeat the whole, each as much earlier as the newest test is long,
which is all its cuts together; each chooses its own horizon where that is left to it. Where no cut in time
measures anybody, rows at random are held out, as in a night: in one window only, because later rows and the
same rows would be in all of them.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pipeline import config, disk, engine, jobs
from pipeline.config import Ids, Settings
from pipeline.contract.datasets import DATASETS, EVENTS_ORDER, FALLBACK
from pipeline.contract.stages import BY_NAME
from pipeline.errors import DataError, SettingsError, shortened
from pipeline.home import make_home
from pipeline.loading import dataset_file, events_file
from pipeline.loading.query_file import Query
from pipeline.loading.shop import Shop
from pipeline.report.backtest_table import MEASURES
from pipeline.runs.folder import RunFolder
from pipeline.runs.job import Databases, Job
from pipeline.runs.run_stage import leave_receipt, run_stage
from pipeline.source import further
from pipeline.splits import first_look, first_look_words
from pipeline.splits.unmeasured import Unmeasured
from pipeline.splits.window import empty_window
from pipeline.times import CLOCK_SKEW, FIRST_OF_A_SHOP, utc
from pipeline.users.kept import kept

STAGES = ("validate", "filter_purchasers", "split", "tune", "train", "evaluate")
EMBEDDINGS, ATTRIBUTES = "item_embeddings", "user_attributes"
KINDS = {"number": "number", "word": "text", "time": "time"}
"""The kinds of a loaded shop's further columns of users -> of the source's columns."""
WIDE = 4096
"""Rows of a batch of embeddings, of which each has hundreds of numbers."""
OF_A_WINDOW = ("against", "fallback", "session_lists", "cold_items", "first_purchases")
"""What is no mean: a backtest of several windows has it in each."""
OF_THE_SPLIT = ("method", "worth", "asked_days", "test_days", "n_test_cuts", "horizon")
COUNTED = ("n_users", "n_buyers")
AVERAGED = tuple(name for name in MEASURES if name not in COUNTED)
Say = Callable[[str], None]


@dataclass(frozen=True)
class Files:
    """A shop as it lies in the scratch folder: datasets of contract/datasets.py, whole.

    named: dataset -> the file that it was read from, as the command line names it
    """

    folder: Path
    named: Mapping[str, str]
    ids: Ids
    has_items: bool
    first_at: datetime
    last_at: datetime

    def path(self, name: str) -> Path:
        return self.folder / f"{name}.parquet"


def backtest(
    events: Path | Query,
    items: Path | Query | None,
    settings: Settings,
    as_of: str,
    n_windows: int,
    say: Say,
    *,
    embeddings: Path | None = None,
    users: Path | None = None,
) -> dict[str, Any]:
    """What `--json` writes: `results` for each model, `windows` where there are several.

    settings:  with the mode and test_days asked for; its id types give way to those of the file
    as_of:     `last` (just after the last event) or a time; the end of the newest window
    n_windows: how many repeats, each as of the span of the newest test before the one after it; fewer where
               the history ends
    """
    if n_windows < 1:
        raise SettingsError(
            "a backtest needs a window",
            found=shortened(f"--windows {n_windows}"),
            then="choose --windows 1 or more",
        )
    if settings.split.method != "time":
        raise SettingsError(
            "a backtest cuts by time",
            found=f"split.method = {settings.split.method}",
            then='set split.method = "time" in the settings file',
        )
    jobs.refuse_untrainable(settings)
    started = time.perf_counter()
    home = config.home()
    make_home(home)
    with disk.noticing(home), tempfile.TemporaryDirectory(prefix="backtest-", dir=home) as scratch:
        shop = _read(events, items, users, embeddings, settings, Path(scratch), say)
        zone = settings.source.timezone
        newest = jobs.just_after(shop.last_at) if as_of == "last" else jobs.moment(as_of, zone, "backtest")
        jobs.refuse_before_shops(newest)
        look = first_look.look(shop.path("events"), settings, newest, shop.folder)
        step = newest - look.asked.where.test_from
        _refuse_too_many(n_windows, newest, step, shop)
        for line in first_look_words.lines(look, first_look_words.FLAGS):
            say(line)
        windows: list[dict[str, Any]] = []
        for number in range(n_windows):
            at = newest - number * step
            if n_windows > 1:
                say(f"window {number + 1} of {n_windows}: as of {at.isoformat()}")
            try:
                windows.append(_window(shop, settings, at, say, is_newest=not windows))
            except DataError as error:
                if not windows:
                    raise
                say(f"window {number + 1} and those before it are left out: {error.what}")
                break
            if windows[-1]["method"] != "time" and n_windows > 1:
                say("the other windows are left out: they would hold the same rows")
                break
    document = _document(windows, settings, newest, time.perf_counter() - started)
    document["first_look"] = look.document()
    return _rolled(document, windows) if n_windows > 1 else document


def _refuse_too_many(n_windows: int, newest: datetime, step: timedelta, shop: Files) -> None:
    """Before the work begins, not after the newer windows are judged."""
    first_at = max(shop.first_at, FIRST_OF_A_SHOP)
    if n_windows > 1 and step and n_windows - 1 >= (newest - first_at) / step:
        raise SettingsError(
            f"{shortened(f'{n_windows:,}')} windows reach back beyond the first event",
            found=f"windows of {step / timedelta(days=1):.3g} days before {newest.isoformat()},"
            f" the first event is of {first_at.isoformat()}",
            then="choose fewer --windows, or fewer --test-days",
        )


def _read(
    events: Path | Query,
    items: Path | Query | None,
    users: Path | None,
    embeddings: Path | None,
    settings: Settings,
    scratch: Path,
    say: Say,
) -> Files:
    """The files as datasets, ids and times as `load` would read them."""
    now, zone = datetime.now(UTC), settings.source.timezone
    with events_file.read(events, items, users, settings.ids, zone, now, say, embeddings) as shop:
        ids = Ids(user=shop.customer, item=shop.product)
        dataset_file.write(scratch / "events.parquet", "events", ids, shop.events)
        has_items = shop.products is not None
        if shop.products is not None:
            dataset_file.write(scratch / "items.parquet", "items", ids, shop.products)
        if shop.customers is not None:
            _write_users(shop, ids, scratch)
        if shop.embeddings is not None:
            dataset_file.write(scratch / f"{EMBEDDINGS}.parquet", EMBEDDINGS, ids, shop.embeddings)
        for note in shop.notes:
            say(note)
    with engine.connect(settings.run.memory_limit_gb, settings.run.threads, scratch) as db:
        engine.view(db, "purchaser_events", scratch / "events.parquet", until=now + CLOCK_SKEW)
        span = engine.rows(db, "event_counts").read_all().to_pylist()[0]
    if span["first_at"] is None:
        raise DataError(f"{events} holds no events with a time that has passed", then="name a file that does")
    first_at, last_at = utc(span["first_at"]), utc(span["last_at"])
    option = "--items-query" if isinstance(items, Query) else "--items"
    named = {
        "events": str(events),
        "items": f"{items} ({option})",
        "users": f"{users} (--users)",
        EMBEDDINGS: f"{embeddings} (--embeddings)",
    }
    return Files(scratch, named, ids, has_items, first_at, last_at)


def _write_users(shop: Shop, ids: Ids, scratch: Path) -> None:
    """`users`, and where the file has further columns `user_attributes`, as `extract` reads them."""
    if not shop.further:
        dataset_file.write(scratch / "users.parquet", "users", ids, shop.customers or ())
        return
    columns = further.sorted_out({name: KINDS[kind] for name, kind in shop.further.items()})
    users = dataset_file.copied(scratch / "users.parquet", "users", ids, shop.customers or ())
    rows = (further.rows(further.aliased(batch, columns, "customer_id"), columns) for batch in users)
    dataset_file.write(scratch / f"{ATTRIBUTES}.parquet", ATTRIBUTES, ids, rows)


def _window(shop: Files, settings: Settings, as_of: datetime, say: Say, *, is_newest: bool) -> dict[str, Any]:
    """One split, judged: `as_of`, OF_THE_SPLIT, `published_model`, `results`.

    Raises NobodyMeasured where it measures nobody; an older window is measured by a cut in time, or not.
    """
    settings = settings.model_copy(update={"ids": shop.ids})
    runs = shop.folder / "runs"
    folder = RunFolder.create(runs, jobs.cli_run_id(as_of), as_of, shop.ids.model_dump(), {})
    job = Job(folder, settings, Databases(source=str, serving=str), as_of, say, files=shop.named)
    _extract(job, shop)
    for number, stage in enumerate(STAGES, 1):
        summary = BY_NAME[stage].summary.removesuffix(".")
        say(f"{number} of {len(STAGES)}, {stage}: {summary[0].lower()}{summary[1:]}")
        run_stage(stage, job)
        if stage == "split":
            _refuse_unmeasured(folder.document("split"), is_newest=is_newest)
    mode = settings.run.repeat_purchases
    rows = [row for row in folder.table("metrics").to_pylist() if row["repeat_purchases"] == mode]
    results = [{"model": row["model"], **{name: row[name] for name in MEASURES}} for row in rows]
    return {
        "as_of": as_of.isoformat(),
        **{name: folder.document("split")[name] for name in OF_THE_SPLIT},
        "published_model": folder.document("best_params")["model"],
        "race": folder.document("best_params")["race_by_window"],
        "ended_by": folder.document("best_params")["ended_by"],
        "against": folder.document("comparison")["against"],
        "fallback": folder.document("fallback"),
        "session_lists": folder.document("session_lists"),
        "cold_items": folder.document("cold_items"),
        "first_purchases": folder.document("first_purchases"),
        "results": sorted(results, key=lambda row: -row["precision_at_3"]),
    }


def _refuse_unmeasured(split: Mapping[str, Any], *, is_newest: bool) -> None:
    if split["unmeasured"] and (split["is_unjudged"] or not is_newest):
        raise Unmeasured.read(split["unmeasured"]).for_backtest()


def _extract(job: Job, shop: Files) -> None:
    """What the stage `extract` would leave: the events of the window, the items, no live publication."""
    folder, run = job.folder, job.settings.run
    start = folder.as_of - timedelta(days=run.window_days)
    schema = DATASETS["events"].schema(folder.ids)
    with engine.connect(run.memory_limit_gb, run.threads, folder.scratch()) as db:
        engine.view(db, "events", shop.path("events"), since=start, until=folder.as_of)
        order = ", ".join(EVENTS_ORDER)
        rows = db.sql(f"SELECT {', '.join(schema.names)} FROM events ORDER BY {order}")
        n_events = folder.write("events", rows.to_arrow_reader(engine.BATCH))
        if shop.has_items:
            engine.view(db, "items", shop.path("items"))
            folder.write("items", engine.rows(db, "items_as_of", {"as_of": folder.as_of}))
        if shop.path("users").exists():
            rows = db.sql(f"FROM {engine.parquet(shop.path('users'))} ORDER BY ALL")
            folder.write("users", rows.to_arrow_reader(engine.BATCH))
        if shop.path(ATTRIBUTES).exists():
            engine.view(db, ATTRIBUTES, shop.path(ATTRIBUTES))
            if (attributes := kept(db, job.say)) is not None:
                folder.write(ATTRIBUTES, attributes)
        if shop.path(EMBEDDINGS).exists():
            numbers = db.sql(f"FROM {engine.parquet(shop.path(EMBEDDINGS))} ORDER BY ALL")
            folder.write(EMBEDDINGS, numbers.to_arrow_reader(WIDE))
    if not n_events:
        found = f"events from {shop.first_at.isoformat()} to {shop.last_at.isoformat()}"
        raise empty_window(start, folder.as_of, found, "choose another --as-of, or fewer --windows")
    folder.write_document("live", {})
    leave_receipt(job, "extract", {"n_events": n_events}, 0.0)


def _document(
    windows: list[dict[str, Any]], settings: Settings, as_of: datetime, seconds: float
) -> dict[str, Any]:
    newest = windows[0]
    return {
        "repeat_purchases": settings.run.repeat_purchases,
        "as_of": as_of.isoformat(),
        **{name: newest[name] for name in OF_THE_SPLIT},
        "published_model": newest["published_model"],
        "ended_by": newest["ended_by"],
        "seconds": round(seconds, 1),
        "results": newest["results"],
        "against": newest["against"],
        "fallback": newest["fallback"],
        "session_lists": newest["session_lists"],
        "cold_items": newest["cold_items"],
        "first_purchases": newest["first_purchases"],
    }


def _rolled(document: dict[str, Any], windows: list[dict[str, Any]]) -> dict[str, Any]:
    """The document of several windows: means for results, each window beside them."""
    means = _means([window["results"] for window in windows])
    others = {name: value for name, value in document.items() if name not in OF_A_WINDOW}
    return {**others, "results": means, "windows": windows}


def _means(of_windows: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Each model's means over the windows that have it, and its lowest and highest Precision@3.

    Not of FALLBACK, which is chosen on the test of its window: the mean would be of lucky ones alone.
    """
    by_model: dict[str, list[dict[str, Any]]] = {}
    for results in of_windows:
        for row in (row for row in results if row["model"] != FALLBACK):
            by_model.setdefault(row["model"], []).append(row)
    averaged = []
    for model, rows in by_model.items():
        values = [row["precision_at_3"] for row in rows]
        means = {name: statistics.fmean(row[name] for row in rows) for name in AVERAGED}
        counted = {name: round(statistics.fmean(row[name] for row in rows)) for name in COUNTED}
        spread = {"lowest": min(values), "highest": max(values), "n_windows": len(rows)}
        averaged.append({"model": model, **means, **counted, **spread})
    return sorted(averaged, key=lambda row: -row["precision_at_3"])


def check_place(path: Path) -> None:
    """Refuse before the work where `write_json` could not write after it."""
    try:
        if path.is_dir():
            found = "it is a folder"
        elif not path.absolute().parent.is_dir():
            found = f"there is no folder {path.absolute().parent}"
        else:
            return
    except (OSError, ValueError) as error:
        found = str(error.strerror if isinstance(error, OSError) else error)
    raise SettingsError(
        f"--json {path} cannot be written",
        found=found,
        then="name a file in a folder that is there",
    )


def write_json(path: Path, document: dict[str, Any]) -> None:
    """The document, for another program."""
    with disk.writing(path):
        path.write_text(json.dumps(document, indent=2, sort_keys=True) + "\n", encoding="utf-8")
