"""docker-compose.yml, Dockerfile and .env.example, read: against the specification, the code and one another.

No Docker is needed. What the file does when an engine runs it, tests/containers/ says.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography.fernet import Fernet

from pipeline.config import ROOT
from tests.containers.stack import document, urls_of_example

COMPOSE = ROOT / "docker-compose.yml"
PARTS = ("api-server", "scheduler", "dag-processor", "triggerer")
OPTIONAL = {"NIGHTSHELF_SERVICE_TOKENS"}
"""Secrets that may stay empty."""
PROFILES = {
    "demo-postgres": ["demo", "mysql"],
    "demo-shop": ["demo"],
    "demo-reader": ["demo", "mysql"],
    "mysql": ["mysql"],
    "mysql-shop": ["mysql"],
    "spark-master": ["spark"],
    "spark-worker": ["spark"],
}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
IMPORTED = (
    "import sys, pipeline.service.__main__\n"
    "print(*(m.__file__ for name, m in sys.modules.items() if name.split('.')[0] == 'pipeline'), sep='\\n')"
)


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    return dict(document()["services"])


def stages() -> dict[str, tuple[str, list[tuple[str, str]]]]:
    """The Dockerfile's stages by name, the last one last: base, and instructions ("RUN", "...") in order."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    joined = re.sub(r"\\\n\s*", "", "".join(re.findall(r"^(?!\s*#).*\n", text, re.MULTILINE)))
    by_name: dict[str, tuple[str, list[tuple[str, str]]]] = {}
    for line in filter(None, joined.splitlines()):
        word, _, rest = line.partition(" ")
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            by_name[name] = (base, [])
        else:
            by_name[name][1].append((word, rest))
    return by_name


def example() -> dict[str, str]:
    """The variables of .env.example and their values."""
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    return dict(re.findall(r"^([A-Z_]+)=(.*)$", text, flags=re.MULTILINE))


def against_the_specification(path: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_compose_file_is_one_as_the_specification_has_it() -> None:
    done = against_the_specification(COMPOSE)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("condition: service_healthy", "condition: healthy"),
        ("restart: unless-stopped", "restarts: unless-stopped"),
        ("interval: 5s", "interval: [5]"),
        ("{ environment: JWT_SECRET }", "{ env: JWT_SECRET }"),
    ],
)
def test_the_specification_refuses_what_it_does_not_know(tmp_path: Path, good: str, bad: str) -> None:
    text = COMPOSE.read_text(encoding="utf-8")
    assert good in text
    (tmp_path / "docker-compose.yml").write_text(text.replace(good, bad), encoding="utf-8")
    assert against_the_specification(tmp_path / "docker-compose.yml").returncode == 1


def test_every_part_runs_and_is_watched(services: dict[str, dict[str, Any]]) -> None:
    profiles = {name: service["profiles"] for name, service in services.items() if "profiles" in service}
    assert profiles == PROFILES
    assert set(services) - set(PROFILES) == {"postgres", "init", "service", *PARTS}
    for name in (*PARTS, "service"):
        assert services[name]["depends_on"]["init"]["condition"] == "service_completed_successfully"
        assert services[name]["healthcheck"]["test"]
    for name in PARTS:
        assert services[name]["command"] == [name]


