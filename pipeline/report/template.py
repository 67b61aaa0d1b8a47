"""Fill a template of this folder and write the page into a run folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline.runs.folder import RunFolder


def write(folder: RunFolder, page: str, template: str, content: Mapping[str, Any]) -> Path:
    """Fill `template` with `content`, every value escaped; returns the path of the page in the run folder."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = environment.get_template(template).render(content)
    folder.write_file(page, lambda path: _write(path, text))
    return folder.path / page


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")
