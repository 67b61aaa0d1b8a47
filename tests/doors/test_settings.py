"""Generated settings files: any bytes, any TOML, any value of each key."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from pipeline import config
from pipeline.config import Settings
from pipeline.errors import SettingsError
from tests.doors.tries import ends_well, fewer_tries, texts, through, tries

SECTIONS: dict[str, Any] = {name: field.annotation for name, field in Settings.model_fields.items()}
KEYS = [
    (section, about.alias or name)
    for section, kind in SECTIONS.items()
    for name, about in kind.model_fields.items()
]


class Raw(str):
    """What stands in the file as it is."""

    __slots__ = ()


raw = st.sampled_from(
    [
        *(
            "9" * 5000,
            "0x" + "f" * 4000,
            "-" + "9" * 400,
            "1e999999",
            "0.1e",
            "nan",
            "-inf",
            "0b",
            "0o9",
            "01",
        ),
        *(
            "[" * 3000,
            "[" * 3000 + "]" * 3000,
            "{a = " * 2000,
            "{a = " * 200 + "1" + "}" * 200,
            "[1, [2, [3]]]",
        ),
        *(
            "1979-05-27T07:32:00-24:00",
            "0000-01-01",
            "9999-12-31T23:59:60",
            "07:32:00.9999999",
            "1979-05-27 07",
        ),
        *("'", '"', '"""', '"\\ud800"', '"\\U00110000"', "#", "=", "\x00", "true false", ""),
    ]
).map(Raw)
scalars = st.one_of(
    raw,
    st.booleans(),
    st.integers(),
    st.sampled_from([0, 1, -1, 2**31, 2**63, 2**64, 10**30, 10**400]),
    st.floats(),
    texts,
    st.datetimes(timezones=st.sampled_from([None, UTC])),
    st.dates(),
    st.times(),
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


def toml(value: Any) -> str:
    """A value as TOML writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml(key)} = {toml(inner)}" for key, inner in value.items()) + "}"
    return str(value) if isinstance(value, Raw) else json.dumps(value.encode(errors="replace").decode())


def load(path: Path, content: bytes) -> Settings:
    path.write_bytes(content)
    try:
        settings = config.load(path)
    finally:
        assert path.read_bytes() == content
    config.runs_folder(settings)
    return settings


@tries
def test_any_value_of_any_key(n: int, tmp_path: Path) -> None:
    """One key at a time, below its section or dotted: a value that is taken can be written back."""

    def check(key: tuple[str, str], value: Any, dotted: bool) -> None:
        section, name = key
        text = f"{section}.{name} = {toml(value)}" if dotted else f"[{section}]\n{name} = {toml(value)}"
        outcome = ends_well(load, tmp_path / "config.toml", text.encode())
        if isinstance(outcome, Settings):
            assert Settings.model_validate(outcome.model_dump(by_alias=True)) == outcome
        else:
            assert isinstance(outcome, SettingsError)

    through(n, check, key=st.sampled_from(KEYS), value=values, dotted=st.booleans())


@fewer_tries
def test_any_document(n: int, tmp_path: Path) -> None:
    """Unknown sections and keys, sections that are no tables, and the same twice."""
    names = st.one_of(st.sampled_from([*SECTIONS, *(name for _, name in KEYS)]), texts)

    def check(document: list[tuple[str, str, Any]]) -> None:
        lines = [
            f"[{toml(a)}]\n{toml(b)} = {toml(value)}" if b else f"{toml(a)} = {toml(value)}"
            for a, b, value in document
        ]
        ends_well(load, tmp_path / "config.toml", "\n".join(lines).encode(errors="replace"))

    through(n, check, document=st.lists(st.tuples(names, names, values), max_size=4))


@fewer_tries
def test_any_bytes(n: int, tmp_path: Path) -> None:
    whole = (config.ROOT / "config.toml").read_bytes()

    def check(start: int, cut: int, between: bytes) -> None:
        ends_well(load, tmp_path / "config.toml", whole[:start] + between + whole[start + cut :])

    through(
        n,
        check,
        start=st.integers(0, len(whole)),
        cut=st.integers(0, 200),
        between=st.binary(max_size=20) | texts.map(lambda text: text.encode(errors="replace")),
    )
