"""docker-compose.yml, Dockerfile and .env.example: against the specification, against the code, performed.

No Docker is needed: `without_docker` says what stands for it. The slow tests build the image in a folder
and run its services, with the demo's profile, over the tests' own PostgreSQL.
"""

from __future__ import annotations

import json
import re
import shlex
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import psycopg
import pytest
from cryptography.fernet import Fernet
from psycopg import sql

from pipeline import cli
from pipeline.config import ROOT
from pipeline.databases.embedded import Server
from pipeline.databases.install import wheel
from pipeline.local.api import Api
from pipeline.local.processes import end, start
from tests.without_docker import Compose, Image, build, context, document, perform, stages

COMPOSE = ROOT / "docker-compose.yml"
PARTS = ("api-server", "scheduler", "dag-processor", "triggerer")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SECRETS = Path("/run/secrets")


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    return dict(document()["services"])


def example() -> dict[str, str]:
    """The variables of .env.example and their values."""
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    return dict(re.findall(r"^([A-Z_]+)=(.*)$", text, flags=re.MULTILINE))


def commands(script: str) -> list[list[str]]:
    """The commands of a shell script that are Airflow's or ours, without what they are redirected to."""
    lines = (
        shlex.split(line.strip()) for line in script.splitlines() if not line.strip().startswith("python -c")
    )
    return [words for words in lines if words[:1] == ["airflow"] or words[:3] == ["python", "-m", "pipeline"]]


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


def test_every_part_of_airflow_runs_and_is_watched(services: dict[str, dict[str, Any]]) -> None:
    demo = {name for name, service in services.items() if service.get("profiles") == ["demo"]}
    assert demo == {"demo-postgres", "demo-shop"}
    assert set(services) - demo == {"postgres", "init", *PARTS}
    for name in PARTS:
        assert services[name]["command"] == [name]
        assert services[name]["depends_on"]["init"]["condition"] == "service_completed_successfully"
        assert services[name]["healthcheck"]["test"]


