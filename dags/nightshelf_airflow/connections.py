"""The databases behind Airflow's connections."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal

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
    try:
        connection = Connection.get(connection_id)
    except AirflowNotFoundException:
        if shop.name:
            raise SettingsError(
                f"there is no Airflow connection `{connection_id}`",
                promised=f"{shop.path.name} names it as {database}.connection",
                then="add it in the UI under Admin, Connections (or: airflow connections add"
                f" {connection_id} --conn-uri URL), then clear this task",
            ) from None
        from pipeline.databases.urls import url_of as command_line_url

        return command_line_url(database)
    from pipeline.databases.airflow_connection import url

    return url(
        connection.conn_type,
        host=connection.host,
        port=connection.port,
        login=connection.login,
        password=connection.password,
        schema=connection.schema,
        extra=connection.extra_dejson,
    )
