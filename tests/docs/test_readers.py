"""The programs of docs/apps.md and the requests of docs/service.md are run, each as the page has it.

They read a shop of a few items with a login of the reader's role, as an app does.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from pipeline import config
from pipeline.config import ROOT
from tests.docs.pages import PAGES, blocks, shell_lines, text
from tests.docs.test_commands import ITEM, USER
from tests.service.conftest import reader_url, serve
from tests.service.running import Running
from tests.serving.conftest import new_shop
from tests.serving.nights import Shop

__all__ = ["new_shop", "reader_url", "serve"]

APPS, SERVICE = ROOT / "docs" / "apps.md", ROOT / "docs" / "service.md"
PG = "pg@8.23.1"
NODE = config.home() / "node"
"""Where Node finds its packages."""
ITEMS = list(range(ITEM, ITEM + 12))
TOKEN = "a-token-of-the-docs"


@pytest.fixture
def shop(new_shop: Callable[..., Shop]) -> Shop:
    """The user and the items that the pages ask about."""
    shop = new_shop()
    names = {item: (f"Fruit {item}", "TROPICAL FRUIT") for item in ITEMS}
    lists = {"similar": {ITEM: ITEMS[2:6]}, "also_bought": {ITEM: ITEMS[1:4]}, "names": names}
    popular = {"all": ITEMS, "TROPICAL FRUIT": ITEMS}
    shop.publish(shop.night(1, {USER: ITEMS}, popular=popular, **lists))
    return shop


@pytest.fixture
def url(shop: Shop, reader_url: Callable[..., str]) -> str:
    """The URL of an app's login."""
    return reader_url(shop)


def example(language: str, part: str) -> str:
    """The one block of docs/apps.md that has `part`."""
    [block] = [block for block in blocks(language, (APPS,)) if part in block]
    return block


def test_every_program_is_one_that_a_test_here_runs() -> None:
    pages = tuple(page for page in PAGES if page.name != "redis.md")
    """Those of docs/redis.md: test_redis.py runs them."""
    firsts = [block.splitlines()[0] for block in blocks("python", pages)]
    drivers, django = ["import psycopg", "import sqlalchemy as sa"], ["settings.py", "models.py", "views.py"]
    embeddings = ["import pyarrow as pa", "from pathlib import Path", "import pyarrow as pa"]
    """Of docs/models.md: test_embedding_programs.py runs them."""
    assert sorted(firsts) == sorted([*drivers, *(f"# {name}" for name in django), *embeddings])
    assert [block.splitlines()[0] for block in blocks("js")] == ['import pg from "pg";']


@pytest.mark.parametrize("driver", ["psycopg", "sqlalchemy"])
def test_python_drivers_read_a_shelf(url: str, driver: str) -> None:
    names: dict[str, object] = {"URL": url}
    exec(compile(example("python", f"import {driver}"), "docs/apps.md", "exec"), names)
    assert [tuple(row) for row in names["rows"]] == [(item, "personal") for item in ITEMS[:10]]  # type: ignore[attr-defined]


def django_project(folder: Path, url: str) -> dict[str, str]:
    """A Django project whose app `shelves` has the models of the page; the environment to run it in."""
    where = make_url(url)
    settings = example("python", "# settings.py")
    for shown, real in (
        ('"db.example.com"', repr(where.host)),
        ("5432", str(where.port)),
        ('"apps"', repr(where.database)),
        ('"shop_app"', repr(where.username)),
    ):
        assert settings.count(shown) == 1, shown
        settings = settings.replace(shown, real)
    own = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(folder / "own.db")}}
    before = f"import os\n\nDATABASES = {own}\nINSTALLED_APPS = ['shelves']\n"
    (folder / "settings.py").write_text(before + settings, encoding="utf-8")
    (folder / "shelves").mkdir()
    (folder / "shelves" / "__init__.py").touch()
    (folder / "shelves" / "models.py").write_text(example("python", "# models.py"), encoding="utf-8")
    given = {
        "DJANGO_SETTINGS_MODULE": "settings",
        "PYTHONPATH": str(folder),
        "SHELF_PASSWORD": where.password or "",
    }
    return {**os.environ, **given}


def run(command: list[str], folder: Path, environment: dict[str, str] | None = None) -> str:
    """What a command printed; it must succeed."""
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_django_reads_lists_and_shelf(url: str, tmp_path: Path) -> None:
    environment = django_project(tmp_path, url)
    views = example("python", "# views.py")
    program = f"""import django, json
django.setup()
from shelves.models import Shelf, SimilarItem
{views}
print(json.dumps([[row.item_id for row in own], [row.similar_item_id for row in similar], rows]))
print(Shelf.objects.using("nightshelf").get(pk=({USER}, 1)).item_id)
"""
    lines = run([sys.executable, "-c", program], tmp_path, environment).splitlines()
    assert json.loads(lines[0]) == [ITEMS[:10], ITEMS[2:6], [[item, "personal"] for item in ITEMS[:10]]]
    assert int(lines[1]) == ITEM


