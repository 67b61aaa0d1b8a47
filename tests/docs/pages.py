"""README.md and the pages of docs/, as the tests read them."""

from __future__ import annotations

import re
from pathlib import Path

from pipeline.config import ROOT

COMMAND = ".venv/bin/python -m pipeline "
README = ROOT / "README.md"
NAMES = (
    *("your-data", "operations", "scale", "spark", "models", "apps", "redis", "service", "aws"),
    *("settings", "development"),
)
PAGES = (README, *(ROOT / "docs" / f"{name}.md" for name in NAMES))
"""In the order in which their commands are run: a shop first, then nights, then what needs some nights."""


def text(page: Path) -> str:
    """The whole page."""
    return page.read_text(encoding="utf-8")


def blocks(language: str, pages: tuple[Path, ...] = PAGES) -> list[str]:
    """The fenced blocks of one language, without the indentation of the list they stand in."""
    found = (re.findall(rf"^( *)```{language}\n(.*?)^ *```", text(page), re.S | re.M) for page in pages)
    return [re.sub(rf"^{indent}", "", block, flags=re.M) for page in found for indent, block in page]


def shell_lines(pages: tuple[Path, ...] = PAGES) -> list[str]:
    """Every line of the shell blocks without its comment; a line that ends with a backslash goes on."""
    joined = "".join(blocks("sh", pages)).replace("\\\n", " ")
    lines = (re.sub(r"\s+#\s.*$", "", line).strip() for line in joined.splitlines())
    return [line for line in lines if line]


def inline_code(page: Path) -> list[str]:
    """What stands between single backticks, outside of fenced blocks."""
    prose = re.sub(r"^ *```.*?^ *```", "", text(page), flags=re.S | re.M)
    return re.findall(r"`([^`\n]+)`", prose)
