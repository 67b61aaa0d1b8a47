"""The SHA-256 of every dataset of some nights, to hold two commits against each other.

    python -m benchmarks.same_bytes FILE.json [--against EARLIER.json]

Six nights in a home of their own, nothing published: Complete Journey without a search and with one of
three trials, and a made-up shop of 200,000 events, each in both modes of repeat purchases. All of it
depends on the code alone: dates are kept, `as_of` is fixed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path.cwd()
SHOPS = {
    "complete_journey": (["complete-journey"], "2018-01-01"),
    "synthetic": (["synthetic", "--events", "200000", "--seed", "1"], "last"),
}
NIGHTS = (("complete_journey", "never"), ("complete_journey", "always"), ("synthetic", "always"))
MODES = ("exclude", "allow")
TIMES = ("searched_at", "searched_as_of")


def main() -> int:
    """Play the nights; 1 where `--against` holds other bytes."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("file", type=Path)
    words.add_argument("--against", type=Path)
    given = words.parse_args()
    found: dict[str, dict[str, str]] = {}
    with tempfile.TemporaryDirectory(prefix="nightshelf-same-") as home:
        Path(home).chmod(0o755)
        environment = {**os.environ, "NIGHTSHELF_HOME": home}
        try:
            for shop, (source, as_of) in SHOPS.items():
                pipeline(environment, "load", *source, "--keep-dates")
                for _, tune in (night for night in NIGHTS if night[0] == shop):
                    for mode in MODES:
                        name = f"{shop}-{tune}-{mode}"
                        flags = ["--tune", tune, "--trials", "3", "--repeat-purchases", mode, "--dry-run"]
                        pipeline(environment, "run", "--as-of", as_of, "--run-id", name, *flags)
                        found[name] = fingerprints(Path(home) / "runs" / name)
        finally:
            pipeline(environment, "down")
    given.file.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    if not given.against:
        return 0
    return compare(json.loads(given.against.read_text(encoding="utf-8")), found)


def pipeline(environment: dict[str, str], *words: str) -> None:
    """One command of the checkout in the working directory."""
    subprocess.run([sys.executable, "-m", "pipeline", *words], cwd=ROOT, env=environment, check=True)


def fingerprints(folder: Path) -> dict[str, str]:
    """Of every dataset, document and model file of a run; of training rows the values without their names."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.suffix in (".parquet", ".json", ".npz", ".txt") and name.split("/")[0] not in (
            "receipts", "run.json",
        ):  # fmt: skip
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        if name in ("examples.parquet", "latest_examples.parquet"):
            found[f"{name}: values"] = values(pq.read_table(path))
    return found


def values(table: pa.Table) -> str:
    """The values alone, column after column."""
    digest = hashlib.sha256()
    for column in table.columns:
        digest.update(np.ascontiguousarray(column.to_numpy(zero_copy_only=False)).astype("S64").tobytes())
    return digest.hexdigest()


def compare(before: dict[str, dict[str, str]], after: dict[str, dict[str, str]]) -> int:
    """Say what differs; 1 where anything does."""
    lines = [
        f"{night}/{name}: other bytes"
        for night in sorted(before)
        for name in sorted({*before[night], *after.get(night, {})})
        if before[night].get(name) != after.get(night, {}).get(name)
    ]
    n_files = sum(len(files) for files in before.values())
    print("\n".join([*lines, f"{n_files} files, {len(lines)} differ"]))
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
