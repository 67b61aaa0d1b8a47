"""What `python -m pipeline --version` prints in checkouts that git has made, and outside one."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from pipeline import __version__
from pipeline.config import ROOT
from pipeline.environment import child_environment
from pipeline.version import version

RELEASE = f"nightshelf {__version__}"


def git(folder: Path, *words: str) -> str:
    """One git command in `folder`, without the settings of the machine; what it prints."""
    environment = child_environment(
        without="GIT_", GIT_CONFIG_GLOBAL="/dev/null", GIT_CONFIG_SYSTEM="/dev/null"
    )
    person = ["-c", "user.name=Anna", "-c", "user.email=anna@shop.example"]
    done = subprocess.run(
        ["git", *person, *words], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture(autouse=True)
def _no_commit_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NIGHTSHELF_COMMIT", raising=False)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with one commit, whose tag is no part of what is printed."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    git(folder, "init", "--quiet")
    (folder / "config.toml").write_text("[run]\n")
    git(folder, "add", "config.toml")
    git(folder, "commit", "--quiet", "--message=first")
    git(folder, "tag", "--annotate", "v0.1.0", "--message=first")
    return folder


def test_a_checkout_says_its_commit(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = git(checkout, "rev-parse", "--short=7", "HEAD")
    assert len(commit) >= 7
    assert version(checkout) == f"{RELEASE} (commit {commit})"
    monkeypatch.setenv("NIGHTSHELF_COMMIT", "fedcba9")
    assert version(checkout) == f"{RELEASE} (commit {commit})", "git knows better than a variable"
    (checkout / "new.txt").touch()
    assert version(checkout) == f"{RELEASE} (commit {commit})", "a file that git does not keep"


@pytest.mark.parametrize("is_staged", [False, True])
def test_a_changed_checkout_says_so(checkout: Path, is_staged: bool) -> None:
    commit = git(checkout, "rev-parse", "--short=7", "HEAD")
    (checkout / "config.toml").write_text("[run]\nseed = 1\n")
    if is_staged:
        git(checkout, "add", "config.toml")
    assert version(checkout) == f"{RELEASE} (commit {commit}, changed)"


def test_a_worktree_says_its_own_commit(checkout: Path, tmp_path: Path) -> None:
    git(checkout, "worktree", "add", "--quiet", "-b", "other", str(tmp_path / "other"))
    git(tmp_path / "other", "commit", "--quiet", "--allow-empty", "--message=second")
    commit = git(tmp_path / "other", "rev-parse", "--short=7", "HEAD")
    assert commit != git(checkout, "rev-parse", "--short=7", "HEAD")
    assert version(tmp_path / "other") == f"{RELEASE} (commit {commit})"


def test_the_commit_is_that_of_the_checkout_within_a_hook_of_another(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Git runs hooks with GIT_DIR set, which every git command in them obeys."""
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "--quiet")
    git(other, "commit", "--quiet", "--allow-empty", "--message=another project")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    assert version(checkout) == f"{RELEASE} (commit {git(checkout, 'rev-parse', '--short=7', 'HEAD')})"


def test_a_repository_without_a_commit_has_none_to_say(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    assert version(tmp_path) == RELEASE


def test_without_git_the_version_is_what_is_known(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    assert version(checkout) == RELEASE


@pytest.mark.parametrize(("variable", "ending"), [(None, ""), ("", ""), ("abc1234", " (commit abc1234)")])
def test_outside_a_checkout_the_variable_says_the_commit(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, variable: str | None, ending: str
) -> None:
    """As in the Docker image; a repository around the folder is somebody else's."""
    folder = checkout / "vendor" / "nightshelf"
    folder.mkdir(parents=True)
    if variable is not None:
        monkeypatch.setenv("NIGHTSHELF_COMMIT", variable)
    assert version(folder) == f"{RELEASE}{ending}"


def test_the_command_prints_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    command = [sys.executable, "-m", "pipeline", "--version"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{version()}\n", "")
    assert re.fullmatch(r"nightshelf \d+\.\d+\.\d+( \(commit [0-9a-f]{7,}(, changed)?\))?\n", done.stdout)


def test_versions_and_changelog_are_in_step() -> None:
    """docker-compose.yml's images are held to pyproject.toml in test_compose."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == __version__
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"(?m)^## (.*)$", changelog)
    newest = re.fullmatch(r"(\d+\.\d+\.\d+) \((unreleased|\d{4}-\d\d-\d\d)\)", headings[0])
    assert newest, headings[0]
    assert newest[1] == __version__
    assert not [heading for heading in headings[1:] if "unreleased" in heading]
