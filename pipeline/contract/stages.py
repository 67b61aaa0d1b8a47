"""The stages of a night, in order: what each reads and writes.

A stage is the module of its name in pipeline/stages/, with one function
`run(job: Job) -> dict[str, int | float | str]` whose result is the counts a person wants to see.
This list is all that the DAG and the command line know; importing it loads no stage.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """One step: the datasets and documents (contract/datasets.py) it reads and writes."""

    name: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    summary: str


LISTS = (
    "recommendations",
    "popular_items",
    "similar_items",
    "also_bought",
    "user_purchases",
    "user_categories",
    "user_segments",
    "popular_in_segment",
    "item_names",
)
"""What `recommend` makes and `publish` puts live."""

STAGES: tuple[Stage, ...] = (
    Stage(
        "extract",
        (),
        (
            "events",
            "items",
            "users",
            "user_attributes",
            "item_embeddings",
            "live",
            "live_segments",
            "serving",
        ),
        "Read the window from the shop's database.",
    ),
    Stage(
        "validate",
        ("events", "items", "users", "item_embeddings", "serving"),
        ("validation",),
        "Check the data against the expectations; a critical failure stops the run.",
    ),
    Stage(
        "filter_purchasers",
        ("events", "users", "validation"),
        ("purchaser_events", "browser_events"),
        "Keep every event of each user who bought.",
    ),
    Stage(
        "split",
        ("purchaser_events",),
        ("train", "validation_set", "test", "split"),
        "Hold out the last days, once to tune on and once to measure.",
    ),
    Stage(
        "tune",
        ("train", "validation_set", "split", "live", "items"),
        ("trials", "best_params", "examples", "item_factors"),
        "Search for better ALS parameters, then compare all models and choose the best one.",
    ),
    Stage(
        "train",
        ("train", "validation_set", "test", "split", "best_params", "examples", "item_factors"),
        ("model",),
        "Fit the models that are measured.",
    ),
    Stage(
        "evaluate",
        (
            "train",
            "validation_set",
            "test",
            "split",
            "model",
            "best_params",
            "examples",
            "live",
            "items",
            "users",
            "item_embeddings",
            "browser_events",
            "user_attributes",
        ),
        (
            "metrics",
            "user_metrics",
            "segment_metrics",
            "latest_examples",
            "comparison",
            "fallback",
            "session_lists",
            "cold_items",
            "first_purchases",
        ),
        "Measure every model on purchases that none of them saw.",
    ),
    Stage(
        "recommend",
        (
            "purchaser_events",
            "browser_events",
            "best_params",
            "fallback",
            "first_purchases",
            "items",
            "item_embeddings",
            "user_attributes",
            "examples",
            "latest_examples",
            "model",
            "live_segments",
        ),
        LISTS,
        "Fit the model whose lists go live on all events and write every list.",
    ),
    Stage(
        "gate",
        (
            "recommendations",
            "popular_items",
            "similar_items",
            "user_segments",
            "popular_in_segment",
            "events",
            "items",
            "purchaser_events",
            "split",
            "comparison",
            "fallback",
            "live",
            "validation",
        ),
        ("decision",),
        "Decide whether the lists may go live, and say why.",
    ),
    Stage(
        "publish",
        (*LISTS, "split", "metrics", "comparison", "fallback", "best_params", "decision"),
        ("publication",),
        "Put the lists live in one short transaction, or record the refusal.",
    ),
)

BY_NAME: dict[str, Stage] = {stage.name: stage for stage in STAGES}


def after(name: str) -> tuple[Stage, ...]:
    """Every stage whose input depends, however far, on what `name` writes; in order."""
    stale = set(BY_NAME[name].writes)
    stages = []
    for stage in STAGES[[s.name for s in STAGES].index(name) + 1 :]:
        if stale & set(stage.reads):
            stale |= set(stage.writes)
            stages.append(stage)
    return tuple(stages)
