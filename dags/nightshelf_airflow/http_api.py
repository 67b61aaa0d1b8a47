"""Requests to the HTTP API behind an Airflow connection, with the secrets that it holds.

The connection is Airflow's own of type `http`: login and password are sent as basic authentication, and its
extra holds headers, and the options of HttpHook (`timeout`, `verify`, `proxies`). `query` in the extra, an
object, is added to the query of every request: that is the place for a key that the API takes there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowNotFoundException
from airflow.sdk.log import mask_secret

from pipeline.errors import ApiBusy, ApiError, SettingsError

if TYPE_CHECKING:
    from pipeline.fetching.pace import Answer

TIMEOUT_SECONDS = 60
"""Silence after which an answer is given up, where the connection's extra has no `timeout`."""

LONGEST_ANSWER = 64 * 2**20
"""Bytes of one answer."""


class HttpApi:
    """The API behind the connection `connection_id`.

    address: of `endpoint`, whole
    secrets: names of the query parameters that the connection adds
    """

    def __init__(self, connection_id: str, endpoint: str) -> None:
        from airflow.providers.http.hooks.http import HttpHook

        connection = _connection(connection_id)
        extra = connection.extra_dejson
        self._query = _query(extra.get("query"), connection_id)
        self.secrets = frozenset(self._query)
        for secret in (connection.password, *map(str, extra.values()), *self._query.values()):
            if secret:
                mask_secret(secret)
        hook = HttpHook(http_conn_id=connection_id)
        with _named_failures():
            self._session = hook.get_conn()
        self._session.headers.pop("query", None)
        self._timeout = hook.merged_extra.get("timeout") or TIMEOUT_SECONDS
        self.address = hook.url_from_endpoint(endpoint)

    def __enter__(self) -> HttpApi:
        return self

    def __exit__(self, *error: object) -> None:
        self._session.close()

    def get(self, address: str, query: Mapping[str, str]) -> Answer:
        """The answer to a GET; a redirect is not followed, for it could take the secrets elsewhere.

        Raises ApiBusy where no whole answer comes, ApiError for one of more than LONGEST_ANSWER bytes. No
        error shows the address, which may hold a secret.
        """
        from pipeline.fetching.pace import Answer

        with (
            _named_failures(),
            self._session.get(
                address,
                params={**query, **self._query},
                timeout=self._timeout,
                allow_redirects=False,
                stream=True,
            ) as response,
        ):
            body = bytearray()
            for chunk in response.iter_content(2**16):
                body += chunk
                if len(body) > LONGEST_ANSWER:
                    raise ApiError(
                        f"an answer of the API has more than {LONGEST_ANSWER // 2**20} MiB",
                        promised="one page of users",
                        then="ask for smaller pages",
                    )
            headers = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status_code, headers, bytes(body))


@contextmanager
def _named_failures() -> Iterator[None]:
    """Raise what `requests` raises, whose messages show the whole address, by its name alone."""
    from requests import exceptions

    try:
        yield
    except (exceptions.InvalidURL, exceptions.MissingSchema, exceptions.InvalidSchema, ValueError) as error:
        raise ApiError(
            "the API cannot be asked: address or headers are wrong",
            found=type(error).__name__,
            then="correct the Airflow connection and the endpoint",
        ) from None
    except exceptions.RequestException as error:
        raise ApiBusy(
            "the API gives no answer",
            found=type(error).__name__,
            promised="a server that answers at the address of the Airflow connection",
            then="nothing, where it comes back: Airflow tries again and goes on where it stopped",
        ) from None


def _connection(connection_id: str) -> Any:
    """Raises SettingsError unless it is there, of type http, with a host."""
    then = f"airflow connections add {connection_id} --conn-type http --conn-host https://api.example.com"
    try:
        connection = Connection.get(connection_id)
    except AirflowNotFoundException:
        raise SettingsError(f"there is no Airflow connection `{connection_id}`", then=then) from None
    if connection.conn_type != "http" or not connection.host:
        raise SettingsError(
            f"the Airflow connection `{connection_id}` is no HTTP connection with a host",
            found=f"type {connection.conn_type}, {'a' if connection.host else 'no'} host",
            then=f"delete it, then: {then}",
        )
    return connection


def _query(given: Any, connection_id: str) -> dict[str, str]:
    if not isinstance(given or {}, dict):
        raise SettingsError(
            f"`query` in the extra of the Airflow connection `{connection_id}` is no JSON object",
            promised='{"query": {"api_key": "..."}}',
            then="correct the connection",
        )
    return {str(name): str(value) for name, value in (given or {}).items()}
