"""`python -m pipeline backtest`: every model judged on an events file, with no database."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from pipeline import backtest, config
from pipeline.__main__ import main
from pipeline.backtest import STAGES
from pipeline.contract.datasets import MAY_CARRY, TIME
from pipeline.jobs import just_after
from pipeline.loading import synthetic
from pipeline.runs.folder import RunFolder
from pipeline.runs.job import Databases, Job
from tests import tastes
from tests.shelf import day, events, whole
from tests.tastes import RACED

Document = dict[str, Any]
ROW = {
    "model", "precision_at_3", "ci_low", "ci_high", "n_users", "n_buyers", "recall_at_10", "ndcg_at_10",
    "coverage_at_3",
}  # fmt: skip
SMALL = """
[run]
threads = 1
[tune]
trials = 2
factors = [2, 8]
iterations = [2, 5]
[ranking]
windows = 2
[split]
test_days = 14
"""


def as_text(table: pa.Table, *names: str) -> pa.Table:
    """The same with ids such as `n07`, which stand in the order of the numbers."""
    for name in names:
        place = table.column_names.index(name)
        words = [f"n{value:02}" for value in table[name].to_pylist()]
        table = table.set_column(place, name, pa.array(words))
    return table


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the shop of two tastes: numbers in CSV, texts in Parquet; and a small search.

    In the CSV the columns for prices, discounts and ratings are empty; the Parquet file has none.
    """
    folder = tmp_path_factory.mktemp("files")
    (folder / "small.toml").write_text(SMALL, encoding="utf-8")
    shop, items = tastes.shop(), tastes.ITEMS.select(["item_id", "category"])
    named = shop.set_column(3, "occurred_at", pc.strftime(shop["occurred_at"], "%Y-%m-%dT%H:%M:%SZ"))
    pa.csv.write_csv(named, folder / "events.csv")
    pa.csv.write_csv(items, folder / "items.csv")
    bare = shop.drop_columns(list(MAY_CARRY))
    pq.write_table(as_text(bare, "user_id", "item_id"), folder / "events.parquet")
    pq.write_table(as_text(items, "item_id"), folder / "items.parquet")
    return folder


@pytest.fixture(scope="module")
def judged(files: Path) -> Callable[..., tuple[Document, str]]:
    """`judged("events.csv", "--windows", "2")`: the JSON and what was said; nothing stays behind."""

    def run(events: str, *more: str) -> tuple[Document, str]:
        home, out = files / "home", files / "out.json"
        option = "--query" if events.endswith(".sql") else "--events"
        given = ["backtest", option, str(files / events), "--config", str(files / "small.toml")]
        said = io.StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(said):
            patch.setenv("NIGHTSHELF_HOME", str(home))
            for url in ("NIGHTSHELF_SOURCE_URL", "NIGHTSHELF_SERVING_URL"):
                patch.delenv(url, raising=False)
            assert main([*given, "--json", str(out), *more]) == 0
        assert list(home.iterdir()) == []
        return json.loads(out.read_text(encoding="utf-8")), said.getvalue()

    return run


@pytest.fixture(scope="module")
def two(files: Path, judged: Callable[..., tuple[Document, str]]) -> tuple[Document, str]:
    """Two windows of the CSV files."""
    return judged("events.csv", "--items", str(files / "items.csv"), "--windows", "2")


def numbers(results: list[Document]) -> list[Document]:
    return [{name: row[name] for name in ROW} for row in results]


def test_every_model_is_judged_in_every_window(two: tuple[Document, str]) -> None:
    document = two[0]
    for results in (document["results"], *(window["results"] for window in document["windows"])):
        assert {row["model"] for row in results} == {*RACED, "published"}
        for row in results:
            assert set(row) >= ROW
            assert 0 <= row["ci_low"] <= row["precision_at_3"] <= row["ci_high"] <= 1
        values = [row["precision_at_3"] for row in results]
        assert values == sorted(values, reverse=True)


