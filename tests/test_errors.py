"""pipeline/errors.py: the tree drawn in its docstring is the tree of the classes, and the only one."""

from __future__ import annotations

import pickle
import re
from importlib import import_module

import pytest

from pipeline import errors
from pipeline.config import ROOT
from pipeline.errors import DiskFull, NightshelfError

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type)]


def drawn() -> list[tuple[str, str, bool]]:
    """(class, its base, whether it is marked with `retry`) of each line of the docstring's tree."""
    above, lines = ["NightshelfError"], []
    for branch, name, rest in re.findall(r"^    ([│ ]*)[├└]── (\w+)(.*)$", errors.__doc__ or "", re.M):
        depth = len(branch) // 4
        above[depth + 1 :] = [name]
        lines.append((name, above[depth], rest.endswith("(retry)")))
    return lines


def test_the_tree_in_the_docstring_is_the_tree_of_the_classes() -> None:
    classes = {(kind.__name__, kind.__base__.__name__, kind.can_retry) for kind in KINDS}
    assert classes == {("NightshelfError", "Exception", False), *drawn()}


def test_no_other_module_has_errors_of_its_own() -> None:
    """Of the packages that a module needs, torch alone is not there."""
    for path in (ROOT / "pipeline").rglob("*.py"):
        if path.name not in ("__init__.py", "__main__.py", "ncf_training.py"):
            import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    classes, left = set(), [NightshelfError]
    while left:
        classes |= {kind := left.pop()}
        left += kind.__subclasses__()
    assert classes == set(KINDS)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_survives_a_process_boundary(kind: type[NightshelfError]) -> None:
    error = kind("what", found="found", promised="promised", then="then", draft="SELECT 1\n")
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.draft) == (str(error), "SELECT 1\n")


def test_what_others_wrote_cannot_steer_a_terminal_and_does_not_fill_it() -> None:
    error = NightshelfError(
        "a\x1b[2J\u202eb\udcff", found="x" * 5000, promised="two\nlines", then="caf\u00e9"
    )
    assert error.what == "a\\x1b[2J\\u202eb\\udcff"
    assert error.found == "x" * 2000 + "... (5,000 characters)"
    assert (error.promised, error.then) == ("two\nlines", "caf\u00e9")
    assert str(error).encode()
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_errors_say_what_was_found_what_was_promised_and_what_to_do_and_survive_a_pickle() -> None:
    error = DiskFull("no room", found="0 bytes", promised="some", then="make room")
    assert str(error).splitlines() == [
        "no room",
        "  found:    0 bytes",
        "  promised: some",
        "  next:     make room",
    ]
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is DiskFull
    assert str(back) == str(error)
    assert back.can_retry
    assert issubclass(DiskFull, NightshelfError)


def test_a_draft_stands_below_the_rest_as_it_is_to_be_saved() -> None:
    error = NightshelfError("what", then="save it", draft="SELECT 1 AS a,\n    2 AS b\x1b[2J\n")
    assert str(error) == "what\n  next:     save it\n\nSELECT 1 AS a,\n    2 AS b\\x1b[2J"
    long = "SELECT 1 -- " + "x" * 5000
    assert NightshelfError("what", draft=long).draft == long
