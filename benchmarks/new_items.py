"""Items that nobody bought yet: which share of their purchases is foreseen, of the demo or a made-up shop.

python -m benchmarks.new_items [--shop complete-journey] [--windows 4] [--events 1000000]

Nothing is fitted: the numbers are those of `cold_items` in a `backtest` of 14 days, in seconds.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.peer_shop import shop
from pipeline import jobs
from pipeline.contract.datasets import DATASETS
from pipeline.evaluation.cold_items import cold_at, cold_before, cold_items_document
from pipeline.loading import complete_journey, synthetic
from pipeline.loading.shop import Shop
from pipeline.report.cold_items import lines
from pipeline.runs.folder import RunFolder
from pipeline.runs.job import Databases, Job
from pipeline.runs.run_stage import leave_receipt

DAYS = 14.0
NAMES = {"customer_id": "user_id", "product_id": "item_id"}


def opened(name: str, n_events: int) -> AbstractContextManager[Shop]:
    """The shop's rows, with the dates they have."""
    now = datetime.now(UTC)
    if name == "complete-journey":
        return complete_journey.read(now, keep_dates=True)
    return synthetic.read(n_events, 1, now, keep_dates=True)


def write(path: Path, batches: Iterable[pa.RecordBatch]) -> Path:
    """The rows under the names that `backtest` reads."""
    table = pa.Table.from_batches(list(batches))
    pq.write_table(table.rename_columns([NAMES.get(name, name) for name in table.column_names]), path)
    return path


def main() -> None:
    """One line for each group of items, all windows together."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--shop", default="complete-journey", choices=("complete-journey", "synthetic"))
    words.add_argument("--windows", type=int, default=4)
    words.add_argument("--events", type=int, default=1_000_000, help="of the made-up shop")
    given = words.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        with opened(given.shop, given.events) as rows:
            events = write(folder / "events.parquet", rows.events)
            items = write(folder / "items.parquet", rows.products or [])
        with shop(events, items, "last") as judged:
            ids = judged.settings.ids.model_dump()
            run = RunFolder.create(folder, jobs.cli_run_id(judged.as_of), judged.as_of, ids, {})
            job = Job(run, judged.settings, Databases(source=str, serving=str), judged.as_of, str)
            schema = DATASETS["items"].schema(ids)
            table = pq.read_table(items)
            columns = [
                table[field.name].cast(field.type)
                if field.name in table.column_names
                else pa.nulls(len(table), field.type)
                for field in schema
            ]
            run.write("items", pa.table(columns, schema=schema).sort_by("item_id"))
            leave_receipt(job, "extract", {}, 0.0)
            cuts = []
            for number in range(1, given.windows + 1):
                fold = judged.fold(DAYS, number)
                with judged.history(fold) as history:
                    cold = cold_before(job, history, fold)
                    assert cold is not None
                    cuts.append(cold_at(job, history, cold, fold))
            document = {**cold_items_document(cuts, judged.settings.run.seed), "new_items": None}
    print("\n".join(lines(document)))
    for group in ("all", "never_bought"):
        print(f"{group}: {document[group]['times_random']:.1f} times random of the categories")


if __name__ == "__main__":
    main()