def test_windows_stand_newest_first_and_the_document_is_of_the_newest(two: tuple[Document, str]) -> None:
    document = two[0]
    first, second = document["windows"]
    last_event = max(tastes.shop()["occurred_at"].to_pylist())
    assert first["as_of"] == document["as_of"] == just_after(last_event).isoformat()
    assert datetime.fromisoformat(first["as_of"]) - datetime.fromisoformat(second["as_of"]) == timedelta(14)
    assert document["published_model"] == first["published_model"]
    for window in document["windows"]:
        assert window["published_model"] in RACED
        of = {row["model"]: row["precision_at_3"] for row in window["results"]}
        assert of["published"] >= of[window["published_model"]]
    assert (document["repeat_purchases"], document["test_days"]) == ("exclude", 14)
    assert (document["asked_days"], document["n_test_cuts"]) == (14, 1)
    assert document["seconds"] > 0


def test_results_are_the_means_over_the_windows(two: tuple[Document, str]) -> None:
    document = two[0]
    for row in document["results"]:
        results = [r for w in document["windows"] for r in w["results"] if r["model"] == row["model"]]
        for name in ROW - {"model", "n_users", "n_buyers"}:
            assert row[name] == pytest.approx(sum(r[name] for r in results) / 2)
        assert row["n_users"] == round(sum(r["n_users"] for r in results) / 2)
        values = [r["precision_at_3"] for r in results]
        assert (row["lowest"], row["highest"]) == (min(values), max(values))


def test_a_table_is_shown_and_progress_before_it(two: tuple[Document, str]) -> None:
    document, said = two
    progress, table = said.split("repeat_purchases = exclude, 14 days held out")
    for word in ("window 1 of 2", "window 2 of 2", "tune: trial 2 of 2", "evaluate: "):
        assert word in progress
    assert "means over 2 windows" in table
    for row in document["results"]:
        assert f"{row['precision_at_3']:.4f}" in next(
            line for line in table.splitlines() if line.strip().startswith(f"{row['model']} ")
        )
    assert table.count("is chosen") == 2
    assert table.count("session lists: not judged, no buyer's last order in the test is of two items") == 2


def test_session_lists_are_of_each_window(two: tuple[Document, str]) -> None:
    """In the shop of two tastes every order is of one item."""
    document, _ = two
    assert "session_lists" not in document
    for window in document["windows"]:
        assert window["session_lists"]["all"] is None
        assert 30 < window["session_lists"]["n_orders_of_one_item"] <= 40


def test_a_shop_of_baskets_has_its_session_lists_judged_beside_the_models(
    files: Path, judged: Callable[..., tuple[Document, str]]
) -> None:
    """Each user buys two of eight items of one taste at once: the second is easy to guess from the first."""
    rng = np.random.default_rng(4)
    rows = [
        (user, 8 * (user % 6) + int(item), float(at), "purchase", f"{user} {at}")
        for user in range(90)
        for at in np.arange(rng.uniform(0, 9), 99, 9)
        for item in rng.choice(8, 2, replace=False)
    ]
    pq.write_table(events(*rows), files / "baskets.parquet")
    document, said = judged("baskets.parquet")
    measured = document["session_lists"]["all"]
    assert (measured["n_orders"], document["session_lists"]["first_time"]) == (90, None)
    assert measured["hit_rate_at_10"] > 0.9
    assert measured["popular_hit_rate_at_10"] < 0.5
    found = f"among their 10 in {measured['hit_rate_at_10']:.1%} of 90 orders"
    assert f"session lists: the hidden item was {found}" in said


