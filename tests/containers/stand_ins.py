"""Builds the stand-ins of base images, under the names that the official ones have, in the tests' engine."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
from pathlib import Path

from pipeline.config import ROOT
from tests.containers.engine import PATH, Engine, run

FOLDER = Path(__file__).parent / "stand_ins"
DEBIAN = "bookworm"
TREE = "nightshelf-tests/debian"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
IN_MEMORY = Path("/dev/shm")
STAND_INS = {
    "airflow": "apache/airflow:slim-{apache-airflow}-python3.11",
    "python": "python:3.11-slim",
    "postgres": "postgres:18",
    "mariadb": "mariadb:10.11",
}
"""Target of stand_ins/Dockerfile -> the name of the official image; a version is that of requirements.txt."""


def names() -> dict[str, str]:
    """STAND_INS with their versions."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if ";" not in line)
    return {target: name.format_map(pins) for target, name in STAND_INS.items()}


def build(engine: Engine, given: Path) -> None:
    """Build all of them in an engine that reaches the package registries.

    given: a folder with the files that `build_secrets` wrote
    """
    context = engine.folder / "stand-ins"
    shutil.copytree(FOLDER, context)
    for path in ROOT.glob("requirements*.txt"):
        shutil.copy(path, context)
    _import_debian(engine, given)
    for target, name in names().items():
        words = ["build", "--quiet", "--network=host", f"--target={target}", f"--tag={name}"]
        words += [f"--secret=id={path.name},src={path}" for path in sorted(given.iterdir())]
        engine.docker(*words, str(context))


def build_secrets(folder: Path) -> Path:
    """Write what this machine needs to reach its package registries, one file for each build secret.

    The project's Dockerfile says what each is. A line of each file is a mark that no image may have.
    """
    folder.mkdir(mode=0o700)
    marked = f"# {secrets.token_hex(16)}\n"
    listed = run([sys.executable, "-m", "pip", "config", "list"], os.environ).stdout
    [index] = re.findall(r"^\S*[.:]index-url='(.*)'$", listed, flags=re.MULTILINE)[:1] or [""]
    setting = f"index-url = {json.dumps(index)}\n" if index else ""
    proxies = [
        line
        for line in run(["apt-config", "dump"], {"PATH": PATH}).stdout.splitlines(keepends=True)
        if line.startswith(("Acquire::http", "Acquire::https"))
    ]
    for name, text in {
        "pip_conf": f"[global]\n{setting}".replace('"', ""),
        "uv_toml": f"system-certs = true\n{setting}",
        "apt_conf": "".join(proxies),
        "ca_certificates": CERTIFICATES.read_text(encoding="utf-8"),
    }.items():
        (folder / name).write_text(marked + text, encoding="utf-8")
    return folder


def mark(folder: Path) -> str:
    """The mark in the files of `build_secrets`."""
    [text] = {path.read_text(encoding="utf-8").splitlines()[0] for path in folder.iterdir()}
    return text.removeprefix("# ")


def _import_debian(engine: Engine, given: Path) -> None:
    """Debian's smallest tree as an image, put together in memory: dpkg waits for the disk at every file."""
    there = {"TMPDIR": str(IN_MEMORY)} if IN_MEMORY.is_dir() else {}
    bootstrap = ["mmdebstrap", "--quiet", "--variant=minbase", "--include=ca-certificates"]
    bootstrap += ["--dpkgopt=force-unsafe-io", f"--aptopt={given / 'apt_conf'}"]
    bootstrap += ['--customize-hook=rm "$1/etc/apt/apt.conf.d/99mmdebstrap"', DEBIAN, "-"]
    with subprocess.Popen(bootstrap, env={"PATH": PATH, **there}, stdout=subprocess.PIPE) as tree:
        engine.docker("import", "-", TREE, stdin=tree.stdout)
    if tree.returncode:
        raise RuntimeError(f"mmdebstrap ended with {tree.returncode}")
