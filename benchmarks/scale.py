"""What a night takes at which size, and how both grow: python -m benchmarks.scale

    export NIGHTSHELF_HOME=/tmp/nightshelf-scale
    python -m benchmarks.scale run 1 3 10 30 100     # millions of events; hours, and 60 GB of disk
    python -m benchmarks.scale read 100 RUN_FOLDER   # of a run that is there already
    python -m benchmarks.scale draw                  # needs requirements-dev.txt

`run` makes a shop of 200,000 products for each size in a home of its own and runs a night, all models in the
race, with the settings as they come and `tune = never`. Seconds and memory of each stage are those of the
receipts, kept in `benchmarks/scale.json`. `draw` makes two pictures of them in `docs/` and prints a table:
the slope is that of a line through the points, both axes logarithmic; 1 is linear.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from pipeline import config
from pipeline.config import ROOT
from pipeline.contract.stages import STAGES

PRODUCTS = 200_000
MILLION = 1_000_000
RECORD = ROOT / "benchmarks" / "scale.json"
PICTURES = {"seconds": "scale-seconds.svg", "peak_memory_mb": "scale-memory.svg"}
AXES = {"seconds": "seconds", "peak_memory_mb": "peak memory, MB"}
FROM = 3
"""Millions of events from which on the slopes are told: a smaller night is mostly imports."""


def run(millions: int) -> None:
    """Make the shop, unless it is there, run a night, and record it."""
    home = config.home() / str(millions)
    environment = {**os.environ, "NIGHTSHELF_HOME": str(home)}
    command = [sys.executable, "-m", "pipeline"]
    if not home.exists():
        events, products = str(millions * MILLION), str(PRODUCTS)
        load = [*command, "load", "synthetic", "--events", events, "--products", products, "--seed", "1"]
        subprocess.run(load, check=True, env=environment)
    night = [*command, "run", "--run-id", "night", "--as-of", "last", "--tune", "never"]
    subprocess.run(night, check=True, env=environment)
    record(millions, home / "runs" / "night")


def record(millions: int, run_folder: Path) -> None:
    """Keep what the receipts of a run say."""
    night: dict[str, dict[str, float]] = {}
    for stage in STAGES:
        path = run_folder / "receipts" / f"{stage.name}.json"
        if path.exists():
            receipt = json.loads(path.read_text(encoding="utf-8"))
            night[stage.name] = {name: receipt[name] for name in PICTURES}
    kept = {**recorded(), str(millions): night}
    text = json.dumps(dict(sorted(kept.items(), key=lambda size: int(size[0]))), indent=1)
    RECORD.write_text(text + "\n", encoding="utf-8")


def recorded() -> dict[str, dict[str, dict[str, float]]]:
    """Millions of events -> stage -> what was measured."""
    nights: dict[str, Any] = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}
    return nights


def slope(nights: dict[str, dict[str, dict[str, float]]], stage: str, measure: str) -> float:
    """Of the line through the points of a stage, both axes logarithmic, from FROM million events on."""
    sizes = [size for size in nights if int(size) >= FROM and stage in nights[size]]
    if len(sizes) < 2:
        return float("nan")
    values = [max(nights[size][stage][measure], 0.1) for size in sizes]
    return float(np.polyfit(np.log([float(size) for size in sizes]), np.log(values), 1)[0])


def table(nights: dict[str, dict[str, dict[str, float]]]) -> str:
    """Seconds and gigabytes of each stage at each size, and the slopes, in Markdown."""
    sizes = list(nights)
    head = f"| stage | {' | '.join(f'{size} million' for size in sizes)} | slope of time |"
    lines = [head, "| --- |" + " ---: |" * (len(sizes) + 1)]
    names = [stage.name for stage in STAGES if all(stage.name in night for night in nights.values())]
    for name in names:
        cells = [
            f"{nights[size][name]['seconds']:,.0f} s, {nights[size][name]['peak_memory_mb'] / 1000:.1f} GB"
            for size in sizes
        ]
        lines.append(f"| {name} | {' | '.join(cells)} | {slope(nights, name, 'seconds'):.2f} |")
    totals = [sum(nights[size][name]["seconds"] for name in names) for size in sizes]
    whole = {size: {"all": {"seconds": total}} for size, total in zip(sizes, totals, strict=True)}
    cells = [f"{total / 60:,.1f} min" for total in totals]
    lines.append(f"| all | {' | '.join(cells)} | {slope(whole, 'all', 'seconds'):.2f} |")
    return "\n".join(lines)


def draw(nights: dict[str, dict[str, dict[str, float]]]) -> None:
    """The pictures: a line for each stage, both axes logarithmic."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "nightshelf", "svg.fonttype": "none"})  # words stay words
    from matplotlib import pyplot

    for measure, name in PICTURES.items():
        figure, axes = pyplot.subplots(figsize=(8, 5), layout="constrained")
        ends = []
        for place, stage in enumerate(stage.name for stage in STAGES):
            points = [(int(size), night[stage][measure]) for size, night in nights.items() if stage in night]
            if not points:
                continue
            xs, ys = zip(*points, strict=True)
            (line,) = axes.plot(xs, ys, marker="o", markersize=3, linewidth=1.5, color=f"C{place}")
            ends.append((ys[-1], stage, line.get_color()))
        axes.set(xscale="log", yscale="log", xlabel="million events", ylabel=AXES[measure])
        axes.set_xticks([int(size) for size in nights], [*nights])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        above = 0.0
        low, high = np.log10(axes.get_ylim())
        for value, stage, colour in sorted(ends):  # names beside the ends of their lines, none over another
            above = max((np.log10(value) - low) / (high - low), above + 0.045)
            axes.text(1.01, above, stage, color=colour, va="center", transform=axes.transAxes, fontsize=9)
        figure.savefig(ROOT / "docs" / name, metadata={"Date": None})
        pyplot.close(figure)


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("what", choices=("run", "read", "draw"))
    words.add_argument("of", nargs="*")
    given = words.parse_args()
    if given.what == "run":
        for size in given.of:
            run(int(size))
    elif given.what == "read":
        record(int(given.of[0]), Path(given.of[1]))
    else:
        draw(recorded())
        print(table(recorded()))


if __name__ == "__main__":
    main()
