"""pipeline/cold/content.py: items are alike by the words they share, and by embeddings."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
import scipy.sparse as sp

from pipeline.cold.content import NONE, read_content
from tests.cold.shop import CUT, ITEMS, embeddings, items, written
from tests.shelf import day


def alikeness(path: Path, table: pa.Table, vectors: pa.Table | None = None) -> dict[tuple[int, int], float]:
    """How alike each pair of items is, by id."""
    more = written(path / "vectors.parquet", vectors) if vectors is not None else None
    content = read_content(written(path / "items.parquet", table), more, CUT)
    profiles = content.profiles(sp.identity(content.n_items, format="csr"))
    values = content.alikeness(profiles)
    ids = content.item_ids.to_pylist()
    return {(a, b): values[i, j] for i, a in enumerate(ids) for j, b in enumerate(ids)}


def test_items_are_alike_by_their_words_and_their_category(tmp_path: Path) -> None:
    alike = alikeness(tmp_path, items())
    assert alike[10, 10] == pytest.approx(1.0)
    assert alike[10, 30] > alike[10, 11] > alike[10, 20] == 0.0
    assert alike[31, 20] > 0.5
    assert alike[40, 40] == 0.0, "no word of it stands in a second item"


def test_a_row_that_became_known_later_says_nothing_before(tmp_path: Path) -> None:
    later = items(known_at={30: day(100.5), 31: CUT})
    alike = alikeness(tmp_path, later)
    assert alike[10, 30] == 0.0
    assert alike[31, 20] > 0.5, "known at the cut"
    content = read_content(tmp_path / "items.parquet", None, CUT)
    category = dict(zip(content.item_ids.to_pylist(), content.categories.tolist(), strict=True))
    assert category[30] == category[40] == NONE != category[31] == category[20]


def test_embeddings_count_beside_words_each_kind_by_itself(tmp_path: Path) -> None:
    """Items 10 and 31 look alike; of 40 there is nothing but its picture."""
    rows = [(10, "picture", [1.0, 0.0]), (31, "picture", [1.0, 0.1]), (40, "picture", [-1.0, 0.0])]
    whole = alikeness(tmp_path, items(), embeddings(*((*row, None) for row in rows)))
    words = alikeness(tmp_path, items())
    assert words[10, 31] == 0.0 < whole[10, 31] <= 0.5, "the mean of words, 0, and pictures"
    assert whole[40, 40] == pytest.approx(1.0), "by its picture alone, since it has no words"
    assert whole[10, 40] == 0.0, "pictures of opposite directions are not alike"
    assert whole[20, 21] == pytest.approx(words[20, 21]), "neither has a picture"


def test_an_embedding_that_became_known_later_is_not_seen(tmp_path: Path) -> None:
    rows = [(10, "picture", [1.0, 0.0]), (31, "picture", [1.0, 0.1]), (40, "picture", [-1.0, 0.0])]
    at = {10: None, 31: day(100.5), 40: None}
    seen = alikeness(tmp_path, items(), embeddings(*((*row, at[row[0]]) for row in rows)))
    assert seen[10, 31] == 0.0


@pytest.mark.parametrize(
    "rows", [[(1, None, None), (2, None, None)], [(1, "", ""), (2, "a", None)], [ITEMS[0]]]
)
def test_items_without_words_in_common_are_like_nothing(
    tmp_path: Path, rows: list[tuple[object, ...]]
) -> None:
    assert set(alikeness(tmp_path, items(*rows)).values()) == {0.0}
