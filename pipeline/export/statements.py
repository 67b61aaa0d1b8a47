"""The statements of sql/export/, composed for a shop."""

from __future__ import annotations

from functools import cache

from psycopg import sql

from pipeline.config import ROOT, Ids
from pipeline.serving.names import Names

FOLDER = ROOT / "sql" / "export"


def statement(names: Names, name: str, ids: Ids | None = None) -> sql.Composed:
    """`sql/export/<name>.sql`. ids: for a statement that names the types of ids"""
    return names.compose(_text(name), ids)


@cache
def _text(name: str) -> str:
    return (FOLDER / f"{name}.sql").read_text(encoding="utf-8")
