"""Tells which version of Nightshelf this is, and which commit where that is known."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pipeline
from pipeline import environment
from pipeline.config import ROOT


def version(checkout: Path = ROOT) -> str:
    """`nightshelf 0.2.0 (commit abc1234)`; or `(commit abc1234, changed)`, or without the brackets.

    The commit is git's where the code lies in a checkout, else what `NIGHTSHELF_COMMIT` says, which the
    Docker image has. `changed`: files that git keeps differ from the commit; new files do not count.
    """
    commit = _checked_out(checkout) or environment.read().commit
    return f"nightshelf {pipeline.__version__}" + (f" (commit {commit})" if commit else "")


def _checked_out(checkout: Path) -> str | None:
    """The commit of a checkout; None where there is no git, no commit yet, or `checkout` is no git checkout.

    A repository that merely holds the folder somewhere below is not asked: its commits are not Nightshelf's.
    """
    if not (checkout / ".git").exists():
        return None
    command = ["git", "describe", "--always", "--exclude=*", "--abbrev=7", "--dirty=, changed"]
    variables = environment.child_environment(without="GIT_")  # a hook of another repository sets GIT_DIR
    try:
        done = subprocess.run(
            command, cwd=checkout, env=variables, capture_output=True, text=True, check=False
        )
    except OSError:
        return None
    return done.stdout.strip() or None
