"""What a reader finds in the serving database: the shop behind a schema, and what its own login may do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from psycopg import sql

from pipeline.config import Ids, IdType, Serving
from pipeline.errors import ServingError
from pipeline.reading.queries import Query, text_of

NEEDED_VERSION = 13
"""The first version of the serving schema that has all that sql/reading/ asks for."""
OTHERS = ("owner", "publisher", "operator")
"""The roles of a shop beside its reader."""


class Shop(NamedTuple):
    """The row of `shop_query`.

    max_n:   most rows of a list
    version: the live publication; None before the first one
    """

    schema_version: int
    user_id_type: IdType
    item_id_type: IdType
    max_n: int
    version: int | None

    @property
    def ids(self) -> Ids:
        """The types of its ids."""
        return Ids(user=self.user_id_type, item=self.item_id_type)


class Rights(NamedTuple):
    """The row of `rights_query`.

    is_reader:        whether the login is the shop's reader or a member of it
    has_row_security: False: PostgreSQL refuses to read the views
    beyond:           what the login may do that the reader may not, in words
    """

    login: str
    is_reader: bool
    has_row_security: bool
    beyond: Sequence[str]


def shop_query(serving: Serving) -> Query:
    """A Shop; an undefined table where the schema is missing or of an earlier version."""
    statement = sql.SQL(text_of("shop"))  # type: ignore[arg-type]
    return Query(statement.format(schema=sql.Identifier(serving.schema_name)).as_bytes(None), {})


def rights_query(serving: Serving) -> Query:
    """A Rights."""
    names: dict[str, Any] = {
        "reader": f"{serving.role_prefix}_reader",
        "others": [f"{serving.role_prefix}_{role}" for role in OTHERS],
    }
    return Query(text_of("rights").encode(), names)


def no_shop(serving: Serving) -> ServingError:
    """The error of a schema that is missing or of an earlier version."""
    return ServingError(
        f"this login finds no serving schema `{serving.schema_name}` of version {NEEDED_VERSION} or later",
        then="publish first (make demo, or python -m pipeline run), or upgrade an earlier schema with"
        " `python -m pipeline migrate`, or mend the URL or [serving] in the settings",
    )


def check(rights: Rights, serving: Serving) -> None:
    """Raise ServingError for a login that is not the shop's reader, or may do more than read."""
    reader = f"{serving.role_prefix}_reader"
    then = (
        f"as the owner: CREATE ROLE shop_app LOGIN PASSWORD '...'; GRANT {reader} TO shop_app;"
        " then name it in NIGHTSHELF_READER_URL"
    )
    if rights.beyond:
        raise ServingError(
            f"the login `{rights.login}` may do more than read what is published",
            found=f"it {', it '.join(rights.beyond)}",
            promised=f"a member of {reader} and nothing else",
            then=then,
        )
    if not rights.is_reader:
        raise ServingError(f"the login `{rights.login}` is no member of {reader}", then=then)
    if not rights.has_row_security:
        raise ServingError(
            f"the login `{rights.login}` has row_security = off, with which nothing may be read",
            then=f"ALTER ROLE {rights.login} RESET row_security",
        )