def test_django_finds_no_fault_in_the_models_and_makes_no_table_of_them(url: str, tmp_path: Path) -> None:
    environment = django_project(tmp_path, url)
    django = [sys.executable, "-m", "django"]
    assert "no issues" in run([*django, "check", "--database", "nightshelf"], tmp_path, environment)
    run([*django, "makemigrations", "shelves"], tmp_path, environment)
    made = run([*django, "sqlmigrate", "shelves", "0001", "--database", "nightshelf"], tmp_path, environment)
    assert "CREATE TABLE" not in made
    assert "no-op" in made


@pytest.mark.slow
def test_node_reads_a_shelf(url: str, tmp_path: Path) -> None:
    assert shutil.which("node"), "no Node: apt-get install nodejs npm"
    get = f"npm install --prefix {NODE} {PG}"
    assert (NODE / "node_modules" / "pg").is_dir(), f"Node has no driver: {get}"
    (tmp_path / "node_modules").symlink_to(NODE / "node_modules")
    program = tmp_path / "shelf.mjs"
    program.write_text(
        f"const URL = {json.dumps(url)};\n{example('js', 'pg')}\n"
        "console.log(JSON.stringify(rows));\nawait pool.end();\n",
        encoding="utf-8",
    )
    rows = json.loads(run(["node", str(program)], tmp_path))
    assert rows == [{"item_id": str(item), "source": "personal"} for item in ITEMS[:10]]


def requests() -> list[list[str]]:
    """The arguments of each curl of docs/service.md."""
    return [shlex.split(line) for line in shell_lines((SERVICE,)) if line.startswith("curl ")]


@pytest.fixture
def service(serve: Callable[..., Running], shop: Shop) -> Running:
    """The service of the shop, which asks for a token."""
    return serve(shop, NIGHTSHELF_SERVICE_TOKENS=TOKEN)


def ask(service: Running, arguments: list[str], *more: str) -> str:
    """What curl prints of the request, sent to the service that runs."""
    assert shutil.which("curl"), "curl is needed: apt-get install curl"
    there = [
        argument.replace("http://127.0.0.1:3000", service.url).replace("$NIGHTSHELF_SERVICE_TOKENS", TOKEN)
        for argument in arguments
    ]
    return run([*there, "--silent", "--show-error", *more], ROOT)


def test_every_request_is_answered(service: Running) -> None:
    assert len(requests()) >= 6
    authorization = ("-H", f"Authorization: Bearer {TOKEN}")
    for arguments in requests():
        named = any("Bearer" in argument for argument in arguments)
        answer = json.loads(ask(service, arguments, *(() if named else authorization)))
        assert answer["version"] == 1, arguments
        if "items" in answer:
            assert answer["items"], arguments
    [with_token] = [arguments for arguments in requests() if "-H" in arguments]
    refused = json.loads(ask(service, [*with_token[: with_token.index("-H")]]))
    assert list(refused) == ["detail"]


def test_the_answer_that_is_shown_has_the_keys_of_a_real_one(service: Running) -> None:
    [shown] = [json.loads(block) for block in blocks("json", (SERVICE,))]
    real = json.loads(ask(service, requests()[0], "-H", f"Authorization: Bearer {TOKEN}"))
    assert list(real) == list(shown)
    assert list(real["items"][0]) == list(shown["items"][0])


def test_the_routes_are_those_of_the_service(service: Running) -> None:
    told = set(re.findall(r"^\| `(?:GET|POST) (/[^` ]*)` \|", text(SERVICE), re.M))
    document = json.loads(
        ask(service, ["curl", f"{service.url}/openapi.json"], "-H", f"Authorization: Bearer {TOKEN}")
    )
    paths = {re.sub(r":id\}", "}", path) for path in document["paths"]}
    assert told - {"/openapi.json"} == paths - {"/openapi.json"}


def test_postgrest_s_role_can_become_a_reader_and_nothing_before(shop: Shop, url: str) -> None:
    [query] = [query for query in blocks("sql", (SERVICE,)) if "CREATE ROLE" in query]
    [(name, password)] = re.findall(r"CREATE ROLE (\w+) LOGIN NOINHERIT PASSWORD '(.*?)'", query)
    role = f"{shop.settings.serving.role_prefix}_reader"
    login = f"{role}_postgrest"
    with psycopg.connect(shop.url, autocommit=True) as db:
        db.execute(query.replace(name, login).replace("nightshelf_reader", role).encode())
        try:
            with psycopg.connect(shop.url, user=login, password=password, autocommit=True) as app:
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    app.execute("SELECT * FROM serving.recommend(1, 3)")
                app.execute(f"SET ROLE {role}".encode())
                assert app.execute("SELECT * FROM serving.recommend(1, 3)").fetchall()
        finally:
            db.execute(f"DROP ROLE {login}".encode())
