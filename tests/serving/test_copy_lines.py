"""Ranked rows become one line of COPY text a list."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.contract.stages import LISTS
from pipeline.errors import ContractBroken, DamagedFile
from pipeline.runs.folder import RunFolder
from pipeline.serving.copy_lines import KINDS, NULL, ListKind, lines
from tests.serving.nights import fill
from tests.shelf import give

BY_DATASET = {kind.dataset: kind for kind in KINDS}
OWN, POPULAR, SIMILAR = (BY_DATASET[name] for name in ("recommendations", "popular_items", "similar_items"))
ALSO_BOUGHT, PURCHASES = BY_DATASET["also_bought"], BY_DATASET["user_purchases"]
CATEGORIES, NAMES = BY_DATASET["user_categories"], BY_DATASET["item_names"]


def test_every_list_that_recommend_makes_has_a_table() -> None:
    assert tuple(BY_DATASET) == LISTS


def text_of(kind, folder: RunFolder, batch_rows: int = 1000) -> str:
    path = folder.dataset(kind.dataset)
    return b"".join(piece.text for piece in lines(kind, path, 7, batch_rows)).decode()


def test_a_list_is_one_line(run_folder: Callable[..., RunFolder]) -> None:
    folder = fill(run_folder(), {1: [11, 12], 2: [13]})
    assert text_of(OWN, folder) == (
        '7\t1\t{11,12}\t{1,0.5}\t{"bought_again",NULL}\t{11,NULL}\t\\N\t\\N\t\\N\t\\N\n'
        '7\t2\t{13}\t{1}\t{"bought_again"}\t{13}\t\\N\t\\N\t\\N\t\\N\n'
    )
    assert text_of(SIMILAR, folder) == "7\t11\t{12,13}\t{1,0.5}\n7\t12\t{11}\t{1}\n"


@pytest.mark.parametrize("batch_rows", [1, 2, 1000])
def test_details_are_arrays_where_a_list_has_one(
    run_folder: Callable[..., RunFolder], batch_rows: int
) -> None:
    folder = fill(run_folder(), {1: [11, 12], 2: [13]})
    lists = pq.read_table(folder.dataset("recommendations"))
    for name, values in {
        "last_bought_on": [None, date(2025, 11, 18), None],
        "gap_days": [None, None, 9],
        "model_rank": [2, 1, None],
    }.items():
        place = lists.schema.get_field_index(name)
        lists = lists.set_column(place, name, pa.array(values, lists.schema.field(name).type))
    give(folder, recommendations=lists)
    details = [line.split("\t")[6:] for line in text_of(OWN, folder, batch_rows).splitlines()]
    assert details == [["{NULL,2025-11-18}", NULL, NULL, "{2,1}"], [NULL, "{9}", NULL, NULL]]


def test_lists_of_an_older_release_have_no_details(run_folder: Callable[..., RunFolder]) -> None:
    folder = fill(run_folder())
    path = folder.dataset("recommendations")
    before = text_of(OWN, folder)
    pq.write_table(pq.read_table(path).drop_columns(list(OWN.details)), path)
    assert text_of(OWN, folder) == before


@pytest.mark.parametrize("batch_rows", [1, 2, 3, 5])
def test_lists_that_cross_batches_stay_whole(run_folder: Callable[..., RunFolder], batch_rows: int) -> None:
    folder = fill(run_folder(), {1: [11, 12, 13], 2: [14], 3: [15, 16]})
    assert text_of(OWN, folder, batch_rows) == text_of(OWN, folder)


def test_counts_lists_and_rows(run_folder: Callable[..., RunFolder]) -> None:
    folder = fill(run_folder(), {1: [11, 12, 13], 2: [14]})
    pieces = list(lines(OWN, folder.dataset("recommendations"), 1, 2))
    assert (sum(p.n_lists for p in pieces), sum(p.n_rows for p in pieces)) == (2, 4)


def test_what_recommend_and_explain_need(run_folder: Callable[..., RunFolder]) -> None:
    folder = fill(
        run_folder(), also_bought={11: [12, 13]}, purchases={1: [11, 15]}, categories={1: ["tea", 'a "b"\\']}
    )
    assert text_of(ALSO_BOUGHT, folder) == "7\t11\t{12,13}\t{1,0.5}\t{2,1.5}\n"
    assert text_of(PURCHASES, folder) == "7\t1\t{11,15}\n"
    assert text_of(CATEGORIES, folder) == '7\t1\t{"tea","a \\\\"b\\\\"\\\\\\\\"}\n'


@pytest.mark.parametrize("batch_rows", [1, 1000])
def test_a_row_that_is_no_list_is_a_line(run_folder: Callable[..., RunFolder], batch_rows: int) -> None:
    folder = fill(run_folder(), names={11: ("A\ttea", None), 12: (None, "tea"), 13: (r"\N", "")})
    assert text_of(NAMES, folder, batch_rows) == "7\t11\tA\\ttea\t\\N\n7\t12\t\\N\ttea\n7\t13\t\\\\N\t\n"
    pieces = list(lines(NAMES, folder.dataset("item_names"), 1, 2))
    assert [(p.n_lists, p.n_rows) for p in pieces] == [(2, 2), (1, 1)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.dataset)
def test_no_rows_no_text(run_folder: Callable[..., RunFolder], kind: ListKind) -> None:
    folder = fill(run_folder(), {}, {}, {})
    assert text_of(kind, folder) == ""


@pytest.mark.parametrize(("ranks", "found"), [([0, 1], "rank 0 where 1"), ([1, 3], "rank 3 where 2")])
def test_ranks_other_than_1_2_3_are_refused(
    run_folder: Callable[..., RunFolder], ranks: list[int], found: str
) -> None:
    folder = run_folder()
    table = pa.table(
        {
            "category": ["all", "all"],
            "rank": pa.array(ranks, pa.int32()),
            "item_id": [1, 2],
            "score": [1.0, 2.0],
        }
    )
    give(folder, popular_items=table)
    with pytest.raises(ContractBroken, match=r"popular_items.*category = all") as refused:
        text_of(POPULAR, folder)
    assert found in refused.value.found


def test_a_file_that_ends_early_is_named(run_folder: Callable[..., RunFolder]) -> None:
    folder = fill(run_folder())
    path = folder.dataset("recommendations")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DamagedFile, match="recommendations"):
        text_of(OWN, folder)
