"""`python -m pipeline forget`: after a real night a user is nowhere, and no later night brings one back."""

from __future__ import annotations

import csv
import io
import json
import random
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pyarrow.parquet as pq
import pytest

from pipeline.__main__ import main
from pipeline.contract.datasets import FACTORS
from pipeline.contract.stages import STAGES
from pipeline.errors import SettingsError
from pipeline.models.als_factors import AlsFactors
from pipeline.retention.forget import user_id
from pipeline.runs.folder import RunFolder
from tests.serving.nights import LOCK, as_of, fill
from tests.shelf import give

ODD = 'elena <7> "ü&b", \\x'
UUIDS = [str(uuid.UUID(int=random.Random(n).getrandbits(128), version=4)) for n in range(40)]
IDS: dict[str, list[str]] = {
    "integer": [str(900_000_000_000 + 7919 * n) for n in range(40)],
    "text": [ODD, *(f"customer-{n}" for n in range(1, 40))],
    "uuid": UUIDS,
}
TYPED = {"integer": IDS["integer"][0], "text": ODD, "uuid": "{" + UUIDS[0].upper() + "}"}
"""The first user's id, as a person may type it."""


class Place:
    """A home with a shop of 40 users and a serving database of its own."""

    def __init__(self, kind: str, home: Path, serving: str, capsys: pytest.CaptureFixture[str]) -> None:
        self.kind, self.runs, self.serving, self.capsys = kind, home / "runs", serving, capsys
        self.users = IDS[kind]
        self.prefix = f"t{uuid.uuid4().hex[:8]}"
        self.config = home.parent / "config.toml"
        ids = f'[ids]\nuser = "{kind}"\nitem = "integer"\n'
        rest = f'[tune]\ntrials = 1\n[serving]\nrole_prefix = "{self.prefix}"\nlock_timeout_ms = 50\n'
        self.config.write_text(ids + rest, encoding="utf-8")

    def say(self, *words: str, status: int = 0) -> str:
        """Run a command of this shop; returns its stdout and stderr."""
        assert main([*words, "--config", str(self.config)]) == status
        captured = self.capsys.readouterr()
        return captured.out + captured.err

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.serving) as db:
            db.execute(f"SET ROLE {self.prefix}_publisher".encode())
            return db.execute(query.encode()).fetchall()

    def stored(self) -> list[str]:
        """Every value of every table in the storage schema, and what the planner knows of them."""
        columns = self.rows(
            "SELECT table_name, column_name FROM information_schema.columns"
            " WHERE table_schema = 'serving_storage' AND table_name <> 'forget_key'"
        )
        values = [
            str(value)
            for table, column in columns
            for (value,) in self.rows(f'SELECT "{column}"::text FROM serving_storage."{table}"')
        ]
        stats = self.rows("SELECT histogram_bounds::text, most_common_vals::text FROM pg_stats")
        return values + [str(value) for row in stats for value in row]

    def lists(self) -> dict[str, list[tuple[Any, ...]]]:
        """The stored lists of each user, of all versions."""
        query = (
            "SELECT user_id::text, version, item_ids, scores FROM serving_storage.user_lists ORDER BY 1, 2"
        )
        lists: dict[str, list[tuple[Any, ...]]] = {}
        for user, *row in self.rows(query):
            lists.setdefault(user, []).append(tuple(row))
        return lists


def spelled(user: str) -> list[bytes]:
    """The ways in which a file may hold an id."""
    texts = [user, user.split('"')[0]]
    numbers = [int(user).to_bytes(8, "little")] if user.isdecimal() else []
    return [text.encode() for text in texts] + numbers + [user.encode("utf-32-le")]


def files_that_hold(runs: Path, user: str) -> list[str]:
    """By bytes, and by the values of every column of every Parquet file and model."""
    files = []
    for path in sorted(path for path in runs.rglob("*") if path.is_file()):
        content, values = path.read_bytes(), set()
        if path.suffix == ".parquet":
            columns = [column for column in pq.read_table(path).columns if column.type != FACTORS]
            values = {str(value) for column in columns for value in column.unique().to_pylist()}
        elif path.suffix == ".npz":
            values = {str(value) for value in AlsFactors.load(path).user_ids.to_pylist()}
        if user in values or any(spelling in content for spelling in spelled(user)):
            files.append(str(path.relative_to(runs)))
    return files


def contents(runs: Path) -> dict[Path, bytes]:
    """Every file of every run but the locks, which say who works there."""
    return {path: path.read_bytes() for path in runs.rglob("*") if path.is_file() and path.name != "lock"}