def test_embeddings_say_who_buys_an_item_that_is_new(
    files: Path, judged: Callable[..., tuple[Document, str]]
) -> None:
    """24 items come in the test, of which nothing else is known: each user buys those of one taste."""
    rng = np.random.default_rng(8)
    later = [
        (user, 20 + 2 * int(item) + user % 2, 86.5 + 0.01 * user + place)
        for user in range(40)
        for place, item in enumerate(rng.choice(12, 3, replace=False))
    ]
    pq.write_table(pa.concat_tables([tastes.shop(), events(*later)]), files / "arrivals.parquet")
    (files / "bare.csv").write_text("item_id\n" + "".join(f"{item}\n" for item in range(44)))
    taste = np.array([[item % 2, 1 - item % 2] for item in range(44)]) + rng.normal(0, 0.1, (44, 2))
    numbers = pa.table({"item_id": range(44), "embedding": list(taste)})
    pq.write_table(numbers, files / "embeddings.parquet")
    given = ["arrivals.parquet", "--items", str(files / "bare.csv")]
    found: dict[str, dict[str, float]] = {}
    for name, more in (("without", []), ("with", ["--embeddings", str(files / "embeddings.parquet")])):
        document, said = judged(*given, *more)
        measured = document["cold_items"]["all"]
        assert document["cold_items"]["n_items"] == 24
        assert ("embeddings.parquet: 44 embeddings read" in said) is (name == "with")
        found[name] = {row["list"]: row["recall_at_10"] for row in measured["lists"]}
    assert found["with"]["content"] > 0.75
    assert found["without"]["content"] < 0.6
    assert found["with"]["random"] == pytest.approx(10 / 24)


def test_a_first_look_is_told_before_any_stage_and_stands_in_the_document(
    two: tuple[Document, str],
) -> None:
    """Every buyer of two tastes comes back, for something new; the split then measures as many as it says."""
    document, said = two
    before, after = said.split("1 of 6, validate: check the data against the expectations", 1)
    look, shop = document["first_look"], tastes.shop()
    assert look["n_events"] == shop.num_rows == look["n_in_window"]
    assert look["n_purchases"] == pc.sum(pc.equal(shop["event_type"], "purchase")).as_py()
    assert look["n_users"] == pc.count_distinct(shop["user_id"]).as_py()
    assert f"{look['n_events']:,} events (" in before
    assert f"with --repeat-purchases exclude --test-days 14: {look['asked']['n_users']} people" in before
    assert f"{look['asked']['n_users']} measured users" in after
    assert look["asked"]["n_users"] == document["windows"][0]["results"][0]["n_users"]
    assert look["proposed"]["test_days"] == "auto"
    assert "--test-days auto" in before
    for number, stage in enumerate(STAGES, 1):
        assert f"{number} of 6, {stage}: " in said


def test_text_ids_in_parquet_give_the_numbers_of_the_same_shop_in_csv(
    files: Path, judged: Callable[..., tuple[Document, str]], two: tuple[Document, str]
) -> None:
    """So the same shop judged twice gives the same numbers; and one window is no mean."""
    one = judged("events.parquet", "--items", str(files / "items.parquet"))[0]
    newest = two[0]["windows"][0]
    assert "windows" not in one
    assert numbers(one["results"]) == numbers(newest["results"])
    assert (one["as_of"], one["published_model"]) == (newest["as_of"], newest["published_model"])


def test_queries_over_files_of_other_columns_give_the_numbers_of_the_same_shop(
    files: Path, judged: Callable[..., tuple[Document, str]], two: tuple[Document, str]
) -> None:
    """A till that writes days and clocks apart, and its own words; the working folder is another one.

    It also gives prices, discounts and ratings, which change nothing as long as no setting says so.
    """
    (files / "till.sql").write_text(
        "SELECT user_id AS who, item_id AS sku, upper(event_type) AS what, order_id, quantity,"
        " occurred_at[:10] AS day, occurred_at[12:26] AS clock"
        " FROM read_csv('events.csv', all_varchar = true)"
    )
    (files / "events.sql").write_text(
        f"WITH till AS ({(files / 'till.sql').read_text()})\n"
        "SELECT who::INT AS user_id, sku::INT AS item_id, lower(what) AS event_type,\n"
        "       (day || ' ' || clock)::TIMESTAMP AS occurred_at, order_id, quantity,\n"
        "       who::INT + 0.5 AS price, 0.25 AS discount, sku::INT % 5 AS rating\nFROM till; -- all of it"
    )
    (files / "items.sql").write_text("FROM 'items.csv' SELECT item_id, category")
    one, said = judged("events.sql", "--items-query", str(files / "items.sql"))
    newest = two[0]["windows"][0]
    assert numbers(one["results"]) == numbers(newest["results"])
    assert (one["as_of"], one["published_model"]) == (newest["as_of"], newest["published_model"])
    assert "events.sql: " in said


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "one of the arguments --events --query is required"),
        (["--events", "e.csv", "--query", "e.sql"], "not allowed with argument --events"),
        (["--query", "e.sql", "--items", "i.csv", "--items-query", "i.sql"], "not allowed with argument"),
    ],
)
def test_events_come_from_a_file_or_a_query_and_items_likewise(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["backtest", *arguments])
    assert told in capsys.readouterr().err


