"""Every dataset of a run: who writes it, its columns and types, what makes a row unique.

Each column name is spelled here once. Ids keep the shop's type (`[ids]` in config.toml):
`integer` is int64, `text` and `uuid` are strings. Times are UTC, to the microsecond.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from pipeline.config import IdType
from pipeline.contract.features import FEATURES

TIME = pa.timestamp("us", tz="UTC")
EMBEDDING = FACTORS = pa.list_(pa.float32())
DEFAULT_KIND = "default"
"""The kind of embeddings of which a shop has one kind, and no name for it."""

USER, ITEM = "user_id", "item_id"

_EVENT: dict[str, object] = {
    "user_id": USER,
    "item_id": ITEM,
    "event_type": pa.string(),
    "occurred_at": TIME,
    "order_id": pa.string(),
    "quantity": pa.float64(),
    "price": pa.float64(),
    "discount": pa.float64(),
    "rating": pa.float64(),
}
MAY_CARRY = ("price", "discount", "rating")
"""What an event may carry: the price paid for one piece, what was taken off one piece, and a rating.
Every dataset of events has these columns; they are null where the shop says nothing."""

EVENTS_ORDER = ("user_id", "occurred_at", "item_id", "event_type", "order_id", "quantity", *MAY_CARRY)
"""The columns that rows of events are sorted by, which are all of them; nulls come last."""

_SEGMENTS: dict[str, object] = {"user_id": USER, "segment": pa.int32()}
"""A user without purchases, and the number of the group of such users: 1, 2, ..."""

_SCORES: dict[str, object] = {
    "n_held_out": pa.int32(),
    "precision_at_3": pa.float64(),
    "recall_at_10": pa.float64(),
    "ndcg_at_10": pa.float64(),
    "map_at_10": pa.float64(),
    "hit_rate_at_10": pa.float64(),
}


@dataclass(frozen=True)
class Dataset:
    """One Parquet file of a run.

    columns: name -> Arrow type, or USER / ITEM for an id of the shop's type
    key:     the columns that make a row unique; rows are written in its order. Empty: no key
    nullable: the columns that may hold nulls (`extract` hands nulls on; `validate` judges them)
    optional: of what `extract` reads, the columns that a shop's statement need not select; they are null then
    """

    name: str
    stage: str
    columns: Mapping[str, object]
    key: tuple[str, ...] = ()
    nullable: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()

    def schema(self, ids: Mapping[str, IdType]) -> pa.Schema:
        """The Arrow schema for a shop whose ids are `{"user": ..., "item": ...}`."""
        types = {USER: arrow_id(ids["user"]), ITEM: arrow_id(ids["item"])}
        return pa.schema(
            [
                pa.field(
                    name,
                    types[kind] if isinstance(kind, str) else kind,
                    nullable=name in self.nullable,
                )
                for name, kind in self.columns.items()
            ]
        )


def arrow_id(kind: IdType) -> pa.DataType:
    """The Arrow type of an id: int64 for `integer`, string for `text` and `uuid`."""
    return pa.int64() if kind == "integer" else pa.string()


def _examples(name: str, stage: str) -> Dataset:
    keys: dict[str, object] = {"cut_at": TIME, "user_id": USER, "item_id": ITEM}
    labels: dict[str, object] = {"bought_at": TIME, "is_drawn": pa.bool_()}
    columns = {**keys, **labels, **dict.fromkeys(FEATURES, pa.float32())}
    return Dataset(name, stage, columns, key=tuple(keys), nullable=frozenset({"bought_at", *FEATURES}))


def _events(name: str, stage: str, nullable: frozenset[str] = frozenset({"order_id", *MAY_CARRY})) -> Dataset:
    return Dataset(name, stage, _EVENT, nullable=nullable, optional=frozenset(MAY_CARRY))


TIMES_OF_ITEMS = ("added_at", "available_until", "known_at")
"""Since when an item is sold, from when on it no longer is, and since when its row says what it says: name,
category and all else count only in cuts at or after that. Null: always, and for ever."""

_OF_ITEMS = frozenset({"name", "category", "price", "discount", "available", *TIMES_OF_ITEMS})

DATASETS: dict[str, Dataset] = {
    dataset.name: dataset
    for dataset in (
        _events("events", "extract", frozenset(_EVENT)),
        Dataset(
            "items",
            "extract",
            {
                "item_id": ITEM,
                "name": pa.string(),
                "category": pa.string(),
                "price": pa.float64(),
                "discount": pa.float64(),
                "available": pa.bool_(),
                **dict.fromkeys(TIMES_OF_ITEMS, TIME),
            },
            nullable=_OF_ITEMS | {"item_id"},
            optional=_OF_ITEMS,
        ),
        Dataset(
            "users",
            "extract",
            {"user_id": USER, "segment": pa.string()},
            nullable=frozenset({"user_id", "segment"}),
            optional=frozenset({"segment"}),
        ),
        Dataset(
            "item_embeddings",
            "extract",
            {"item_id": ITEM, "kind": pa.string(), "embedding": EMBEDDING, "known_at": TIME},
            nullable=frozenset({"item_id", "embedding", "known_at"}),
            optional=frozenset({"kind", "known_at"}),
        ),
        Dataset(
            "user_attributes",
            "extract",
            {
                "user_id": USER,
                "name": pa.string(),
                "category": pa.string(),
                "number": pa.float64(),
                "known_at": TIME,
            },
            key=("user_id", "name"),
            nullable=frozenset({"category", "number", "known_at"}),
        ),
        Dataset("live_segments", "extract", _SEGMENTS, key=("user_id",)),
        _events("purchaser_events", "filter_purchasers"),
        _events("browser_events", "filter_purchasers"),
        _events("train", "split"),
        _events("validation_set", "split"),
        _events("test", "split"),
        Dataset(
            "trials",
            "tune",
            {
                "trial": pa.int32(),
                "state": pa.string(),
                "precision_at_3": pa.float64(),
                "params": pa.string(),
            },
            key=("trial",),
            nullable=frozenset({"precision_at_3"}),
        ),
        _examples("examples", "tune"),
        Dataset("item_factors", "tune", {"item_id": ITEM, "factors": FACTORS}, key=("item_id",)),
        _examples("latest_examples", "evaluate"),
        Dataset(
            "metrics",
            "evaluate",
            {
                "model": pa.string(),
                "repeat_purchases": pa.string(),
                "n_users": pa.int64(),
                "n_buyers": pa.int64(),
                "precision_at_3": pa.float64(),
                "ci_low": pa.float64(),
                "ci_high": pa.float64(),
                "ceiling_at_3": pa.float64(),
                "recall_at_10": pa.float64(),
                "ndcg_at_10": pa.float64(),
                "map_at_10": pa.float64(),
                "hit_rate_at_10": pa.float64(),
                "coverage_at_3": pa.float64(),
                "novelty_at_3": pa.float64(),
                "popular_share_at_3": pa.float64(),
                "gini_at_3": pa.float64(),
                "diversity_at_10": pa.float64(),
                "n_cold_users": pa.int64(),
                "n_cold_items": pa.int64(),
            },
            key=("repeat_purchases", "model"),
        ),
        Dataset(
            "user_metrics",
            "evaluate",
            {"model": pa.string(), "cut_at": TIME, "user_id": USER, **_SCORES},
            key=("model", "cut_at", "user_id"),
        ),
        Dataset(
            "segment_metrics",
            "evaluate",
            {
                "kind": pa.string(),
                "segment": pa.string(),
                "model": pa.string(),
                "n_users": pa.int64(),
                "n_buyers": pa.int64(),
                "precision_at_3": pa.float64(),
                "ci_low": pa.float64(),
                "ci_high": pa.float64(),
            },
            key=("kind", "segment", "model"),
        ),
        Dataset(
            "recommendations",
            "recommend",
            {
                "user_id": USER,
                "rank": pa.int32(),
                "item_id": ITEM,
                "score": pa.float64(),
                "reason": pa.string(),
                "because_item_id": ITEM,
                "last_bought_on": pa.date32(),
                "gap_days": pa.int32(),
                "percent_off": pa.int32(),
                "model_rank": pa.int32(),
            },
            key=("user_id", "rank"),
            nullable=frozenset(
                {"reason", "because_item_id", "last_bought_on", "gap_days", "percent_off", "model_rank"}
            ),
        ),
        Dataset(
            "popular_items",
            "recommend",
            {"category": pa.string(), "rank": pa.int32(), "item_id": ITEM, "score": pa.float64()},
            key=("category", "rank"),
        ),
        Dataset(
            "similar_items",
            "recommend",
            {"item_id": ITEM, "rank": pa.int32(), "similar_item_id": ITEM, "score": pa.float64()},
            key=("item_id", "rank"),
        ),
        Dataset(
            "also_bought",
            "recommend",
            {
                "item_id": ITEM,
                "rank": pa.int32(),
                "also_bought_item_id": ITEM,
                "support": pa.float64(),
                "lift": pa.float64(),
            },
            key=("item_id", "rank"),
        ),
        Dataset(
            "user_purchases",
            "recommend",
            {"user_id": USER, "rank": pa.int32(), "item_id": ITEM},
            key=("user_id", "rank"),
        ),
        Dataset(
            "user_categories",
            "recommend",
            {"user_id": USER, "rank": pa.int32(), "category": pa.string()},
            key=("user_id", "rank"),
        ),
        Dataset("user_segments", "recommend", _SEGMENTS, key=("user_id",)),
        Dataset(
            "popular_in_segment",
            "recommend",
            {"segment": pa.int32(), "rank": pa.int32(), "item_id": ITEM, "score": pa.float64()},
            key=("segment", "rank"),
        ),
        Dataset(
            "item_names",
            "recommend",
            {"item_id": ITEM, "name": pa.string(), "category": pa.string()},
            key=("item_id",),
            nullable=frozenset({"name", "category"}),
        ),
    )
}

PUBLISHED = "published"
"""In `metrics`: the lists of the model that was chosen before the test was looked at, empty slots filled."""
FALLBACK = "fallback"
"""In `metrics`: the lists of the rule that goes live in its place, empty slots filled, items on sale only."""

DOCUMENTS: dict[str, str] = {
    "live": "extract",
    "serving": "extract",
    "validation": "validate",
    "split": "split",
    "best_params": "tune",
    "model": "train",
    "comparison": "evaluate",
    "fallback": "evaluate",
    "session_lists": "evaluate",
    "cold_items": "evaluate",
    "first_purchases": "evaluate",
    "decision": "gate",
    "publication": "publish",
}
"""JSON documents of a run (`<name>.json`) and the stage that writes each."""
