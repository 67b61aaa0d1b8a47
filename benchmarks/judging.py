"""The purchases of the demo as files, and every model judged on them: windows, modes, seconds, memory.

python -m benchmarks.judging [--windows 4] [--modes exclude allow] [--keep FOLDER]
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.loading import complete_journey


def files(folder: Path) -> tuple[Path, Path]:
    """Events and items of Complete Journey, dates as they were, with the columns that `backtest` reads."""
    events, items = folder / "events.parquet", folder / "items.parquet"
    with complete_journey.read(datetime.now(UTC), keep_dates=True) as shop:
        _write(events, list(shop.events), {"customer_id": "user_id", "product_id": "item_id"})
        _write(items, list(shop.products or []), {"product_id": "item_id"})
    return events, items


def _write(path: Path, batches: list[pa.RecordBatch], names: dict[str, str]) -> None:
    table = pa.Table.from_batches(batches)
    pq.write_table(table.rename_columns([names.get(name, name) for name in table.column_names]), path)


def main() -> None:
    """One backtest for each mode, in a process of its own."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--windows", type=int, default=4)
    words.add_argument("--modes", nargs="+", default=["exclude", "allow"], choices=("exclude", "allow"))
    words.add_argument("--keep", type=Path, help="where the files and the results stay")
    given = words.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        events, items = files(folder)
        for mode in given.modes:
            command = [sys.executable, "-m", "pipeline", "backtest", "--events", str(events)]
            command += ["--items", str(items), "--test-days", "14", "--windows", str(given.windows)]
            command += ["--repeat-purchases", mode, "--json", str(folder / f"{mode}.json")]
            subprocess.run(command, check=True)
            peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
            print(f"  most memory of a backtest so far: {peak:,} MB", flush=True)


if __name__ == "__main__":
    main()
