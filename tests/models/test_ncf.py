"""NCF without torch: what is drawn, how much is learnt, scores worked by hand, and the refusal."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline import jobs
from pipeline.__main__ import main
from pipeline.errors import SettingsError
from pipeline.models.ncf import LEAST_EPOCHS, NEGATIVES, STEPS, UNKNOWN, NcfWeights, schedule
from pipeline.models.negatives import drawn
from pipeline.runs.folder import RunFolder
from pipeline.runs.job import Databases
from pipeline.runs.run_stage import run_stage
from tests import corner, tastes
from tests.shelf import day

without_torch = pytest.mark.skipif(find_spec("torch") is not None, reason="torch is installed here")
RACE = ["ncf", "als"]


def test_no_item_is_drawn_that_the_user_has_to_do_with() -> None:
    """User 0 knows items 0 to 2 of four, user 1 item 3, user 2 all: nothing can be drawn for the last."""
    keys = np.array([0, 1, 2, 7, 8, 9, 10, 11])
    users = np.repeat(np.arange(3), 300)
    items, is_drawn = drawn(np.random.default_rng(0), users, keys, 4)
    assert set(items[users == 0]) == {3}
    assert is_drawn[users < 2].all()
    assert not is_drawn[users == 2].any()
    counts = np.bincount(items[users == 1], minlength=4)
    assert counts[3] == 0
    assert (counts[:3] > 70).all(), "all alike likely"


@pytest.mark.parametrize("n_pairs", [1, 10, 400, 99_057, 863_378, 10**7])
def test_training_takes_the_steps_it_needs_and_two_epochs(n_pairs: int) -> None:
    batch, epochs = schedule(n_pairs)
    n_learnt = n_pairs * (1 + NEGATIVES)
    assert epochs >= LEAST_EPOCHS
    assert epochs * n_learnt >= STEPS * batch
    assert epochs == LEAST_EPOCHS or (epochs - 1) * n_learnt < STEPS * batch


def weights_of(user_ids: pa.Array, item_ids: pa.Array) -> NcfWeights:
    """One factor in each half. GMF: user x item; MLP: relu(user - item), then twice that."""
    users, items = np.arange(len(user_ids)), np.arange(len(item_ids))
    arrays = {
        "user_gmf": (users + 1.0)[:, None],
        "item_gmf": (items - 1.0)[:, None],
        "user_mlp": users[:, None],
        "item_mlp": items[:, None],
        "weight_0": np.array([[1.0, -1.0]]),
        "bias_0": np.array([0.5]),
        "weight_1": np.array([[2.0]]),
        "bias_1": np.array([0.0]),
        "weight_out": np.array([1.0, 10.0]),
        "bias_out": np.array([0.25]),
    }
    floats = {name: values.astype(np.float32) for name, values in arrays.items()}
    return NcfWeights(floats, user_ids, item_ids).with_places(users, items)


def test_scores_are_those_of_the_two_halves_under_one_output() -> None:
    """User 1, item 0: 2 x -1 + 10 x 2 x (1 + 0.5) + 0.25. User 0, item 2: 1 x 1 + 0 + 0.25."""
    weights = weights_of(pa.array([5, 6]), pa.array([7, 8, 9]))
    scores = weights.scores(np.array([1, 0, 0]), np.array([0, 2, 0]))
    assert scores == pytest.approx([28.25, 1.25, -1 + 10 + 0.25])
    assert weights.scores(np.arange(0), np.arange(0)).shape == (0,)


def test_at_a_later_cut_who_and_what_is_new_has_no_score(run_folder: Callable[..., RunFolder]) -> None:
    """The corner shop has users 1 to 3 and items MILK, BREAD, TEA; of these TEA and user 1 are new."""
    earlier = weights_of(pa.array([0, 2, 3]), pa.array([corner.MILK, corner.BREAD]))
    earlier = earlier.with_places(np.array([0, UNKNOWN, 2]), np.array([0, 1]))
    with corner.history(run_folder(), corner.BEFORE) as (history, _):
        later = earlier.onto(history)
    assert later.users is not None
    assert later.users.tolist() == [UNKNOWN, UNKNOWN, 2], "user 2 was there, and without an event"
    assert later.knows(np.array([2, 2, 0]), np.array([0, 2, 0])).tolist() == [True, False, False]
    assert later.scores(np.array([2]), np.array([1])) == earlier.scores(np.array([2]), np.array([1]))
    nothing = weights_of(pa.array([], pa.int64()), pa.array([], pa.int64()))
    with corner.history(run_folder("other"), corner.BEFORE) as (history, _):
        assert not nothing.onto(history).knows(np.arange(3), np.arange(3)).any()


@without_torch
def test_without_torch_a_night_does_not_begin(tmp_path: Path) -> None:
    """And leaves no folder."""
    settings = tmp_path / "config.toml"
    settings.write_text(f"[models]\nrace = {json.dumps(RACE)}\n")
    databases = Databases(source=str, serving=str)
    with pytest.raises(SettingsError) as refused:
        jobs.job_for("night", databases=databases, now=day(100), say=str, as_of=day(99), config_path=settings)
    assert refused.value.what == "`models.race` names ncf, which is trained with torch"
    assert "no package torch in " in refused.value.found
    assert "requirements-ncf.txt" in refused.value.promised
    assert "docs/models.md" in refused.value.then
    assert not (tmp_path / "home" / "runs").exists()


@without_torch
def test_without_torch_tune_does_not_begin(tmp_path: Path) -> None:
    """A night that was begun elsewhere, or before ncf was named."""
    night = tastes.night_at(tmp_path, "split", models={"race": RACE})
    with pytest.raises(SettingsError, match="trained with torch"):
        run_stage("tune", night)
    assert not list(night.folder.path.glob("*.journal"))


@without_torch
def test_without_torch_a_backtest_is_refused_in_one_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings, events = tmp_path / "config.toml", tmp_path / "events.parquet"
    settings.write_text(f"[models]\nrace = {json.dumps(RACE)}\n")
    pq.write_table(tastes.shop(), events)
    assert main(["backtest", "--config", str(settings), "--events", str(events)]) == 1
    said = capsys.readouterr()
    assert "`models.race` names ncf, which is trained with torch" in said.out + said.err
    assert "Traceback" not in said.out + said.err
