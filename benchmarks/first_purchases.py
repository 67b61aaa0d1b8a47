"""First purchases of people who only looked so far: what their segments foretell of them, on a made-up shop.

python -m benchmarks.first_purchases [--aimless] [--events 1000000] [--look-first 0.5] [--windows 4]

ALS has the parameters of config.toml; the numbers are those of `first_purchases` in a `backtest` of 14 days.
"""

from __future__ import annotations

import argparse
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.new_items import DAYS, NAMES
from benchmarks.peer_shop import shop
from pipeline import jobs
from pipeline.contract.datasets import DATASETS
from pipeline.evaluation.at_cut import at
from pipeline.loading import synthetic
from pipeline.models.params import Params
from pipeline.report.first_purchases import lines
from pipeline.runs.folder import RunFolder
from pipeline.runs.job import Databases, Job
from pipeline.runs.run_stage import leave_receipt
from pipeline.segments.judged import first_purchases_document, judged_at


def events_of(n_events: int, look_first: float, *, is_aimless: bool) -> pa.Table:
    """The events under the names that `backtest` reads; is_aimless: what is looked at is shuffled."""
    with synthetic.read(n_events, 1, datetime.now(UTC), keep_dates=True, look_first=look_first) as rows:
        events = pa.Table.from_batches(list(rows.events))
    events = events.rename_columns([NAMES.get(name, name) for name in events.column_names])
    if is_aimless:
        is_look = pc.not_equal(events["event_type"], "purchase").to_numpy()
        items = events["item_id"].to_numpy().copy()
        items[is_look] = np.random.default_rng(1).permutation(items[is_look])
        events = events.set_column(events.column_names.index("item_id"), "item_id", pa.array(items))
    return events


def of_browsers(events: pa.Table) -> pa.Table:
    """The events of those who never bought."""
    buyers = pc.unique(events.filter(pc.equal(events["event_type"], "purchase"))["user_id"])
    is_browser = pc.invert(pc.is_in(events["user_id"], value_set=buyers))
    columns = DATASETS["browser_events"].schema({"user": "integer", "item": "integer"}).names
    return events.filter(is_browser).select(columns)


def main() -> None:
    """One line, all windows together."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument(
        "--aimless", action="store_true", help="what people look at says nothing of their taste"
    )
    words.add_argument("--events", type=int, default=1_000_000)
    words.add_argument("--look-first", type=float, default=0.5)
    words.add_argument("--windows", type=int, default=4)
    given = words.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        events = folder / "events.parquet"
        pq.write_table(events_of(given.events, given.look_first, is_aimless=given.aimless), events)
        with shop(events, None, "last") as judged:
            settings = judged.settings
            run = RunFolder.create(
                folder, jobs.cli_run_id(judged.as_of), judged.as_of, settings.ids.model_dump(), {}
            )
            job = Job(run, settings, Databases(source=str, serving=str), judged.as_of, str)
            run.write("browser_events", of_browsers(pq.read_table(events)))
            leave_receipt(job, "filter_purchasers", {}, 0.0)
            cuts = []
            for number in range(1, given.windows + 1):
                fold = judged.fold(DAYS, number)
                with at(fold, Params.configured(settings), settings, None, folder) as models:
                    cuts.append(judged_at(job, models, fold))
        document = first_purchases_document([cut for cut in cuts if cut], settings.run.seed, is_timed=True)
    print("\n".join(lines(document)))


if __name__ == "__main__":
    main()
