"""How the tests themselves are run."""

from __future__ import annotations

from pipeline.config import ROOT
from tests.conftest import LONGEST


def test_the_files_that_begin_first_exist() -> None:
    assert [name for name in LONGEST if not (ROOT / name).is_file()] == []
