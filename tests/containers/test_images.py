"""The images that the real Dockerfile makes: their users, what is in them, and what is not."""

from __future__ import annotations

import json
import subprocess

import pytest
from packaging.requirements import Requirement

from tests.containers import stand_ins
from tests.containers.engine import Engine
from tests.containers.stack import COMMIT

pytestmark = pytest.mark.containers

IMAGES = ("nightshelf:0.2.0", "nightshelf-demo:0.2.0", "nightshelf-service:0.2.0")
LARGEST_SERVICE_MB = 120


def in_image(engine: Engine, image: str, *command: str, check: bool = True) -> str:
    """What a command prints in a new container of an image, its entrypoint left out."""
    program, *words = command
    return engine.docker("run", "--rm", f"--entrypoint={program}", image, *words, check=check).stdout


def test_no_image_runs_as_root(engine: Engine) -> None:
    for image in IMAGES:
        assert in_image(engine, image, "id", "-u") == "50000\n", image


def test_the_image_says_the_commit_it_was_built_from(engine: Engine) -> None:
    for image in IMAGES[:2]:
        said = in_image(engine, image, "python", "-m", "pipeline", "--version")
        assert said.endswith(f" (commit {COMMIT})\n"), image


def test_airflow_finds_the_dags_of_every_shop_and_the_reports_in_the_image(engine: Engine) -> None:
    program = (
        "import json, pathlib\n"
        "from airflow.dag_processing.dagbag import DagBag\n"
        "from airflow.plugins_manager import _get_plugins, get_fastapi_plugins\n"
        "first = pathlib.Path('config.toml').read_text()\n"
        "for ours in ('\"runs', '\"serving', '\"nightshelf'):\n"
        "    first = first.replace(ours + '\"', ours + '_second\"')\n"
        "pathlib.Path('config.second.toml').write_text(first)\n"
        "bag = DagBag()\n"
        "prefixes = [app['url_prefix'] for app in get_fastapi_plugins()[0]]\n"
        "print(json.dumps([sorted(bag.dags), bag.import_errors, prefixes, _get_plugins()[1]]))"
    )
    said = in_image(engine, IMAGES[0], "python", "-c", program)
    names = [
        f"{dag}{shop}"
        for dag in ("fetch_users", "recommendations", "release", "rollback")
        for shop in ("", "__second")
    ]
    found = [sorted(["on_new_recommendations", *names]), {}, ["/nightshelf"], {}]
    assert json.loads(said.splitlines()[-1]) == found


def test_the_service_has_its_own_packages_and_files_and_nothing_else(engine: Engine) -> None:
    packages = json.loads(in_image(engine, IMAGES[2], "pip", "list", "--format=json"))
    pins = (stand_ins.ROOT / "requirements-service.txt").read_text(encoding="utf-8").splitlines()
    version = in_image(engine, IMAGES[2], "python", "-c", "import platform; print(platform.python_version())")
    there = {"python_full_version": version.strip()}
    wanted = [Requirement(pin) for pin in pins]
    promised = {pin.name for pin in wanted if pin.marker is None or pin.marker.evaluate(there)}
    installed = {package["name"].replace("_", "-") for package in packages}
    assert installed - {"pip", "setuptools"} == promised
    files = in_image(engine, IMAGES[2], "find", "/opt/nightshelf", "-mindepth", "1", "-maxdepth", "2").split()
    assert "/opt/nightshelf/pipeline/service" in files
    assert not {"/opt/nightshelf/dags", "/opt/nightshelf/pipeline/stages", "/opt/nightshelf/sql/source"} & {
        *files
    }
    size = in_image(engine, IMAGES[2], "du", "-sm", "--total", "/opt/nightshelf", "/usr/local/lib").split()
    assert int(size[-2]) < LARGEST_SERVICE_MB


def test_the_service_owns_none_of_its_files(engine: Engine) -> None:
    """A request that could write a file of the process could change what the next one runs."""
    found = in_image(
        engine, IMAGES[2], "find", "/opt/nightshelf", "/usr/local", "-writable", "-not", "-type", "l"
    )
    assert found == ""


def layers_with(engine: Engine, text: str) -> list[str]:
    """Files under the engine's data, its layers and caches among them, in which a text stands."""
    search = ["grep", "--recursive", "--files-with-matches", "--fixed-strings", "--devices=skip"]
    command = [*search, text, str(engine.folder / "data")]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()


def test_what_a_build_is_given_as_a_secret_is_in_no_layer(engine: Engine) -> None:
    mark = stand_ins.mark(engine.folder / "secrets")
    histories = [engine.docker("history", "--no-trunc", image).stdout for image in IMAGES]
    assert not any(mark in history for history in histories)
    assert all("pip install" in history for history in histories), "they show how each layer was made"
    assert layers_with(engine, mark) == []
    assert layers_with(engine, 'exec airflow "$@"'), "the search finds what is in a layer"
