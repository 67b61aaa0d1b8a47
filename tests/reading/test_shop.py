"""What a login may do beyond reading, told before anything is read with it."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from pipeline.errors import ServingError
from pipeline.reading.shop import Rights, check, rights_query
from tests.service.conftest import new_shop, reader_url, shop
from tests.serving.nights import Shop

__all__ = ["new_shop", "reader_url", "shop"]


def rights(url: str, shop: Shop) -> Rights:
    query = rights_query(shop.settings.serving)
    with psycopg.connect(url, autocommit=True) as db:
        [row] = db.execute(query.statement, query.values).fetchall()
    return Rights(*row)


def test_a_member_of_the_reader_is_let_in(shop: Shop, reader_url: Callable[..., str]) -> None:
    found = rights(reader_url(shop), shop)
    assert (found.is_reader, found.has_row_security, list(found.beyond)) == (True, True, [])
    check(found, shop.settings.serving)


def refusal(url: str, shop: Shop) -> str:
    with pytest.raises(ServingError) as caught:
        check(rights(url, shop), shop.settings.serving)
    return str(caught.value)


@pytest.mark.parametrize("role", ["owner", "publisher", "operator"])
def test_another_role_of_the_shop_is_too_much(shop: Shop, reader_url: Callable[..., str], role: str) -> None:
    other = f"{shop.settings.serving.role_prefix}_{role}"
    text = refusal(reader_url(shop, other), shop)
    assert f"may act as {other}" in text
    assert "may write to serving" in text


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ("SUPERUSER", "is a superuser"),
        ("CREATEROLE", "may create roles"),
        ("CREATEDB", "may create roles or databases"),
        ("REPLICATION", "replicate"),
        ("BYPASSRLS", "get past row security"),
    ],
)
def test_an_attribute_beyond_reading_is_too_much(
    shop: Shop, reader_url: Callable[..., str], options: str, word: str
) -> None:
    assert word in refusal(reader_url(shop, options=options), shop)


def test_predefined_roles_are_too_much(shop: Shop, reader_url: Callable[..., str]) -> None:
    assert "may act as pg_read_all_data" in refusal(reader_url(shop, "pg_read_all_data"), shop)


@pytest.mark.parametrize("grant", ["INSERT", "UPDATE (a)", "DELETE", "TRUNCATE"])
def test_a_right_to_write_anywhere_is_too_much(
    shop: Shop, reader_url: Callable[..., str], grant: str
) -> None:
    url = reader_url(shop)
    name = psycopg.conninfo.conninfo_to_dict(url)["user"]
    with shop.connect() as db:
        db.execute("CREATE TABLE public.orders (a integer)")
        db.execute(f"GRANT SELECT ON public.orders TO {name}".encode())
        check(rights(url, shop), shop.settings.serving)
        db.execute(f"GRANT {grant} ON public.orders TO {name}".encode())
    assert "may write to orders" in refusal(url, shop)


def test_a_right_that_every_reader_has_is_not_the_logins(shop: Shop, reader_url: Callable[..., str]) -> None:
    with shop.connect() as db:
        db.execute("CREATE TABLE public.guests (a integer)")
        db.execute("GRANT INSERT ON public.guests TO PUBLIC")
    check(rights(reader_url(shop), shop), shop.settings.serving)


def test_a_right_to_create_tables_is_too_much(shop: Shop, reader_url: Callable[..., str]) -> None:
    url = reader_url(shop)
    name = psycopg.conninfo.conninfo_to_dict(url)["user"]
    with shop.connect() as db:
        db.execute("CREATE SCHEMA crm")
        db.execute(f"GRANT CREATE ON SCHEMA crm TO {name}".encode())
    assert "may create tables in crm" in refusal(url, shop)


def test_a_stranger_and_a_login_without_row_security_are_refused(
    shop: Shop, reader_url: Callable[..., str]
) -> None:
    reader = f"{shop.settings.serving.role_prefix}_reader"
    url = reader_url(shop)
    strange = rights(url, shop)._replace(is_reader=False)
    with pytest.raises(ServingError, match=f"is no member of {reader}"):
        check(strange, shop.settings.serving)
    blind = rights(f"{url}?options=-c%20row_security%3Doff", shop)
    assert blind.has_row_security is False
    with pytest.raises(ServingError, match="row_security = off"):
        check(blind, shop.settings.serving)
