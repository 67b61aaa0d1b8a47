"""The next step of an error, as a person takes it in Airflow, for the shop that it is about."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipeline.contract.stages import BY_NAME

if TYPE_CHECKING:
    from pipeline.errors import NightshelfError
    from pipeline.shops import Shop

STAGE_AGAIN = re.compile(rf"python -m pipeline run ({'|'.join(BY_NAME)})\b(?: --run-id \S+)?+(?! --force)")
COMMAND = re.compile(r"python -m pipeline [a-z-]+")


def advise(error: NightshelfError, shop: Shop) -> None:
    """Put the task for the stage's command, and the shop's own file for config.toml."""
    error.then = STAGE_AGAIN.sub(r"clear the task `\1`", error.then)
    if shop.name:
        file = shop.path.name
        error.then = COMMAND.sub(rf"\g<0> --config {file}", error.then.replace("config.toml", file))
        error.promised = error.promised.replace("config.toml", file)
