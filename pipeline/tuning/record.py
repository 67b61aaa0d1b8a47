"""The document `best_params`: the chosen parameters and model, where they come from, and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.models.catalog import SIMPLEST
from pipeline.models.params import Params, Variety
from pipeline.runs.job import Job
from pipeline.splits import folds
from pipeline.tuning.parameters import Chosen
from pipeline.tuning.race import Race
from pipeline.tuning.search import NOTHING_TRIED
from pipeline.tuning.variety import ChosenVariety


def best_params(
    job: Job, chosen: Chosen, race: Race, variety: ChosenVariety, live: Mapping[str, Any]
) -> dict[str, Any]:
    """The document.

    variety: of the lists of the race's winner
    live: the publication whose parameters were the start; empty: config.toml's were
    """
    params = chosen.params.but(model=race.winner(), variety=variety.variety)
    return {
        **params.dump(),
        **_origin(job, chosen, live),
        "is_unjudged": False,
        "why": chosen.why,
        "chosen": race.why(),
        "race": race.standings(),
        "race_by_window": race.rows_by_fold(),
        "variety_why": variety.why,
        "variety_tried": list(variety.tried),
    }


def unjudged_params(job: Job, start: Params, live: Mapping[str, Any]) -> dict[str, Any]:
    """The document where nobody can be measured: the simplest rule, with the parameters of `start`."""
    return {
        **start.but(model=SIMPLEST, variety=Variety()).dump(),
        **_origin(job, Chosen(NOTHING_TRIED, start, ""), live),
        "is_unjudged": True,
        "why": "nobody can be measured; parameters stay as they were",
        "chosen": f"{SIMPLEST}: nobody can be measured, so no model is known to be better",
        "race": [],
        "race_by_window": [],
        "variety_why": "none: nobody can be measured",
        "variety_tried": [],
    }


def start_of(job: Job, live: Mapping[str, Any]) -> tuple[Params, Mapping[str, Any]]:
    """Where tuning starts, and the publication it comes from.

    The live parameters; where none can be read, those of config.toml and an empty publication.
    """
    published = Params.published(live, job.settings)
    if published is None:
        return Params.configured(job.settings), {}
    return published, live


def _origin(job: Job, chosen: Chosen, live: Mapping[str, Any]) -> dict[str, Any]:
    """Where tonight's parameters come from: `searched`, `reused` from the live version, or `settings`."""
    search = chosen.search
    mode = job.settings.run.repeat_purchases
    if search.complete:
        return {
            "source": "searched",
            "searched_at": job.folder.as_of.isoformat(),
            "n_trials": len(search.complete),
            "n_pruned": search.n_pruned,
            "ended_by": search.ended_by,
            "precision_at_3": chosen.precision_at_3,
            "n_searched": search.n_users,
            "n_buyers": chosen.n_buyers,
            "repeat_purchases": mode,
            "tuned_until": folds.test_from(job.folder).isoformat(),
            "split_method": job.folder.document("split")["method"],
            "test_days": job.folder.document("split")["test_days"],
        }
    params = live.get("params") or {}
    return {
        "source": "reused" if params else "settings",
        "searched_at": params.get("searched_at"),
        "n_trials": 0,
        "n_pruned": 0,
        "ended_by": params.get("ended_by", ""),
        "precision_at_3": params.get("precision_at_3"),
        "n_searched": params.get("n_searched"),
        "n_buyers": params.get("n_buyers"),
        "repeat_purchases": params.get("repeat_purchases", mode),
        "tuned_until": params.get("tuned_until"),
        "split_method": params.get("split_method"),
        "test_days": params.get("test_days"),
    }
