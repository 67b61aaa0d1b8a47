"""What is missing for Spark is one clear error, before anything begins; a cluster that is away is another."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from pipeline.errors import SettingsError
from pipeline.spark import session
from pipeline.spark.session import check_installed

OLD = 'openjdk version "11.0.2" 2019-01-15'


def java(folder: Path, said: str) -> Path:
    """A home of Java that says which one it is."""
    file = folder / "bin" / "java"
    file.parent.mkdir()
    file.write_text(f"#!/bin/sh\necho '{said}' >&2\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return folder


def test_without_pyspark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "find_spec", lambda name: None)
    with pytest.raises(SettingsError, match="pyspark, which is not installed") as error:
        check_installed()
    assert "-m pip install -r requirements-spark.txt" in error.value.then


@pytest.mark.parametrize("said", [OLD, 'java version "1.8.0_391"', "no Java at all"])
def test_with_an_old_java(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    monkeypatch.setattr(session, "find_spec", lambda name: name)
    monkeypatch.setenv("JAVA_HOME", str(java(tmp_path, said)))
    with pytest.raises(SettingsError, match="needs Java 17 or newer") as error:
        check_installed()
    assert str(tmp_path) in error.value.found
    assert "apt install" in error.value.then


def test_without_java(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "find_spec", lambda name: name)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SettingsError, match="needs Java 17 or newer") as error:
        check_installed()
    assert error.value.found == "no `java` in the PATH, and no JAVA_HOME"


@pytest.mark.parametrize("said", ['openjdk version "17.0.15"', 'openjdk version "21"'])
def test_with_a_java_that_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    monkeypatch.setattr(session, "find_spec", lambda name: name)
    monkeypatch.setenv("JAVA_HOME", str(java(tmp_path, said)))
    check_installed()
