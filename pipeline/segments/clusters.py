"""k-means over people (Lloyd 1982, as scikit-learn has it), with labels that stay from night to night."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

Points = NDArray[np.float32]
Centres = NDArray[np.float64]
Labels = NDArray[np.int64]

MOST_FITTED = 20_000
"""People that centres are fitted on; everybody is put to the nearest centre afterwards."""
STARTS = 2
"""Times that fitting begins anew; the closest fit is taken."""
BATCH = 65_536
"""People that are put to their centres at a time."""


def drawn(n: int, seed: int) -> NDArray[np.int64]:
    """The rows of those of `n` people on whom centres are fitted, ascending: at most MOST_FITTED."""
    if n <= MOST_FITTED:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, MOST_FITTED, replace=False))


def centres_of(points: Points, n: int, seed: int, before: Labels | None = None) -> Centres:
    """The centres of `n` clusters, shape (n, d).

    points: of the people who are `drawn`, shape (n_people, d)
    before: the cluster of each person on an earlier night, -1 for those who are new, shape (n_people,).
            Fitting begins at the means of these clusters, and each centre keeps its number. Without it
            clusters are numbered by size, the largest first.
    """
    sample = points.astype(np.float64)
    with threadpool_limits(1):  # with more the sums, and so the labels, may differ from run to run
        if before is not None:
            start = _means(sample, before, n)
            kept: Centres = KMeans(n, init=start, n_init=1).fit(sample).cluster_centers_
            return kept
        model = KMeans(n, init="k-means++", n_init=STARTS, random_state=seed).fit(sample)
    sizes = np.bincount(model.labels_, minlength=n)
    centres: Centres = model.cluster_centers_[np.lexsort((np.arange(n), -sizes))]
    return centres


def nearest(points: Points, centres: Centres) -> Labels:
    """The number of the centre that is nearest to each point, the lower one of two as near, shape (n,)."""
    labels = np.zeros(len(points), np.int64)
    with threadpool_limits(1):
        for start in range(0, len(points), BATCH):
            batch = points[start : start + BATCH].astype(np.float64)
            distances = (centres**2).sum(axis=1) - 2.0 * (batch @ centres.T)
            labels[start : start + BATCH] = distances.argmin(axis=1)
    return labels


def _means(points: Centres, before: Labels, n: int) -> Centres:
    """The mean of each earlier cluster's people tonight, shape (n, d).

    A cluster of which nobody is left begins at the person who is farthest from all others.
    """
    means = np.zeros((n, points.shape[1]))
    is_left = np.isin(np.arange(n), before)
    for number in np.flatnonzero(is_left):
        means[number] = points[before == number].mean(axis=0)
    for number in np.flatnonzero(~is_left):
        known = np.flatnonzero(is_left)
        distances = [((points - means[other]) ** 2).sum(axis=1) for other in known]
        means[number] = points[int(np.min(distances, axis=0).argmax())] if len(known) else points[0]
        is_left[number] = True
    return means
