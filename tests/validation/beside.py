"""The tables that the suites of the shop's data read beside their own dataset, made by a test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.config import IdType
from pipeline.contract.datasets import DATASETS
from pipeline.validation.storable import SCHEMA

IDS: dict[str, IdType] = {"user": "integer", "item": "integer"}
_TEXT, _NUMBER = pa.string(), pa.int64()
_OF_IDS = {
    "unknown": {
        **dict.fromkeys(("id", "alike", "differs_in", "unknown", "severity"), _TEXT),
        "n_purchases": _NUMBER,
    },
    "alike": {
        **dict.fromkeys(("id", "alike", "differs_in"), _TEXT),
        "n_events": _NUMBER,
        "is_alike_known": pa.bool_(),
    },
    "suspicious": {"id": _TEXT, "n_events": _NUMBER, "n_all": _NUMBER},
}
SCHEMAS = {
    **{
        f"{what}_{ids}": pa.schema(columns) for what, columns in _OF_IDS.items() for ids in ("users", "items")
    },
    "unstorable": SCHEMA,
    "duplicates": DATASETS["events"].schema(IDS).append(pa.field("times", _NUMBER)),
    "odd_values": pa.schema(
        {
            **dict.fromkeys(("finding", "severity", "item_id"), _TEXT),
            "n_events": _NUMBER,
            **dict.fromkeys(("value", "usual"), pa.float64()),
        }
    ),
}
"""name -> the columns that the suites read."""

Rows: TypeAlias = Mapping[str, Sequence[Mapping[str, Any]]]
NOTHING: Rows = MappingProxyType({})


def tables(folder: Path, rows: Rows = NOTHING) -> dict[str, Path]:
    """Write every table into `folder`: the rows given for its name, else none."""
    files = {name: folder / f"{name}.parquet" for name in SCHEMAS}
    for name, file in files.items():
        pq.write_table(pa.Table.from_pylist([dict(row) for row in rows.get(name, [])], SCHEMAS[name]), file)
    return files
