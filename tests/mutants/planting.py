"""The data of a deliberate bug, and how it is written into a copy of the code."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Database = Literal["SQLite", "PostgreSQL"]

# Shows that the planted code still does its ordinary work: any test catches a bug that breaks everything.
ENDS = "tests/calls/test_outcomes.py::test_an_end_moves_the_recipient_settles_the_cost_and_fills_the_outbox"
MODEL = "tests/calls/test_model.py::test_whatever_happens_in_whatever_order_nobody_is_rung_twice"
ANSWERS = "tests/providers/test_http.py::TestAnswers::test_an_answer_comes_back_as_it_is"


class MovedOn(Exception):
    """The text to replace does not occur exactly once. The message is a sentence."""


@dataclass(frozen=True)
class Edit:
    """One exact replacement in one file."""

    path: str
    old: str
    new: str


@dataclass(frozen=True)
class Bug:
    """A planted bug. At least one of `tests` must fail with it; `still_passes` must pass."""

    name: str
    breaks: str  # one sentence
    edits: tuple[Edit, ...]
    tests: tuple[str, ...]
    database: Database = "SQLite"
    still_passes: str = ENDS
    model: bool = False  # whether the model, run alone, must find it too


def planted(root: Path, bug: Bug) -> dict[str, str]:
    """Return the changed files of `root` with the bug in them, by path. Raises MovedOn."""
    found: dict[str, str] = {}
    for edit in bug.edits:
        text = found.get(edit.path) or (root / edit.path).read_text()
        times = text.count(edit.old)
        if times != 1:
            raise MovedOn(f"{bug.name}: the code changed; update this bug. {edit.path} has its text {times} times.")
        found[edit.path] = text.replace(edit.old, edit.new)
        compile(found[edit.path], edit.path, "exec")
    return found
