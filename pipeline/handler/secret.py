"""The URL of the reader's login: from the environment, or from a secret in AWS Secrets Manager."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from typing import Any

import psycopg

from pipeline import environment
from pipeline.errors import SettingsError
from pipeline.handler import records
from pipeline.reading.connecting import check_url
from pipeline.reading.refusals import Unavailable

CONNECT_SECONDS, ANSWER_SECONDS = 1, 2
"""In which each address of Secrets Manager must connect, and it must answer."""
PAUSE_SECONDS = 30.0
"""How long a secret is not read again after a login was refused."""
KEYS = {
    **{name: name for name in ("host", "port", "password", "dbname", "sslmode", "sslrootcert")},
    "username": "user",
}
"""What AWS writes into the secret of a database -> what libpq calls it."""
NEEDED = {"host", "user", "password", "dbname"}
PROMISED = "a PostgreSQL URL, or JSON with host, port, username, password and dbname"
PASSING = ("InternalServiceError", "ThrottlingException", "RequestLimitExceeded")
"""Errors of AWS that pass by themselves; so does every status from 500 on."""
AWAY = "the secret with the database's login cannot be read now"


class Login:
    """The URL that the reader logs in with, kept until it is refused."""

    def __init__(self) -> None:
        self._url: str | None = None
        self._read_at = 0.0

    def url(self) -> str:
        """The URL. Raises SettingsError where there is none that can be used, Unavailable where not now."""
        if self._url is None:
            self._url, self._read_at = self._read(), time.monotonic()
        return self._url

    def is_changed(self) -> bool:
        """Whether the secret is another one now; it is asked at most every PAUSE_SECONDS."""
        if time.monotonic() - self._read_at < PAUSE_SECONDS:
            return False
        before, self._read_at = self._url, time.monotonic()
        with suppress(Unavailable, SettingsError):  # what was read before may be right all the same
            self._url = self._read()
        return self._url != before

    def _read(self) -> str:
        url, secret = environment.configured_url("reader"), environment.reader_secret()
        then = "mend NIGHTSHELF_READER_URL"
        if url is None:
            if secret is None:
                raise SettingsError(
                    "the handler does not know its database",
                    promised="the URL of a login that is a member of nightshelf_reader",
                    then="set NIGHTSHELF_READER_SECRET to the ARN of a secret that holds it, or"
                    " NIGHTSHELF_READER_URL to the URL itself",
                )
            then = f"mend the secret {secret}"
            url = _url_of(_secret(secret), then)
        check_url(url, then)
        return url


def _url_of(text: str, then: str) -> str:
    """The URL in a secret."""
    text = text.strip()
    if text and not text.startswith("{"):
        return text
    try:
        values = {ours: json.loads(text).get(theirs) for theirs, ours in KEYS.items()}
    except ValueError:
        values = {}
    parts = {name: str(value) for name, value in values.items() if value}
    if not parts.keys() >= NEEDED:
        raise SettingsError("the secret does not say how to log in", promised=PROMISED, then=then)
    return psycopg.conninfo.make_conninfo(**parts)


def _secret(name: str) -> str:
    """The text of a secret. boto3 is part of Lambda's Python and is loaded here alone: it takes long."""
    try:
        import boto3
        from botocore import exceptions
        from botocore.config import Config
    except ImportError:
        raise SettingsError(
            "NIGHTSHELF_READER_SECRET is set, and boto3, which reads secrets, is not installed",
            promised="Python as AWS Lambda has it, with boto3",
            then="pip install boto3, or set NIGHTSHELF_READER_URL in its place",
        ) from None
    patience = Config(
        connect_timeout=CONNECT_SECONDS, read_timeout=ANSWER_SECONDS, retries={"total_max_attempts": 1}
    )
    try:
        answer: dict[str, Any] = boto3.client("secretsmanager", config=patience).get_secret_value(
            SecretId=name
        )
    except exceptions.ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code in PASSING or status >= 500:
            raise _away(name, code) from None
        raise _unreadable(name, code) from None
    except (exceptions.ConnectionError, exceptions.HTTPClientError) as error:
        raise _away(name, type(error).__name__) from None
    except exceptions.BotoCoreError as error:
        raise _unreadable(name, str(error)) from None
    text: str | None = answer.get("SecretString")
    if text is None:
        raise _unreadable(name, "it holds bytes and no text")
    return text


def _away(name: str, found: str) -> Unavailable:
    """Says more in the log than to whoever asked."""
    records.complain(
        f"the secret {name} cannot be read now",
        found=found,
        next="in a VPC, give it an endpoint of Secrets Manager or a NAT gateway; else wait",
    )
    return Unavailable(AWAY)


def _unreadable(name: str, found: str) -> SettingsError:
    return SettingsError(
        f"the secret {name} cannot be read",
        found=found,
        promised="a secret of this region, and a role that may do secretsmanager:GetSecretValue on it",
        then="mend NIGHTSHELF_READER_SECRET, or the policy of the function's role",
    )
