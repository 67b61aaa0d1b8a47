"""The shops of one installation: `config.toml`, and a `config.<shop>.toml` beside it for each further one.

Each has its DAGs, run folders, schedule, connections and serving schema; nothing of one is read or
written by another, and a file that cannot be read stops its own shop only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pipeline import config
from pipeline.config import Settings
from pipeline.errors import SettingsError

NIGHTLY = "recommendations"
"""The id of the nightly DAG, of config.toml's shop."""

NAME = re.compile(r"^[A-Za-z0-9_-]{1,60}$")


@dataclass(frozen=True)
class Shop:
    """One shop.

    name: what stands between `config.` and `.toml`; empty for config.toml
    path: its settings file
    """

    name: str
    path: Path

    def named(self, what: str) -> str:
        """`what` for config.toml, `what__<shop>` for another shop: the id of a DAG, the name of an asset."""
        return f"{what}__{self.name}" if self.name else what


def shops(folder: Path | None = None) -> list[Shop]:
    """Every shop that has a settings file in `folder` (default: where config.toml lies), by name."""
    there = folder or config.path().parent
    further = {path.name[len("config.") : -len(".toml")]: path for path in there.glob("config.*.toml")}
    return [Shop("", there / "config.toml"), *(Shop(name, further[name]) for name in sorted(further))]


def settled(found: Iterable[Shop]) -> dict[Shop, Settings | SettingsError]:
    """The settings of each shop, or why it cannot run: first come, first served, so config.toml first."""
    told: dict[Shop, Settings | SettingsError] = {}
    for shop in found:
        try:
            settings = config.load(shop.path)
            _refuse_name(shop)
            _refuse_shared(shop, settings, told)
            told[shop] = settings
        except SettingsError as error:
            told[shop] = error
    return told


def shop_of(dag_id: str, found: Iterable[Shop]) -> Shop | None:
    """The shop whose nightly DAG is `dag_id`; None where there is none."""
    return next((shop for shop in found if shop.named(NIGHTLY) == dag_id), None)


def _refuse_name(shop: Shop) -> None:
    if shop.name and not NAME.match(shop.name):
        raise SettingsError(
            f"{shop.path.name} gives its shop a name that no DAG can have",
            found=repr(shop.name),
            promised="letters, digits, _ and -, at most 60",
            then="rename the file",
        )


def _refuse_shared(shop: Shop, settings: Settings, others: dict[Shop, Settings | SettingsError]) -> None:
    """Two shops never write to one place."""
    for other, theirs in others.items():
        if isinstance(theirs, SettingsError):
            continue
        for what, place in _places(settings).items():
            if place == _places(theirs)[what]:
                raise SettingsError(
                    f"{shop.path.name} and {other.path.name} have the same {what}",
                    found=place,
                    promised="run folders and a serving schema of its own for every shop",
                    then=f"set another one in {shop.path.name}",
                )


def _places(settings: Settings) -> dict[str, str]:
    """Where a shop writes, by the settings that say so."""
    serving = settings.serving
    return {
        "run.folder": str(config.runs_folder(settings)),
        "serving.connection and serving.schema": f"{serving.connection}, {serving.schema_name}",
    }
