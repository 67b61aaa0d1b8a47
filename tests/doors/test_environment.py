"""Generated environment variables: any text in each of them, alone and together."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import strategies as st

from pipeline import config, environment
from pipeline.environment import Environment, variable
from tests.doors.tries import SECRET, ends_well, fewer_tries, files_below, texts, through, tries

NAMES = [variable(field) for field in Environment.model_fields]
URL_FILES = [name for name in NAMES if name.endswith("_FILE")]


def is_variable(text: str) -> bool:
    """Whether an environment can hold the text at all."""
    try:
        return "\0" not in text and len(os.fsencode(text)) < 100_000
    except UnicodeEncodeError:
        return False


def everything() -> None:
    """All that reads the environment."""
    for server in ("ui", "postgres"):
        ends_well(environment.port, server)
    for database in ("source", "serving", "reader"):
        ends_well(environment.configured_url, database)
    ends_well(environment.service_tokens)
    ends_well(environment.is_scheduled)
    environment.child_environment(without="GIT_")
    ends_well(lambda: config.runs_folder(config.load()))
    config.home()


@tries
def test_any_text_in_any_variable(n: int, tmp_path: Path) -> None:
    (tmp_path / "url").write_text(f"postgresql://shop:{SECRET}@127.0.0.1:1/shop")
    before = files_below(tmp_path)
    words = st.one_of(
        texts.filter(is_variable),
        st.sampled_from(
            ["8080", "0", "65536", " 80", "off", "OFF", str(tmp_path), str(tmp_path / "url"), "/dev/null"]
        ),
    )

    def check(variables: dict[str, str]) -> None:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(name, value)
            everything()

    through(n, check, variables=st.dictionaries(st.sampled_from(NAMES), words, max_size=4))
    assert files_below(tmp_path) == before


@fewer_tries
def test_any_bytes_in_the_file_of_a_url(n: int, tmp_path: Path) -> None:
    path = tmp_path / "url"

    def check(name: str, content: bytes) -> None:
        path.write_bytes(content)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(name, str(path))
            everything()
        assert path.read_bytes() == content

    through(n, check, name=st.sampled_from(URL_FILES), content=st.binary(max_size=60))
