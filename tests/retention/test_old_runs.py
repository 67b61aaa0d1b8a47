"""Old run folders: what goes, what stays, and that nothing goes while it is not known what is live."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from pipeline.config import Settings
from pipeline.errors import NightshelfError
from pipeline.retention.old_runs import remove_old_runs
from pipeline.runs.folder import RunFolder
from tests.serving.nights import Shop
from tests.shelf import day

NOW = day(400)


@pytest.fixture
def shop(
    serving_url: str,
    make_settings: Callable[..., Settings],
    run_folder: Callable[..., RunFolder],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Shop:
    """A shop that keeps run folders for ten days; its runs lie where its settings say."""
    monkeypatch.setenv("NIGHTSHELF_HOME", str(tmp_path))
    prefix = f"t{uuid.uuid4().hex[:8]}"
    settings = make_settings(run={"keep_runs_days": 10}, serving={"role_prefix": prefix})
    return Shop(serving_url, settings, run_folder)


def touched(folder: RunFolder, days_ago: float) -> RunFolder:
    """The run, last worked on so long ago."""
    at = (NOW - timedelta(days=days_ago)).timestamp()
    for path in (*folder.path.rglob("*"), folder.path):
        os.utime(path, (at, at))
    return folder


def test_what_nobody_touched_for_longer_goes_and_the_rest_stays(shop: Shop) -> None:
    shop.publish(shop.night(3))
    old, new = touched(shop.night(1), 10.1), touched(shop.night(2), 9.9)
    shop.said.clear()
    counts = remove_old_runs(shop.settings, shop.url, now=NOW, say=shop.said.append)
    assert (counts["n_removed"], counts["n_kept"]) == (1, 2)
    assert not old.path.exists()
    assert (new.path / "recommendations.parquet").exists()
    assert shop.said[0].startswith("night-1 is removed, ")


def test_a_link_among_the_runs_is_never_followed(shop: Shop, tmp_path: Path) -> None:
    folder = touched(shop.night(1), 300)
    shop.publish(folder)
    touched(folder, 300)
    (tmp_path / "runs" / "latest").symlink_to(folder.path)
    remove_old_runs(shop.settings, shop.url, now=NOW, say=shop.said.append)
    assert (folder.path / "recommendations.parquet").exists()


def test_nothing_goes_while_nothing_is_live(shop: Shop) -> None:
    folder = touched(shop.night(1), 300)
    counts = remove_old_runs(shop.settings, shop.url, now=NOW, say=shop.said.append)
    assert (counts["n_removed"], counts["n_kept"]) == (0, 1)
    assert folder.path.exists()


def test_the_run_whose_lists_are_live_stays_however_old(shop: Shop) -> None:
    runs = [shop.night(number, {1: [10 + number]}) for number in (1, 2)]
    for folder in runs:
        shop.publish(folder)
        touched(folder, 300)
    counts = remove_old_runs(shop.settings, shop.url, now=NOW, say=shop.said.append)
    assert [folder.path.exists() for folder in runs] == [False, True]
    assert (counts["n_removed"], counts["n_kept"]) == (1, 1)
    assert shop.lists() == [(1, 1, 12)]


def test_a_version_whose_folder_is_gone_is_put_back_all_the_same(shop: Shop) -> None:
    from pipeline.serving import rollback

    for number in (1, 2):
        shop.publish(touched(shop.night(number, {1: [10 + number]}), 300))
    remove_old_runs(shop.settings, shop.url, now=NOW, say=shop.said.append)
    rollback(shop.url, shop.settings, say=shop.said.append)
    assert shop.lists() == [(1, 1, 11)]


def test_a_run_that_is_worked_on_stays(shop: Shop) -> None:
    shop.publish(shop.night(2))
    folder = shop.night(1)
    shop.said.clear()
    with folder.held("tune"):
        touched(folder, 300)
        counts = remove_old_runs(shop.settings, shop.url, now=NOW, say=shop.said.append)
    assert counts["n_removed"] == 0
    assert (folder.path / "recommendations.parquet").exists()
    assert shop.said[0].startswith("night-1 stays: tune, process ")


def test_nothing_goes_while_it_is_not_known_what_is_live(shop: Shop) -> None:
    folder = touched(shop.night(1), 300)
    with pytest.raises(NightshelfError):
        remove_old_runs(shop.settings, "postgresql://x:y@127.0.0.1:1/none", now=NOW, say=str)
    assert (folder.path / "recommendations.parquet").exists()


def test_zero_days_keep_everything_and_ask_no_database(
    shop: Shop, make_settings: Callable[..., Settings]
) -> None:
    folder = touched(shop.night(1), 3000)
    settings = make_settings(run={"keep_runs_days": 0})
    counts = remove_old_runs(settings, "postgresql://x:y@127.0.0.1:1/none", now=NOW, say=str)
    assert counts == {"n_removed": 0, "n_kept": 1, "mb_freed": 0}
    assert folder.path.exists()


def test_other_files_among_the_runs_are_left_alone(shop: Shop, tmp_path: Path) -> None:
    other = tmp_path / "runs" / "notes"
    other.mkdir(parents=True)
    (other / "mine.txt").write_text("mine")
    at = (NOW - timedelta(days=300)).timestamp()
    os.utime(other, (at, at))
    remove_old_runs(shop.settings, shop.url, now=NOW, say=shop.said.append)
    assert (other / "mine.txt").exists()
