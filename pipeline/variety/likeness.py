"""How alike items are: by who bought them (ALS item factors) and by what the shop says of them (their words).

Cosines of both, in the mean; a cosine below 0 counts as 0. Where an item has no factors or no words, the
other one says it alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import scipy.sparse as sp
from numpy.typing import NDArray

from pipeline.cold.content import NONE, Content
from pipeline.models.als_factors import AlsFactors
from pipeline.variety.products import products_of

BATCH_LISTS = 8_192

Cosines = NDArray[np.float32]
"""Of the items of each list with each other, shape (n_lists, length, length)."""


@dataclass(frozen=True)
class Alike:
    """The items of some lists, held against each other.

    degree:   how alike they are, 0 to 1, float32, shape (n_lists, length, length)
    product:  the number of each one's product, NONE where none is known, shape (n_lists, length)
    """

    degree: Cosines
    product: NDArray[np.int32]


@dataclass(frozen=True)
class Likeness:
    """What n_items items are compared by, by column number.

    factors:    rows of length 1, or 0 where nothing is known, float32, shape (n_items, n_factors)
    words:      the same, sparse, shape (n_items, n_words)
    categories: the number of each item's category, NONE where it has none, int32, shape (n_items,)
    products:   the number of each item's product, NONE where none is known, int32, shape (n_items,)
    """

    factors: NDArray[np.float32]
    words: sp.csr_matrix
    categories: NDArray[np.int32]
    products: NDArray[np.int32]

    @classmethod
    def of(cls, factors: AlsFactors, content: Content | None) -> Likeness:
        """Of the items that `factors` knows. content: what the shop says of them; None: nothing"""
        items = factors.item_factors
        length = np.linalg.norm(items, axis=1, keepdims=True)
        unit = (items / np.where(length > 0, length, 1.0)).astype(np.float32)
        n_items = len(items)
        categories, products = (np.full(n_items, NONE, np.int32) for _ in range(2))
        if content is None:
            return cls(unit, sp.csr_matrix((n_items, 0), dtype=np.float32), categories, products)
        rows = content.rows_of(factors.item_ids)
        is_known = rows != NONE
        categories[is_known] = content.categories[rows[is_known]]
        products[is_known] = products_of(content.names.take(pa.array(rows[is_known])).to_pylist())
        taken = sp.csr_matrix(
            (np.ones(int(is_known.sum()), np.float32), (np.flatnonzero(is_known), rows[is_known])),
            shape=(n_items, content.n_items),
        )
        words = sp.csr_matrix(taken @ content.words.astype(np.float32))
        return cls(unit, words, categories, products)

    def only(self, columns: NDArray[np.integer]) -> Likeness:
        """Of the items `columns` alone, which become 0, 1, 2, ..."""
        return replace(
            self,
            factors=self.factors[columns],
            words=self.words[columns],
            categories=self.categories[columns],
            products=self.products[columns],
        )

    def within(self, lists: NDArray[np.integer]) -> Alike:
        """The items of each list held against each other.

        lists: column numbers, shape (n_lists, length); a slot below 0 is empty, and like nothing
        """
        by_factors = self._by_factors(lists)
        by_words = self._by_words(lists)
        has_factors, has_words = (np.einsum("ijj->ij", part) > 0 for part in (by_factors, by_words))
        n_parts = np.zeros(by_factors.shape, np.int8)
        for has in (has_factors, has_words):
            n_parts += has[:, :, None] & has[:, None, :]
        degree = np.maximum(by_factors, np.float32(0)) + by_words
        degree[n_parts == 2] *= np.float32(0.5)
        product = np.where(lists >= 0, self.products[np.maximum(lists, 0)], NONE)
        return Alike(degree, product.astype(np.int32))

    def diversity(self, lists: NDArray[np.integer]) -> NDArray[np.float64]:
        """How unlike the items of each list are: 1 - the mean over all pairs (Ziegler et al. 2005).

        Shape (n_lists,); of a list with fewer than two items NaN.
        """
        n = (lists >= 0).sum(axis=1)
        n_pairs, total = n * (n - 1), np.zeros(len(lists))
        for start in range(0, len(lists), BATCH_LISTS):
            part = slice(start, start + BATCH_LISTS)
            degree = self.within(lists[part]).degree.astype(np.float64)
            total[part] = degree.sum(axis=(1, 2)) - np.einsum("ijj->i", degree)
        return np.where(n_pairs > 0, 1.0 - total / np.maximum(n_pairs, 1), np.nan)

    def _by_factors(self, lists: NDArray[np.integer]) -> Cosines:
        vectors = self.factors[np.maximum(lists, 0)] * (lists >= 0)[:, :, None]
        return np.asarray(vectors @ vectors.transpose(0, 2, 1), np.float32)

    def _by_words(self, lists: NDArray[np.integer]) -> Cosines:
        """One product of sparse matrices for all lists: the words of each list are columns of its own."""
        n_lists, length = lists.shape
        alike = np.zeros((n_lists, length, length), np.float32)
        slots = np.flatnonzero(lists >= 0)
        if not self.words.shape[1] or not len(slots):
            return alike
        rows = self.words[lists.ravel()[slots]].tocoo()
        list_of = slots[rows.row] // length
        _, column = np.unique(list_of * self.words.shape[1] + rows.col, return_inverse=True)
        shape = (n_lists * length, int(column.max(initial=-1)) + 1)
        own = sp.csr_matrix((rows.data, (slots[rows.row], column)), shape=shape)
        pairs = (own @ own.T).tocoo()
        alike[pairs.row // length, pairs.row % length, pairs.col % length] = pairs.data
        return alike
