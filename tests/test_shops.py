"""Several shops: each settings file is a shop of its own, and no two write to one place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import config
from pipeline.config import Settings
from pipeline.errors import SettingsError
from pipeline.shops import Shop, find_shops, load_settings, shop_of_dag

BOOKS = """
[run]
folder = "runs-books"
[source]
connection = "books"
[serving]
schema = "books"
role_prefix = "books"
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., list[Shop]]:
    """`write(books="...")`: config.toml as it comes, config.books.toml as given; the shops there."""

    def make(**files: str) -> list[Shop]:
        (tmp_path / "config.toml").write_text(config.path().read_text(encoding="utf-8"), encoding="utf-8")
        for name, text in files.items():
            (tmp_path / f"config.{name}.toml").write_text(text, encoding="utf-8")
        return find_shops(tmp_path)

    return make


def error_of(shops: list[Shop], name: str) -> SettingsError:
    """Why the shop `name` cannot run."""
    [error] = [settings for shop, settings in load_settings(shops).items() if shop.name == name]
    assert isinstance(error, SettingsError)
    return error


def test_without_further_files_there_is_one_shop(write: Callable[..., list[Shop]]) -> None:
    [shop] = write()
    assert shop.name == ""
    assert shop.named("recommendations") == "recommendations"


def test_every_further_file_is_a_shop_by_its_name(write: Callable[..., list[Shop]]) -> None:
    shops = write(wine=BOOKS.replace("books", "wine"), books=BOOKS)
    assert [shop.named("rollback") for shop in shops] == ["rollback", "rollback__books", "rollback__wine"]
    settings_of = load_settings(shops)
    assert all(isinstance(settings, Settings) for settings in settings_of.values())
    assert [
        settings.serving.schema_name for settings in settings_of.values() if isinstance(settings, Settings)
    ] == [
        "serving",
        "books",
        "wine",
    ]


def test_a_file_that_cannot_be_read_stops_its_own_shop_only(write: Callable[..., list[Shop]]) -> None:
    shops = write(books="[run]\nsurprise = 1\n", wine=BOOKS)
    assert "surprise" in str(error_of(shops, "books"))
    settings_of = load_settings(shops)
    assert [shop.name for shop, settings in settings_of.items() if isinstance(settings, Settings)] == [
        "",
        "wine",
    ]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (BOOKS.replace('folder = "runs-books"', ""), "run.folder"),
        (BOOKS.replace('schema = "books"', ""), "serving.schema"),
        (BOOKS.replace('schema = "books"', 'connection = "elsewhere"'), "serving.schema"),
        (BOOKS.replace('role_prefix = "books"', ""), "serving.role_prefix"),
        (BOOKS.replace('folder = "runs-books"', 'folder = "books/../runs"'), "run.folder"),
    ],
)
def test_two_shops_never_write_to_one_place(write: Callable[..., list[Shop]], text: str, what: str) -> None:
    error = error_of(write(books=text), "books")
    assert error.what == f"config.books.toml and config.toml have the same {what}"
    assert error.then == "set another one in config.books.toml"


BEGINS = '[schedule]\nasset = "{}.recommendations"\n'


def test_a_shop_may_wait_for_another_s_lists(write: Callable[..., list[Shop]]) -> None:
    settings_of = load_settings(write(books=BOOKS + BEGINS.format("serving")))
    assert all(isinstance(settings, Settings) for settings in settings_of.values())


def test_no_night_begins_itself(write: Callable[..., list[Shop]]) -> None:
    wine = BOOKS.replace("books", "wine")
    error = error_of(write(books=BOOKS + BEGINS.format("books")), "books")
    assert error.what == "in config.books.toml the night begins with what it ends with"
    shops = write(books=BOOKS + BEGINS.format("wine"), wine=wine + BEGINS.format("books"))
    for name in ("books", "wine"):
        assert f"in config.{name}.toml the night begins" in error_of(shops, name).what
    assert isinstance(load_settings(shops)[shops[0]], Settings)


def test_of_two_copies_both_are_refused_and_the_first_shop_runs(write: Callable[..., list[Shop]]) -> None:
    shops = write(books=BOOKS, art=BOOKS)
    assert error_of(shops, "books").what.startswith("config.books.toml and config.art.toml have the same")
    assert error_of(shops, "art").what.startswith("config.art.toml and config.books.toml have the same")
    assert isinstance(load_settings(shops)[shops[0]], Settings)


def test_no_copy_takes_the_place_of_a_first_shop_that_cannot_be_read(
    write: Callable[..., list[Shop]], tmp_path: Path
) -> None:
    shops = write(copy="", books=BOOKS)
    (tmp_path / "config.toml").write_text("[run]\nsurprise = 1\n", encoding="utf-8")
    assert "config.copy.toml and config.toml have the same run.folder" in str(error_of(shops, "copy"))
    assert "surprise" in str(error_of(shops, ""))
    assert [
        shop.name for shop, settings in load_settings(shops).items() if isinstance(settings, Settings)
    ] == ["books"]


def test_a_name_that_no_dag_can_have_is_refused(write: Callable[..., list[Shop]]) -> None:
    assert "'my shop'" in str(error_of(write(**{"my shop": BOOKS}), "my shop"))


def test_the_shop_of_a_dag_is_that_of_the_whole_id(write: Callable[..., list[Shop]]) -> None:
    shops = write(books=BOOKS)
    assert shop_of_dag("recommendations", shops) == shops[0]
    assert shop_of_dag("recommendations__books", shops) == shops[1]
    for other in ("rollback__books", "recommendations__wine", "books", "", "recommendations__"):
        assert shop_of_dag(other, shops) is None, other


def test_the_settings_folder_can_lie_elsewhere(
    write: Callable[..., list[Shop]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(books=BOOKS)
    monkeypatch.setenv("NIGHTSHELF_CONFIG", str(tmp_path))
    assert config.path() == tmp_path / "config.toml"
    assert [shop.name for shop in find_shops()] == ["", "books"]
