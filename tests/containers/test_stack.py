"""docker-compose.yml with the profile `demo`, started from nothing: what is told, what is open, what is kept.

The tests go on from one another: a night is published, then things are broken and the lists must stay.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import Request, urlopen

import pytest

from pipeline.errors import NightshelfError
from tests.containers.conftest import timed
from tests.containers.stack import Stack, wait

pytestmark = pytest.mark.containers

RUNS = "/dags/recommendations/dagRuns"
CONF = {"trials": 1, "window_days": 40}
"""A night of seconds: a search of one trial on the last weeks of the demo's year."""

ONE_SHOT = {"init", "demo-shop", "demo-reader"}
NIGHT_WITHIN = 240


def ask(stack: Stack, path: str, *, token: bool = True) -> tuple[int, dict[str, Any]]:
    """Status and JSON of the service's answer on port 3000 of this machine."""
    header = {"Authorization": f"Bearer {stack.values['NIGHTSHELF_SERVICE_TOKENS']}"} if token else {}
    with stack.network():
        try:
            with urlopen(Request(f"http://127.0.0.1:3000{path}", headers=header), timeout=10) as answer:
                return int(answer.status), json.load(answer)
        except HTTPError as error:
            return error.code, json.load(error)


def is_live(stack: Stack, version: int) -> bool:
    try:
        status, answer = ask(stack, "/publication")
    except (URLError, OSError):
        return False
    return status == 200 and answer["version"] == version


def trigger(stack: Stack) -> str:
    with stack.network():
        api = stack.airflow()
        wait(lambda: "recommendations" in {dag["dag_id"] for dag in api.get("/dags")["dags"]}, "no DAG")
        api.patch("/dags/recommendations", {"is_paused": False})
        return str(api.post(RUNS, {"logical_date": None, "conf": CONF})["dag_run_id"])


def tasks(stack: Stack, run_id: str) -> dict[str, str]:
    """Task -> state; empty while the API server does not answer."""
    with stack.network():
        try:
            found = stack.airflow().get(f"{RUNS}/{quote(run_id, safe='')}/taskInstances")
        except NightshelfError:
            return {}
    return {task["task_id"]: task["state"] for task in found["task_instances"]}


def follow(stack: Stack, run_id: str, within: float = NIGHT_WITHIN) -> dict[str, str]:
    """Wait until the night has published; its tasks' states."""

    def is_done() -> bool:
        states = tasks(stack, run_id)
        assert "failed" not in states.values(), (states, stack.logs("scheduler")[-5000:])
        return states.get("publish") == "success"

    wait(is_done, f"the night of {run_id}", within)
    return tasks(stack, run_id)


@pytest.fixture(scope="module")
def published(stack: Stack) -> str:
    """The run of a first night, triggered through REST, whose lists are live."""
    with timed("profile demo: a night of 40 days, one trial"):
        run_id = trigger(stack)
        follow(stack, run_id)
    return run_id


def test_every_service_is_healthy(stack: Stack) -> None:
    for name, box in stack.containers().items():
        state = box["State"]
        if name in ONE_SHOT:
            assert (state["Status"], state["ExitCode"]) == ("exited", 0), name
        else:
            assert (state["Status"], state["Health"]["Status"]) == ("running", "healthy"), name
    with stack.network():
        health = stack.airflow().health()
    assert {part: of["status"] for part, of in health.items()} == dict.fromkeys(
        ("metadatabase", "scheduler", "dag_processor", "triggerer"), "healthy"
    )


def test_no_process_of_ours_is_root(stack: Stack) -> None:
    running = [box["Id"] for name, box in stack.containers().items() if name not in ONE_SHOT]
    assert len(running) == 7
    for box in running:
        _, *lines = stack.engine.docker("top", box, "-eo", "uid,pid,args").stdout.splitlines()
        assert lines
        assert not [line for line in lines if line.split()[0] == "0"], lines


def test_nothing_listens_beyond_this_machine(stack: Stack) -> None:
    assert stack.engine.listening() == {("127.0.0.1", 8080), ("127.0.0.1", 3000)}


def test_secrets_lie_in_files_and_nowhere_else(stack: Stack) -> None:
    """Neither in what the engine tells of a container nor in an image; each service has only its own."""
    boxes = stack.containers()
    told = json.dumps(boxes) + stack.engine.docker("history", "--no-trunc", "nightshelf:0.2.0").stdout
    words = [value for name, value in stack.values.items() if name != "NIGHTSHELF_SCHEDULE"]
    assert all(len(word) > 20 for word in words)
    assert [word for word in words if word in told] == []
    reader = stack.run_in("service", "cat", "/run/secrets/nightshelf_reader_url")
    assert reader == stack.values["NIGHTSHELF_READER_URL"]
    assert stack.run_in("service", "ls", "/run/secrets").split() == [
        "nightshelf_reader_url",
        "nightshelf_service_tokens",
    ]
    assert stack.run_in("postgres", "ls", "/run/secrets").split() == ["postgres_password"]
    for name in ("scheduler", "service"):
        environment = stack.run_in(
            name, "bash", "-c", "cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'"
        )
        assert "NIGHTSHELF_" in environment
        assert [word for word in words if word in environment] == []


