"""The programs of docs/models.md that make embeddings, run with stand-ins for the models.

Models would have to be downloaded. All else is real: what they write is loaded, and a night reads it.
"""

from __future__ import annotations

import sys
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline import config, loading
from pipeline.source import opened
from tests.docs.pages import ROOT, blocks

EVENTS = "user_id,item_id,event_type,occurred_at\n1,7,purchase,2026-01-01 10:00:00\n"


class Texts:
    """In place of a sentence-transformers model."""

    def __init__(self, name: str) -> None:
        assert name

    def encode(self, texts: list[str], batch_size: int) -> Any:
        assert batch_size
        return np.array([[len(text), 0.5] for text in texts], np.float32)


class Pictures:
    """In place of a model of OpenCLIP; its numbers are NumPy's, which know no `float`."""

    def eval(self) -> None:
        """Nothing to switch off."""

    def encode_image(self, pictures: list[str]) -> Any:
        numbers = np.array([[len(picture), 1, 2] for picture in pictures], np.float32)
        return SimpleNamespace(float=lambda: SimpleNamespace(numpy=lambda: numbers))


def module(name: str, **members: Any) -> ModuleType:
    made = ModuleType(name)
    vars(made).update(members)
    return made


@pytest.fixture
def _models(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = SimpleNamespace(open=lambda file: SimpleNamespace(convert=lambda mode: f"{mode} {file.name}"))
    clip = {"create_model_and_transforms": lambda name, pretrained: (Pictures(), name, str)}
    for made in (
        module("sentence_transformers", SentenceTransformer=Texts),
        module("open_clip", **clip),
        module("torch", no_grad=nullcontext, stack=list),
        module("PIL", Image=picture),
    ):
        monkeypatch.setitem(sys.modules, made.__name__, made)


@pytest.mark.usefixtures("_models")
def test_what_they_write_is_what_a_night_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    items = {"item_id": [7, 8], "name": ["tea", None], "category": [None, "jam"]}
    pq.write_table(pa.table(items), "items.parquet")
    Path("pictures").mkdir()
    for name in ("7.jpg", "8.jpg"):
        (tmp_path / "pictures" / name).touch()
    programs = blocks("python", (ROOT / "docs" / "models.md",))
    assert len(programs) == 3
    for program in programs:
        exec(compile(program, "docs/models.md", "exec"), {})
    (tmp_path / "e.csv").write_text(EVENTS, encoding="utf-8")
    url, settings = f"sqlite:///{tmp_path / 'shop.db'}", config.load()
    given = {"file": tmp_path / "e.csv", "embeddings": tmp_path / "embeddings.parquet"}
    now = datetime(2026, 1, 2, tzinfo=UTC)
    loading.load("events", url, now=now, say=lambda _: None, settings=settings, **given)
    with opened(url, settings.source, {"user": "integer", "item": "integer"}) as source:
        rows = [row for batch in source.batches("item_embeddings") for row in batch.to_pylist()]
    assert [(row["item_id"], row["kind"], row["embedding"]) for row in rows] == [
        (7, "text", [5.0, 0.5]),
        (8, "text", [5.0, 0.5]),
        (7, "picture", [9.0, 1.0, 2.0]),
        (8, "picture", [9.0, 1.0, 2.0]),
    ]
