"""The first look in lines for a person: what there is, who is measured as asked, what is proposed and why."""

from __future__ import annotations

import json
from collections.abc import Mapping

from pipeline.splits.first_look import Choice, FirstLook
from pipeline.splits.horizon import why
from pipeline.times import utc

FLAGS = {"repeat_purchases": "--repeat-purchases {}", "test_days": "--test-days {}"}
"""How the two settings are chosen for `backtest`."""
SETTINGS = {"repeat_purchases": "run.repeat_purchases = {}", "test_days": "split.test_days = {}"}
"""How they are chosen for a night."""

KINDS = {
    "n_views": "view",
    "n_carts": "cart",
    "n_purchases": "purchase",
    "n_returns": "return",
    "n_others": "other",
}


def lines(look: FirstLook, names: Mapping[str, str]) -> list[str]:
    """The whole first look. names: FLAGS or SETTINGS"""
    if not look.buyers["n_buyers"]:
        return _facts(look)
    if look.proposed is None:
        return [*_facts(look), _nothing(look)]
    return [*_facts(look), _asked(look, names), *_proposed(look, look.proposed, names)]


def _facts(look: FirstLook) -> list[str]:
    """What there is: events, users and items; how many of them are read; who comes back, and for what."""
    events = look.events
    n_of = {kind: events[name] for name, kind in KINDS.items() if events[name]}
    kinds = ", ".join(_counted(n, kind) for kind, n in n_of.items()) if len(n_of) > 1 else f"all {min(n_of)}s"
    lines = [
        f"{_counted(events['n_events'], 'event')} ({kinds}) of {_counted(events['n_users'], 'user')} and"
        f" {_counted(events['n_items'], 'item')}, {_day(events, 'first_at')} to {_day(events, 'last_at')}"
    ]
    if look.n_in_window < events["n_events"]:
        lines.append(
            f"{look.n_in_window:,} of the events lie in the {look.window_days:,} days before"
            f" {utc(look.as_of):%Y-%m-%d} and are read; what follows is about these"
        )
    return [*lines, *_coming_back(look.buyers)] if look.n_in_window else lines


def _coming_back(buyers: Mapping[str, float]) -> list[str]:
    n, n_back = int(buyers["n_buyers"]), int(buyers["n_returning"])
    if not n:
        return ["nobody bought anything"]
    if not n_back:
        return [f"{_counted(n, 'buyer')}: nobody bought on a second day"]
    of_all, of_later = (_share(buyers["n_again"], buyers[whole]) for whole in ("n_bought", "n_later"))
    return [
        f"{_counted(n, 'buyer')}: {n_back:,} ({_share(n_back, n)}) bought on a second day too, half of them"
        f" within {_counted(round(buyers['days_to_return']), 'day')} of the first",
        f"{of_all} of the purchases are of an item that its buyer had bought on an earlier day;"
        f" after a buyer's first day {of_later}",
    ]


def _asked(look: FirstLook, names: Mapping[str, str]) -> str:
    return f"as asked, with {_named(look.asked, names)}: {_measured(look.asked)}"


def _proposed(look: FirstLook, choice: Choice, names: Mapping[str, str]) -> list[str]:
    """What to choose, then why: one line for each of the two settings."""
    whys = [f"  {_why_mode(look, choice)}", f"  {_why_days(choice)}"]
    if choice.is_like(look.asked):
        return ["that is also what is proposed", *whys]
    return [f"proposed: {_named(choice, names)}: {_measured(choice)}", *whys]


def _why_mode(look: FirstLook, choice: Choice) -> str:
    share = _share(look.buyers["n_again"], look.buyers["n_later"])
    if (choice.repeat_purchases == "allow") != look.is_often:
        return f"{choice.repeat_purchases}, because only so can anybody be measured"
    if choice.repeat_purchases == "allow":
        return f"allow, because those who come back often buy the same again ({share}): lists may hold it"
    return f"exclude, because those who come back seldom buy the same again ({share}): lists hold other items"


def _why_days(choice: Choice) -> str:
    if choice.test_days != "auto":
        return f"{_days(choice)}, because auto measures nobody: nobody has bought what counts for a while"
    return f"auto, which is {_days(choice)} here: {why(choice.where)}"


def _nothing(look: FirstLook) -> str:
    if look.buyers["n_returning"]:
        return "no cut in time measures anybody: nobody bought before it and again after it"
    return (
        "no cut in time measures anybody, whatever the settings: that takes buyers who come back."
        " A longer history helps only if they do so in it"
    )


def _named(choice: Choice, names: Mapping[str, str]) -> str:
    values = {"repeat_purchases": choice.repeat_purchases, "test_days": choice.test_days}
    if names is FLAGS:
        return " ".join(text.format(values[name]) for name, text in names.items())
    return ", ".join(text.format(json.dumps(values[name])) for name, text in names.items())


def _measured(choice: Choice) -> str:
    if not choice.n_users:
        return "nobody can be measured"
    people = "1 person" if choice.n_users == 1 else f"{choice.n_users:,} people"
    n_cuts, days = len(choice.where.of_test), _days(choice)
    if n_cuts == 1:
        measured = f"{people} can be measured within {days} of a cut"
    else:
        measured = f"{people}, counted at each of {n_cuts} cuts, can be measured within {days} of it"
    return f"{measured}, Precision@3 to about ±{choice.margin:.2g}"


def _days(choice: Choice) -> str:
    days = choice.where.test_days
    return f"{days:.3g} {'day' if days == 1 else 'days'}"


def _counted(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def _share(part: float, whole: float) -> str:
    """`34%`; below one, `0.4%`; never 0% of something nor 100% of less than all."""
    share = 100 * part / max(whole, 1)
    if 0 < share < 1:
        return f"{max(share, 0.1):.1f}%"
    return "100%" if part == whole else f"{min(share, 99):.0f}%"


def _day(events: Mapping[str, object], name: str) -> str:
    return f"{utc(events[name]):%Y-%m-%d}"  # type: ignore[arg-type]
