"""What is live now, and what was published before: what a night starts from."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from pipeline.config import Settings
from pipeline.databases.embedded import silent
from pipeline.serving import schema
from pipeline.serving.session import session

SEARCH = ("searched_at", "n_trials", "precision_at_3", "repeat_purchases")
FAR_AHEAD = datetime(9999, 1, 1, tzinfo=UTC)


def read_live(
    url: str, settings: Settings, *, as_of: datetime = FAR_AHEAD, say: Callable[[str], None] = silent
) -> dict[str, Any]:
    """The content of `live.json`; empty when nothing is published or there is no schema yet.

    Keys: version, run_id, as_of, published_at, repeat_purchases, precision_at_3, n_users, n_items,
    n_recommendations, params, ids (`{"user", "item"}`), last_search (None, or when, how many trials,
    its Precision@3 and its mode), recent (publications of today's mode that end at `as_of` or before,
    newest first, at most seven: version, as_of, published_at, precision_at_3, n_users, n_items),
    n_refused_for_shrink (how many runs of these were refused in a row, up to the newest, because they had
    shrunk and for nothing else).

    Raises ServingError when [ids] says otherwise than the schema, so that a night stops before hours
    of work, or when the schema is of an older release and this login cannot upgrade it; Unreachable.
    """
    with session(url, settings, "nightshelf read live") as here:
        found = schema.look(here)
        if found is None:
            return {}
        schema.check(found, settings)
        if found.version < schema.VERSION:
            schema.migrate(url, settings, say=say)
        with here.transaction():
            row = here.one("live_publication")
            asked = {"repeat_purchases": settings.run.repeat_purchases, "as_of": as_of}
            recent = here.run("recent_publications", asked).fetchall()
            refused = here.one("refused_in_a_row", asked) or {}
    if row is None:
        return {}
    params = row["params"]
    search = {name: params.get(name) for name in SEARCH} if params.get("searched_at") else None
    return {
        **row,
        "ids": found.ids.model_dump(),
        "last_search": search,
        "recent": recent,
        "n_refused_for_shrink": refused["n_runs"],
    }
