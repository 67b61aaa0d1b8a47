"""CSV files as programs write them: line ends, encodings, quotes, lines that are cut off."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import config
from pipeline.errors import SourceError
from pipeline.loading import csv_file
from tests.loading.awkward import HEAD, ROW, Shop, refused

NOTED = "note," + HEAD.strip()


ROWS = ["," + ROW.strip(), '"x\ry",2,11,view,2026-01-02,"a, ""b""",1', '"x\ny",3,12,view,2026-01-03,,']


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        ("\n".join([NOTED, *ROWS]), "utf-8"),
        ("\r\n".join([NOTED, *ROWS, ""]), "utf-8"),
        ("\r".join([NOTED, *ROWS, ""]), "utf-8"),
        ("\r\r\n".join([NOTED, *ROWS, ""]), "utf-8"),
        (f"{NOTED}\r\n{ROWS[0]}\n{ROWS[1]}\r{ROWS[2]}\r\r\n", "utf-8"),
        ("\n\n".join([NOTED.replace(",", " , "), *ROWS, "", ""]), "utf-8-sig"),
        ("\r\n".join([NOTED, *ROWS]), "utf-16"),
        ("\ufeff" + "\n".join([NOTED, *ROWS]), "utf-16-be"),
        ("\n".join([NOTED, *ROWS]), "utf-32"),
    ],
)
@pytest.mark.parametrize("is_gzip", [False, True])
def test_every_line_end_and_encoding_gives_the_same_rows(
    shop: Shop, tmp_path: Path, data: str, encoding: str, is_gzip: bool
) -> None:
    content = data.encode(encoding)
    (tmp_path / "e.csv").write_bytes(gzip.compress(content) if is_gzip else content)
    shop.load(tmp_path / "e.csv")
    assert shop.column("customer_id") == [1, 2, 3]
    assert shop.column("order_id") == ["o-1", 'a, "b"', None]
    assert shop.column("quantity") == [2, 1, 1]
    assert "3 rows read, all kept" in shop.text


GOOD = (HEAD + ROW * 2).encode()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (GOOD + b"5,10,view\n" + ROW.encode(), "row 3 of "),
        (GOOD + b"5,10,view,2026-01-0", "the last row: the file may be cut off"),
        (GOOD + b"5,10,view,2026-01-01,a,1,more\n", "has 7 values, not 6"),
        (GOOD + b'5,10,view,2026-01-01,"a"b,1\n', "beyond row 3"),
        (GOOD + b'5,10,view,2026-01-01,"a\n' + ROW.encode(), "never closed"),
        (GOOD + b'5,10,view,2026-01-01,"a\n' + ROW.encode() * 5000, "never closed"),
        (GOOD + b'5,10,view,"2026-01-01,a,1\n6,10,view,"2026-01-01,a,1\n', "in the middle of a value"),
        (GOOD + b"5,10,vi\rew,2026-01-01,a,1\n", "row 3 of "),
        (GOOD + "5,10,view,2026-01-01,Müller,1\n".encode("cp1252"), "M\\xfcller"),
        (GOOD + b"5,10,view,2026-01-01,a\0b,1\n", "`order_id` of "),
        (GOOD + b"5\0,10,view,2026-01-01,a,1\n", "NUL"),
        (GOOD.decode().encode("utf-16-le"), "does not name its columns"),
        (GOOD.decode().encode("utf-16")[:-1], "neither UTF-8"),
        (gzip.compress(GOOD, mtime=0)[:-12], "cut off"),
        (b"PAR1" + GOOD, "a Parquet file"),
        (b"PK\x03\x04" + GOOD, "a zip archive"),
        (b"\n\n", "an empty file"),
        (b"user_id,user_id\n1,2\n", "user_id twice"),
        (b"user_id;item_id\n1;2\n", "user_id;item_id"),
    ],
)
def test_a_csv_that_cannot_be_read_to_its_end_is_refused(
    shop: Shop, tmp_path: Path, data: bytes, says: str
) -> None:
    (tmp_path / "good.csv").write_bytes(GOOD)
    shop.load(tmp_path / "good.csv")
    (tmp_path / "e.csv").write_bytes(data)
    assert says in str(refused(shop, tmp_path / "e.csv"))


def test_the_row_is_right_beyond_the_first_chunk(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_file, "CHUNK", 3)
    for bad, says in ((b"1,2\n", "row 8 of"), (b"1,2,view,2026-01-01,\xff,1\n", "row 8 of")):
        (tmp_path / "e.csv").write_bytes(HEAD.encode() + ROW.encode() * 7 + bad + ROW.encode())
        assert says in str(refused(shop, tmp_path / "e.csv"))
    (tmp_path / "e.csv").write_bytes(HEAD.encode() + ROW.encode() * 7)
    shop.load(tmp_path / "e.csv")
    assert len(shop.column("quantity")) == 7


FULL = """
import resource, sys
from pipeline.__main__ import main
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
sys.exit(main(["load", "events", sys.argv[1]]))
"""


def test_no_room_for_the_rows_of_a_csv_is_a_full_disk(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = (f"{n * 7919 % 999_983},{n * 104_729 % 999_979},view,2026-01-01\n" for n in range(20_000))
    (tmp_path / "e.csv").write_text("user_id,item_id,event_type,occurred_at\n" + "".join(rows))
    monkeypatch.setenv("NIGHTSHELF_SOURCE_URL", f"sqlite:///{shop.path}")
    command = [sys.executable, "-c", FULL, str(tmp_path / "e.csv")]
    done = subprocess.run(command, cwd=config.ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"no room to read {tmp_path / 'e.csv'}" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list((tmp_path / "home").iterdir())


@pytest.mark.parametrize(
    ("text", "way"),
    [
        ((HEAD + ROW).replace(",", ";"), "with commas between the values, not ';'"),
        ((HEAD + ROW).replace(",", "\t"), r"with commas between the values, not '\t'"),
        (HEAD.upper() + ROW, "write the names of the columns in small letters"),
        ("user_id,item_id\n1,10\n", "add it"),
    ],
)
def test_the_way_out_of_a_first_line_is_the_one_it_needs(
    shop: Shop, tmp_path: Path, text: str, way: str
) -> None:
    file = tmp_path / "events.csv"
    file.write_text(text)
    with pytest.raises(SourceError, match="has no column") as refused:
        shop.load(file)
    assert way in refused.value.then


@pytest.mark.parametrize("written", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_its_mark_is_to_be_saved_as_utf_8(shop: Shop, tmp_path: Path, written: str) -> None:
    file = tmp_path / "events.csv"
    file.write_text(HEAD + ROW, encoding=written)
    with pytest.raises(SourceError, match="does not name its columns") as refused:
        shop.load(file)
    assert "save it as UTF-8" in refused.value.then