def test_a_service_waits_for_what_can_be_waited_for(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        for other, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert services[other]["healthcheck"]["test"], other
            else:
                assert services[other]["restart"] == "no", (
                    f"{other} never ends for good, and {name} waits for it"
                )
            there = services[other].get("profiles")
            is_there = there is None or set(service.get("profiles", [None])) <= set(there)
            assert is_there == how.get("required", True), f"{name} without its profile has no {other}"


def test_images_are_pinned_to_the_airflow_of_the_requirements(services: dict[str, dict[str, Any]]) -> None:
    [airflow] = [
        line.partition("==")[2]
        for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
        if line.startswith("apache-airflow==")
    ]
    by_name = stages()
    assert by_name["base"][0] == f"apache/airflow:slim-{airflow}-python3.11"
    assert by_name["base"][1][-1] == ("WORKDIR", "/opt/nightshelf")
    assert list(by_name)[-1] == "nightshelf"
    for name, service in services.items():
        image = service["image"]
        if "build" in service:
            target = usual(service["build"]["target"])
            assert target in by_name, name
            names = {"nightshelf", f"nightshelf-{target}"}
            assert image in {f"{each}:{PROJECT['version']}" for each in names}, name
        elif service.get("pull_policy") == "never":
            assert image == services["init"]["image"], name
            assert waits_for(services, name, "init"), f"{name} would begin without its image"
        else:
            assert image in ("postgres:18", "mariadb:10.11"), name


def usual(text: str) -> str:
    """`text` with each `${NAME:-default}` as Compose reads it where .env does not say NAME."""
    return re.sub(r"\$\{[A-Z_]+:-([^}]*)\}", r"\1", text)


def test_spark_is_in_the_image_where_it_is_asked_for(services: dict[str, dict[str, Any]]) -> None:
    """The containers of the profile are of the image of Airflow, which .env says the target of."""
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    [target] = re.findall(r"NIGHTSHELF_TARGET=(\w+)", text)
    base, instructions = stages()[target]
    assert base == "base"
    assert any("requirements-spark.txt" in rest for word, rest in instructions if word == "COPY")
    assert services["init"]["build"]["target"] == "${NIGHTSHELF_TARGET:-nightshelf}"
    [master] = re.findall(r'engine.master = "(spark://([\w-]+):7077)"', text)
    assert master[0] in services["spark-worker"]["command"][0]
    assert services["spark-master"]["command"][0].endswith(f"--host {master[1]}")
    for name in ("spark-master", "spark-worker"):
        assert services[name]["image"] == services["init"]["image"]
        assert services[name]["volumes"] == services["scheduler"]["volumes"], "under the paths of the tasks"
        assert services[name]["healthcheck"]["test"]


def waits_for(services: dict[str, dict[str, Any]], name: str, other: str) -> bool:
    before = services[name].get("depends_on", {})
    return other in before or any(waits_for(services, each, other) for each in before)


def test_every_image_is_handed_the_commit_of_the_shell_that_builds(
    services: dict[str, dict[str, Any]],
) -> None:
    """An argument without a value is taken from the environment of `docker compose`, or is not given."""
    built = {name: service["build"] for name, service in services.items() if "build" in service}
    assert set(built) == {"init", "demo-shop", "mysql-shop", "service"}
    assert all(build["args"] == ["NIGHTSHELF_COMMIT"] for name, build in built.items() if name != "service")
    base = stages()["base"][1]
    words = [word for word, _ in base]
    assert ("ARG", "NIGHTSHELF_COMMIT") in base
    assert words.index("ARG") > max(i for i, word in enumerate(words) if word in ("RUN", "COPY")), (
        "another commit installs nothing again"
    )


def test_the_service_is_given_every_file_that_it_imports() -> None:
    """And no other module: each COPY of the target names what `python -m pipeline.service` loads."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED], cwd=ROOT, capture_output=True, text=True, check=True
    )
    imported = {str(Path(line).relative_to(ROOT)) for line in done.stdout.splitlines()}
    copies = [rest.split()[:-1] for word, rest in stages()["service"][1] if word == "COPY"]
    copied = [path for paths in copies for path in paths if path.startswith("pipeline")]
    assert {f for f in imported if not any(f == path or f.startswith(f"{path}/") for path in copied)} == set()
    assert {
        path for path in copied if not any(f == path or f.startswith(f"{path}/") for f in imported)
    } == set()


def test_secrets_come_from_env_and_none_has_a_default(services: dict[str, dict[str, Any]]) -> None:
    text = COMPOSE.read_text(encoding="utf-8")
    assert set(re.findall(r"(?<!\$)\$\{([^}]+)\}", text)) == {
        "UI_PORT:-8080",
        "SERVICE_PORT:-3000",
        "NIGHTSHELF_SCHEDULE:-",
        "NIGHTSHELF_TARGET:-nightshelf",
        "NIGHTSHELF_SERVICE_TOKENS:+/run/secrets/nightshelf_service_tokens",
    }
    declared = {name: entry["environment"] for name, entry in document()["secrets"].items()}
    assert declared == {name: name.upper() for name in declared}
    assert set(example()) == set(declared.values())
    assert not any(example().values())
    for name, service in services.items():
        given = {secret["source"] for secret in service["secrets"]}
        assert all(secret["mode"] == 0o444 for secret in service["secrets"]), (
            "no process that reads them is root"
        )
        whole = json.dumps([service.get(key) for key in ("environment", "entrypoint", "command")])
        read = set(re.findall(r"/run/secrets/(\w+)", whole))
        assert read <= given <= set(declared), name
        assert {secret.upper() for secret in given} & OPTIONAL <= {secret.upper() for secret in read}, name


def test_no_secret_stands_in_an_environment(services: dict[str, dict[str, Any]]) -> None:
    for service in services.values():
        for name, value in service["environment"].items():
            if re.search(r"KEY|SECRET|PASSWORD|CONN|URL", name) and not name.endswith(
                ("_API_SERVER_URL", "_BASE_URL", "S_FILE", "_RANDOM_ROOT_PASSWORD")
            ):
                assert name.endswith(("_CMD", "_FILE")), name
                assert "/run/secrets/" in value, name


def test_env_example_says_how_to_make_each_secret() -> None:
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    [hexadecimal, fernet] = re.findall(r'python -c "(.+?)"', text)
    result = subprocess.run([sys.executable, "-c", hexadecimal], capture_output=True, text=True, check=True)
    assert re.fullmatch(r"[0-9a-f]{64}\n", result.stdout), "letters and digits: they become part of a URL"
    [comment] = re.findall(r"((?:^# .*\n)+)POSTGRES_PASSWORD=", text, flags=re.MULTILINE)
    assert hexadecimal in comment
    result = subprocess.run([sys.executable, "-c", fernet], capture_output=True, text=True, check=True)
    Fernet(result.stdout)
    [comment] = re.findall(r"((?:^# .*\n)+)FERNET_KEY=", text, flags=re.MULTILINE)
    assert fernet in comment


def test_env_example_has_the_addresses_of_the_profiles(services: dict[str, dict[str, Any]]) -> None:
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    demo, mysql, reader = map(urlsplit, urls_of_example("word"))
    assert text.index("\nPOSTGRES_PASSWORD=") < text.index("postgresql://"), ".env is read from its top"
    for url, service, prefix in ((demo, "demo-postgres", "POSTGRES"), (mysql, "mysql", "MARIADB")):
        environment = services[service]["environment"]
        assert url.hostname == service
        assert (url.username, url.password) == (environment[f"{prefix}_USER"], "word")
        assert url.path == f"/{environment[f'{prefix}_DB' if prefix == 'POSTGRES' else 'MARIADB_DATABASE']}"
    for url, shop in ((demo, "demo-shop"), (mysql, "mysql-shop")):
        [script] = services[shop]["command"]
        assert f"@{url.hostname}{url.path}" in script
        assert "NIGHTSHELF_SOURCE_URL=" in script, "never the URL of .env, which may be that of a real shop"
    [script] = services["demo-reader"]["command"]
    assert f'host="{reader.hostname}"' in script
    assert f"CREATE ROLE {reader.username} LOGIN" in script


def test_airflow_knows_every_setting_and_reads_each_secret_by_command(
    services: dict[str, dict[str, Any]],
) -> None:
    from airflow.configuration import conf

    of_the_image = [rest for word, rest in stages()["base"][1] if word == "ENV"]
    names = {name for service in services.values() for name in service.get("environment", {})}
    names |= {pair.split("=")[0] for rest in of_the_image for pair in shlex.split(rest)}
    settings = sorted(name for name in names if name.startswith("AIRFLOW__"))
    assert len(settings) >= 10
    for name in settings:
        _, section, key = name.lower().split("__")
        if name.endswith("_CMD"):
            assert (section, key.removesuffix("_cmd")) in conf.sensitive_config_values, name
        else:
            assert key in conf.configuration_description[section]["options"], name


def test_links_lead_to_the_host_that_people_log_in_on(services: dict[str, dict[str, Any]]) -> None:
    """The login is a cookie of the host: under another name of it a link would end at a refusal."""
    url = services["api-server"]["environment"]["AIRFLOW__API__BASE_URL"].replace("${UI_PORT:-8080}", "8080")
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    assert re.search(rf"docker compose up .*UI: {re.escape(url)},", page)


def test_the_commands_people_are_told_name_what_there_is(services: dict[str, dict[str, Any]]) -> None:
    profiles = {profile for service in services.values() for profile in service.get("profiles", [])}
    for name in ("docs/operations.md", "docker-compose.yml", ".env.example"):
        text = (ROOT / name).read_text(encoding="utf-8")
        commands = re.findall(r"docker compose ((?:--profile (\w+) )?)(\w+)((?: -[\w-]+)*)", text)
        assert commands, name
        for _, profile, command, options in commands:
            assert profile in ("", *profiles)
            assert command in ("up", "logs", "down")
            assert set(options.split()) <= {"-d", "--build", "--force-recreate"}
        assert "cp .env.example .env" in text or name == ".env.example"
