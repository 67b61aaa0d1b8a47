"""Keep every event of each user who bought: views and carts of buyers teach, those of browsers do not."""

from __future__ import annotations

from pipeline.engines.current import tables
from pipeline.errors import DataError
from pipeline.runs.job import Counts, Job


def run(job: Job) -> Counts:
    """`events` (and `users`, where the shop has them) -> `purchaser_events`; `browser_events`.

    Every event is counted: kept, or left out for one of the reasons that `purchaser_counts.sql` names, or an
    exact duplicate of one that is kept.
    """
    folder, settings = job.folder, job.settings
    with tables(settings.run, folder.scratch()) as db:
        events = folder.dataset("events")
        db.view("events", events)
        if users := folder.optional("users"):
            db.view("users", users)
        else:
            db.show_query("users", "SELECT DISTINCT user_id FROM events")
        met = db.row("purchaser_counts")
        folder.write("purchaser_events", db.rows_by_user("events", events, "purchaser_events"))
        wanted = settings.recommend
        least = {"min_views": wanted.engaged_views, "min_carts": wanted.engaged_carts}
        folder.write("browser_events", db.rows_by_user("events", events, "browser_events", least))
    with tables(settings.run, folder.scratch()) as db:
        db.view("purchaser_events", folder.file("purchaser_events"))
        kept = db.row("event_counts")
    _refuse_too_little(job, kept, met)
    n_left_out = met["n_returns"] + met["n_events_of_unknown_users"] + met["n_events_of_browsers"]
    return {
        "n_users": kept["n_users"],
        "n_items": kept["n_items"],
        "n_purchases": kept["n_purchases"],
        "n_returns": met["n_returns"],
        "n_duplicates": met["n_events"] - n_left_out - kept["n_events"],
        "n_browsers": met["n_users"] - kept["n_users"] - met["n_unknown_users"],
        "n_events_of_browsers": met["n_events_of_browsers"],
        "n_unknown_users": met["n_unknown_users"],
        "n_unknown_buyers": met["n_unknown_buyers"],
        "n_events_of_unknown_users": met["n_events_of_unknown_users"],
    }


def _refuse_too_little(job: Job, kept: dict[str, int], met: dict[str, int]) -> None:
    """A model needs two buyers and two items; say which is missing, and which file is to blame."""
    n_unknown = met["n_unknown_buyers"]
    for name, what in (("n_users", "buyer"), ("n_items", "item")):
        if kept[name] >= 2:
            continue
        number = "nobody bought" if not kept["n_users"] else f"only one {what}"
        if n_unknown:
            raise DataError(
                f"{number} whom {job.file_of('users')} has: there is nothing to learn from",
                found=f"{n_unknown:,} of {met['n_buyers']:,} buyers of the window are not in it",
                promised="at least 2 users who bought, and 2 items",
                then=f"mend {job.file_of('users')}: it must have every user who may get a list, with the same"
                f" id as {job.file_of('events')}",
            )
        raise DataError(
            f"{number} in the window: there is nothing to learn from",
            found=f"{met['n_events']:,} events of {met['n_users']:,} users, {kept['n_purchases']:,} purchases"
            f" by {kept['n_users']:,} known buyers of {kept['n_items']:,} items",
            promised="purchases (event_type 'purchase', quantity above 0) of at least 2 users and 2 items",
            then=f"look at {job.file_of('events')}, or choose a wider window_days or another --as-of",
        )
