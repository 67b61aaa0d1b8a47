"""What each stage takes beside what the libraries alone need for the same work: python -m benchmarks.floors

    export NIGHTSHELF_HOME=/tmp/nightshelf-big
    python -m pipeline load synthetic --events 10000000 --seed 1
    python -m pipeline run --tune never --run-id floors
    pip install 'adbc-driver-postgresql==1.13.*'     # for the floor of extract; the pipeline does not need it
    python -m benchmarks.floors floors

Each stage is run again on a copy of the run, and right after it its floor is measured, so that both are of
the same machine in the same minutes:

    extract            ADBC fetches the same query and writes it to Parquet, as it comes
    filter and split   DuckDB writes the same sorted rows to the same Parquet files
    train              implicit fits ALS with one penalty on the same matrix
    tune, evaluate     at each cut implicit's fit and the tables that DuckDB counts, and LightGBM's training;
                       tune and train once more with as few iterations as a fit has that goes on
    recommend          all buyers x items with the best 50, and LightGBM's predict on as many candidates

`validate` has no library beside it: seconds for a million events are told.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from implicit.cpu.als import AlternatingLeastSquares
from threadpoolctl import threadpool_limits

from pipeline import config, engine
from pipeline.databases.embedded import Server
from pipeline.models.als import CONTINUED
from pipeline.models.params import Params
from pipeline.parallel import in_order
from pipeline.ranking.reranker import fit_rerankers
from pipeline.ranking.trees import Trees
from pipeline.runs.folder import RunFolder
from pipeline.splits import folds
from pipeline.splits.history import History, opened

N_ITEMS = 50
COUNTED = ("bought_pairs", "seen_pairs", "item_ages", "user_trips")
"""The statements that every cut counts its statistics by."""
BATCH_USERS, CANDIDATES = 256, 250


@dataclass(frozen=True)
class Measured:
    """Seconds of a stage or a part of one, and of its floor."""

    name: str
    seconds: float
    floor: float
    wanted: float

    def row(self) -> str:
        return (
            f"| {self.name} | {self.seconds:.1f} | {self.floor:.1f} | {self.seconds / self.floor:.2f}"
            f" | {self.wanted:g} |"
        )


def timed(work: Callable[[], object]) -> float:
    """The seconds that `work` takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def stage(name: str, run_id: str) -> float:
    """The seconds of a stage of the run, by its receipt."""
    command = [sys.executable, "-m", "pipeline", "run", name, "--run-id", run_id, "--force"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    receipt = config.runs_folder(config.load()) / run_id / "receipts" / f"{name}.json"
    return float(json.loads(receipt.read_text(encoding="utf-8"))["seconds"])


def fetched(target: Path) -> None:
    """All events of the shop, by ADBC, as Parquet."""
    import adbc_driver_postgresql.dbapi as adbc

    query = "SELECT customer_id, product_id, event_type, occurred_at, order_id, quantity FROM events"
    with adbc.connect(Server(config.home()).url("shop")) as db, db.cursor() as cursor:
        cursor.execute(query)
        reader = cursor.fetch_record_batch()
        with pq.ParquetWriter(target, reader.schema, compression="zstd") as writer:
            for batch in reader:
                writer.write_batch(batch)


def written(folder: RunFolder, scratch: Path) -> None:
    """The datasets of filter and split, sorted and written by DuckDB alone."""
    with duckdb.connect(config={"memory_limit": "2GB", "temp_directory": str(scratch)}) as db:
        events = engine.parquet(folder.file("events"))
        buyers = f"SELECT user_id FROM {events} WHERE event_type = 'purchase'"
        order = "ORDER BY user_id, occurred_at, item_id, event_type, order_id, quantity"
        options = "(FORMAT parquet, COMPRESSION zstd)"
        parts = {"purchaser": f"user_id IN ({buyers})", "browser": f"user_id NOT IN ({buyers})"}
        for name, where in parts.items():
            query = f"SELECT DISTINCT * FROM {events} WHERE {where} {order}"
            db.execute(f"COPY ({query}) TO '{scratch / name}.parquet' {options}")
        test_from = moment(folder, "test_from")
        for name, cut in (
            ("train", f"occurred_at < '{test_from}'"),
            ("test", f"occurred_at >= '{test_from}'"),
        ):
            query = f"SELECT * FROM '{scratch / 'purchaser'}.parquet' WHERE {cut}"
            db.execute(f"COPY ({query}) TO '{scratch / name}.parquet' {options}")


def moment(folder: RunFolder, name: str) -> datetime:
    """A moment of the document `split`."""
    return datetime.fromisoformat(folder.document("split")[name])


def implicit_fit(params: Params, history: History, iterations: int) -> float:
    """The seconds of implicit's fit with one penalty on the history's matrix."""
    cells, als = history.interactions(params.weights), params.als
    cells.data = 1 + als.alpha * cells.data
    with threadpool_limits(1, "blas"):
        model = AlternatingLeastSquares(
            factors=als.factors, regularization=als.regularization, iterations=iterations
        )
        return timed(lambda: model.fit(cells, show_progress=False))


def of_cuts(
    folder: RunFolder, scratch: Path, over: list[folds.Fold], due: list[datetime], *, goes_on: bool
) -> tuple[float, float]:
    """The seconds of DuckDB and of implicit's fits at some cuts.

    due:     those at which ALS is fitted, oldest first
    goes_on: with as many iterations as a large shop's fit takes, which goes on from the cut before; without,
             with as many as from a random start
    """
    settings = config.load()
    params = Params.read(folder.document("best_params"))
    in_sql = fits = 0.0
    for fold in over:
        began = time.perf_counter()
        with opened(fold.before, fold.cut_at, settings.filter, settings.run, scratch) as history:
            for name in COUNTED:
                history.columns(name)
            history.purchases()
            history.interactions(params.weights)
            in_sql += time.perf_counter() - began
            if fold.cut_at in due:
                is_short = goes_on and fold.cut_at != due[0]
                fits += implicit_fit(params, history, CONTINUED if is_short else params.als.iterations)
    return in_sql, fits


def product(folder: RunFolder) -> float:
    """The seconds of the plain product of all buyers with all items, and of the best 50 of each buyer."""
    with np.load(folder.path / "model" / "als.npz", allow_pickle=False) as file:
        users, items = file["user_factors"], np.ascontiguousarray(file["item_factors"].T)

    def best(start: int) -> None:
        scores = users[start : start + BATCH_USERS] @ items
        np.argpartition(-scores, N_ITEMS, axis=1)

    starts = range(0, len(users), BATCH_USERS)
    with threadpool_limits(1, "blas"):
        return timed(lambda: sum(1 for _ in in_order(best, starts, 0)))


def predicted(folder: RunFolder) -> float:
    """The seconds of LightGBM's predict on as many rows as all buyers have candidates, on all cores."""
    rows, settings = folder.table("examples"), config.load()
    scorer = fit_rerankers([rows], moment(folder, "test_from"), settings, ["ranker"])["ranker"]
    assert isinstance(scorer, Trees)
    n_users = int(folder.document("model")["n_users"])
    columns = scorer.booster.feature_name()
    features = np.column_stack([rows[name].to_numpy() for name in columns]).astype(np.float32)
    features = features[np.arange(min(200_000, n_users * CANDIDATES)) % len(features)]
    parts = [features] * round(n_users * CANDIDATES / len(features))

    def predict(part: np.ndarray) -> None:
        scorer.booster.predict(part, raw_score=True, num_threads=1)

    return timed(lambda: sum(1 for _ in in_order(predict, parts, 0)))


def trained(tables: list[pa.Table], until: datetime) -> float:
    """The seconds of LightGBM's training on all training rows until a moment."""
    return timed(lambda: fit_rerankers(tables, until, config.load()))


def lines(run_id: str, scratch: Path) -> Iterator[str]:
    """The rows of the table."""
    settings = config.load()
    folder = RunFolder.open(config.runs_folder(settings), run_id, settings.ids.model_dump())
    yield "| | seconds | floor | times | wanted |\n| --- | ---: | ---: | ---: | ---: |"
    seconds = stage("extract", run_id)
    yield Measured("extract", seconds, timed(lambda: fetched(scratch / "all.parquet")), 1.3).row()
    for_a_million = stage("validate", run_id) / folder.rows("events") * 1e6
    yield f"| validate, for a million events | {for_a_million:.2f} | | | 1.2 |"
    seconds = stage("filter_purchasers", run_id) + stage("split", run_id)
    yield Measured("filter, split", seconds, timed(lambda: written(folder, scratch)), 2).row()
    seconds = stage("tune", run_id)
    learning = folds.for_learning(folder, settings.ranking.windows)
    cuts = {fold.cut_at: fold for fold in [*folds.validations(folder), *learning]}
    due = [fold.cut_at for fold in learning]
    training = trained([folder.table("examples")], moment(folder, "test_from"))
    for goes_on, how in ((False, "fits from a random start"), (True, "fits of as few iterations")):
        in_sql, fits = of_cuts(folder, scratch, [*cuts.values()], due, goes_on=goes_on)
        yield Measured(f"tune beside {how}", seconds, in_sql + fits + training, 1.3).row()
    tests = folds.tests(folder)
    seconds = stage("train", run_id)
    oldest = [due[0], tests[0].cut_at]
    for goes_on, how in ((False, "a fit from a random start"), (True, "a fit of as few iterations")):
        _, fits = of_cuts(folder, scratch, tests[:1], oldest, goes_on=goes_on)
        yield Measured(f"train, all of it, beside {how}", seconds, fits, 1.05).row()
    seconds = stage("evaluate", run_id)
    in_sql, _ = of_cuts(folder, scratch, tests, [], goes_on=False)
    yield Measured("evaluate, of which plain ALS is none", seconds, in_sql, 1.3).row()
    seconds = stage("recommend", run_id)
    yield Measured("recommend", seconds, product(folder) + predicted(folder), 3).row()


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("run_id")
    run_id = words.parse_args().run_id
    runs, copy = config.runs_folder(config.load()), f"{run_id}-floors"
    shutil.rmtree(runs / copy, ignore_errors=True)
    shutil.copytree(runs / run_id, runs / copy)
    with tempfile.TemporaryDirectory(dir=config.home()) as scratch:
        for line in lines(copy, Path(scratch)):
            print(line, flush=True)
    shutil.rmtree(runs / copy)


if __name__ == "__main__":
    main()
