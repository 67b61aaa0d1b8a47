"""What each stage of a run cost, as a Markdown table: python benchmarks/stages.py [RUN_FOLDER]

Without RUN_FOLDER, the latest run under NIGHTSHELF_HOME. Everything comes from the run's receipts.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pipeline import config
from pipeline.contract.stages import STAGES
from pipeline.runs.folder import latest


def table(folder: Path) -> str:
    """Rows out, seconds and peak memory of each finished stage of the run in `folder`."""
    lines = ["| stage | rows written | seconds | peak memory, MB |", "| --- | ---: | ---: | ---: |"]
    total = 0.0
    for stage in STAGES:
        path = folder / "receipts" / f"{stage.name}.json"
        if not path.exists():
            continue
        receipt = json.loads(path.read_text(encoding="utf-8"))
        rows = sum(file.get("rows", 0) for file in receipt["files"].values())
        total += receipt["seconds"]
        told = f"{rows:,}" if rows else ""
        lines.append(f"| {stage.name} | {told} | {receipt['seconds']:.1f} | {receipt['peak_memory_mb']:,} |")
    return "\n".join([*lines, f"| all | | {total:.1f} | |"])


if __name__ == "__main__":
    print(table(Path(sys.argv[1]) if len(sys.argv) > 1 else latest(config.runs_folder(config.load()))[0]))
