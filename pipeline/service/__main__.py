"""`python -m pipeline.service`: the service where nothing else of Nightshelf's packages is installed."""

from __future__ import annotations

import argparse
import sys

from pipeline import environment
from pipeline.errors import NightshelfError
from pipeline.service import run
from pipeline.service.options import add_options


def main(arguments: list[str] | None = None) -> int:
    """Run the service; returns the exit status. A NightshelfError is printed to stderr, with status 1."""
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.service", description="The HTTP service of a shop."
    )
    add_options(parser)
    options = parser.parse_args(arguments)
    try:
        run.run(
            environment.configured_url("reader"),
            options.config,
            options.host,
            options.port,
            lambda line: print(line, file=sys.stderr, flush=True),
        )
    except NightshelfError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
