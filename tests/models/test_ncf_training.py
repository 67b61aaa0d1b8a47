"""NCF with torch, in an environment of its own: requirements-ncf.txt, which uv downloads once."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipeline.config import ROOT
from pipeline.models.catalog import rules
from tests import tastes

pytestmark = pytest.mark.ncf

UV = str(Path(sys.executable).parent / "uv")


def with_torch(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a module by the Python of the tests, to whose packages those of requirements-ncf.txt are added."""
    own = ["--quiet", "--no-project", "--python", sys.executable]
    command = [UV, "run", *own, "--with-requirements", str(ROOT / "requirements-ncf.txt")]
    return subprocess.run(
        [*command, "--", "python", "-m", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What tests/models/ncf_program.py found."""
    done = with_torch("tests.models.ncf_program", str(tmp_path_factory.mktemp("ncf")))
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return document


def test_the_same_pairs_and_seed_give_the_same_bits_whatever_the_threads(answers: dict[str, Any]) -> None:
    digests, threads = zip(*answers["threads"], strict=True)
    assert len(set(digests)) == 1
    assert answers["other_seed"] not in digests
    assert threads == (1, 2), "others in the process keep theirs"


def test_each_kind_finds_the_items_of_a_users_own_taste(answers: dict[str, Any]) -> None:
    """0.5 is chance."""
    assert set(answers["ordered"]) == {"gmf", "mlp", "neumf"}
    assert min(answers["ordered"].values()) > 0.95, answers["ordered"]


def test_it_ends_where_its_minutes_are_used_up_and_says_so(answers: dict[str, Any]) -> None:
    assert re.fullmatch(r"\d+ pairs, \d+ s on the [CG]PU, \d+ epochs", answers["note"])
    assert "; ended by models.ncf_minutes after " in answers["ended"]


def test_a_night_in_which_it_wins_publishes_its_lists(answers: dict[str, Any]) -> None:
    """Judged in both modes, against the rules alone, for every buyer of the shop of two tastes."""
    night = answers["night"]
    assert night["is_same_again"]
    assert night["model"] == "ncf", night["race"]
    assert night["race"]["ncf"] > max(night["race"][rule] for rule in ("popular", "recently_popular"))
    assert night["modes"] == ["allow", "exclude"]
    assert set(night["judged"]) == {*rules(), "ncf", "published"}
    assert (night["n_users"], night["n_rows"]) == (40, 200)


def test_a_backtest_races_it_beside_all_others(tmp_path: Path) -> None:
    """By the command line, as docs/models.md has it."""
    events, settings, out = (tmp_path / name for name in ("events.parquet", "config.toml", "out.json"))
    pq.write_table(tastes.shop(), events)
    race = '["ncf", "ease", "als", "blend", "ranker"]'
    settings.write_text(f'[tune]\nmode = "never"\n\n[models]\nrace = {race}\n')
    files = ["--config", str(settings), "--events", str(events), "--json", str(out)]
    done = with_torch("pipeline", "backtest", *files, "--test-days", "14")
    assert done.returncode == 0, done.stdout + done.stderr
    document = json.loads(out.read_text())
    assert {row["model"] for row in document["results"]} == {*tastes.RACED, "ncf", "published"}
    assert re.search(r"race: ncf: [\d,]+ pairs, \d+ s on the [CG]PU", done.stdout + done.stderr)
