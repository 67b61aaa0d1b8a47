"""pipeline/contract/datasets.py: what a Parquet file of a run may hold."""

from __future__ import annotations

from typing import cast

import pyarrow as pa
import pytest

from pipeline.config import IdType
from pipeline.contract.datasets import DATASETS, DOCUMENTS, EVENTS_ORDER, MAY_CARRY, arrow_id
from pipeline.contract.stages import BY_NAME


@pytest.mark.parametrize(
    ("kind", "arrow"), [("integer", pa.int64()), ("text", pa.string()), ("uuid", pa.string())]
)
def test_ids_have_the_shops_type(kind: str, arrow: pa.DataType) -> None:
    id_type = cast(IdType, kind)
    assert arrow_id(id_type) == arrow
    schema = DATASETS["similar_items"].schema({"user": "uuid", "item": id_type})
    assert schema.field("item_id").type == schema.field("similar_item_id").type == arrow
    assert schema.field("score").type == pa.float64()


def test_keys_are_columns_without_nulls() -> None:
    for name, dataset in DATASETS.items():
        assert name == dataset.name
        assert set(dataset.key) <= set(dataset.columns), name
        assert dataset.nullable <= set(dataset.columns), name
        assert not set(dataset.key) & dataset.nullable, name


HAS_DEFAULT = {"item_embeddings": {"kind"}}
"""Columns that a shop need not select and that have a value then."""


def test_what_a_shop_need_not_select_may_be_null_and_is_no_id() -> None:
    for name, dataset in DATASETS.items():
        assert dataset.optional - HAS_DEFAULT.get(name, set()) <= dataset.nullable, name
        assert not dataset.optional & {"user_id", "item_id"}, name


def test_every_dataset_of_events_has_the_columns_that_events_are_sorted_by() -> None:
    of_events = [name for name, dataset in DATASETS.items() if "event_type" in dataset.columns]
    assert of_events == [
        *("events", "purchaser_events", "browser_events", "train", "validation_set", "test"),
    ]
    for name in of_events:
        assert set(DATASETS[name].columns) == set(EVENTS_ORDER), name
        assert list(DATASETS[name].columns)[-3:] == list(MAY_CARRY) == list(EVENTS_ORDER)[-3:], name


def test_no_document_has_the_name_of_a_dataset_and_each_has_a_stage() -> None:
    assert not DOCUMENTS.keys() & DATASETS.keys()
    assert {*DOCUMENTS.values(), *(dataset.stage for dataset in DATASETS.values())} <= BY_NAME.keys()
