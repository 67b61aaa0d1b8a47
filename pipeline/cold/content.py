"""Content of items: what the shop says of them, by which an item is compared that nobody bought yet.

The words of name and category are weighed by TF-IDF (Salton and Buckley 1988); embeddings that the shop
brings stand beside them, each kind by itself. Two items are as alike as the mean of their cosines over all
that both may be compared by. Prices are no content: where only items that were sold have one, a missing price
tells the future.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer

from pipeline.contract.datasets import TIME

NONE = -1
"""No category; no item of this content."""
WORD = re.compile(r"\w+")
FEWEST_ITEMS = 2
"""A word of one item alone makes it like no other."""
FEWEST_CENTRED = 50
"""Embeddings of fewer items are compared as they are: what they have in common cannot be told from chance."""

Matrix = Any
"""Sparse (words) or dense (embeddings), float, a row for each item."""


@dataclass(frozen=True)
class Content:
    """What is known of n_items items of a shop, by row number.

    item_ids:   ascending
    names:      null where an item has none
    categories: the number of each item's category, NONE where it has none, int32, shape (n_items,)
    words:      the words of each item, weighed; rows of length 1, or 0 where it has none, shape (n_items,
                n_words)
    embeddings: of each kind, rows of length 1, or 0 where an item has none, float32, shape (n_items, length)
    """

    item_ids: pa.Array
    names: pa.Array
    categories: NDArray[np.int32]
    words: sp.csr_matrix
    embeddings: tuple[NDArray[np.float32], ...] = ()

    @property
    def n_items(self) -> int:
        return len(self.item_ids)

    @property
    def n_categories(self) -> int:
        return int(self.categories.max(initial=NONE)) + 1

    @property
    def parts(self) -> tuple[Matrix, ...]:
        """All that items are compared by."""
        return (self.words, *self.embeddings)

    @cached_property
    def n_parts(self) -> NDArray[np.int64]:
        """By how many parts each item can be compared, shape (n_items,)."""
        return np.asarray(np.sum([_lengths(part) > 0 for part in self.parts], axis=0))

    def rows_of(self, item_ids: pa.Array) -> NDArray[np.int64]:
        """The row number of each id, NONE where nothing is known of the item."""
        rows = pc.index_in(item_ids, value_set=self.item_ids)
        return np.asarray(pc.fill_null(rows, NONE).to_numpy(zero_copy_only=False), np.int64)

    def profiles(self, weights: sp.csr_matrix) -> tuple[Matrix, ...]:
        """For each part the mean of items, made of length 1. weights: of items, shape (n, n_items)"""
        return tuple(_of_length_1(weights @ part) for part in self.parts)

    def only(self, rows: NDArray[np.int64]) -> Content:
        """The content of the items `rows`."""
        vectors = tuple(of_kind[rows] for of_kind in self.embeddings)
        ids, names = (texts.take(pa.array(rows)) for texts in (self.item_ids, self.names))
        return Content(ids, names, self.categories[rows], self.words[rows], vectors)

    def alikeness(self, profiles: tuple[Matrix, ...]) -> NDArray[np.float64]:
        """How alike each item is to each profile: 0 to 1, shape (n_profiles, n_items).

        The mean of the cosines over the parts that both have; a cosine below 0 counts as 0.
        """
        total = np.zeros((profiles[0].shape[0], self.n_items))
        n_parts = np.zeros(total.shape)
        for profile, part in zip(profiles, self.parts, strict=True):
            cosine = profile @ part.T
            total += np.maximum(cosine.toarray() if sp.issparse(cosine) else cosine, 0.0)
            n_parts += np.outer(_lengths(profile) > 0, _lengths(part) > 0)
        return np.asarray(total / np.maximum(n_parts, 1.0))


def read_content(items: Path, embeddings: Path | None, cut_at: datetime | None) -> Content:
    """What is known of the shop's items at `cut_at`: the rows without `known_at` and those known by then.

    items, embeddings: datasets of these names; None: the shop has no embeddings
    cut_at: None: now, all rows are known
    """
    rows = pq.read_table(items, columns=["item_id", "name", "category", "known_at"]).sort_by("item_id")
    item_ids, is_known = rows["item_id"].combine_chunks(), _is_known(rows, cut_at)
    names, categories = (
        pc.if_else(pc.and_(is_known, pc.not_equal(rows[name], "")), rows[name], None).combine_chunks()
        for name in ("name", "category")
    )
    number = pc.fill_null(categories.dictionary_encode().indices, NONE).to_numpy(zero_copy_only=False)
    texts = zip(names.to_pylist(), categories.to_pylist(), strict=True)
    words = _weighed([list(_words(name, category)) for name, category in texts])
    vectors = tuple(_embeddings(embeddings, item_ids, cut_at)) if embeddings else ()
    return Content(item_ids, names, number.astype(np.int32), words, vectors)


def _is_known(rows: pa.Table, cut_at: datetime | None) -> pa.ChunkedArray:
    if cut_at is None:
        return pa.chunked_array([pa.repeat(True, len(rows))])
    return pc.fill_null(pc.less_equal(rows["known_at"], pa.scalar(cut_at, TIME)), True)


def _words(name: str | None, category: str | None) -> Iterator[str]:
    """The words of an item: those of its name, those of its category, and the category as a whole."""
    yield from WORD.findall((name or "").lower())
    if category:
        yield from (f"category:{word}" for word in WORD.findall(category.lower()))
        yield f"category={category}"


def _weighed(texts: list[list[str]]) -> sp.csr_matrix:
    """TF-IDF, a row for each text, of the words that stand in FEWEST_ITEMS texts or more."""
    vectorizer = TfidfVectorizer(analyzer=lambda text: text, min_df=FEWEST_ITEMS, binary=True)
    try:
        return sp.csr_matrix(vectorizer.fit_transform(texts))
    except ValueError:  # it refuses texts of which no word is left
        return sp.csr_matrix((len(texts), 0))


def _embeddings(file: Path, item_ids: pa.Array, cut_at: datetime | None) -> Iterator[NDArray[np.float32]]:
    """Of each kind, in the order of their names; of many items less their mean, which tells nothing."""
    rows = pq.read_table(file)
    rows = rows.filter(_is_known(rows, cut_at))
    for kind in sorted(pc.unique(rows["kind"]).to_pylist()):
        of_kind = rows.filter(pc.equal(rows["kind"], kind))
        place = pc.index_in(of_kind["item_id"], value_set=item_ids)
        of_kind = of_kind.filter(pc.is_valid(place))
        if not len(of_kind):
            continue
        flat = pc.list_flatten(of_kind["embedding"]).to_numpy().astype(np.float32)
        values = flat.reshape(len(of_kind), -1)
        if len(values) >= FEWEST_CENTRED:
            values = values - values.mean(axis=0, dtype=np.float64).astype(np.float32)
        matrix = np.zeros((len(item_ids), values.shape[1]), np.float32)
        matrix[pc.drop_null(place).to_numpy()] = values
        yield np.asarray(_of_length_1(matrix))


def _lengths(rows: Matrix) -> NDArray[np.float64]:
    squares = (
        rows.multiply(rows).sum(axis=1)
        if sp.issparse(rows)
        else np.square(rows, dtype=np.float64).sum(axis=1)
    )
    return np.asarray(np.sqrt(np.asarray(squares, np.float64))).ravel()


def _of_length_1(rows: Matrix) -> Matrix:
    """The rows scaled to length 1; one of length 0 stays."""
    length = _lengths(rows)
    scale = np.divide(1.0, length, out=np.zeros_like(length), where=length > 0)
    if sp.issparse(rows):
        return sp.csr_matrix(sp.diags(scale) @ rows)
    return np.asarray(rows * scale[:, None], rows.dtype)