def test_a_window_knows_nothing_of_the_one_after_it(
    files: Path, judged: Callable[..., tuple[Document, str]], two: tuple[Document, str]
) -> None:
    """Judged alone, as of its own time: the same numbers."""
    older = two[0]["windows"][1]
    alone = judged("events.csv", "--items", str(files / "items.csv"), "--as-of", older["as_of"])[0]
    assert numbers(alone["results"]) == numbers(older["results"])


def test_an_item_is_not_available_in_a_window_before_it_was_added(tmp_path: Path) -> None:
    items = tastes.ITEMS.append_column("added_at", pa.array([tastes.AS_OF] * 20, TIME))
    pq.write_table(tastes.shop(), tmp_path / "events.parquet")
    pq.write_table(whole("items", items), tmp_path / "items.parquet")
    ids = tastes.settings_of().ids
    files = backtest.Files(tmp_path, {}, ids, True, day(0), day(99))
    for at, is_sold in ((day(99), False), (tastes.AS_OF, True)):
        folder = RunFolder.create(tmp_path / "runs", f"at_{is_sold}", at, ids.model_dump(), {})
        backtest._extract(Job(folder, tastes.settings_of(), Databases(str, str), at, str), files)
        wanted = tastes.ITEMS["available"].to_pylist() if is_sold else [False] * 20
        assert folder.table("items")["available"].to_pylist() == wanted


def test_a_file_of_users_gives_a_window_what_extract_reads(tmp_path: Path) -> None:
    """The users, and of their further columns those that tell of many: an address does not."""
    pq.write_table(tastes.shop(), tmp_path / "events.parquet")
    rows = [
        f"{user},gold,{'free' if user % 2 else 'paid'},{20 + user},{user}@secret,2026-01-0{1 + user % 2}"
        for user in range(40)
    ]
    (tmp_path / "users.csv").write_text("\n".join(["user_id,segment,plan,age,mail,known_at", *rows]))
    settings, said = tastes.settings_of(), list[str]()
    (tmp_path / "scratch").mkdir()
    files = backtest._read(
        tmp_path / "events.parquet",
        None,
        tmp_path / "users.csv",
        None,
        settings,
        tmp_path / "scratch",
        said.append,
    )
    assert files.named["users"] == f"{tmp_path / 'users.csv'} (--users)"
    folder = RunFolder.create(tmp_path / "runs", "window", day(99), settings.ids.model_dump(), {})
    backtest._extract(Job(folder, settings, Databases(str, str), day(99), said.append), files)
    assert folder.table("users").to_pylist() == [{"user_id": u, "segment": "gold"} for u in range(40)]
    attributes, at = folder.table("user_attributes").to_pylist(), datetime(2026, 1, 1, tzinfo=UTC)
    assert len(attributes) == 80
    assert attributes[:2] == [
        {"user_id": 0, "name": "age", "category": None, "number": 20.0, "known_at": at},
        {"user_id": 0, "name": "plan", "category": "paid", "number": None, "known_at": at},
    ]
    assert [line for line in said if "mail" in line] == [
        "column `mail` of users is left out:"
        " it holds 40 different texts, most of one user only, or e-mail addresses"
    ]
    assert folder.has("users")
    assert folder.has("user_attributes")


