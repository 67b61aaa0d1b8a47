"""The checks before a commit: `make check` is the one list of them, and a commit that fails it is refused."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from pipeline.config import ROOT
from pipeline.environment import child_environment
from tests.test_architecture import imports

CONFIG = ".pre-commit-config.yaml"
CHECKS = ["ruff check", "ruff format --check", "mypy"]
SCRIPTS = Path(sys.executable).parent


def test_a_commit_runs_what_make_check_runs() -> None:
    [repository] = yaml.safe_load((ROOT / CONFIG).read_text(encoding="utf-8"))["repos"]
    [hook] = repository["hooks"]
    assert repository["repo"] == "local", "what another repository holds has versions of its own"
    assert (hook["entry"], hook["language"], hook["pass_filenames"]) == ("make check", "system", False)
    done = subprocess.run([SCRIPTS / "pre-commit", "validate-config", ROOT / CONFIG], check=False)
    assert done.returncode == 0


def test_make_check_runs_tools_that_are_pinned() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    [recipe] = re.findall(r"(?m)^check:.*\n((?:\t.*\n)+)", makefile)
    assert re.findall(r"\$\(BIN\)/(.*)", recipe) == CHECKS
    pins = (ROOT / "requirements-dev.txt").read_text(encoding="utf-8")
    for tool in {"pre-commit", *(check.split()[0] for check in CHECKS)}:
        [pinned] = re.findall(rf"(?m)^{tool}==(\S+)$", pins)
        done = subprocess.run([SCRIPTS / tool, "--version"], capture_output=True, text=True, check=True)
        assert pinned in done.stdout.split(), "make dev installs it"


def test_mypy_reads_every_library_that_the_code_imports() -> None:
    """One left out as another library's affair would count as untyped where the code comes to use it."""
    overrides = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mypy"][
        "overrides"
    ]
    left_out = {
        name.removesuffix(".*") for part in overrides if "follow_imports" in part for name in part["module"]
    }
    assert left_out
    for folder in ("pipeline", "dags"):
        for path in (ROOT / folder).rglob("*.py"):
            assert not {name.split(".")[0] for name in imports(path)} & left_out, path


Run = Callable[..., subprocess.CompletedProcess[str]]
OF_MAKE = ("MAKEFLAGS", "MAKEOVERRIDES", "MFLAGS")
"""With what `make` hands down, its `VENV` would be built anew within the repository."""
PERSON = ("-c", "user.name=Anna", "-c", "user.email=anna@shop.example")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """`run(*command)` in a repository with the real Makefile, settings and hook, and one module of its own.

    Its first commit fills the caches of the tools.
    """
    folder = tmp_path_factory.mktemp("habits")
    checkout, venv = folder / "checkout", folder / "venv"
    for name in ("pipeline", "dags"):
        (checkout / name).mkdir(parents=True)
        (checkout / name / "__init__.py").touch()
    for name in (
        "Makefile",
        "pyproject.toml",
        CONFIG,
        *(path.name for path in ROOT.glob("requirements*.txt")),
    ):
        shutil.copy(ROOT / name, checkout)
        os.utime(checkout / name, (0, 0))
    venv.mkdir()
    (venv / "bin").symlink_to(SCRIPTS)
    for stamp in (".demo", ".dev"):
        (venv / stamp).touch()
    environment = {
        **{name: value for name, value in child_environment(without="GIT_").items() if name not in OF_MAKE},
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "PRE_COMMIT_HOME": str(folder / "cache"),
        "VENV": str(venv),
    }

    def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=checkout, env=environment, capture_output=True, text=True, check=False
        )

    assert run("git", "init", "--quiet").returncode == 0
    assert run(SCRIPTS / "pre-commit", "install").returncode == 0
    run("git", "add", ".")
    done = run("git", *PERSON, "commit", "--message=good")
    assert done.returncode == 0, done.stdout + done.stderr
    return run


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "complaint"),
    [("import os\n", "F401"), ("x = {  }\n", "would be reformatted"), ('x: int = "one"\n', "[assignment]")],
)
def test_a_commit_that_fails_a_check_is_refused(run: Run, line: str, complaint: str) -> None:
    root = Path(run("git", "rev-parse", "--show-toplevel").stdout.strip())
    (root / "pipeline" / "bad.py").write_text(line)
    run("git", "add", ".")
    done = run("git", *PERSON, "commit", "--message=bad")
    assert done.returncode == 1
    assert complaint in done.stdout + done.stderr
    assert run("git", "log", "--format=%s").stdout == "good\n"