@pytest.fixture
def new_place(
    shop_url: str,
    serving_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[[str], Place]:
    """`new_place("text")`: the shop, not loaded yet."""

    def make(kind: str) -> Place:
        monkeypatch.setenv("NIGHTSHELF_SOURCE_URL", shop_url)
        monkeypatch.setenv("NIGHTSHELF_SERVING_URL", serving_url)
        return Place(kind, tmp_path / "home", serving_url, capsys)

    return make


def events_of(users: list[str]) -> Iterator[tuple[Any, ...]]:
    """A dozen purchases a user; the first one has rows that fail expectations, and alone buys item 777."""
    draw, end = random.Random(1), datetime(2026, 11, 1, tzinfo=UTC)
    for n, user in enumerate(users):
        for order in range(12):
            at = end - timedelta(days=draw.uniform(0, 100))
            yield user, 2 * draw.randrange(10) + n % 2, "purchase", at.isoformat(), f"o{n}-{order}", 1
    for days, order, quantity in (
        (3, "twice", 1),
        (3, "twice", 1),
        (4, "back", -1),
        (40, "", 1),
        (90, "", 1),
    ):
        at = end - timedelta(days=days)
        yield users[0], 777, "purchase", at.isoformat(), order, quantity


def load(place: Place, folder: Path) -> None:
    file = folder / "events.csv"
    with file.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.writer(lines)
        writer.writerow(("user_id", "item_id", "event_type", "occurred_at", "order_id", "quantity"))
        writer.writerows(events_of(place.users))
    with (folder / "users.csv").open("w", newline="", encoding="utf-8") as lines:
        writer = csv.writer(lines)
        writer.writerow(("user_id", "plan", "age"))
        writer.writerows((user, ("free", "paid")[n % 2], 20 + n) for n, user in enumerate(place.users))
    place.say("load", "events", str(file), "--users", str(folder / "users.csv"))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["integer", "text", "uuid"])
