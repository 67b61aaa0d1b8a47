"""What is live now: what a night starts from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pipeline.config import Settings
from pipeline.embedded import silent
from pipeline.serving import schema
from pipeline.serving.session import session

SEARCH = ("searched_at", "n_trials", "precision_at_3", "repeat_purchases")


def read_live(url: str, settings: Settings, *, say: Callable[[str], None] = silent) -> dict[str, Any]:
    """The content of `live.json`; empty when nothing is published or there is no schema yet.

    Keys: version, run_id, as_of, published_at, repeat_purchases, precision_at_3, n_users, n_items,
    n_recommendations, params, ids (`{"user", "item"}`), last_search (None, or when, how many trials,
    its Precision@3 and its mode). Raises ServingError when [ids] says otherwise than the schema, so
    that a night stops before hours of work, or when the schema is of an older release and this login
    cannot upgrade it; Unreachable.
    """
    with session(url, settings, "nightshelf read live") as here:
        found = schema.look(here)
        if found is None:
            return {}
        schema.check(found, settings)
        if found.version < schema.VERSION:
            schema.ensure(url, settings, say=say)
        with here.transaction():
            row = here.one("live_publication")
    if row is None:
        return {}
    params = row["params"]
    search = {name: params.get(name) for name in SEARCH} if params.get("searched_at") else None
    return {**row, "ids": found.ids.model_dump(), "last_search": search}
