"""Settings of what is published: the lists, the gate, a person's approval, the serving schema."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline.settings.section import AtLeastOne, HalfLife, Identifier, Length, Section, Share


class Recommend(Section):
    """The lists: who gets them, and how long they are."""

    audience: Literal["buyers", "engaged"] = Field(
        "buyers", description="who gets lists; engaged: people who looked at enough and bought nothing, too"
    )
    engaged_views: AtLeastOne = Field(5, description="views from which somebody is engaged, and in a segment")
    engaged_carts: AtLeastOne = Field(1, description="or items put into the cart from which somebody is")
    list_length: Length = Field(50, description="items in a user's list")
    max_precision_loss: Share = Field(
        0.01,
        description="share of the model's Precision@3 that variety is expected to cost at most, by validation"
        " (0.01: a hundredth); the strongest variety within it is chosen; 0: lists stay in the model's order",
    )
    max_per_category: int = Field(
        0,
        ge=0,
        le=9,
        description="items of one category in the first ten of a list, as long as its model has others;"
        " 0: as many as come",
    )
    popular_length: int = Field(
        200, ge=1, le=10_000, description="items in each popular list, of a category or a segment"
    )
    similar_length: Length = Field(20, description="items in each list of similar items")
    popular_half_life_days: HalfLife = Field(
        30.0, description="days after which a purchase counts half for the popular lists; 0: always whole"
    )
    user_categories: int = Field(
        10, ge=0, le=100, description="categories of a user that recommend() fills a short list from"
    )
    new_items_slots: int = Field(
        1, ge=0, le=20, description="places in each list for items that are new in the shop; 0: none"
    )
    new_items_days: float = Field(
        14.0, gt=0.0, le=14.0, description="days that an item is new: since added_at, or its first purchase"
    )
    new_items_from_rank: int = Field(
        11,
        ge=4,
        le=10_000,
        description="rank from which they stand; lists are judged by their first three",
    )
    also_bought_length: Length = Field(20, description="items in each also-bought list")
    also_bought_min_buyers: AtLeastOne = Field(
        5, description="people who must have bought both items, or an item of a segment's list"
    )


class Gate(Section):
    """When lists are refused. A run with `force` publishes all the same."""

    on_loss: Literal["publish_rule", "refuse"] = Field(
        "publish_rule",
        description="what happens where a rule beats the chosen model beyond chance on the test: the rule's"
        " lists go live in the same night, or the night is refused",
    )
    publish_unjudged: bool = Field(
        True,
        description="whether lists go live where nobody can be measured, so that nothing says how good they"
        " are; they never replace lists that were judged",
    )
    max_loss: Share = Field(
        0.05,
        description="share of the best rule's or the live model's Precision@3 that may be lost"
        " (0.05: a twentieth); what chance explains is no loss",
    )
    max_shrink: Share = Field(
        0.5,
        description="share of users or items that may be missing,"
        " against the median of the last seven publications",
    )
    max_age_hours: float = Field(
        48.0, gt=0.0, le=87_600.0, description="hours that the newest event may be older than as_of"
    )
    max_unknown: Share = Field(
        0.05,
        description="share of the buyers that users.sql may leave out, and of the bought items that items.sql"
        " may leave out, before validate and gate warn; nearly all of them (0.9) stop the run",
    )
    min_distinct_items: AtLeastOne = Field(
        10,
        description="fewest different items in all users' lists together;"
        " never more than recommend.list_length or than the shop can show",
    )


class Approval(Section):
    """A person who looks before the lists go live, in the Airflow UI."""

    is_required: bool = Field(False, description="whether a person must agree between gate and publish")
    hours: float = Field(12.0, gt=0.0, le=720.0, description="hours after which no answer counts as a no")


class Serving(Section):
    """The schema that apps read."""

    connection: str = Field(
        "serving", description="Airflow connection of the serving database; elsewhere NIGHTSHELF_SERVING_URL"
    )
    schema_name: Identifier = Field(
        "serving", alias="schema", description="schema that apps read; each shop in a database needs its own"
    )
    role_prefix: Identifier = Field(
        "nightshelf", description="roles are PREFIX_owner, _publisher, _reader and _operator"
    )
    take_over_roles: bool = Field(
        False, description="whether migrate uses roles of these names that somebody else has made"
    )
    keep_versions: int = Field(
        7, ge=1, le=1000, description="old publications that are kept beside the live one"
    )
    max_n: int = Field(200, ge=1, le=10_000, description="most rows that recommend(user_id, n) returns")
    lock_timeout_ms: int = Field(
        5_000, ge=1, le=600_000, description="milliseconds that publishing waits for a lock"
    )
    statement_timeout_ms: int = Field(
        1_800_000, ge=1_000, le=86_400_000, description="milliseconds that a statement of publish may take"
    )