def test_the_service_waits_for_the_first_night(stack: Stack) -> None:
    status, answer = ask(stack, "/ready", token=False)
    assert status == 503
    assert "publi" in answer["detail"]
    assert ask(stack, "/health", token=False)[0] == 200


def test_a_night_triggered_through_rest_is_what_the_service_answers(stack: Stack, published: str) -> None:
    status, publication = ask(stack, "/publication")
    assert (status, publication["version"], publication["run_id"]) == (200, 1, published)
    assert ask(stack, "/ready", token=False)[0] == 200
    [user] = ask(stack, "/users?n=1")[1]["user_ids"]
    items = ask(stack, f"/users/{user}/recommendations?n=3")[1]["items"]
    assert [item["rank"] for item in items] == [1, 2, 3]
    legacy = ask(stack, f"/topN=3for_user={user}")
    assert legacy[0] == 200
    assert ask(stack, "/publication", token=False)[0] == 401


def test_the_demo_reader_may_read_and_nothing_else(stack: Stack, published: str) -> None:
    program = (
        "import pathlib, psycopg\n"
        "url = pathlib.Path('/run/secrets/nightshelf_reader_url').read_text()\n"
        "db = psycopg.connect(url, autocommit=True)\n"
        "print(db.execute('SELECT count(*) FROM serving.publications').fetchone()[0])\n"
        "db.execute('SELECT count(*) FROM events')"
    )
    done = stack.compose("exec", "-T", "service", "python", "-c", program, check=False)
    assert done.stdout == "1\n"
    assert "permission denied for table events" in done.stderr


def test_a_restart_of_all_keeps_the_lists(stack: Stack, published: str) -> None:
    stack.compose(
        "restart", "--timeout=20", "demo-postgres", "postgres", "service", "api-server", "scheduler"
    )
    wait(lambda: is_live(stack, 1), "the service after a restart")
    wait(lambda: tasks(stack, published).get("publish") == "success", "the API server after a restart")


def test_a_scheduler_killed_in_mid_night_takes_the_night_up_again(stack: Stack, published: str) -> None:
    run_id = trigger(stack)
    wait(lambda: tasks(stack, run_id).get("tune") == "running", "the night has come to `tune`", NIGHT_WITHIN)
    before = stack.containers()["scheduler"]["State"]["StartedAt"]
    with timed("profile demo: a night whose scheduler is killed in `tune`"):
        stack.compose("exec", "-T", "scheduler", "bash", "-c", "kill -9 -1", check=False)
        wait(lambda: stack.containers()["scheduler"]["State"]["StartedAt"] != before, "a new scheduler")
        assert is_live(stack, 1)
        follow(stack, run_id)
    assert is_live(stack, 2)


def test_down_and_up_keep_runs_and_lists(stack: Stack, published: str) -> None:
    stack.down()
    assert stack.compose("ps", "--all", "--quiet").stdout == ""
    with timed("profile demo: down and up again"):
        stack.up()
    assert is_live(stack, 2)
    assert tasks(stack, published)["publish"] == "success"
    log = f"{RUNS}/{quote(published, safe='')}/taskInstances/extract/logs/1?full_content=true"
    with stack.network():
        assert "rows" in json.dumps(stack.airflow().get(log)["content"])
    assert "report.html" in stack.run_in("api-server", "ls", f"/opt/airflow/nightshelf/runs/{published}")


EMPTY = "the secret {} is empty: give {} a value in .env"
WRONG = [
    ("init", "JWT_SECRET", "", EMPTY.format("jwt_secret", "JWT_SECRET")),
    ("init", "ADMIN_PASSWORD", "", EMPTY.format("admin_password", "ADMIN_PASSWORD")),
    ("init", "NIGHTSHELF_SOURCE_URL", "", EMPTY.format("nightshelf_source_url", "NIGHTSHELF_SOURCE_URL")),
    ("init", "POSTGRES_PASSWORD", "wrong", "the database of Airflow refuses POSTGRES_PASSWORD"),
    ("init", "NIGHTSHELF_SERVING_URL", "postgresql://demo:wrong@demo-postgres/demo", "refuses the login"),
    ("init", "FERNET_KEY", "wrong", "FERNET_KEY in .env is no such key"),
    ("service", "NIGHTSHELF_READER_URL", "", "gives no URL"),
    (
        "service",
        "NIGHTSHELF_READER_URL",
        "postgresql://demo_reader:wrong@demo-postgres/demo",
        'password authentication failed for user "demo_reader"',
    ),
    ("service", "NIGHTSHELF_SERVICE_TOKENS", "short", "too easy to guess"),
]


@pytest.mark.parametrize(
    ("service", "name", "value", "told"), WRONG, ids=[f"{w[1]}={w[2][:9]}" for w in WRONG]
)
def test_a_wrong_or_empty_secret_is_told(
    stack: Stack, service: str, name: str, value: str, told: str
) -> None:
    wrong = Stack(stack.engine, stack.profile, stack.values | {name: value})
    command = ["timeout", "20", "python", "-m", "pipeline.service"] if service == "service" else []
    done = wrong.compose("run", "--rm", "--no-deps", "-T", service, *command, check=False)
    assert done.returncode != 0
    assert told in done.stdout + done.stderr
    for secret in (value, *stack.values.values()):
        assert len(secret) < 9 or secret not in done.stdout + done.stderr
