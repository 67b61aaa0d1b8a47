"""Rewrites the next step of an error, which names a command, for somebody who works in Airflow.

    python -m pipeline run train --run-id a             ->  clear the task `train`
    python -m pipeline run publish --run-id a --force   ->  the same: clearing a task cannot add --force
    python -m pipeline run --as-of last                 ->  the same: it names no stage

What is left is made to name the shop: see `pipeline/advice.py`.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import advice, config
from pipeline.contract.stages import BY_NAME
from pipeline.errors import NightshelfError

if TYPE_CHECKING:
    from pipeline.shops import Shop

RUN_STAGE = re.compile(
    rf"python -m pipeline run (?P<stage>{'|'.join(BY_NAME)})\b"
    r"(?: --run-id \S+)?+"  # possessive: with --force behind it, the whole command stays
    r"(?! --force)"
)


@contextmanager
def adapted_errors(shop: Shop) -> Iterator[None]:
    """Raise a NightshelfError of the block without its traceback, its next step one for a task of `shop`."""
    try:
        yield
    except NightshelfError as error:
        adapt_to_airflow(error, shop)
        raise error.with_traceback(None) from None


def adapt_to_airflow(error: NightshelfError, shop: Shop) -> None:
    """Change `then` and `promised` of `error` in place, for a task of `shop`."""
    error.then = RUN_STAGE.sub(r"clear the task `\g<stage>`", error.then)
    advice.fit(error, settings_file(shop))


def say_for(shop: Shop, log: logging.Logger) -> Callable[[str], None]:
    """What a stage says its lines through: into `log`, with commands that reach `shop`."""
    file = settings_file(shop)
    return lambda line: log.info("%s", advice.in_commands(line, file))


def settings_file(shop: Shop) -> Path:
    """The shop's settings file, as it is typed in the checkout."""
    return Path(shop.path.name) if shop.path.parent == config.ROOT else shop.path
