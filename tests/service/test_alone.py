"""requirements-service.txt installed alone, beside the files that the service needs: it runs, it is small."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.config import ROOT
from pipeline.environment import child_environment
from tests.service.running import running
from tests.serving.nights import Shop

pytestmark = pytest.mark.slow

MOST_MB = 120
FILES = ("pipeline", "sql", "config.toml")
"""Of the checkout. An image may leave out more: of sql/ the service reads sql/reading/ alone."""


def megabytes(*folders: Path) -> float:
    """What all files in these folders hold."""
    return (
        sum(file.stat().st_size for folder in folders for file in folder.rglob("*") if file.is_file()) / 1e6
    )


def test_the_service_runs_with_its_own_packages_alone(
    shop: Shop, reader_url: Callable[..., str], tmp_path: Path
) -> None:
    uv, checkout, venv = Path(sys.executable).parent / "uv", tmp_path / "checkout", tmp_path / "venv"
    for name in FILES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, checkout / name)
    for folder in ("transform", "serving", "source"):
        shutil.rmtree(checkout / "sql" / folder)
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, venv], check=True)
    python = venv / "bin" / "python"
    subprocess.run(
        [uv, "pip", "install", "--quiet", "--python", python, "-r", ROOT / "requirements-service.txt"],
        check=True,
        env=child_environment("NIGHTSHELF_"),
    )
    packages = next((venv / "lib").glob("python*/site-packages"))
    assert megabytes(packages, checkout) < MOST_MB
    with running(reader_url(shop), shop.settings, tmp_path, python=str(python), checkout=checkout) as service:
        assert service.get("/ready")["version"] == 1
        assert service.get("/users/1/recommendations")["items"][0]["name"] == "BANANAS"
        assert service.ask("/docs").status == service.ask("/metrics").status == 200
    assert not (packages / "sqlalchemy").exists()


def test_a_schedule_that_only_croniter_reads_does_not_stop_it(shop: Shop, tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['croniter'] = None\n"
        "from pathlib import Path; from pipeline import config\n"
        f"print(config.load(Path({str(tmp_path / 'config.toml')!r})).schedule.cron)"
    )
    (tmp_path / "config.toml").write_text('[schedule]\ncron = "0 3 * * *"\n')
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("0 3 * * *", "")
