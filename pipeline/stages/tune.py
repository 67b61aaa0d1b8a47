"""Find tonight's parameters and the model that is published, by Precision@3 on the validation set.

A search for better ALS parameters, where one is due; the rules' half-lives; then the race of all models.
The study is a journal in the run folder: a search that was killed goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from pipeline.contract.datasets import DATASETS
from pipeline.models.params import Params, known_by
from pipeline.runs.job import Counts, Job
from pipeline.splits import folds
from pipeline.tuning.parameters import choose_parameters
from pipeline.tuning.race import Race, race
from pipeline.tuning.reuse import unseen_by_search
from pipeline.tuning.search import Search


def run(job: Job) -> Counts:
    """`train`, `validation_set`, `live`, `items` -> `trials`, `best_params`, `examples`."""
    folder, settings = job.folder, job.settings
    live = {} if settings.tune.mode == "never" else known_by(folder.document("live"), folder.as_of)
    live = unseen_by_search(live, folds.test(folder).cut_at)
    published = Params.published(live, settings)
    start = published or Params.configured(settings)
    begun = choose_parameters(job, live, start)
    found, params = begun.search, begun.params
    items = folder.dataset("items") if folder.has("items") else None
    over = [folds.validation(folder), *folds.earlier(folder, settings.ranking.windows - 1)]
    ended = race(over, params, settings, items, folder.scratch(), job.say, begun.lost, begun.factors)
    standings = ended.standings()
    params = params.but(model=ended.winner())
    for row in standings:
        job.say(f"race: {row['model']}: {row['precision_at_3']:.4f}, NDCG@10 {row['ndcg_at_10']:.4f}")
    job.say(f"race: published is {ended.why()}")
    folder.write("trials", found.table())
    folder.write("examples", _examples(job, ended))
    document = {
        **params.dump(),
        **_origin(job, found, live if published else {}),
        "why": begun.why,
        "lost_before": dict(begun.lost),
        "chosen": ended.why(),
        "race": standings,
        "race_by_window": [row for lap in ended.laps for row in lap.rows],
    }
    folder.write_document("best_params", document)
    return {
        "model": params.model,
        "n_trials": len(found.complete),
        "n_pruned": found.n_pruned,
        "ended_by": found.ended_by,
        "source": document["source"],
        **params.als.model_dump(),
    }


def _examples(job: Job, ended: Race) -> pa.Table:
    dataset = DATASETS["examples"]
    schema = dataset.schema(job.settings.ids.model_dump())
    return pa.concat_tables([schema.empty_table(), *ended.examples])


def _origin(job: Job, found: Search, live: Mapping[str, Any]) -> dict[str, Any]:
    """Where tonight's parameters come from: `searched`, `reused` from the live version, or `settings`."""
    mode = job.settings.run.repeat_purchases
    if found.complete:
        return {
            "source": "searched",
            "searched_at": job.folder.as_of.isoformat(),
            "n_trials": len(found.complete),
            "n_pruned": found.n_pruned,
            "ended_by": found.ended_by,
            "precision_at_3": found.best().values[0],
            "repeat_purchases": mode,
            "tuned_until": folds.test(job.folder).cut_at.isoformat(),
        }
    kept = live.get("params") or {}
    return {
        "source": "reused" if kept else "settings",
        "searched_at": kept.get("searched_at"),
        "n_trials": 0,
        "n_pruned": 0,
        "ended_by": kept.get("ended_by", ""),
        "precision_at_3": kept.get("precision_at_3"),
        "repeat_purchases": kept.get("repeat_purchases", mode),
        "tuned_until": kept.get("tuned_until"),
    }
