"""Rewrites the next step of an error, which names a command, for somebody who works in Airflow.

    python -m pipeline run train --run-id a             ->  clear the task `train`
    python -m pipeline run publish --run-id a --force   ->  the same: clearing a task cannot add --force
    python -m pipeline run --as-of last                 ->  the same: it names no stage

For a further shop, such as the one of config.books.toml, also:

    set [source] sql in config.toml   ->  set [source] sql in config.books.toml
    python -m pipeline publications   ->  python -m pipeline publications --config config.books.toml
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipeline.contract.stages import BY_NAME

if TYPE_CHECKING:
    from pipeline.errors import NightshelfError
    from pipeline.shops import Shop

RUN_STAGE = re.compile(
    rf"python -m pipeline run (?P<stage>{'|'.join(BY_NAME)})\b"
    r"(?: --run-id \S+)?+"  # possessive: with --force behind it, the whole command stays
    r"(?! --force)"
)
COMMAND = re.compile(r"python -m pipeline [a-z-]+")


def adapt_to_airflow(error: NightshelfError, shop: Shop) -> None:
    """Change `then` and `promised` of `error` in place, for a task of `shop`."""
    error.then = RUN_STAGE.sub(r"clear the task `\g<stage>`", error.then)
    if shop.name:
        file = shop.path.name
        error.promised = error.promised.replace("config.toml", file)
        error.then = error.then.replace("config.toml", file)
        error.then = COMMAND.sub(rf"\g<0> --config {file}", error.then)
