"""The settings of the local Airflow, as variables `AIRFLOW__SECTION__KEY`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline import config, environment

USER = "admin"


def configuration(folder: Path, state: Mapping[str, Any], url: str, database: str) -> dict[str, str]:
    """The settings that every component gets.

    folder:   AIRFLOW_HOME
    state:    port and secrets (local.json)
    url:      where the API server answers
    database: URL of Airflow's own database
    """
    settings = {
        "CORE__DAGS_FOLDER": str(config.ROOT / "dags"),
        "CORE__PLUGINS_FOLDER": str(config.ROOT / "dags" / "plugins"),
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__EXECUTOR": "LocalExecutor",
        "CORE__PARALLELISM": "2",
        "CORE__FERNET_KEY": state["fernet_key"],
        "CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(folder / "passwords.json"),
        "CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "CORE__HOSTNAME_CALLABLE": "socket.gethostname",
        "DATABASE__SQL_ALCHEMY_CONN": database.replace("postgresql:", "postgresql+psycopg2:", 1),
        "DATABASE__SQL_ALCHEMY_CONN_ASYNC": database.replace("postgresql:", "postgresql+asyncpg:", 1),
        "API__HOST": "127.0.0.1",
        "API__PORT": str(state["port"]),
        "API__BASE_URL": url,
        "API__SECRET_KEY": state["secret_key"],
        "API_AUTH__JWT_SECRET": state["jwt_secret"],
        "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
        "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "120",
        "DAG_PROCESSOR__PARSING_PROCESSES": "1",
        "LOGGING__COLORED_CONSOLE_LOG": "False",
        "LOGGING__FILE_TASK_HANDLER_NEW_FOLDER_PERMISSIONS": f"0o{0o777 & ~environment.umask():o}",
        "LOGGING__FILE_TASK_HANDLER_NEW_FILE_PERMISSIONS": f"0o{0o666 & ~environment.umask():o}",
        "USAGE_DATA_COLLECTION__ENABLED": "False",
    }
    return {f"AIRFLOW__{name}": value for name, value in settings.items()}
