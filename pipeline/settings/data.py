"""Settings of the data: where it comes from, whose events count, what they weigh, what is held out."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from pipeline.settings.section import Encoding, HalfLife, Section, Zone

IdType = Literal["integer", "text", "uuid"]
Weight = Annotated[float, Field(ge=0.0, le=1000.0)]
MOST_TEST_DAYS = 365


def _test_days(value: object) -> object:
    """One complaint for the whole setting, not one for each of what it may be."""
    if value == "auto" or (type(value) is int and 1 <= value <= MOST_TEST_DAYS):
        return value
    may_be = f'must be "auto" or a whole number of days, 1 to {MOST_TEST_DAYS}'
    raise PydanticCustomError("test_days", may_be)


TestDays = Annotated[
    Literal["auto"] | Annotated[int, Field(ge=1, le=MOST_TEST_DAYS)], BeforeValidator(_test_days)
]
"""How many days a list is judged by; `auto`: found out from the shop's events."""


class Ids(Section):
    """The type of the shop's ids. It stays the same from the source to what apps read."""

    user: IdType = Field("integer", description="type of user ids; `integer` is a bigint")
    item: IdType = Field("integer", description="type of item ids; `integer` is a bigint")


class Source(Section):
    """The shop's database, which events are read from."""

    connection: str = Field(
        "shop", description="Airflow connection of the shop's database; elsewhere NIGHTSHELF_SOURCE_URL"
    )
    sql: str = Field(
        "sql/source", description="folder with events.sql and, if the shop has them, items.sql and users.sql"
    )
    timezone: Zone = Field("UTC", description="time zone of times that name none")
    encoding: Encoding = Field(
        "utf-8", description="encoding of texts in a PostgreSQL database that has none of its own (SQL_ASCII)"
    )
    silent_minutes: float = Field(
        30.0,
        gt=0.0,
        le=1440.0,
        description="minutes without an answer after which the connection is given up and tried again",
    )
    batch_rows: int = Field(200_000, ge=1_000, le=5_000_000, description="rows that are fetched at a time")


class Filter(Section):
    """Which users models learn from. It is decided anew from the events before each cut in time."""

    min_events: int = Field(1, ge=1, description="users with fewer events are left out")
    min_items: int = Field(1, ge=1, description="users with fewer different items are left out")
    max_events_sd: float = Field(
        0.0,
        ge=0.0,
        le=100.0,
        description="users with more events than mean + this many standard deviations are left out as bots;"
        " 0: none",
    )


class Weights(Section):
    """How much an event says about a user's taste."""

    view: Weight = Field(1.0, description="weight of a view; a search changes it")
    cart: Weight = Field(3.0, description="weight of putting an item into the cart; a search changes it")
    purchase: float = Field(5.0, gt=0.0, le=1000.0, description="weight of a purchase")
    half_life_days: HalfLife = Field(
        60.0, description="days after which an event weighs half; 0: events never fade; a search changes it"
    )
    is_quantity_weighed: bool = Field(
        False, description="whether the weight of a purchase is multiplied by its quantity"
    )
    rating_weight: Literal["ignore", "multiply"] = Field(
        "ignore",
        description="what the rating of a purchase does to its weight: nothing, or multiply it (none counts"
        " as 1; one below 0 or that is no number is refused)",
    )


class Split(Section):
    """What is held out, to choose models on and to measure them."""

    method: Literal["time", "random", "last_purchase"] = Field(
        "time",
        description="what is held out: the last days (`time`), rows at random, or each user's last order",
    )
    test_days: TestDays = Field(
        "auto",
        description="how many days after a list is made it is judged by; auto: the shortest time, at most 14"
        " days, in which enough buyers are measured",
    )
    test_share: float = Field(
        0.2, gt=0.0, lt=0.5, description="share of rows that the method `random` holds out"
    )
