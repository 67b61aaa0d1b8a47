"""Which files are refused with a draft, which without one, and what the error says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.__main__ import main
from pipeline.errors import SourceError
from pipeline.loading import draft
from tests.loading import published
from tests.loading.drafts import DRAFTED, OURS, loaded, refused, rows_of_file, text_of
from tests.loading.published import write


def test_the_error_says_where_to_save_the_draft_and_how_to_go_on(tmp_path: Path) -> None:
    error = refused(write(tmp_path, published.REES46))
    assert "has no column `item_id`, `occurred_at`" in error.what
    assert error.found.startswith("event_time, event_type, product_id")
    assert error.then.startswith(f"save the draft below as {tmp_path}/events.sql, look it through, then: ")
    assert f"python -m pipeline backtest --query {tmp_path}/events.sql" in error.then
    assert f"python -m pipeline load query {tmp_path}/events.sql" in error.then
    head, _, below = str(error).partition("\n\n")
    assert head.count("\n") == 3
    assert below.startswith("-- Drafted from the first 4 rows of 2019-Oct.csv")
    assert f"{below}\n" == error.draft


def test_a_name_that_is_taken_is_not_proposed(tmp_path: Path) -> None:
    path = write(tmp_path, published.REES46)
    (tmp_path / "events.sql").write_text("SELECT 1")
    assert f"save the draft below as {tmp_path}/2019-Oct.csv.sql, " in refused(path).then


@pytest.mark.parametrize("command", [["load", "events"], ["backtest", "--events"]])
def test_the_commands_print_it(
    tmp_path: Path, command: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIGHTSHELF_SOURCE_URL", f"sqlite:///{tmp_path / 'shop.db'}")
    assert main([*command, str(write(tmp_path / "data", published.MOVIELENS))]) == 1
    told = capsys.readouterr().err
    assert "\nSELECT\n" in told
    assert loaded("SELECT" + told.partition("\nSELECT")[2], tmp_path / "data") == DRAFTED["MovieLens 25M"][1]


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("one wrong name", "user_id", "userId"),
        ("one in capitals", "user_id", "USER_ID"),
        ("other separators", ",", ";"),
        ("no column for the event", "event_type", "category"),
    ],
)
def test_a_file_that_is_nearly_ours_keeps_its_message_and_gets_a_draft(
    tmp_path: Path, name: str, old: str, new: str
) -> None:
    path = tmp_path / "e.csv"
    path.write_text(OURS.replace(old, new))
    error = refused(path)
    assert "has no column `" in error.what, name
    assert "; or " in error.then
    assert loaded(error.draft, tmp_path) == [(1, 5, "purchase", "2024-01-13 18:05:00", None, 1)]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n\n",
        b"abc",
        b"user_id,item_id\n1,10\n",
        b"\0" * 50,
        b"PK\x03\x04abc",
        b"a;b\n1;2\n",
        b"\xff\xfe",
    ],
)
def test_what_is_no_table_of_events_is_refused_without_a_draft(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "e.csv"
    path.write_bytes(data)
    error = refused(path)
    assert not error.draft
    assert "draft" not in error.then


def test_a_file_that_is_not_there_and_a_folder_have_no_draft(tmp_path: Path) -> None:
    assert draft.of(tmp_path / "none.csv") is None
    assert draft.of(tmp_path) is None
    assert not refused(tmp_path / "none.csv").draft


def test_only_the_first_line_of_a_large_csv_is_read_before_it_is_refused(tmp_path: Path) -> None:
    """The last row would be refused for its width, if it were read."""
    path = tmp_path / "e.csv"
    path.write_text("userId,movieId,rating,timestamp\n" + "1,2,3,1147880044\n" * 30_000 + "1,2\n")
    error = refused(path)
    assert "has no column" in error.what
    assert "the first 10,000 rows" in error.draft


def test_a_wide_file_gives_a_short_draft(tmp_path: Path) -> None:
    names = ["customer", "article", *(f"feature {number}" for number in range(500))]
    drafted = text_of(tmp_path, "e.csv", ",".join(names) + "\n" + ",".join("1" * len(names)) + "\n")
    assert "and 492 more" in drafted
    assert len(drafted) < 2_000


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("2024-01-13 18:05:00", "13/01/2024 18:05"),
        ("2024-01-13 18:05:00", "1705169100"),
        ("2024-01-13 18:05:00", "2024-01-13 18:05:00 UTC"),
    ],
)
def test_our_columns_with_other_times_get_a_draft_too(tmp_path: Path, old: str, new: str) -> None:
    path = tmp_path / "e.csv"
    path.write_text(OURS.replace(old, new))
    with pytest.raises(SourceError, match="`occurred_at` of ") as caught:
        rows_of_file(path)
    assert caught.value.then.startswith("save the draft below as ")
    assert loaded(caught.value.draft, tmp_path) == [(1, 5, "purchase", "2024-01-13 18:05:00", None, 1)]


def test_one_time_that_is_none_gets_no_draft_that_would_fail_as_well(tmp_path: Path) -> None:
    path = tmp_path / "e.csv"
    path.write_text(OURS + "1,5,view,soon\n")
    with pytest.raises(SourceError, match="holds what is no time") as caught:
        rows_of_file(path)
    assert not caught.value.draft
    assert "write every time like that" in caught.value.then


def test_a_query_with_what_is_left_open_does_not_run(tmp_path: Path) -> None:
    drafted = refused(write(tmp_path, published.INSTACART)).draft
    with pytest.raises(SourceError, match=r"the query in .* fails") as caught:
        loaded(drafted, tmp_path)
    assert "TODO" in caught.value.found
    assert not caught.value.draft


def test_a_query_named_as_a_file_of_events_is_no_table(tmp_path: Path) -> None:
    path = tmp_path / "events.sql"
    path.write_text("customer,article,date\n1,5,2024-01-13\n")
    error = refused(path)
    assert not error.draft
    assert error.then == "name it as a query (load query, backtest --query)"


def test_a_pipe_is_no_table_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "events.csv")
    assert draft.of(tmp_path / "events.csv") is None