def test_users_without_further_columns_have_no_attributes(tmp_path: Path) -> None:
    pq.write_table(tastes.shop(), tmp_path / "events.parquet")
    (tmp_path / "users.csv").write_text("user_id,segment,known_at\n1,gold,2026-01-01\n")
    settings = tastes.settings_of()
    (tmp_path / "scratch").mkdir()
    files = backtest._read(
        tmp_path / "events.parquet", None, tmp_path / "users.csv", None, settings, tmp_path / "scratch", str
    )
    folder = RunFolder.create(tmp_path / "runs", "window", day(99), settings.ids.model_dump(), {})
    backtest._extract(Job(folder, settings, Databases(str, str), day(99), str), files)
    assert folder.table("users").to_pylist() == [{"user_id": 1, "segment": "gold"}]
    assert not folder.has("user_attributes")


def test_the_other_mode_and_other_days(judged: Callable[..., tuple[Document, str]]) -> None:
    document, said = judged("events.csv", "--repeat-purchases", "allow", "--test-days", "7")
    assert (document["repeat_purchases"], document["test_days"]) == ("allow", 7)
    assert next(row for row in document["results"] if row["model"] == "own_most_bought")["precision_at_3"] > 0
    assert "repeat_purchases = allow, 7 days held out" in said


def test_windows_repeat_the_whole_back_by_all_cuts_of_the_newest_test(
    judged: Callable[..., tuple[Document, str]],
) -> None:
    """`auto` is two cuts of fourteen days in 99 days of few people, and one in the 71 before those."""
    document, said = judged("events.csv", "--test-days", "auto", "--windows", "2")
    newest, older = document["windows"]
    assert (document["asked_days"], document["test_days"], document["n_test_cuts"]) == ("auto", 14, 2)
    back = datetime.fromisoformat(newest["as_of"]) - datetime.fromisoformat(older["as_of"])
    assert back == timedelta(days=28)
    assert (older["asked_days"], older["test_days"], older["n_test_cuts"]) == ("auto", 14, 1)
    for window in (newest, older):
        assert f"split: {window['horizon']}" in said
    asked = document["first_look"]["asked"]
    assert (asked["test_days"], asked["horizon_days"], asked["n_cuts"]) == ("auto", 14, 2)


@pytest.fixture
def refused(files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., str]]:
    """`refused(*arguments)`: the one clear error the command ends with; nothing stays behind."""

    def run(*arguments: str) -> str:
        assert main(["backtest", *arguments]) == 1
        errors = capsys.readouterr().err
        assert "Traceback" not in errors
        home = config.home()
        assert not home.exists() or list(home.iterdir()) == []
        return errors

    yield run
    assert not (tmp_path / "out.json").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--windows", "0"], "--windows 0"),
        (["--windows", "-1"], "--windows -1"),
        (["--test-days", "0"], 'test_days = 0: must be "auto" or a whole number of days, 1 to 365'),
        (["--as-of", "yesterday"], "'yesterday' is no time"),
        (["--as-of", "2020-01-01"], "no events in the window"),
        (["--windows", "40"], "beyond the first event"),
        (["--json", "{tmp}/missing/out.json"], "missing"),
        (["--json", "{tmp}"], "is a folder"),
        (["--config", "{tmp}/no.toml"], "no.toml"),
        (["--items", "{tmp}/no.csv"], "no.csv"),
        (["--embeddings", "{tmp}/no.parquet"], "no.parquet"),
        (["--users", "{tmp}/no.csv"], "no.csv"),
        (["--embeddings", "{tmp}/small.toml"], "embeddings are not read from"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    files: Path, tmp_path: Path, refused: Callable[..., str], arguments: list[str], told: str
) -> None:
    small = [] if "--config" in arguments else ["--config", str(files / "small.toml")]
    (tmp_path / "small.toml").write_text(SMALL, encoding="utf-8")
    given = [argument.format(tmp=tmp_path) for argument in arguments]
    assert told in refused("--events", str(files / "events.csv"), *small, *given)


