"""Settings of the copy of the lists in Redis."""

from __future__ import annotations

from pydantic import Field

from pipeline.settings.section import Length, Section


class Redis(Section):
    """The copy of the lists in Redis or Valkey, for apps that look them up by key."""

    connection: str = Field(
        "",
        description="Airflow connection of the Redis server; elsewhere NIGHTSHELF_REDIS_URL; empty: there"
        " is no DAG export_redis",
    )
    length: Length = Field(20, description="items in each list there, at most serving.max_n")
    check_minutes: int = Field(
        5, ge=1, le=59, description="minutes between two looks at what is live and what is blocked"
    )
    keep_minutes: int = Field(
        60, ge=1, le=100_000, description="minutes that lists can still be read after others went live"
    )
