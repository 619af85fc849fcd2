"""A dry run names the journals that are missing as the run itself does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from calls.journal import standing
from calls.models import Call
from tenants.journal import folder as folders
from tenants.models import DialJournal, History, JournalFile
from tests.calls.journal.test_standing import claimed, forget_the_last_claim, other_host, refusal  # noqa: F401

Options = dict[str, Any]


def nothing_more(own: Path, other: Path) -> Options:
    return {}


def after_a_refusal(own: Path, other: Path) -> Options:
    refusal()
    return {}


def both_folders(own: Path, other: Path) -> Options:
    return {"journal": [own, other]}


def the_other_folder(own: Path, other: Path) -> Options:
    refusal()
    return {"journal": [other]}


def lost_by_name(own: Path, other: Path) -> Options:
    return {"declare_lost": ["beta"]}


def lost_by_its_id(own: Path, other: Path) -> Options:
    return {"declare_lost": [str(DialJournal.objects.get(host="beta").uuid)]}


def of_one_host(own: Path, other: Path) -> Options:
    DialJournal.objects.update(host=folders.this_host())
    refusal()
    return {}


def damaged(own: Path, other: Path) -> Options:
    [path] = own.glob("*.jsonl")
    path.write_bytes(path.read_bytes() + b"damaged\n")
    return {"declare_lost": ["beta"]}


def damaged_and_lost(own: Path, other: Path) -> Options:
    damaged(own, other)
    return {"declare_lost": ["beta", folders.this_host()]}


def without_an_identity(own: Path, other: Path) -> Options:
    (own / folders.IDENTITY).write_bytes(b"{")
    return {"declare_lost": ["beta", folders.this_host()]}


def said(options: Options, **more: Any) -> str:
    try:
        call_command("reconcile_journal", **options, **more)
    except CommandError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("situation", "missing"),
    [
        (nothing_more, ["beta"]),
        (after_a_refusal, ["beta"]),
        (both_folders, []),
        (the_other_folder, ["own"]),
        (lost_by_name, []),
        (lost_by_its_id, []),
        (of_one_host, ["own:folder of beta"]),
        (damaged, ["own"]),
        (damaged_and_lost, []),
        (without_an_identity, []),
    ],
)
def test_a_dry_run_foretells_which_journals_are_missing(
    situation: Callable[[Path, Path], Options],
    missing: list[str],
    claimed: Call,  # noqa: F811
    other_host: Path,  # noqa: F811
    journal: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    forget_the_last_claim()
    options = situation(journal, other_host)
    names = {"own": folders.this_host(), "own:folder of beta": f"{folders.this_host()}:{other_host}", "beta": "beta"}
    expected = f"the dial journal of {', '.join(names[each] for each in missing)} is compared"
    before = state(journal)
    assert said(options, dry_run=True) == ""
    assert state(journal) == before
    foretold = capsys.readouterr().out
    real = said(options)
    assert ("the dial journal of" in foretold) == bool(missing) == bool(real)
    if missing:
        assert expected in foretold and expected in real and real in foretold
    else:
        standing.admit()


def state(journal: Path) -> list[Any]:
    """Return what a dry run might change."""
    rows = [sorted(model.objects.values_list()) for model in (DialJournal, JournalFile, History)]
    files = {path: path.read_bytes() for path in journal.rglob("*") if path.is_file()}
    return [*rows, files, list(Call.objects.values_list("status", flat=True))]