ONE_ORDER_EACH = [(u, i, f"2026-03-{1 + u % 28:02}") for u in range(1, 41) for i in (u % 3, 3 + u % 3)]
ONE_PURCHASE_EACH = [(u, u % 3, f"2026-03-{1 + u % 28:02}") for u in range(1, 41)]


def purchases_file(folder: Path, rows: list[tuple[int, int, str]]) -> str:
    path = folder / "purchases.csv"
    lines = [f"{u},{i},purchase,{at}\n" for u, i, at in rows]
    path.write_text(f"{HEADER}{''.join(lines)}", encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("more", [(), ("--windows", "2", "--test-days", "7")], ids=["one window", "two"])
def test_one_order_a_user_is_judged_at_random_and_says_what_that_is_worth(
    tmp_path: Path, judged: Callable[..., tuple[Document, str]], more: tuple[str, ...]
) -> None:
    document, said = judged(purchases_file(tmp_path, ONE_ORDER_EACH), *more)
    assert (document["method"], document["test_days"]) == ("random", None)
    assert "not what people buy next, and cannot be compared with one of a cut in time" in document["worth"]
    _, table = said.split("repeat_purchases = exclude, rows at random held out, as of 2026-03-28")
    assert table.splitlines()[1].strip() == document["worth"]
    assert {row["model"] for row in document["results"]} >= {"published", "popular"}
    assert ("the other windows are left out: they would hold the same rows" in said) is bool(more)
    assert len(document.get("windows", [document])) == 1


def test_a_shop_in_which_nobody_can_be_measured_has_no_backtest(
    files: Path, tmp_path: Path, refused: Callable[..., str]
) -> None:
    small = ["--config", str(files / "small.toml")]
    error = refused("--events", purchases_file(tmp_path, ONE_PURCHASE_EACH), *small)
    assert "nobody can be measured: no user bought before the cut" in error
    assert "40 of 40 buyers bought only once" in error
    assert "next:     name a file with a longer history, in which buyers come back: no split" in error


def test_windows_of_a_file_in_which_nobody_bought_are_refused_by_the_night(
    files: Path, tmp_path: Path, refused: Callable[..., str]
) -> None:
    views = tmp_path / "views.csv"
    views.write_text(f"{HEADER}1,1,view,2026-03-01\n2,1,view,2026-03-02\n", encoding="utf-8")
    small = ["--config", str(files / "small.toml"), "--windows", "2"]
    assert "bought" in refused("--events", str(views), *small)


HEADER = "user_id,item_id,event_type,occurred_at\n"


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("missing.csv", None, "missing.csv"),
        ("events.txt", "user_id\n1\n", ".txt"),
        ("events.parquet", "this is no Parquet", "cannot be read"),
        ("empty.csv", HEADER, "no events"),
        ("columns.csv", "user_id,item,event_type,occurred_at\n1,2,view,2026-01-01\n", "`item_id`"),
        ("times.csv", f"{HEADER}1,2,view,soon\n", "no time"),
        ("timeless.csv", f"{HEADER}1,2,view,\n", "no events"),
        ("views.csv", f"{HEADER}1,2,view,2026-01-01\n2,3,view,2026-01-02\n", "bought"),
    ],
)
def test_a_file_that_cannot_be_judged_is_refused(
    tmp_path: Path, refused: Callable[..., str], name: str, content: str | None, told: str
) -> None:
    if content is not None:
        (tmp_path / name).write_text(content, encoding="utf-8")
    assert told in refused("--events", str(tmp_path / name))