def test_a_user_is_nowhere_after_it_and_stays_away(
    new_place: Callable[[str], Place], kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = new_place(kind)
    load(place, tmp_path)
    elena = place.users[0]
    place.say("run", "--as-of", "last", "--run-id", "first")
    before = place.lists()
    assert elena in before
    attributes = "first/user_attributes.parquet"
    assert {"first/events.parquet", attributes, "first/validation.json", "first/model/als.npz"} <= set(
        files_that_hold(place.runs, elena)
    )

    monkeypatch.setattr("sys.stdin", io.StringIO(TYPED[kind] + "\n"))
    output = place.say("forget", "-")
    assert "the user is erased" in output
    assert f"{place.runs / 'first'}: " in output
    assert elena not in output
    assert TYPED[kind] not in output
    assert files_that_hold(place.runs, elena) == []
    assert not [value for value in place.stored() if elena.split('"')[0] in value]
    assert place.lists() == {user: lists for user, lists in before.items() if user != elena}
    assert place.rows(
        "SELECT n_users, n_users = (SELECT count(*) FROM serving_storage.user_lists) FROM"
        " serving_storage.publication"
    ) == [(39, True)]
    folder = RunFolder.open(place.runs, "first", {"user": kind, "item": "integer"})
    for stage in STAGES:
        folder.check(stage.name)

    for stage in ("evaluate", "recommend", "gate", "publish"):
        place.say("run", stage, "--run-id", "first")
    output = place.say("run", "--as-of", "last", "--run-id", "second")
    assert "extract: 17 events of forgotten users left out" in output
    assert "extract: 1 users of forgotten users left out" in output
    assert "extract: 2 user_attributes of forgotten users left out" in output
    assert files_that_hold(place.runs, elena) == []
    assert elena not in place.lists()
    assert sorted(place.lists()) == sorted(place.users[1:])
    [(user_hash,)] = place.rows("SELECT user_hash FROM serving_storage.forgotten")
    [(key,)] = place.rows("SELECT key FROM serving_storage.forget_key")
    for secret in (user_hash, key):
        assert not [name for name, content in contents(place.runs).items() if secret in content]
        assert not [
            name for name, content in contents(place.runs).items() if secret.hex().encode() in content
        ]
        assert secret.hex() not in output

    kept = contents(place.runs)
    assert "nothing of the user was left" in place.say("forget", TYPED[kind])
    assert contents(place.runs) == kept


@pytest.fixture
def place(new_place: Callable[[str], Place]) -> Place:
    """A shop with integer ids; nothing was loaded."""
    return new_place("integer")


def night(place: Place, run_id: str, **about: str) -> RunFolder:
    """A run with lists of two users, 1 and 2, whose extract was of the serving schema it says."""
    ids = {"user": "integer", "item": "integer", **about}
    schema = ids.pop("schema", "serving")
    folder = fill(RunFolder.create(place.runs, run_id, as_of(1), ids, {}), {1: [11], 2: [12]})
    give(folder, live={})
    receipt = folder.path / "receipts" / "extract.json"
    content = {**json.loads(receipt.read_text()), "params": {"serving": {"schema": schema}}}
    receipt.write_text(json.dumps(content), encoding="utf-8")
    return folder


def users_of(folder: RunFolder) -> set[int]:
    return set(pq.read_table(folder.file("recommendations"))["user_id"].to_pylist())


def test_an_unknown_user_is_no_error_and_is_kept_out(place: Place) -> None:
    folder = night(place, "night")
    output = place.say("forget", "3")
    assert "later nights leave this user out" in output
    assert "nowhere found" in output
    assert users_of(folder) == {1, 2}
    assert place.rows("SELECT count(*) FROM serving_storage.forgotten") == [(1,)]


def test_a_run_at_work_is_told_and_the_others_are_cleaned(place: Place) -> None:
    busy, free = night(place, "busy"), night(place, "free")
    with busy.held("evaluate"):
        output = place.say("forget", "1", status=1)
    assert (users_of(busy), users_of(free)) == ({1, 2}, {2})
    assert "run busy is being worked on (evaluate, process" in output
    assert "next:     wait until what is named has ended or answers, then the same command again" in output
    assert "the user is erased" in place.say("forget", "1")
    assert users_of(busy) == {2}


def test_a_publisher_at_work_is_told_and_the_runs_are_cleaned(place: Place) -> None:
    folder = night(place, "night")
    place.say("migrate")
    with psycopg.connect(place.serving) as other:
        other.execute("SET application_name = 'nightshelf publish late'")
        other.execute(f"SET ROLE {place.prefix}_publisher".encode())
        other.execute(LOCK)
        output = place.say("forget", "1", status=1)
    assert "another publisher is at work" in output
    assert "nightshelf publish late" in output
    assert users_of(folder) == {2}
    assert "nothing of the user was left" in place.say("forget", "1")


def test_what_cannot_be_read_is_told_and_the_others_are_cleaned(place: Place) -> None:
    damaged, whole, nameless = (night(place, name) for name in ("damaged", "whole", "nameless"))
    damaged.file("recommendations").write_bytes(b"PAR1 and no more")
    (nameless.path / "run.json").write_text("{", encoding="utf-8")
    output = place.say("forget", "1", status=1)
    assert users_of(whole) == {2}
    assert f"{damaged.file('recommendations')} cannot be read: it may hold the user" in output
    assert f"{nameless.path / 'run.json'} is damaged: the run may hold the user" in output
    assert "mend or delete what is named, then the same command again" in output


def test_runs_of_another_shop_are_not_touched(place: Place) -> None:
    """Two shops may keep their runs in one folder; user 1 of the other is somebody else."""
    other, own = night(place, "other", schema="elsewhere"), night(place, "own")
    place.say("forget", "1")
    assert (users_of(other), users_of(own)) == ({1, 2}, {2})


def test_runs_of_the_time_before_the_ids_changed_type_are_cleaned(new_place: Callable[[str], Place]) -> None:
    place = new_place("text")
    folder = night(place, "night")
    place.say("forget", "001")
    assert users_of(folder) == {1, 2}
    place.say("forget", "elena")
    place.say("forget", "1")
    assert users_of(folder) == {2}


@pytest.mark.parametrize(
    ("text", "kind", "found"),
    [
        ("42", "integer", 42),
        ("-42", "integer", -42),
        (" 42 ", "integer", 42),
        ("9223372036854775807", "integer", 2**63 - 1),
        ("00123", "text", "00123"),
        (" a b ", "text", " a b "),
        (UUIDS[0], "uuid", UUIDS[0]),
        (UUIDS[0].upper(), "uuid", UUIDS[0]),
        ("urn:uuid:" + UUIDS[0], "uuid", UUIDS[0]),
        (UUIDS[0].replace("-", ""), "uuid", UUIDS[0]),
    ],
)
def test_an_id_is_what_the_datasets_hold(text: str, kind: Any, found: int | str) -> None:
    assert user_id(text, kind) == found


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("u-4711", "integer"),
        ("47.11", "integer"),
        ("4_711", "integer"),
        ("9223372036854775808", "integer"),
        ("", "integer"),
        ("", "text"),
        ("u-4711\nu-4712", "text"),
        ("u-4711\0", "text"),
        ("u-4711\udcff", "text"),
        ("4711", "uuid"),
        (UUIDS[0] + "0", "uuid"),
    ],
)
def test_what_is_no_id_is_refused_and_not_shown(text: str, kind: Any) -> None:
    with pytest.raises(SettingsError, match="no user id of this shop") as caught:
        user_id(text, kind)
    assert f'user = "{kind}"' in caught.value.promised
    assert "4711" not in str(caught.value)


def test_a_wrong_id_does_nothing(place: Place) -> None:
    folder = night(place, "night")
    output = place.say("forget", "u-4711", status=1)
    assert "no user id of this shop" in output
    assert "4711" not in output
    assert users_of(folder) == {1, 2}
    with psycopg.connect(place.serving) as db:
        assert db.execute("SELECT to_regnamespace('serving_storage')").fetchone() == (None,)
