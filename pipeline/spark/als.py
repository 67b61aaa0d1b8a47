"""Implicit ALS (Hu, Koren, Volinsky 2008) by Spark's MLlib, with the loss of `pipeline/models/als.py`.

Both minimise, over the factors x of the users u and y of the items i,

    sum over all (u, i) of c (p - x.y)^2  +  lambda_u sum n_u |x|^2  +  lambda_i sum n_i |y|^2

where a touched cell has p = 1 and c = 1 + alpha x weight, and any other p = 0 and c = 1, and n_u and n_i are
the touched cells of a user and of an item. At regularization_scale = 1 the local model has

    lambda_u = regularization / mean n_u        lambda_i = regularization / mean n_i

but MLlib has one lambda for both, `regParam`. x.y stays the same where x = s x' and y = y' / s. The penalties
are then lambda_u s^2 of x' and lambda_i / s^2 of y', which are one and the same lambda where

    s^2 = sqrt(lambda_i / lambda_u) = sqrt(mean n_u / mean n_i)
    regParam = sqrt(lambda_u lambda_i) = regularization / sqrt(mean n_u x mean n_i)

So MLlib finds x' and y', and what `fit` gives is x = s x' and y = y' / s.

Two things differ. The local model rounds n_u and n_i in the penalty to powers of 4, so that it solves many
rows at once; MLlib does not. And an iteration of MLlib solves items first and users last.

A touched cell may weigh 0, because it has faded. MLlib takes p = 0 for a rating of 0, and does not count the
cell, so that such a cell is given the rating FADED: p is 1, and c is 1 as it should be, to the last bit.

Sources: Hu, Koren, Volinsky, "Collaborative Filtering for Implicit Feedback Datasets", ICDM 2008; "Explicit
vs. implicit feedback" and "Scaling of the regularization parameter" in Spark's documentation of collaborative
filtering (spark.apache.org/docs/latest/ml-collaborative-filtering.html).
"""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.config import Als
from pipeline.errors import SettingsError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

FADED = float(np.finfo(np.float32).tiny)
"""Rating of a cell that weighs nothing: the smallest float32 that keeps its digits, 1.2e-38."""
KEPT = "MEMORY_AND_DISK"
"""Where executors keep what they need again; what does not fit into memory they do not compute again."""
CHECKPOINT = 5
"""Iterations from one checkpoint of the items' factors to the next, where there is a folder for them."""
MOST = 10
"""Iterations without one. Spark's account of how all came about grows with each, and each task reads it: at
20, Java's stack has overflowed, which ends the application."""


@dataclass(frozen=True)
class Fitted:
    """Finished factors, on the scale of the local model. Executors keep the users' until `close`.

    item_rows: int32, shape (n,), ascending; the items of the cells, no others
    item_factors: float32, shape (n, factors)
    """

    item_rows: NDArray[np.int32]
    item_factors: NDArray[np.float32]
    _users: DataFrame
    _scale: float

    def user_factors(self) -> DataFrame:
        """The users of the cells, no others: user_row int, features array<float>, in no order.

        Nothing is collected or computed here. After `close`, Spark would have to fit again to read them.
        """
        from pyspark.sql import functions as f

        features = f.transform("features", lambda one: (one * f.lit(self._scale)).cast("float"))
        return self._users.select(f.col("id").alias("user_row"), features.alias("features"))

    def close(self) -> None:
        """Let the executors forget the users' factors."""
        _forget(self._users)

    def __enter__(self) -> Fitted:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def mllib_params(als: Als, mean_of_users: float, mean_of_items: float, seed: int) -> dict[str, Any]:
    """What MLlib's ALS is made with, so that its loss is that of the local model.

    mean_of_users: mean of the cells of a user; mean_of_items: of an item; both without rows that have none

    Raises SettingsError where the penalty does not grow in proportion to the cells.
    """
    if als.regularization_scale != 1:
        raise SettingsError(
            "MLlib's penalty grows in proportion to the number of events",
            found=f"regularization_scale = {als.regularization_scale}",
            promised="regularization_scale = 1 where Spark fits ALS",
            then="set als.regularization_scale = 1.0 in config.toml, and both ends of its range in [tune]",
        )
    return {
        "rank": als.factors,
        "maxIter": als.iterations,
        "regParam": als.regularization / float(np.sqrt(mean_of_users * mean_of_items)),
        "alpha": als.alpha,
        "implicitPrefs": True,
        "nonnegative": False,
        "seed": seed,
    }


