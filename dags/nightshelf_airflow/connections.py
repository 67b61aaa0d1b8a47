"""The databases behind Airflow's connections."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal, NoReturn

from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowNotFoundException

from pipeline.errors import SettingsError

if TYPE_CHECKING:
    from pipeline.config import Settings
    from pipeline.runs.job import Databases
    from pipeline.shops import Shop


def databases(shop: Shop, settings: Settings) -> Databases:
    """The source and the serving database of the shop; a connection is looked up when it is needed."""
    from pipeline.runs.job import Databases

    return Databases(
        partial(url_of, shop, "source", settings.source.connection),
        partial(url_of, shop, "serving", settings.serving.connection),
    )


def url_of(shop: Shop, database: Literal["source", "serving"], connection_id: str) -> str:
    """The URL in the Airflow connection; without one, config.toml's shop has what the command line uses.

    Raises SettingsError where a further shop's connection is missing: it must never be given another
    shop's database.
    """
    connection = _found(shop, f"{database}.connection", connection_id)
    if connection is None:
        from pipeline.databases.urls import url_of as command_line_url

        return command_line_url(database)
    from pipeline.databases.airflow_connection import url

    return url(
        connection.conn_type or "",
        host=connection.host,
        port=connection.port,
        login=connection.login,
        password=connection.password,
        schema=connection.schema,
        extra=connection.extra_dejson,
    )


def redis_url(shop: Shop, settings: Settings) -> str:
    """The URL of the shop's Redis server, as `url_of`; SettingsError where config.toml's shop has none."""
    connection_id = settings.redis.connection
    connection = _found(shop, "redis.connection", connection_id)
    if connection is None:
        from pipeline import environment

        return environment.redis_url() or _raise_missing(shop, "redis.connection", connection_id)
    from pipeline.databases.airflow_connection import redis_url as url

    return url(
        host=connection.host,
        port=connection.port,
        login=connection.login,
        password=connection.password,
        extra=connection.extra_dejson,
    )


def _found(shop: Shop, setting: str, connection_id: str) -> Connection | None:
    """The Airflow connection that a setting names; None where config.toml's shop has none of that name."""
    try:
        connection: Connection = Connection.get(connection_id)
    except AirflowNotFoundException:
        if shop.name:
            _raise_missing(shop, setting, connection_id)
        return None
    return connection


def _raise_missing(shop: Shop, setting: str, connection_id: str) -> NoReturn:
    raise SettingsError(
        f"there is no Airflow connection `{connection_id}`",
        promised=f"{shop.path.name} names it as {setting}",
        then="add it in the UI under Admin, Connections (or: airflow connections add"
        f" {connection_id} --conn-uri URL), then clear this task",
    ) from None
