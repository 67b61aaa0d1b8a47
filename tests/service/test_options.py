"""The options of the service."""

from __future__ import annotations

import argparse

import pytest

from pipeline.service.options import add_options


def parse(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_options(parser)
    return parser.parse_args(words)


def test_it_listens_on_this_machine_alone_unless_told() -> None:
    options = parse()
    assert (options.host, options.port, options.config) == ("127.0.0.1", 3000, None)
    assert parse("--port", "0", "--host", "0.0.0.0").host == "0.0.0.0"


@pytest.mark.parametrize("port", ["-1", "65536", "3000.5", "http", "", "٣"])
def test_what_is_no_port_is_refused(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse("--port", port)
    assert "a port is a whole number from 0 to 65535" in capsys.readouterr().err
