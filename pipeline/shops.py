"""The shops of one installation: `config.toml`, and a `config.<shop>.toml` beside it for each further one.

Each has its DAGs, run folders, schedule, connections and serving schema; nothing of one is read or
written by another, and a file that cannot be read stops its own shop only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
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
    """The settings of each shop, or why it cannot run.

    Of shops that share a place all are refused, save config.toml's: nobody can tell which is the copy.
    """
    told = {shop: _read(shop) for shop in found}
    refused = {shop: (_shared(shop, told) if shop.name else None) or _circle(shop, told) for shop in told}
    return {shop: refused[shop] or settings for shop, settings in told.items()}


def lists_asset(settings: Settings) -> str:
    """The name of the Airflow asset that is updated whenever other lists of the shop go live."""
    return f"{settings.serving.schema_name}.recommendations"


def shop_of(dag_id: str, found: Iterable[Shop]) -> Shop | None:
    """The shop whose nightly DAG is `dag_id`; None where there is none."""
    return next((shop for shop in found if shop.named(NIGHTLY) == dag_id), None)


def _read(shop: Shop) -> Settings | SettingsError:
    try:
        settings = config.load(shop.path)
    except SettingsError as error:
        return error
    if not shop.name or NAME.match(shop.name):
        return settings
    return SettingsError(
        f"{shop.path.name} gives its shop a name that no DAG can have",
        found=repr(shop.name),
        promised="letters, digits, _ and -, at most 60",
        then="rename the file",
    )


def _shared(shop: Shop, told: Mapping[Shop, Settings | SettingsError]) -> SettingsError | None:
    """Two shops never write to one place: the refusal of a shop that would; None where it does not.

    A config.toml that cannot be read is taken to have the defaults, so that no copy takes its place.
    """
    mine = told[shop]
    if isinstance(mine, SettingsError):
        return None
    for other, theirs in told.items():
        if other is shop or (isinstance(theirs, SettingsError) and other.name):
            continue
        places = _places(Settings() if isinstance(theirs, SettingsError) else theirs)
        for what, place in _places(mine).items():
            if place == places[what]:
                return SettingsError(
                    f"{shop.path.name} and {other.path.name} have the same {what}",
                    found=place,
                    promised="run folders, a serving schema and roles of its own for every shop",
                    then=f"set another one in {shop.path.name}",
                )
    return None


def _circle(shop: Shop, told: Mapping[Shop, Settings | SettingsError]) -> SettingsError | None:
    """The refusal of a night that its own lists begin, by way of other shops too; None where it is not so."""
    updates = {lists_asset(each): each for each in told.values() if isinstance(each, Settings)}
    mine = told[shop]
    if isinstance(mine, SettingsError):
        return None
    asset, met = mine.schedule.asset, set[str]()
    while asset in updates and asset not in met:
        met.add(asset)
        asset = updates[asset].schedule.asset
    if lists_asset(mine) not in met:
        return None
    return SettingsError(
        f"in {shop.path.name} the night begins with what it ends with",
        found=f"schedule.asset = {mine.schedule.asset}",
        promised="an asset that no night of this shop updates, by way of other shops neither",
        then=f"set another schedule.asset in {shop.path.name}",
    )


def _places(settings: Settings) -> dict[str, str]:
    """Where a shop writes and who may read it, by the settings that say so.

    The name of a schema or a role is one shop's on every server.
    """
    return {
        "run.folder": str(config.runs_folder(settings).resolve()),
        "serving.schema": settings.serving.schema_name,
        "serving.role_prefix": settings.serving.role_prefix,
    }
