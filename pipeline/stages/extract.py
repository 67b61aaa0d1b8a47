"""Read the window from the shop's database, and what is live from the serving schema."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import closing, suppress
from datetime import datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline import disk, engine, progress
from pipeline.contract.datasets import DATASETS, EVENTS_ORDER
from pipeline.errors import DataError, NightshelfError
from pipeline.runs.files import write_whole
from pipeline.runs.folder import RunFolder, latest
from pipeline.runs.job import Counts, Job
from pipeline.runs.parquet import encodings
from pipeline.source import Source, opened
from pipeline.source.further import Further
from pipeline.splits.window import empty_window
from pipeline.times import CLOCK_SKEW
from pipeline.users.kept import kept

if TYPE_CHECKING:
    from pipeline.serving.forgotten import Forgotten

ORDER = {"events": EVENTS_ORDER}
"""How rows are sorted; a dataset that is not named is sorted by its columns as they come."""

OPTIONAL = ("items", "users", "item_embeddings", "user_attributes")
"""What a shop need not have; what it has no longer is removed from the run."""

MAX_AHEAD = 1_000
BYTES_AN_EVENT = 130
"""Of the disk, at most at one time: 30 to 45 stay in the run folder, the others are for sorting."""


def run(job: Job) -> Counts:
    """Source database -> `events` and what else the shop has (OPTIONAL); serving schema -> `live`,
    `live_segments`, `serving`.

    The window is [as_of - window_days, as_of). Events of the future, which no window would show,
    are handed on too (at most MAX_AHEAD), for `validate` to refuse. Items that are not sold yet or no longer,
    by `added_at` and `available_until`, are not available. Users who were forgotten are left out of all that
    names users. Events older than any shop are counted. DataError on an empty window.
    """
    from pipeline.serving import read_encoding, read_live, read_segments
    from pipeline.serving.forgotten import read_forgotten

    serving = job.databases.serving()
    live = read_live(serving, job.settings, as_of=job.folder.as_of, say=job.say)
    job.folder.write_document("live", live)
    job.folder.write_document("serving", {"encoding": read_encoding(serving, job.settings)})
    forgotten = read_forgotten(serving, job.settings)
    of_live = read_segments(serving, job.settings, live, job.folder.as_of)
    _read(job, "live_segments", forgotten, of_live)
    n_segments = _sort(job, "live_segments")
    start = job.folder.as_of - timedelta(days=job.settings.run.window_days)
    settings = job.settings
    with opened(job.databases.source(), settings.source, settings.ids.model_dump(), job.say) as source:
        n_expected = source.estimate(start, job.folder.as_of)
        _refuse_too_little_room(job, _of_last_night(job) or n_expected)
        counts = {"events": _read_events(job, source, forgotten, start, job.folder.as_of, n_expected)}
        for name in ("items", "users", "item_embeddings"):
            if source.has(name):
                counts[name] = _read(job, name, forgotten, source.batches(name))
        if source.has("users") and (further := _further(job, source)).read:
            counts["user_attributes"] = _read(job, "user_attributes", forgotten, source.attributes(further))
        n_old, oldest = source.before_any_shop()
    n_written: dict[str, int] = {}
    for name in ("events", *OPTIONAL):
        if name in counts and (n_rows := _sort(job, name)) is not None:
            n_written[f"n_{name}"] = n_rows
        else:
            job.folder.drop(name)
    n_left_out = sum(read.n_left_out for read in counts.values())
    old: Counts = {"n_before_1990": n_old, "oldest": oldest} if n_old else {}
    segments: Counts = {"n_live_segments": n_segments} if n_segments else {}
    return {"rows_in": sum(n_written.values()) + n_left_out, **n_written, **segments, **old}


def _further(job: Job, source: Source) -> Further:
    """The further columns of `users.sql`; a line for each that is left out."""
    further = source.further()
    for name, kind in further.left_out:
        job.say(f"extract: column `{name}` of users is left out: it holds {kind}, neither numbers nor words")
    return further


class Rows(NamedTuple):
    """Rows of a dataset, and how many rows of forgotten users it was spared."""

    n_written: int
    n_left_out: int


def _refuse_too_little_room(job: Job, n_events: int | None) -> None:
    """DiskFull where the night would fill the disk hours later. n_events: about how many, if that is known"""
    if n_events is not None:
        what = f"a night of about {n_events:,} events, {BYTES_AN_EVENT} bytes for each"
        disk.refuse_too_little(job.folder.path, n_events * BYTES_AN_EVENT, what)


def _of_last_night(job: Job) -> int | None:
    """The events of the run before, which are counted, not guessed; None without one of as long a window."""
    days = job.settings.run.window_days
    others = (path for path in latest(job.folder.path.parent) if path != job.folder.path)
    for path in others:
        if not (path / "receipts").is_dir():
            continue
        with suppress(NightshelfError):  # which is for whoever goes on with that run
            other = RunFolder.open(path.parent, path.name, job.folder.ids)
            n_events = other.rows("events") if other.overrides.get("window_days", days) == days else 0
            if n_events:
                return n_events
    return None


def _read_events(
    job: Job,
    source: Source,
    forgotten: Forgotten,
    start: datetime,
    end: datetime,
    n_expected: int | None,
) -> Rows:
    later = source.batches("events", start=max(end, job.now + CLOCK_SKEW), limit=MAX_AHEAD)
    ahead = [forgotten.without(batch.filter(pc.is_valid(batch.column("occurred_at")))) for batch in later]
    n_ahead = sum(batch.num_rows for batch in ahead)
    rows = _read(job, "events", forgotten, source.batches("events", start, end), ahead, n_expected)
    if rows.n_written == n_ahead:
        raise _empty(source, start, end)
    return rows


def _read(
    job: Job,
    name: str,
    forgotten: Forgotten,
    batches: Generator[pa.RecordBatch, None, None],
    more: Iterable[pa.RecordBatch] = (),
    total: int | None = None,
) -> Rows:
    """Stream the rows to a scratch file. They are sorted when the source is closed: no transaction is left
    open in the shop's database meanwhile.

    total: about how many there are; None: nobody knows
    """
    schema = DATASETS[name].schema(job.folder.ids)
    count = n_left_out = 0

    def fill(path: Path) -> None:
        nonlocal count, n_left_out
        counted = progress.over(chain(more, batches), name, total, "rows", lambda batch: batch.num_rows)
        with pq.ParquetWriter(path, schema, compression="lz4", **encodings(schema)) as writer:
            for batch in counted:
                kept = forgotten.without(batch)
                writer.write_batch(kept)
                n_left_out += batch.num_rows - kept.num_rows
                count += kept.num_rows
        if n_left_out:
            job.say(f"extract: {n_left_out:,} {name} of forgotten users left out")

    with closing(batches):
        write_whole(_unsorted(job, name), fill)
    return Rows(count, n_left_out)


def _sort(job: Job, name: str) -> int | None:
    """Write a dataset out of core from its scratch file: a source promises no order, a dataset does.

    Returns the number of its rows; None where there is none, because no attribute of users is kept.
    """
    dataset, unsorted = DATASETS[name], _unsorted(job, name)
    columns, order = ", ".join(dataset.columns), ", ".join(ORDER.get(name, tuple(dataset.columns)))
    memory, threads = job.settings.run.memory_limit_gb, job.settings.run.threads
    with engine.connect(memory, threads, job.folder.scratch()) as db:
        if name == "items":
            engine.view(db, name, unsorted)
            rows = engine.rows(db, "items_as_of", {"as_of": job.folder.as_of})
        elif name == "user_attributes":
            engine.view(db, name, unsorted)
            rows = kept(db, lambda line: job.say(f"extract: {line}"))
        else:
            query = f"SELECT {columns} FROM {engine.parquet(unsorted)} ORDER BY {order}"
            with progress.watched(f"order of {name}", db.query_progress):
                rows = db.sql(query).to_arrow_reader(engine.BATCH)
        n_rows = None if rows is None else job.folder.write(name, rows, pq.read_metadata(unsorted).num_rows)
    unsorted.unlink()
    return n_rows


def _unsorted(job: Job, name: str) -> Path:
    return job.folder.scratch() / f"{name}.parquet"


def _empty(source: Source, start: datetime, end: datetime) -> DataError:
    """The refusal of a window without events, with the times that would find some."""
    span = source.span()
    folder = source.settings.sql
    if span is None:
        found, then = "no events at any time", f"edit {folder}/events.sql, or load some events"
    else:
        oldest, newest = span
        found = f"events from {oldest.isoformat()} to {newest.isoformat()}"
        then = "python -m pipeline run --as-of last"
        if oldest < end:
            wider = (end - newest) // timedelta(days=1) + 1
            then += f", or window_days = {wider} or more in config.toml" if newest < end else ""
    return empty_window(start, end, found, then)
