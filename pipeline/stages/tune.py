"""Find tonight's parameters and the model that is published, by Precision@3 on the validation set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from pipeline.contract.datasets import DATASETS
from pipeline.models.ncf import refuse_without_torch
from pipeline.ranking.saved import write_item_factors
from pipeline.runs.job import Counts, Job
from pipeline.splits import folds
from pipeline.tuning.parameters import choose_parameters
from pipeline.tuning.race import race
from pipeline.tuning.record import best_params, start_of, unjudged_params
from pipeline.tuning.reuse import usable_live
from pipeline.tuning.search import NOTHING_TRIED, Search
from pipeline.tuning.variety import choose_variety


def run(job: Job) -> Counts:
    """`train`, `validation_set`, `live`, `items` -> `trials`, `best_params`, `examples`, `item_factors`.

    Where nobody can be measured, nothing is searched and nothing raced: the simplest rule is published.
    """
    folder = job.folder
    live = usable_live(job)
    start, origin = start_of(job, live)
    if folds.is_unjudged(folder):
        folder.drop("item_factors")
        return _write(job, NOTHING_TRIED, unjudged_params(job, start, origin), [])
    refuse_without_torch(job.settings)
    chosen = choose_parameters(job, live, start)
    ended = race(job, chosen.params)
    winner = ended.winner()
    of_live = start.variety if origin and start.model == winner else None
    variety = choose_variety(ended.pools, winner, job.settings, of_live)
    document = best_params(job, chosen, ended, variety, origin)
    for row in document["race"]:
        job.say(f"race: {row['model']}: {row['precision_at_3']:.4f}, NDCG@10 {row['ndcg_at_10']:.4f}")
    job.say(f"race: published is {document['chosen']}")
    job.say(f"variety: {variety.why}")
    folder.drop("item_factors")
    if ended.item_factors is not None:
        write_item_factors(folder, ended.item_factors)
    return _write(job, chosen.search, document, ended.training_rows)


def _write(
    job: Job, search: Search, document: Mapping[str, Any], training_rows: Sequence[pa.Table]
) -> Counts:
    folder = job.folder
    folder.write("trials", search.table())
    schema = DATASETS["examples"].schema(job.settings.ids.model_dump())
    folder.write("examples", pa.concat_tables([schema.empty_table(), *training_rows]))
    folder.write_document("best_params", dict(document))
    return {
        "model": document["model"],
        "n_trials": document["n_trials"],
        "n_pruned": document["n_pruned"],
        "ended_by": search.ended_by,
        "variety": document["variety"]["strength"],
        "source": document["source"],
        **document["als"],
    }