def fit(session: SparkSession, cells: DataFrame, als: Als, seed: int) -> Fitted:
    """Learn from all cells; the caller closes what it gets, or uses it in a `with`.

    cells: user_row int, item_row int, weight float or double, not negative; each pair once, at least one

    The same cells, seed and default parallelism give the same factors, but for rounding where several tasks
    send their cells in another order. Items' factors must fit into spark.driver.maxResultSize.

    Raises SettingsError as `mllib_params` does, and where so many iterations need a folder for checkpoints
    (spark.checkpoint.dir, or SparkContext.setCheckpointDir) and the session has none.
    """
    from pyspark.ml.recommendation import ALS
    from pyspark.sql import functions as f

    context = session.sparkContext
    has_folder = context.getCheckpointDir() is not None
    mllib_params(als, 1.0, 1.0, seed)  # what cannot be fitted is refused before Spark begins
    if als.iterations > MOST and not has_folder:
        raise SettingsError(
            "MLlib needs a folder for checkpoints, or so many iterations overflow Java's stack",
            found=f"iterations = {als.iterations}, and no spark.checkpoint.dir",
            promised=f"at most {MOST} iterations, or a folder that the driver and all executors share",
            then="set spark.checkpoint.dir in engine.conf of config.toml",
        )
    rating = f.greatest(f.col("weight").cast("float"), f.lit(FADED).cast("float"))
    ratings = cells.select("user_row", "item_row", rating.alias("rating")).persist()
    try:
        mean_of_users, mean_of_items = (_mean_of_rows(ratings, row) for row in ("user_row", "item_row"))
        model = ALS(
            **mllib_params(als, mean_of_users, mean_of_items, seed),
            userCol="user_row",
            itemCol="item_row",
            ratingCol="rating",
            numUserBlocks=context.defaultParallelism,
            numItemBlocks=context.defaultParallelism,
            checkpointInterval=CHECKPOINT if has_folder else -1,
            intermediateStorageLevel=KEPT,
            finalStorageLevel=KEPT,
        ).fit(ratings)
    finally:
        ratings.unpersist()
    scale = (mean_of_users / mean_of_items) ** 0.25
    try:
        rows, factors = _collected(model.itemFactors, als.factors)
    except BaseException:
        _forget(model.userFactors)
        raise
    finally:
        _forget(model.itemFactors)
    return Fitted(rows, factors / np.float32(scale), model.userFactors, scale)


def _mean_of_rows(ratings: DataFrame, row: str) -> float:
    """Mean of the cells of a row, of those that have any."""
    from pyspark.sql import functions as f

    [mean] = ratings.groupBy(row).count().agg(f.avg("count")).first() or [0.0]
    return float(mean)


def _collected(frame: DataFrame, factors: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """MLlib's rows, ascending, and their factors, float32 of shape (n, factors)."""
    table = frame.select("id", "features").toArrow().combine_chunks()
    rows = table["id"].to_numpy().astype(np.int32)
    features = table["features"].combine_chunks().flatten().to_numpy().astype(np.float32)
    order = np.argsort(rows)
    return rows[order], features.reshape(-1, factors)[order]


def _forget(frame: DataFrame) -> None:
    """Free the factors that `frame` is made of: an RDD that MLlib keeps, somewhere under it."""
    rdd = frame._jdf.rdd()
    while not rdd.getStorageLevel().isValid():
        if rdd.dependencies().isEmpty():
            return
        rdd = rdd.dependencies().head().rdd()
    rdd.unpersist(False)
