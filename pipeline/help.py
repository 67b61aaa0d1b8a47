"""The look of the help of every command: its colours, its width, and the refusal of wrong arguments."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable
from typing import Any, ClassVar, NoReturn

from rich_argparse import RawDescriptionRichHelpFormatter

NARROWEST = 40
"""Columns of the narrowest help."""


def capital(text: str) -> str:
    """`text` with its first letter in capitals."""
    return f"{text[:1].upper()}{text[1:]}"


class Help(RawDescriptionRichHelpFormatter):
    """Help with colours on a terminal, as plain text elsewhere. Brackets in a text are no markup."""

    help_markup = False
    text_markup = False
    highlights: ClassVar[list[str]] = [
        *RawDescriptionRichHelpFormatter.highlights,
        r"(?m)^ *(?P<args>[a-z_-]+)(?=  )",
    ]
    """The last: a command or stage at the beginning of a row."""
    group_name_formatter: ClassVar[Callable[[str], str]] = capital

    def __init__(self, prog: str, **options: Any) -> None:
        columns = max(shutil.get_terminal_size().columns, NARROWEST)
        super().__init__(prog, **{"width": columns - 2, **options})

    def format_help(self) -> str:
        """The help; on a terminal that is narrower than NARROWEST, or says so, it runs over the edge."""
        self.console.width = max(self.console.width, NARROWEST)
        return super().format_help()


class Parser(argparse.ArgumentParser):
    """A parser of one command, with its help as Help writes it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"formatter_class": Help, **options})

    def error(self, message: str) -> NoReturn:
        """Print the usage and the message to stderr, plain: rich would ask whether stdout is a terminal."""
        self.formatter_class = argparse.HelpFormatter
        super().error(message)
