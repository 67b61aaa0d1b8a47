"""The zip for AWS Lambda: its size, and how long a new process takes from the import to its first answer.

    python -m benchmarks.cold_start                 # twenty processes, with bytecode in the zip and without

Each process is a Python without site-packages that has what was unpacked from the zip and nothing else, and
writes no bytecode, as on Lambda. PostgreSQL is on this machine, and the URL in the environment: reading a
secret takes longer. Prints medians.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import time
import zipfile
from pathlib import Path

from benchmarks.common import ABOUT, machine, make_night, own_server, settings_for
from deploy.aws.build_zip import build
from pipeline.environment import child_environment
from pipeline.serving import publish

CHILD = """
import time; begun = time.perf_counter()
import json, sys; sys.path.insert(0, "."); answers, sys.stdout = sys.stdout, sys.stderr
from pipeline.handler.aws import handle
imported = time.perf_counter()
call = {"route": "recommendations", "user_id": 1}
status = handle(call, None)["status"]
first = time.perf_counter()
for _ in range(200): handle(call, None)
warm = (time.perf_counter() - first) / 200
print(json.dumps([status, imported - begun, first - imported, warm]), file=answers)
"""
PARTS = ("import", "first answer", "each further one")


def measured(folder: Path, url: str, n_processes: int) -> list[float]:
    """The median seconds of each of PARTS."""
    times = []
    for _ in range(n_processes):
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-B", "-c", CHILD.replace('"."', repr(str(folder)))],
            env=child_environment("NIGHTSHELF_", NIGHTSHELF_READER_URL=url),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=True,
        )
        status, *seconds = json.loads(done.stdout)
        if status != 200:
            sys.exit(f"the handler answered {status}")
        times.append(seconds)
    return [statistics.median(column) for column in zip(*times, strict=True)]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--processes", type=int, default=20)
    options = parser.parse_args()
    settings = settings_for()
    with own_server() as (server, home):
        night = make_night(home / "runs", 1, 20_000, length=settings.recommend.list_length)
        publish(server.url("serving"), settings, night, ABOUT, say=str)
        out, folder = home / "lambda.zip", home / "task"
        begun = time.perf_counter()
        build(out, f"{sys.version_info.major}.{sys.version_info.minor}", "x86_64")
        seconds = time.perf_counter() - begun
        with zipfile.ZipFile(out) as archive:
            archive.extractall(folder)
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        print(machine(server))
        print(
            f"zip: {out.stat().st_size / 1e6:.1f} MB, unpacked {size / 1e6:.1f} MB, built in {seconds:.0f} s"
        )
        url = server.url("serving", "reader")
        for what in ("with bytecode", "without bytecode"):
            if what == "without bytecode":
                for cache in list(folder.rglob("__pycache__")):
                    shutil.rmtree(cache)
            medians = measured(folder, url, options.processes)
            print(
                what,
                *(f"{name} {1000 * value:.1f} ms" for name, value in zip(PARTS, medians, strict=True)),
                sep="; ",
            )


if __name__ == "__main__":
    main()