def test_a_shop_in_which_nobody_comes_back_is_told_so_before_rows_are_held_out_at_random(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "events.csv"
    rows = (
        f"{user},{item},purchase,2026-01-{user:02}" for user in range(1, 31) for item in (1, user % 5 + 2)
    )
    file.write_text(HEADER + "\n".join(rows), encoding="utf-8")
    assert main(["backtest", "--events", str(file)]) == 0
    said = capsys.readouterr().out
    assert "30 buyers: nobody bought on a second day\nno cut in time measures anybody, whatever" in said
    assert "proposed" not in said
    assert "rows are held out at random instead" in said
    assert said.count("not what people buy next") >= 2, "where they are held out, and at the table"


def test_the_file_that_is_to_blame_is_named_as_it_was_given(
    files: Path, tmp_path: Path, refused: Callable[..., str]
) -> None:
    """A catalogue with other ids: what was bought is not in it."""
    items = tmp_path / "others.csv"
    items.write_text("item_id,category\n901,food\n902,food\n", encoding="utf-8")
    error = refused("--events", str(files / "events.csv"), "--items", str(items))
    assert "`items` has more than a tenth of the items bought" in error
    assert f"next:     mend {items} (--items), then the same again" in error
    assert "sql/source" not in error
    query = tmp_path / "others.sql"
    query.write_text("FROM 'others.csv'")
    error = refused("--events", str(files / "events.csv"), "--items-query", str(query))
    assert f"next:     mend {query} (--items-query), then the same again" in error


def test_a_window_that_cannot_be_judged_ends_the_rolling_and_keeps_the_others(
    judged: Callable[..., tuple[Document, str]],
) -> None:
    """The fourth ends four hours after the first purchase: nobody has bought on both sides of a cut."""
    document, log = judged("events.csv", "--test-days", "33", "--windows", "4")
    assert "window 4 and those before it are left out: " in log
    assert len(document["windows"]) == 3
    assert {row["n_windows"] for row in document["results"] if row["model"] == "popular"} == {3}


def test_a_promotion_makes_the_model_lose_and_the_rule_is_shown_beside_what_was_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`published` stays what was chosen before the test; `fallback` is what a night would put live."""
    shop, out = tmp_path / "events.parquet", tmp_path / "out.json"
    now = datetime(2026, 1, 1, tzinfo=UTC)
    with synthetic.read(20_000, 1, now, keep_dates=True, promotion_days=14) as read:
        rows = pa.Table.from_batches(list(read.events))
    names = {"customer_id": "user_id", "product_id": "item_id"}
    pq.write_table(rows.rename_columns([names.get(name, name) for name in rows.column_names]), shop)
    monkeypatch.setenv("NIGHTSHELF_HOME", str(tmp_path / "home"))
    said = io.StringIO()
    with redirect_stdout(said):
        more = ["--json", str(out), "--windows", "2", "--test-days", "14"]
        assert main(["backtest", "--events", str(shop), *more]) == 0
    document = json.loads(out.read_text(encoding="utf-8"))
    newest, older = document["windows"]
    by_model = {row["model"]: row["precision_at_3"] for row in newest["results"]}
    fallback = newest["fallback"]
    assert (fallback["reason"], fallback["chosen"]) == ("lost", newest["published_model"])
    assert by_model["fallback"] == fallback["precision_at_3"] > 2 * by_model["published"]
    assert older["fallback"]["model"] is None, "before the promotion the model had not lost"
    assert "fallback" not in {row["model"] for row in document["results"]}, "a mean of lucky windows alone"
    assert f"a night: {fallback['why']}" in said.getvalue()


def test_a_time_in_the_future_is_not_the_end_of_the_test(
    tmp_path: Path, judged: Callable[..., tuple[Document, str]]
) -> None:
    """One such time would leave a window of a year that holds nothing else."""
    days = [(user, user % 3 + 2 * turn, 20 * turn + user % 7) for user in range(30) for turn in range(4)]
    start = datetime(2026, 1, 1, tzinfo=UTC)
    rows = [f"{user},{item},purchase,{start + timedelta(days=at):%Y-%m-%d}\n" for user, item, at in days]
    file = tmp_path / "events.csv"
    file.write_text(f"{HEADER}{''.join(rows)}1,1,purchase,2037-04-09\n", encoding="utf-8")
    document, said = judged(str(file))
    assert document["as_of"].startswith("2026-03-08")
    assert "in the future" in said
    assert " buyers" in said.split("repeat_purchases = exclude, 14 days held out")[-1]
