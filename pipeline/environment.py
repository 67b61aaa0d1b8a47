"""Reads the environment variables that begin with NIGHTSHELF_, and JAVA_HOME. No other module reads any.

They are read anew at every call, so a change counts from the next call on.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from pipeline.errors import SettingsError

LocalServer = Literal["ui", "postgres"]


def variable(field: str) -> str:
    """`NIGHTSHELF_UI_PORT` of `ui_port`: the variable that a field of Environment is read from."""
    return f"NIGHTSHELF_{field.upper()}"


def _digits(value: Any) -> Any:
    """Refuse what pydantic would take for a number besides: ` 8080`, `8080.0`, `8_080`."""
    if isinstance(value, str) and not re.fullmatch("[0-9]{1,5}", value):
        raise ValueError("no whole number")
    return value


def _word(value: Any) -> Any:
    """`off` of ` OFF `."""
    return value.strip().lower() if isinstance(value, str) else value


Port = Annotated[int, BeforeValidator(_digits), Field(ge=1, le=65_535)]
Umask = Literal["077", "027", "007"]
PORT = ("is no port", "a whole number from 1 to 65535", "a port, or unset it: a free one is then taken")
WRONG = {
    "NIGHTSHELF_UI_PORT": PORT,
    "NIGHTSHELF_POSTGRES_PORT": PORT,
    "NIGHTSHELF_SCHEDULE": (
        "is neither on nor off",
        "on or off",
        "off or on, or unset it: nights then begin as [schedule] in config.toml says",
    ),
    "NIGHTSHELF_UMASK": (
        "says nothing of whom to let read",
        "077 (nobody else), 027 (the group may read) or 007 (the group may write too)",
        "one of these, or unset it: nobody else may read then",
    ),
}
"""Variables that can be wrong: what is wrong then, what is promised, what to set."""


SCHEDULE = variable("schedule")
SHORTEST_TOKEN = 16
"""Characters of the shortest token that opens the service."""


class Environment(BaseSettings):
    """Every variable; None where it is unset or empty. `model_fields` has what each one says."""

    model_config = SettingsConfigDict(
        alias_generator=variable,
        case_sensitive=True,
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    home: Path | None = Field(
        None,
        description="the folder of the run folders, the embedded PostgreSQL and the local Airflow"
        " (default: .nightshelf in the checkout)",
    )
    config: Path | None = Field(
        None,
        description="the folder of the settings files, config.toml and one config.<shop>.toml for each"
        " further shop (default: the checkout)",
    )
    source_url: SecretStr | None = Field(
        None,
        description="the URL of the shop's database, which is only read; in Airflow used only where the"
        " connection that config.toml names does not exist (default: the embedded PostgreSQL)",
    )
    source_url_file: Path | None = Field(
        None, description="a file that holds that URL; NIGHTSHELF_SOURCE_URL wins over it"
    )
    serving_url: SecretStr | None = Field(
        None,
        description="the URL of the PostgreSQL database that apps read the lists from; in Airflow used only"
        " where the connection that config.toml names does not exist (default: the embedded PostgreSQL)",
    )
    serving_url_file: Path | None = Field(
        None, description="a file that holds that URL; NIGHTSHELF_SERVING_URL wins over it"
    )
    reader_url: SecretStr | None = Field(
        None,
        description="the URL that the HTTP service reads the serving database with: a login that is a member"
        " of the reader's role and of no other (default: the embedded PostgreSQL)",
    )
    reader_url_file: Path | None = Field(
        None, description="a file that holds that URL; NIGHTSHELF_READER_URL wins over it"
    )
    reader_secret: str | None = Field(
        None,
        description="the name or ARN of a secret in AWS Secrets Manager that holds that URL, for the handler"
        " alone; NIGHTSHELF_READER_URL and NIGHTSHELF_READER_URL_FILE win over it",
    )
    shop: str | None = Field(
        None,
        description="the further shop that the handler answers for, such as `books` of config.books.toml"
        " (default: the shop of config.toml)",
    )
    redis_url: SecretStr | None = Field(
        None,
        description="the URL of the Redis server that lists are copied to, with the password; in Airflow used"
        " only where the connection that config.toml names does not exist (default: none)",
    )
    redis_url_file: Path | None = Field(
        None, description="a file that holds that URL; NIGHTSHELF_REDIS_URL wins over it"
    )
    service_tokens: SecretStr | None = Field(
        None,
        description="tokens that open the HTTP service, one a line, at least 16 characters each"
        " (default: it asks for none)",
    )
    service_tokens_file: Path | None = Field(
        None, description="a file that holds those tokens; NIGHTSHELF_SERVICE_TOKENS wins over it"
    )
    ui_port: Port | None = Field(
        None,
        description="the port of the local Airflow's UI, 1 to 65535"
        " (default: the one it had before, else one that is free)",
    )
    postgres_port: Port | None = Field(
        None,
        description="the port of the embedded PostgreSQL, 1 to 65535"
        " (default: the one it had before, else one that is free)",
    )
    umask: Umask | None = Field(
        None,
        description="what others may not do with new files and folders of the home, as in the command umask:"
        " 077 lets nobody else in, 027 lets the group read, 007 lets it write too, for services or containers"
        " that share a home (default: 077)",
    )
    schedule: Annotated[Literal["on", "off"], BeforeValidator(_word)] | None = Field(
        None,
        description="`on` or `off`, for every shop; `off`: a night runs only when somebody triggers it, and"
        " neither the clock nor an asset starts one (default: on, as [schedule] in config.toml says); in"
        " Airflow it is read by the DAG processor",
    )
    commit: str | None = Field(
        None,
        description="the commit that `--version` prints where the code is not in a git checkout;"
        " the Docker image gets it when it is built",
    )


def read(*needed: str) -> Environment:
    """The variables as they are now.

    needed: variables that must be right where they are set

    Only those in WRONG can be: all else may be any text. Raises SettingsError where one in `needed` is;
    another counts as unset, so that `make down` works whatever a port says.
    """
    try:
        return Environment()
    except ValidationError as error:
        wrong = [str(fault["loc"][0]) for fault in error.errors(include_input=False)]
    for name in wrong:
        if name in needed:
            what, promised, then = WRONG[name]
            raise SettingsError(
                f"{name} {what}", found=os.environ[name], promised=promised, then=f"set {name} to {then}"
            )
    return Environment(**dict.fromkeys(wrong))


def java_home() -> str | None:
    """`JAVA_HOME`, where Spark looks for Java first; None where it is unset or empty."""
    return os.environ.get("JAVA_HOME") or None


def configured_url(database: Literal["source", "serving", "reader"]) -> str | None:
    """`NIGHTSHELF_SOURCE_URL`, `_SERVING_URL` or `_READER_URL`, else the URL in the file `..._URL_FILE`.

    None: the embedded server is used. Raises SettingsError, which never shows the content of the file, where
    the file cannot be read or is empty.
    """
    which = "serving" if database == "reader" else database
    return _secret(f"{database}_url", "URL", f"a file with the URL of the {which} database")


def redis_url() -> str | None:
    """`NIGHTSHELF_REDIS_URL`, else the URL in the file `..._URL_FILE`; None: nothing is copied to Redis.

    Raises SettingsError, which never shows the content of the file, where it cannot be read or is empty.
    """
    return _secret("redis_url", "URL", "a file with the URL of the Redis server")


def reader_secret() -> str | None:
    """`NIGHTSHELF_READER_SECRET`: the name of a secret; None: unset."""
    return read().reader_secret


def shop() -> str | None:
    """`NIGHTSHELF_SHOP`: the name of a further shop; None: unset."""
    return read().shop


def service_tokens() -> tuple[str, ...]:
    """The tokens of `NIGHTSHELF_SERVICE_TOKENS`, else of the file `..._TOKENS_FILE`; none: unset.

    Raises SettingsError, which never shows a token, where one is too short or the file gives none.
    """
    text = _secret("service_tokens", "token", "a file with a token on each line") or ""
    tokens = tuple(line.strip() for line in text.splitlines() if line.strip())
    if text and not tokens:
        raise SettingsError(
            f"{variable('service_tokens')} holds no token",
            then="give it one, or unset it: no token is then asked for",
        )
    if any(len(token) < SHORTEST_TOKEN or not token.isascii() for token in tokens):
        raise SettingsError(
            f"a token of {variable('service_tokens')} is too easy to guess, or not ASCII",
            promised=f"at least {SHORTEST_TOKEN} ASCII characters each, one token a line",
            then="make one with: openssl rand -hex 32",
        )
    return tokens


def _secret(field: str, what: str, promised: str) -> str | None:
    """The value of a field that may also stand in a file; None where neither is set."""
    variables = read()
    value: SecretStr | None = getattr(variables, field)
    file: Path | None = getattr(variables, f"{field}_file")
    if value or not file:
        return value.get_secret_value() if value else None
    try:
        text, found = file.read_text(encoding="utf-8").strip(), "it is empty"
    except OSError as error:
        text, found = "", str(error.strerror)
    except UnicodeDecodeError:
        text, found = "", "it is no text"
    if text:
        return text
    name = variable(field)
    raise SettingsError(
        f"{name}_FILE names {file}, which gives no {what}",
        found=found,
        promised=promised,
        then=f"mend the file, or set {name}",
    )


def port_variable(server: LocalServer) -> str:
    """The variable that asks for a port of a local server."""
    return variable(f"{server}_port")


def port(server: LocalServer) -> int | None:
    """`NIGHTSHELF_UI_PORT` or `NIGHTSHELF_POSTGRES_PORT`; None: the remembered port, or a free one.

    Raises SettingsError where it is no port.
    """
    variables = read(port_variable(server))
    return variables.ui_port if server == "ui" else variables.postgres_port


def umask() -> int:
    """`NIGHTSHELF_UMASK` as a number, 0o077 where it is unset. Raises SettingsError where it is wrong."""
    return int(read(variable("umask")).umask or "077", 8)


def is_scheduled() -> bool:
    """Whether nights begin by themselves; with `NIGHTSHELF_SCHEDULE=off` they begin only when triggered.

    Raises SettingsError where the variable is neither on nor off.
    """
    return read(SCHEDULE).schedule != "off"


def child_environment(without: str, **changes: str) -> dict[str, str]:
    """The environment of a child process: this one's less names that begin with `without`, plus `changes`."""
    return {**{k: v for k, v in os.environ.items() if not k.startswith(without)}, **changes}
