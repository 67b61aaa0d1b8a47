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

NAME = re.compile(r"[A-Za-z0-9_-]{1,60}")


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


ShopSettings = Mapping[Shop, Settings | SettingsError]
"""Each shop with its settings, or with the error that says why it cannot run."""


def find_shops(folder: Path | None = None) -> list[Shop]:
    """Every shop with a settings file in `folder` (default: that of config.toml), sorted by name."""
    folder = folder or config.path().parent
    paths = {path.name[len("config.") : -len(".toml")]: path for path in folder.glob("config.*.toml")}
    return [Shop("", folder / "config.toml"), *(Shop(name, paths[name]) for name in sorted(paths))]


def load_settings(shops: Iterable[Shop]) -> dict[Shop, Settings | SettingsError]:
    """The settings of each shop, or why it cannot run.

    Shops that would write to one place are all refused, save config.toml's: nobody can tell which of
    them is the copy. So are shops whose nightly run would be started by its own lists.
    """
    loaded = {shop: _load(shop) for shop in shops}
    return {
        shop: _shared_place(shop, loaded) or _circular_schedule(shop, loaded) or settings
        for shop, settings in loaded.items()
    }


def lists_asset(settings: Settings) -> str:
    """The name of the Airflow asset that is updated whenever other lists of the shop go live."""
    return f"{settings.serving.schema_name}.recommendations"


def shop_of_dag(dag_id: str, shops: Iterable[Shop]) -> Shop | None:
    """The shop whose nightly DAG is `dag_id`; None where there is none."""
    return next((shop for shop in shops if shop.named(NIGHTLY) == dag_id), None)


def _load(shop: Shop) -> Settings | SettingsError:
    try:
        settings = config.load(shop.path)
    except SettingsError as error:
        return error
    if not shop.name or NAME.fullmatch(shop.name):
        return settings
    return SettingsError(
        f"{shop.path.name} gives its shop a name that no DAG can have",
        found=repr(shop.name),
        promised="letters, digits, _ and -, at most 60",
        then="rename the file",
    )


def _shared_place(shop: Shop, loaded: ShopSettings) -> SettingsError | None:
    """The refusal of a further shop that would write where another shop writes; None where it would not.

    A config.toml that cannot be read is taken to have the defaults, so that no copy takes its place.
    """
    settings = loaded[shop]
    if not shop.name or isinstance(settings, SettingsError):
        return None
    for other, other_settings in loaded.items():
        if other is shop or (isinstance(other_settings, SettingsError) and other.name):
            continue
        taken = _places(Settings() if isinstance(other_settings, SettingsError) else other_settings)
        for setting, place in _places(settings).items():
            if place == taken[setting]:
                return SettingsError(
                    f"{shop.path.name} and {other.path.name} have the same {setting}",
                    found=place,
                    promised="run folders, a serving schema and roles of its own for every shop",
                    then=f"set another one in {shop.path.name}",
                )
    return None


def _places(settings: Settings) -> dict[str, str]:
    """Where a shop writes and who may read it, by the settings that say so.

    Schemas and roles are compared by name alone: two shops on different servers take different names too.
    """
    return {
        "run.folder": str(config.runs_folder(settings).resolve()),
        "serving.schema": settings.serving.schema_name,
        "serving.role_prefix": settings.serving.role_prefix,
    }


def _circular_schedule(shop: Shop, loaded: ShopSettings) -> SettingsError | None:
    """The refusal of a shop whose lists start its own nightly run, be it by way of other shops; else None.

    A shop's schedule.asset may be the lists of another shop, whose own may be those of a third.
    """
    settings = loaded[shop]
    if isinstance(settings, SettingsError):
        return None
    publishers = {lists_asset(s): s for s in loaded.values() if isinstance(s, Settings)}
    asset, visited = settings.schedule.asset, set[str]()
    while asset in publishers and asset not in visited:
        visited.add(asset)
        asset = publishers[asset].schedule.asset
    if lists_asset(settings) not in visited:
        return None
    return SettingsError(
        f"in {shop.path.name} the night begins with what it ends with",
        found=f"schedule.asset = {settings.schedule.asset}",
        promised="an asset that no night of this shop updates, by way of other shops neither",
        then=f"set another schedule.asset in {shop.path.name}",
    )
