"""Several shops: each settings file is a shop of its own, and none is given another's place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import config
from pipeline.config import Settings
from pipeline.errors import SettingsError
from pipeline.shops import Shop, settled, shop_of, shops

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
        return shops(tmp_path)

    return make


def error_of(found: list[Shop], name: str) -> SettingsError:
    """Why the shop `name` cannot run."""
    told = {shop.name: settings for shop, settings in settled(found).items()}[name]
    assert isinstance(told, SettingsError)
    return told


def test_without_further_files_there_is_one_shop(write: Callable[..., list[Shop]]) -> None:
    [shop] = write()
    assert shop.name == ""
    assert shop.named("recommendations") == "recommendations"


def test_every_further_file_is_a_shop_by_its_name(write: Callable[..., list[Shop]]) -> None:
    found = write(wine=BOOKS.replace("books", "wine"), books=BOOKS)
    assert [shop.named("rollback") for shop in found] == ["rollback", "rollback__books", "rollback__wine"]
    told = settled(found)
    assert all(isinstance(settings, Settings) for settings in told.values())
    assert [settings.serving.schema_name for settings in told.values() if isinstance(settings, Settings)] == [
        "serving",
        "books",
        "wine",
    ]


def test_a_file_that_cannot_be_read_stops_its_own_shop_only(write: Callable[..., list[Shop]]) -> None:
    found = write(books="[run]\nsurprise = 1\n", wine=BOOKS)
    assert "surprise" in str(error_of(found, "books"))
    told = settled(found)
    assert [shop.name for shop, settings in told.items() if isinstance(settings, Settings)] == ["", "wine"]


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
    told = settled(write(books=BOOKS + BEGINS.format("serving")))
    assert all(isinstance(each, Settings) for each in told.values())


def test_no_night_begins_itself(write: Callable[..., list[Shop]]) -> None:
    wine = BOOKS.replace("books", "wine")
    error = error_of(write(books=BOOKS + BEGINS.format("books")), "books")
    assert error.what == "in config.books.toml the night begins with what it ends with"
    found = write(books=BOOKS + BEGINS.format("wine"), wine=wine + BEGINS.format("books"))
    for name in ("books", "wine"):
        assert f"in config.{name}.toml the night begins" in error_of(found, name).what
    assert isinstance(settled(found)[found[0]], Settings)


def test_of_two_copies_both_are_refused_and_the_first_shop_runs(write: Callable[..., list[Shop]]) -> None:
    found = write(books=BOOKS, art=BOOKS)
    assert error_of(found, "books").what.startswith("config.books.toml and config.art.toml have the same")
    assert error_of(found, "art").what.startswith("config.art.toml and config.books.toml have the same")
    assert isinstance(settled(found)[found[0]], Settings)


def test_no_copy_takes_the_place_of_a_first_shop_that_cannot_be_read(
    write: Callable[..., list[Shop]], tmp_path: Path
) -> None:
    found = write(copy="", books=BOOKS)
    (tmp_path / "config.toml").write_text("[run]\nsurprise = 1\n", encoding="utf-8")
    assert "config.copy.toml and config.toml have the same run.folder" in str(error_of(found, "copy"))
    assert "surprise" in str(error_of(found, ""))
    assert [shop.name for shop, each in settled(found).items() if isinstance(each, Settings)] == ["books"]


def test_a_name_that_no_dag_can_have_is_refused(write: Callable[..., list[Shop]]) -> None:
    assert "'my shop'" in str(error_of(write(**{"my shop": BOOKS}), "my shop"))


def test_the_shop_of_a_dag_is_that_of_the_whole_id(write: Callable[..., list[Shop]]) -> None:
    found = write(books=BOOKS)
    assert shop_of("recommendations", found) == found[0]
    assert shop_of("recommendations__books", found) == found[1]
    for other in ("rollback__books", "recommendations__wine", "books", "", "recommendations__"):
        assert shop_of(other, found) is None, other


def test_the_settings_folder_can_lie_elsewhere(
    write: Callable[..., list[Shop]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(books=BOOKS)
    monkeypatch.setenv("NIGHTSHELF_CONFIG", str(tmp_path))
    assert config.path() == tmp_path / "config.toml"
    assert [shop.name for shop in shops()] == ["", "books"]