def test_a_service_waits_for_what_can_be_waited_for(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        for other, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert services[other]["healthcheck"]["test"], other
            else:
                assert services[other]["restart"] == "no", (
                    f"{other} never ends for good, and {name} waits for it"
                )
            is_there = services[other].get("profiles") in (None, service.get("profiles"))
            assert is_there == how.get("required", True), f"{name} without the demo has no {other}"


def test_images_are_pinned_to_the_airflow_of_the_requirements(services: dict[str, dict[str, Any]]) -> None:
    [airflow] = [
        line.partition("==")[2]
        for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
        if line.startswith("apache-airflow==")
    ]
    by_name = stages((ROOT / "Dockerfile").read_text(encoding="utf-8"))
    assert by_name["base"].base == f"apache/airflow:slim-{airflow}-python3.11"
    assert by_name["base"].instructions[-1] == ("WORKDIR", "/opt/nightshelf")
    assert list(by_name)[-1] == "nightshelf"
    images = {"nightshelf": "nightshelf", "demo": "nightshelf-demo"}
    for name, service in services.items():
        if "build" in service:
            target = service["build"]["target"]
            assert target in by_name, name
            assert service["image"] == f"{images[target]}:{PROJECT['version']}"
        else:
            assert service["image"] == "postgres:18", name


def test_every_image_is_handed_the_commit_of_the_shell_that_builds(
    services: dict[str, dict[str, Any]],
) -> None:
    """An argument without a value is taken from the environment of `docker compose`, or is not given."""
    built = [service["build"]["args"] for service in services.values() if "build" in service]
    assert len(built) == 2 + len(PARTS)
    assert all(arguments == ["NIGHTSHELF_COMMIT"] for arguments in built)
    base = stages((ROOT / "Dockerfile").read_text(encoding="utf-8"))["base"].instructions
    words = [word for word, _ in base]
    assert ("ARG", "NIGHTSHELF_COMMIT") in base
    assert words.index("ARG") > max(i for i, word in enumerate(words) if word in ("RUN", "COPY")), (
        "another commit installs nothing again"
    )


def test_secrets_come_from_env_and_none_has_a_default(services: dict[str, dict[str, Any]]) -> None:
    text = COMPOSE.read_text(encoding="utf-8")
    assert set(re.findall(r"(?<!\$)\$\{([^}]+)\}", text)) == {"UI_PORT:-8080", "NIGHTSHELF_SCHEDULE:-"}
    declared = {name: entry["environment"] for name, entry in document()["secrets"].items()}
    assert declared == {name: name.upper() for name in declared}
    assert set(example()) == set(declared.values())
    assert not any(example().values())
    for name, service in services.items():
        given = {secret["source"] for secret in service["secrets"]}
        assert all(secret["mode"] == 0o444 for secret in service["secrets"]), "the user airflow reads them"
        whole = json.dumps([service.get(key) for key in ("environment", "entrypoint", "command")])
        read = set(re.findall(r"/run/secrets/(\w+)", whole))
        assert read <= given <= set(declared), name


def test_no_secret_stands_in_an_environment(services: dict[str, dict[str, Any]]) -> None:
    for service in services.values():
        for name, value in service["environment"].items():
            if re.search(r"KEY|SECRET|PASSWORD|CONN|URL", name) and not name.endswith(
                ("_API_SERVER_URL", "_BASE_URL", "S_FILE")
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


def test_env_example_has_the_address_of_the_demo_shop(services: dict[str, dict[str, Any]]) -> None:
    url = urlsplit(demo_url("word"))
    environment = services["demo-postgres"]["environment"]
    assert (url.username, url.password, url.path) == (
        environment["POSTGRES_USER"],
        "word",
        f"/{environment['POSTGRES_DB']}",
    )
    assert url.hostname == "demo-postgres"
    [script] = services["demo-shop"]["command"]
    assert f"@{url.hostname}{url.path}" in script
    assert "NIGHTSHELF_SOURCE_URL=" in script, "never the URL of .env, which may be that of a real shop"


def demo_url(password: str) -> str:
    """The demo shop's URL as .env.example tells it, which is also the serving database's."""
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    [url] = re.findall(r"^# (postgresql://\S+)$", text, flags=re.MULTILINE)
    assert text.index("\nPOSTGRES_PASSWORD=") < text.index(url), ".env is read from its top"
    return str(url).replace("${POSTGRES_PASSWORD}", password)


def test_airflow_knows_every_setting_and_reads_each_secret_by_command(
    services: dict[str, dict[str, Any]],
) -> None:
    from airflow.configuration import conf

    of_the_image = [
        rest for word, rest in stages((ROOT / "Dockerfile").read_text())["base"].instructions if word == "ENV"
    ]
    names = {name for service in services.values() for name in service["environment"]}
    names |= {pair.split("=")[0] for rest in of_the_image for pair in shlex.split(rest)}
    settings = sorted(name for name in names if name.startswith("AIRFLOW__"))
    assert len(settings) >= 10
    for name in settings:
        _, section, key = name.lower().split("__")
        if name.endswith("_CMD"):
            assert (section, key.removesuffix("_cmd")) in conf.sensitive_config_values, name
        else:
            assert key in conf.configuration_description[section]["options"], name


def test_every_command_is_one(services: dict[str, dict[str, Any]]) -> None:
    from airflow.cli.cli_parser import get_parser

    asked = [["airflow", *services[name]["command"]] for name in PARTS]
    for name, service in services.items():
        kind, *words = service.get("healthcheck", {}).get("test", ["CMD"])
        assert kind == "CMD", name
        asked += [words] if words[:1] == ["airflow"] else []
        asked += commands(service["command"][0]) if service.get("entrypoint") == ["bash", "-euc"] else []
    assert len(asked) == len(PARTS) + 2 + 3
    for words in asked:
        if words[0] == "airflow":
            assert get_parser().parse_args(words[1:]).func, words
        else:
            assert cli.parser().parse_args(words[3:]).command in ("migrate", "load")


def test_links_lead_to_the_host_that_people_log_in_on(services: dict[str, dict[str, Any]]) -> None:
    """The login is a cookie of the host: under another name of it a link would end at a refusal."""
    url = services["api-server"]["environment"]["AIRFLOW__API__BASE_URL"].replace("${UI_PORT:-8080}", "8080")
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    assert re.search(rf"docker compose up .*UI: {re.escape(url)},", page)


def test_volumes_are_declared_used_and_writable(services: dict[str, dict[str, Any]]) -> None:
    mounts = {mount for service in services.values() for mount in service.get("volumes", [])}
    assert {mount.split(":")[0] for mount in mounts} == set(document()["volumes"])
    ours = {mount.split(":")[1] for name in ("init", *PARTS) for mount in services[name]["volumes"]}
    folders = re.findall(r"mkdir -p ([^&\n]+)", (ROOT / "Dockerfile").read_text(encoding="utf-8"))
    assert ours == set(" ".join(folders).split()), "a volume takes its owner from the folder in the image"
    for name in ("init", *PARTS):
        assert services[name]["volumes"] == services["scheduler"]["volumes"], (
            "reports and logs are seen by all"
        )


def test_the_commands_people_are_told_name_what_there_is(services: dict[str, dict[str, Any]]) -> None:
    profiles = {profile for service in services.values() for profile in service.get("profiles", [])}
    for name in ("docs/operations.md", "docker-compose.yml", ".env.example"):
        text = (ROOT / name).read_text(encoding="utf-8")
        commands = re.findall(r"docker compose ((?:--profile (\w+) )?)(\w+)((?: -[\w-]+)*)", text)
        assert commands, name
        for _, profile, command, options in commands:
            assert profile in ("", *profiles)
            assert command == "up"
            assert set(options.split()) <= {"-d", "--build", "--force-recreate"}
        assert "cp .env.example .env" in text or name == ".env.example"


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """The image, built from this checkout with a second shop beside the first."""
    folder = tmp_path_factory.mktemp("image")
    given = context(folder / "context")
    second = (given / "config.toml").read_text(encoding="utf-8")
    for ours in ('"runs', '"serving', '"nightshelf'):
        second = second.replace(f'{ours}"', f'{ours}_second"')
    (given / "config.second.toml").write_text(second, encoding="utf-8")
    return build(given, folder / "root", NIGHTSHELF_COMMIT="abc1234")


@pytest.mark.slow
def test_airflow_finds_the_dags_of_every_shop_in_the_image(image: Image) -> None:
    output = python(
        image,
        "import json",
        "from airflow.dag_processing.dagbag import DagBag",
        "bag = DagBag()",
        "print(json.dumps([sorted(bag.dags), bag.import_errors]))",
    )
    names = [
        f"{dag}{shop}" for dag in ("recommendations", "release", "rollback") for shop in ("", "__second")
    ]
    assert output == [["on_new_recommendations", *sorted(names)], {}]


@pytest.mark.slow
def test_the_plugin_shows_reports_in_the_image(image: Image) -> None:
    assert python(
        image,
        "import json",
        "from airflow.plugins_manager import _get_plugins, get_fastapi_plugins",
        "plugins, errors = _get_plugins()",
        "prefixes = [app['url_prefix'] for app in get_fastapi_plugins()[0]]",
        "print(json.dumps([prefixes, errors]))",
    ) == [["/nightshelf"], {}]


@pytest.mark.slow
def test_the_command_line_runs_in_the_image(image: Image) -> None:
    done = image.run(["python", "-m", "pipeline", "--help"])
    assert done.returncode == 0, done.stderr
    assert "migrate" in done.stdout
    done = image.run(["python", "-m", "pipeline", "migrate"])
    assert done.returncode == 1
    assert "set NIGHTSHELF_SOURCE_URL and NIGHTSHELF_SERVING_URL" in done.stderr, "no embedded server there"


@pytest.mark.slow
def test_the_image_says_the_commit_it_was_built_from(image: Image) -> None:
    """It holds no checkout; without the build argument the variable is empty, which is as good as unset."""
    assert image.environment["NIGHTSHELF_COMMIT"] == "abc1234"
    for commit, ending in (("abc1234", " (commit abc1234)"), ("", "")):
        done = image.run(["python", "-m", "pipeline", "--version"], NIGHTSHELF_COMMIT=commit)
        assert (done.stdout, done.stderr) == (f"nightshelf {PROJECT['version']}{ending}\n", "")


@pytest.mark.slow
def test_the_image_installs_the_libraries_that_the_packages_need(image: Image) -> None:
    """What a wheel links against and does not hold comes from Debian; the official image has little of it."""
    done = subprocess.run(["dpkg", "--version"], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("tells the package of a library on Debian only")
    loaded = python(
        image,
        "import ctypes, json, re, ssl, sqlite3, zlib, bz2, lzma, hashlib, uuid, readline",
        "def libraries():",
        "    return set(re.findall(r'/\\S+\\.so[.\\d]*', open('/proc/self/maps').read()))",
        "before = libraries()",
        "import airflow, asyncpg, duckdb, great_expectations, implicit.als, lightgbm, numpy, optuna",
        "import pandas, psycopg, psycopg2, pyarrow.dataset, scipy.sparse.linalg, sqlalchemy",
        "print(json.dumps(sorted(libraries() - before)))",
    )
    own = [path for path in loaded if not path.startswith((str(image.root), sys.base_prefix))]
    owners = subprocess.run(["dpkg", "-S", *own], capture_output=True, text=True, check=False).stdout
    packages = {line.split(":")[0] for line in owners.splitlines()}
    in_every_debian = {"libc6", "libgcc-s1", "libstdc++6", "zlib1g"}
    assert packages - in_every_debian == set(image.packages)


def python(image: Image, *lines: str) -> Any:
    """What a Python program prints last in the image, as JSON."""
    done = image.run(["python", "-c", "\n".join(lines)])
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def stack(image: Image, server: Server) -> Iterator[Compose]:
    """The services with the demo's profile: .env is filled in, the databases are the tests' own."""
    airflow = urlsplit(server.url("airflow"))
    assert airflow.password
    values = {
        name: Fernet.generate_key().decode() if name == "FERNET_KEY" else f"{name.lower()} of the tests"
        for name in example()
    }
    values["POSTGRES_PASSWORD"] = airflow.password
    values["NIGHTSHELF_SOURCE_URL"] = values["NIGHTSHELF_SERVING_URL"] = demo_url(airflow.password)
    ui, health, logs, triggers = free_ports(4)
    address = f"@127.0.0.1:{airflow.port}"
    compose = Compose(
        image,
        {
            "@postgres": address,
            "@demo-postgres": address,
            "api-server:8080": f"127.0.0.1:{ui}",
            "localhost:8080": f"127.0.0.1:{ui}",
            "localhost:8974": f"127.0.0.1:{health}",
        },
        {"NIGHTSHELF_SCHEDULE": "off"},
    )
    image.environment |= {
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(ui),
        "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT": str(health),
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(logs),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(triggers),
    }
    folder = Path(image.at(str(SECRETS)))
    folder.mkdir(parents=True)
    for name, secret in document()["secrets"].items():
        (folder / name).write_text(compose.here(values[secret["environment"]]), encoding="utf-8")
    role, password = sql.Identifier("demo"), sql.Literal(airflow.password)
    with psycopg.connect(server.admin_url(), autocommit=True) as db:
        db.execute(sql.SQL("CREATE ROLE {} LOGIN SUPERUSER PASSWORD {}").format(role, password))
        server.create_database("demo", owner="demo", db=db)
    yield compose
    with psycopg.connect(server.admin_url(), autocommit=True) as db:
        db.execute("DROP DATABASE demo WITH (FORCE)")
        db.execute("DROP ROLE demo")


def free_ports(n: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    ports = [int(listener.getsockname()[1]) for listener in sockets]
    for listener in sockets:
        listener.close()
    return ports


@pytest.mark.slow
def test_init_names_a_secret_that_is_empty(stack: Compose) -> None:
    file = Path(stack.image.at(str(SECRETS / "jwt_secret")))
    kept = file.read_text()
    file.write_text("")
    try:
        done = stack.run("init")
    finally:
        file.write_text(kept)
    assert done.returncode == 1
    assert done.stderr == "the secret jwt_secret is empty: give it a value in .env\n"


@pytest.fixture(scope="module")
def airflow(stack: Compose) -> Iterator[Api]:
    """Airflow as `docker compose --profile demo up` starts it: the shop, init, the services until healthy."""
    image = stack.image
    for word, rest in stages((ROOT / "Dockerfile").read_text(encoding="utf-8"))["demo"].instructions:
        perform(image, image.root.parent / "context", word, rest)
    for name in ("demo-shop", "init", "init"):
        done = stack.run(name)
        assert done.returncode == 0, f"{name}: {done.stdout}{done.stderr}"
    for name in PARTS:
        assert stack.run(name, stack.health(name)).returncode != 0, f"{name} does not run yet"
    logs = image.root / "log"
    logs.mkdir()
    leaders = [
        start(stack.command(name), logs / f"{name}.log", stack.environment(name), image.folder)
        for name in PARTS
    ]
    try:
        until = time.monotonic() + 180
        for name in PARTS:
            while stack.run(name, stack.health(name)).returncode:
                assert time.monotonic() < until, (logs / f"{name}.log").read_text()[-3000:]
                time.sleep(1)
        password = Path(image.at(str(SECRETS / "admin_password"))).read_text()
        yield Api(f"http://{stack.hosts['localhost:8080']}", "admin", password)
    finally:
        end(leaders)


@pytest.mark.slow
def test_the_stack_comes_up_with_the_demo_shop(airflow: Api, stack: Compose, server: Server) -> None:
    with psycopg.connect(server.admin_url("demo")) as db:
        assert db.execute("SELECT count(*) FROM events").fetchone() == (1_469_307,)
        assert db.execute("SELECT count(*) FROM serving.publications").fetchone() == (0,)
    passwords = Path(stack.image.at("/opt/airflow/nightshelf/passwords.json"))
    assert passwords.stat().st_mode & 0o777 == 0o600
    assert airflow.get("/importErrors")["import_errors"] == []
    wait(lambda: "recommendations" in {dag["dag_id"] for dag in airflow.get("/dags")["dags"]})
    health = airflow.health()
    assert {part["status"] for part in health.values()} == {"healthy"}
    assert set(health) == {"metadatabase", "scheduler", "dag_processor", "triggerer"}


@pytest.mark.slow
def test_a_night_reads_the_shop_and_its_log_is_shown(airflow: Api, stack: Compose) -> None:
    wait(lambda: "recommendations" in {dag["dag_id"] for dag in airflow.get("/dags")["dags"]})
    airflow.patch("/dags/recommendations", {"is_paused": False})
    conf = {"dry_run": True, "window_days": 40}
    run_id = airflow.post("/dags/recommendations/dagRuns", {"logical_date": None, "conf": conf})["dag_run_id"]
    task = f"/dags/recommendations/dagRuns/{quote(run_id, safe='')}/taskInstances/extract"
    wait(lambda: airflow.get(task)["state"] in ("success", "failed"))
    log = json.dumps(airflow.get(f"{task}/logs/1?full_content=true")["content"])
    assert airflow.get(task)["state"] == "success", log
    assert "rows" in log
    receipt = Path(stack.image.at(f"/opt/airflow/nightshelf/runs/{run_id}/receipts/extract.json"))
    assert receipt.exists()


def wait(until: Callable[[], bool]) -> None:
    for _ in range(120):
        if until():
            return
        time.sleep(1)
    pytest.fail("it has not happened in two minutes")


@pytest.mark.slow
def test_postgres_is_asked_with_options_it_has(services: dict[str, dict[str, Any]], server: Server) -> None:
    port = str(urlsplit(server.admin_url()).port)
    for name in ("postgres", "demo-postgres"):
        _, program, *options = services[name]["healthcheck"]["test"]
        command = [str(wheel() / "bin" / program), *options]
        assert subprocess.run([*command, f"--port={port}"], check=False).returncode == 0
        assert subprocess.run([*command, "--port=1"], check=False).returncode == 2
