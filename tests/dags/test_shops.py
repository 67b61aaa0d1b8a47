"""Several shops in one Airflow: each its own DAGs, and a broken one stops no other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline import config
from pipeline.config import ROOT, Settings
from pipeline.errors import SettingsError
from pipeline.shops import find_shops, load_settings
from tests.test_shops import BOOKS


@pytest.fixture
def bag_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """`bag_of(books="...")`: every DAG file, read with these further shops beside config.toml."""

    def make(first: str = "", **files: str) -> Any:
        from airflow.dag_processing.dagbag import DagBag

        folder = tmp_path / "settings"
        folder.mkdir()
        text = first or config.path().read_text(encoding="utf-8")
        (folder / "config.toml").write_text(text, encoding="utf-8")
        for name, content in files.items():
            (folder / f"config.{name}.toml").write_text(content, encoding="utf-8")
        monkeypatch.setenv("NIGHTSHELF_CONFIG", str(folder))
        return DagBag(dag_folder=str(ROOT / "dags"))

    return make


def test_a_further_shop_has_dags_of_its_own(bag_of: Callable[..., Any]) -> None:
    bag = bag_of(books=BOOKS + '[schedule]\ncron = "30 3 * * *"\n')
    assert bag.import_errors == {}
    for name in ("recommendations", "rollback", "release"):
        assert {name, f"{name}__books"} <= set(bag.dags)
    books = bag.dags["recommendations__books"]
    assert books.tags == {"nightshelf", "books"}
    assert books.timetable.expression == "30 3 * * *"
    assert "views of schema\n`books`" in books.doc_md
    assert "runs-books" in books.doc_md
    [asset] = books.get_task("publish").outlets
    assert asset.name == "books.recommendations"


def test_a_broken_file_is_a_dag_that_fails_with_the_reason(
    bag_of: Callable[..., Any], airflow_tables: None
) -> None:
    bag = bag_of(books="[run]\nsurprise = 1\n")
    assert bag.import_errors == {}
    assert bag.dags["recommendations"].task_ids[1] == "extract"
    broken = bag.dags["recommendations__books"]
    assert "run.surprise: unknown setting" in broken.doc_md
    run = broken.test()
    assert str(run.state) == "failed"


def test_a_file_name_that_no_dag_can_have_stops_no_other_shop(bag_of: Callable[..., Any]) -> None:
    bag = bag_of(**{"books (copy)": BOOKS})
    assert bag.import_errors == {}
    assert bag.dags["recommendations"].task_ids[1] == "extract"
    assert "rename the file" in bag.dags["recommendations__books__copy_"].doc_md


def test_what_a_further_shop_is_told_to_do_next_reaches_that_shop(
    bag_of: Callable[..., Any],
    airflow_tables: None,
    serving_url: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    bag = bag_of(books=BOOKS)
    file = config.path().parent / "config.books.toml"
    rollback = bag.dags["rollback__books"]
    assert f"`python -m pipeline rollback --config {file}`" in rollback.doc_md
    monkeypatch.setenv("AIRFLOW_CONN_SERVING", serving_url)
    assert str(rollback.test().state) == "failed"
    advice = f"python -m pipeline run --config {file} (in Airflow: trigger the DAG recommendations__books)"
    assert advice in caplog.text + "".join(capfd.readouterr())


@pytest.mark.parametrize(
    ("first", "said"),
    [("[run]\nsurprise = 1\n", "run.surprise: unknown setting"), ("[run\n", "cannot be read as TOML")],
)
def test_where_no_shop_can_be_read_the_night_fails_and_every_page_of_the_ui_says_why(
    bag_of: Callable[..., Any], airflow_tables: None, first: str, said: str
) -> None:
    bag = bag_of(first=first)
    [(path, error)] = bag.import_errors.items()
    assert path.endswith("rollback.py")
    assert said in error
    broken = bag.dags["recommendations"]
    assert said in broken.doc_md
    assert "config.toml" in broken.description
    assert broken.timetable.expression == "0 0 * * *"
    assert str(broken.test().state) == "failed"


@pytest.mark.parametrize("readable", [True, False])
def test_off_is_off_for_every_shop(
    bag_of: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, readable: bool
) -> None:
    monkeypatch.setenv("NIGHTSHELF_SCHEDULE", "off")
    books = BOOKS + '[schedule]\nasset = "serving.recommendations"\n' if readable else "[run]\nsurprise = 1\n"
    bag = bag_of(books=books)
    assert bag.import_errors == {}
    assert bag.dags["recommendations"].schedule is None
    assert bag.dags["recommendations__books"].schedule is None


def test_a_word_that_is_neither_on_nor_off_stops_every_night_and_says_so(
    bag_of: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, airflow_tables: None
) -> None:
    monkeypatch.setenv("NIGHTSHELF_SCHEDULE", "no")
    bag = bag_of(books=BOOKS)
    assert bag.import_errors == {}
    for name in ("recommendations", "recommendations__books"):
        assert "NIGHTSHELF_SCHEDULE is neither on nor off" in bag.dags[name].doc_md
        assert bag.dags[name].task_ids == ["settings"]
    assert str(bag.dags["recommendations"].test().state) == "failed"


def test_a_further_shop_without_its_connection_is_never_given_another_s_database(
    bag_of: Callable[..., Any], airflow_tables: None, shop_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bag_of(books=BOOKS)
    from nightshelf_airflow.connections import databases

    monkeypatch.setenv("NIGHTSHELF_SOURCE_URL", shop_url)
    monkeypatch.setenv("NIGHTSHELF_SERVING_URL", shop_url)
    [(first, its_settings), (books, settings)] = load_settings(find_shops()).items()
    assert isinstance(its_settings, Settings)
    assert isinstance(settings, Settings)
    assert databases(first, its_settings).source() == shop_url
    with pytest.raises(SettingsError) as refused:
        databases(books, settings).source()
    assert refused.value.what == "there is no Airflow connection `books`"
    assert "airflow connections add books " in refused.value.then
    assert shop_url not in str(refused.value)
    monkeypatch.setenv("AIRFLOW_CONN_BOOKS", "postgresql://reader:word@books.example:5433/books")
    assert databases(books, settings).source().endswith("://reader:word@books.example:5433/books")
