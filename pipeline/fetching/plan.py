"""What is asked of the API and where it goes: the values of a trigger form, checked."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from pipeline.config import IdType
from pipeline.errors import SettingsError

Kind = Literal["text", "number", "boolean", "date"]
Paging = Literal["cursor", "next link", "page number"]

PATH = re.compile(r"[\w$@-]+(\.[\w$@-]+)*")
FIELD = re.compile(rf"(?P<path>{PATH.pattern})(?P<optional>\?)?(:(?P<kind>\w+))?")
TABLE = re.compile(r"([a-z_][a-z0-9_]{0,62}\.)?[a-z_][a-z0-9_]{0,39}")
COLUMN = re.compile(r"[a-z_][a-z0-9_]{0,62}")
RESERVED = "nightshelf_fetches"

Path = tuple[str, ...]
"""Names of JSON objects inside each other: ("data", "users") of `data.users`; () is the whole answer."""


@dataclass(frozen=True)
class Field:
    """A value of each record, and the column it becomes.

    path:        where it stands in the record
    kind:        what it has to be
    is_optional: all records may lack it
    """

    path: Path
    kind: Kind = "text"
    is_optional: bool = False

    @property
    def name(self) -> str:
        """As the form names it: `address.city`."""
        return ".".join(self.path)

    @property
    def column(self) -> str:
        """In lower case, other characters than letters and digits as _: `address_city`."""
        return column(self.name)


@dataclass(frozen=True)
class Plan:
    """One form.

    address:            of the first page, whole; not shown, for it may hold a secret
    records:            where the list of users stands in an answer
    id:                 where the id stands in a record
    id_type:            of [ids] in the settings
    fields:             what else is kept of a user
    paging:             how the next page is asked for
    next:               where the cursor or the link stands in an answer; () with links: the header `Link`
    position_parameter: of the query, for the cursor or the number of the page
    size_parameter:     of the query, for the size of a page; empty: not sent
    page_size:          users a page
    first_page:         number of the first page
    table:              that is replaced; with its schema, or without
    secret_parameters:  of the query, which every request gets from elsewhere; taken out of links
    may_be_fewer:       replace the table although fewer than half of its users are left
    """

    address: str
    records: Path
    id: Path
    id_type: IdType
    fields: tuple[Field, ...]
    paging: Paging
    next: Path
    position_parameter: str
    size_parameter: str
    page_size: int
    first_page: int
    table: str
    secret_parameters: frozenset[str] = frozenset()
    may_be_fewer: bool = False

    @property
    def id_column(self) -> str:
        return column(".".join(self.id))

    @property
    def digest(self) -> str:
        """The same for two plans whose pages can stand in one table."""
        parts = (
            *(self.address, self.records, self.id, self.id_type, self.fields, self.paging, self.next),
            *(self.position_parameter, self.size_parameter, self.page_size, self.first_page, self.table),
        )
        return hashlib.sha256(repr(parts).encode()).hexdigest()


def plan_of(form: Mapping[str, Any], address: str, id_type: IdType, secrets: frozenset[str]) -> Plan:
    """The plan of a form whose fields have the types that the form promises.

    address: of the first page; secrets: names of query parameters that every request gets

    Raises SettingsError for a value that cannot be.
    """
    path, fields = _path(form["id_field"], "id_field"), tuple(map(_field, form["fields"]))
    plan = Plan(
        address=address,
        records=_path(form["records"], "records", may_be_empty=True),
        id=path,
        id_type=id_type,
        fields=fields,
        paging=form["paging"],
        next=_path(form["next_field"], "next_field", may_be_empty=form["paging"] != "cursor"),
        position_parameter=form["position_parameter"],
        size_parameter=form["size_parameter"] or "",
        page_size=form["page_size"],
        first_page=form["first_page"],
        table=form["table"],
        secret_parameters=secrets,
        may_be_fewer=form["may_be_fewer"],
    )
    if not TABLE.fullmatch(plan.table) or plan.table.endswith(RESERVED):
        raise _refused(
            "table",
            plan.table,
            "a name in lower case, at most 40 letters, digits and _, its schema before it",
        )
    _check_columns([plan.id_column, *(field.column for field in fields)])
    return plan


def column(name: str) -> str:
    """The column of a field: `address.zipCode` is `address_zipcode`."""
    return re.sub(r"\W", "_", name, flags=re.ASCII).lower()


def _path(value: str | None, name: str, *, may_be_empty: bool = False) -> Path:
    value = (value or "").strip()
    if not value and may_be_empty:
        return ()
    if not PATH.fullmatch(value):
        raise _refused(name, value, "names with dots between them, such as data.users")
    return tuple(value.split("."))


def _field(value: str) -> Field:
    parts = FIELD.fullmatch(value.strip())
    kinds: tuple[Kind, ...] = get_args(Kind)
    kind = next((kind for kind in kinds if parts and kind == (parts["kind"] or "text")), None)
    if parts is None or kind is None:
        raise _refused(
            "fields", value, f"name, or name:kind; kinds are {', '.join(kinds)}; name? where it may be absent"
        )
    return Field(tuple(parts["path"].split(".")), kind, parts["optional"] is not None)


def _check_columns(columns: Sequence[str]) -> None:
    for name in columns:
        if not COLUMN.fullmatch(name):
            raise _refused("fields", name, "columns that begin with a letter, at most 63 characters")
        if columns.count(name) > 1:
            raise _refused("fields", name, "a column for each field, and another one for the id")


def _refused(name: str, found: str, promised: str) -> SettingsError:
    return SettingsError(
        f"{name}: not what the form can take",
        found=repr(found),
        promised=promised,
        then="trigger the DAG anew",
    )
