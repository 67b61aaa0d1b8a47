"""Shared by the benchmarks of serving: a server of their own and made-up nights of any size."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import psycopg
import pyarrow as pa
from psycopg.conninfo import conninfo_to_dict

from pipeline import config
from pipeline.config import Settings
from pipeline.databases.embedded import Server
from pipeline.databases.install import wheel
from pipeline.runs.files import fingerprint, write_json
from pipeline.runs.folder import RunFolder
from pipeline.serving import About

N_ITEMS = 50_000
N_CATEGORIES = 300
POPULAR_LENGTH, SIMILAR_LENGTH = 200, 20
USERS_AT_ONCE = 100_000
ABOUT = About(0.25, {"als": {"factors": 64}, "searched_at": None}, {"publish": True, "forced": False})


@contextmanager
def own_server() -> Iterator[tuple[Server, Path]]:
    """A durable embedded server with its usual settings, and a folder for runs; both go afterwards."""
    home = Path(tempfile.mkdtemp(prefix="nightshelf-benchmark-"))
    home.chmod(0o755)
    server = Server(home)
    try:
        server.start()
        yield server, home
    finally:
        server.destroy()
        shutil.rmtree(home, ignore_errors=True)


def settings_for(**serving: object) -> Settings:
    """config.toml, with some of `[serving]` changed."""
    values = config.load().model_dump(by_alias=True)
    return Settings.model_validate({**values, "serving": {**values["serving"], **serving}})


def make_night(
    runs: Path, number: int, n_users: int, length: int = 10, *, is_lean: bool = False
) -> RunFolder:
    """A run that `publish` takes: `length` items for each of the users 1 to `n_users`, five purchases
    and five categories; 20 similar items and 20 bought together for each item; 301 popular lists.

    number: another number, other lists and a later as_of; is_lean: recommendations and popular only
    """
    as_of = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=number)
    folder = RunFolder.create(runs, f"night-{number}", as_of, config.load().ids.model_dump(), {})
    rng = np.random.default_rng(number)
    n_buyers, n_items = (0, 0) if is_lean else (n_users, N_ITEMS)
    parts: dict[str, Iterable[pa.RecordBatch]] = {
        "recommendations": _recommendations(rng, n_users, length),
        "popular_items": [_popular(rng)],
        "similar_items": [_beside(rng, n_items, "similar_item_id", "score")],
        "also_bought": [_beside(rng, n_items, "also_bought_item_id", "support", "lift")],
        "user_purchases": _of_users(rng, n_buyers, "item_id"),
        "user_categories": _of_users(rng, n_buyers, "category"),
        "item_names": [_names(n_items)],
    }
    files = {}
    for name, batches in parts.items():
        folder.write(name, batches)
        files[folder.file(name).name] = fingerprint(folder.file(name))
    write_json(folder.path / "receipts" / "recommend.json", {"stage": "recommend", "files": files})
    return folder


def environment(url: str) -> dict[str, str]:
    """The environment in which psql and pgbench connect to `url`."""
    words = conninfo_to_dict(url)
    names = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD"}
    found = {names[key]: str(words[key]) for key in names if key in words}
    return {**os.environ, **found, "PGDATABASE": str(words["dbname"])}


def program(name: str) -> str:
    """A program of the embedded server: psql, pgbench."""
    return str(wheel() / "bin" / name)


def machine(server: Server) -> str:
    """Where the figures come from, in a line."""
    with psycopg.connect(server.admin_url()) as db:
        version = db.info.parameter_status("server_version")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = os.getloadavg()[0]
    return (
        f"PostgreSQL {version}, {os.cpu_count()} cores, {memory:.0f} GB, {platform.system()},"
        f" Python {platform.python_version()}, load {load:.1f} before"
    )


def _lists(rng: np.random.Generator, n_lists: int, length: int, n: int) -> np.ndarray:
    """Numbers from 1 to `n`, none twice in a list: shape (n_lists, length)."""
    return _from(rng.integers(0, n, (n_lists, 1)), rng, length, n)


def _from(first: np.ndarray, rng: np.random.Generator, length: int, n: int) -> np.ndarray:
    """Lists that begin with `first` + 1, shape (n_lists, 1), and go on in even steps, around the end."""
    step = rng.integers(1, n // length, first.shape)
    return (first + step * np.arange(length)) % n + 1


def _ranks(n_lists: int, length: int) -> pa.Array:
    return pa.array(np.tile(np.arange(1, length + 1, dtype=np.int32), n_lists))


def _falling(rng: np.random.Generator, n_lists: int, length: int) -> pa.Array:
    """Scores as a model gives them: float32 made float64, the highest first; above 0."""
    scores = 1 - np.sort(rng.random((n_lists, length), dtype=np.float32), axis=1)
    return pa.array(scores.astype(np.float64).ravel())


def _categories(numbers: np.ndarray) -> pa.Array:
    """Names of the categories 1, 2, ...; 0 is the whole shop."""
    names = ["all", *(f"category {number:03}" for number in range(1, N_CATEGORIES + 1))]
    return pa.array(names).take(pa.array(numbers.ravel()))


def _users(n_users: int) -> Iterator[np.ndarray]:
    for first in range(1, n_users + 1, USERS_AT_ONCE):
        yield np.arange(first, min(first + USERS_AT_ONCE, n_users + 1))


def _recommendations(rng: np.random.Generator, n_users: int, length: int) -> Iterator[pa.RecordBatch]:
    reasons = pa.array(["also_bought_with", "bought_again"])
    for users in _users(n_users):
        n_rows = len(users) * length
        ids, scores = _lists(rng, len(users), length, N_ITEMS).ravel(), _falling(rng, len(users), length)
        is_again = rng.random(n_rows) < 0.2
        days = rng.integers(1, 60, n_rows, np.int32)
        yield pa.record_batch(
            {
                "user_id": np.repeat(users, length),
                "rank": _ranks(len(users), length),
                "item_id": ids,
                "score": scores,
                "reason": reasons.take(pa.array(is_again.astype(np.int8))),
                "because_item_id": rng.integers(1, N_ITEMS + 1, n_rows),
                "last_bought_on": pa.array(20_000 + days, mask=~is_again).cast(pa.date32()),
                "gap_days": pa.array(days, mask=~is_again),
                "percent_off": pa.nulls(n_rows, pa.int32()),
            }
        )


def _popular(rng: np.random.Generator) -> pa.RecordBatch:
    numbers = np.arange(N_CATEGORIES + 1)
    return pa.record_batch(
        {
            "category": _categories(np.repeat(numbers, POPULAR_LENGTH)),
            "rank": _ranks(len(numbers), POPULAR_LENGTH),
            "item_id": _lists(rng, len(numbers), POPULAR_LENGTH, N_ITEMS).ravel(),
            "score": _falling(rng, len(numbers), POPULAR_LENGTH),
        }
    )


def _beside(rng: np.random.Generator, n_items: int, beside: str, *numbers: str) -> pa.RecordBatch:
    """For each item others, with numbers that fall."""
    items = np.arange(n_items)
    return pa.record_batch(
        {
            "item_id": np.repeat(items + 1, SIMILAR_LENGTH),
            "rank": _ranks(n_items, SIMILAR_LENGTH),
            beside: _from(items[:, np.newaxis], rng, SIMILAR_LENGTH + 1, N_ITEMS)[:, 1:].ravel(),
            **{name: _falling(rng, n_items, SIMILAR_LENGTH) for name in numbers},
        }
    )


def _of_users(rng: np.random.Generator, n_users: int, column: str) -> Iterator[pa.RecordBatch]:
    """Five items that each user bought, or five categories."""
    for users in _users(n_users):
        items = column == "item_id"
        found = _lists(rng, len(users), 5, N_ITEMS if items else N_CATEGORIES)
        yield pa.record_batch(
            {
                "user_id": np.repeat(users, 5),
                "rank": _ranks(len(users), 5),
                column: pa.array(found.ravel()) if items else _categories(found),
            }
        )


def _names(n_items: int) -> pa.RecordBatch:
    items = np.arange(1, n_items + 1)
    return pa.record_batch(
        {
            "item_id": items,
            "name": pa.array([f"ITEM NUMBER {item} 12 OZ" for item in items], pa.string()),
            "category": _categories(items % N_CATEGORIES + 1),
        }
    )
