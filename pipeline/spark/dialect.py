"""The statements of `sql/transform/`, which are DuckDB's, in Spark's words.

`sqlglot` translates them; what it leaves as it is, or makes something else of, is told here.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from pipeline import engine
from pipeline.spark.functions import FUNCTIONS

if TYPE_CHECKING:
    from pyspark.sql import SparkSession
    from sqlglot import exp

SAME = {"epoch_us": "unix_micros", "hash": "xxhash64"}
"""Functions of DuckDB, and those of Spark that do the same. `hash` has other numbers: it only draws."""
DIGITS = 38
"""Of the largest number that Spark counts exactly; DuckDB's sums of whole numbers have as many."""


@cache
def statement(name: str) -> str:
    """`sql/transform/<name>.sql` for Spark; what it binds is `:name`."""
    return translated(engine.statement(name))


@cache
def translated(text: str) -> str:
    """One statement of DuckDB for Spark."""
    import sqlglot

    tree = sqlglot.parse_one(text, read="duckdb").transform(_in_spark)
    return re.sub(r"\$(\w+)", r":\1", tree.sql(dialect="spark", comments=False))


def register(session: SparkSession) -> None:
    """Give Spark the functions of DuckDB that it does not have."""
    for name, function in FUNCTIONS.items():
        session.udf.register(name, function)


def _in_spark(node: exp.Expression) -> exp.Expression:
    from sqlglot import exp

    if isinstance(node, exp.TimeToUnix):  # epoch(), whose fraction of a second UNIX_TIMESTAMP would lose
        return _call("unix_micros", node.this) / exp.Literal.number("1e6")
    if isinstance(node, exp.Anonymous) and node.name.lower() in SAME:
        return _call(SAME[node.name.lower()], *node.expressions)
    if isinstance(node, exp.Sum) and _is_whole(node.this):
        return exp.Sum(this=exp.cast(node.this, f"DECIMAL({DIGITS}, 0)"))
    return node


def _call(name: str, *args: exp.Expression) -> exp.Expression:
    from sqlglot import exp

    return exp.Anonymous(this=name, expressions=list(args))


def _is_whole(node: exp.Expression) -> bool:
    """Whether `node` is cast to a whole number that is 64 bits long, so that a sum may be longer."""
    from sqlglot import exp

    return isinstance(node, exp.Cast) and node.to.is_type("bigint")
