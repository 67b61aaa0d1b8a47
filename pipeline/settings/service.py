"""Settings of the HTTP service."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline.settings.section import Section


class Service(Section):
    """The HTTP service that answers apps and people from what is published."""

    lists_from: Literal["postgresql", "redis"] = Field(
        "postgresql",
        description="where lists are read; redis: from the copy there, without words, baskets and lists of a"
        " user within a category",
    )
    connections: int = Field(8, ge=1, le=200, description="connections to the database that a service keeps")
    statement_timeout_ms: int = Field(
        1_000, ge=10, le=60_000, description="milliseconds that the database may take for an answer; then 503"
    )
    pool_timeout_ms: int = Field(
        1_000, ge=10, le=60_000, description="milliseconds that a request waits for a connection; then 503"
    )
    retry_after_seconds: int = Field(
        2, ge=1, le=3_600, description="seconds after which a 503 asks to try again"
    )
