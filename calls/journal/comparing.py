"""Compare the database with a folder of the dial journal: does it know what is written there, and the other way round?

A line of a call is written after its claim is committed, and a note after the change it tells of. So a database that
does not know a line is older than the journal: it was restored. The database is told how much is on the disk only
after that. So a journal that is shorter than the database says has lost something.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings

from calls.models import Call
from tenants.journal import folder as folders
from tenants.journal.folder import Identity
from tenants.journal.lines import Line
from tenants.journal.writer import history
from tenants.models import DialJournal, JournalFile, JournalNote

AT_ONCE = 2_000
MARGIN = 256 * 1024  # bytes before what the database was told of, in which answers may be that it lacks


@dataclass
class Comparison:
    """What comparing a folder found. Fine if there is nothing to say."""

    folder: Path
    identity: Identity | None = None
    journal: DialJournal | None = None
    is_other: bool = False  # of another database
    unreadable: str = ""
    is_forbidden: bool = False  # to the user of this process: it is not lost
    forgotten: int = 0  # lines that the database does not know
    since: str = ""  # the moment of the first of them
    short: list[str] = field(default_factory=list)  # files that are missing or shorter than they were
    damaged: int = 0  # lines that cannot be read
    odd: set[str] = field(default_factory=set)  # files with lines that are forgotten or damaged
    ends: dict[str, int] = field(default_factory=dict)  # where each file ended when it was read

    @property
    def is_whole(self) -> bool:
        """Whether nothing of the journal is lost, as far as the database knows."""
        return not (self.short or self.damaged)

    @property
    def is_fine(self) -> bool:
        return self.is_whole and not (self.is_other or self.unreadable or self.forgotten)


def compare(folder: Path, *, whole: bool = False, identity: Identity | None = None) -> Comparison:
    """Compare what the database was not told of yet: with a database that is not older, that is a few lines.

    `whole`: count all lines that the database does not know. Otherwise the first ones are enough. `identity`: of a
    folder that does not tell its own.
    """
    found = Comparison(folder)
    try:
        found.identity = identity or folders.identity_of(folder)
        if found.identity is None:
            _look_for_the_lost(found)
            return found
        found.is_other = found.identity.installation != history().installation
        if not found.is_other:
            _compare_files(found, found.identity, whole)
    except (OSError, ValueError) as error:
        found.unreadable, found.is_forbidden = str(error), isinstance(error, PermissionError)
    return found


def _look_for_the_lost(found: Comparison) -> None:
    """The folder holds no journal. Did it hold one?"""
    host = folders.this_host()
    found.journal = DialJournal.objects.filter(host=host, folder=str(found.folder)).order_by("-pk").first()
    if found.journal:
        found.short = [found.folder.name]


def _compare_files(found: Comparison, identity: Identity, whole: bool) -> None:
    found.journal = DialJournal.objects.filter(uuid=identity.journal).first()
    known = positions(found.journal)  # first: others go on writing, and tell the database of what is written
    sizes = folders.sizes(found.folder, settings.DIAL_JOURNAL_DAYS)
    found.short = [name for name, position in known.items() if sizes.get(name, -1) < position]
    for name, size in sizes.items():
        start = known.get(name, 0)
        found.ends[name] = min(start, size)
        if name in found.short or size <= start:
            continue
        for part in folders.parts(found.folder / name, start):
            found.damaged += part.damaged
            found.ends[name] = part.end
            forgotten = list(unknown(part.lines))
            found.forgotten += len(forgotten)
            if forgotten or part.damaged:
                found.odd.add(name)
            moments = [line["at"] for line in forgotten if "at" in line]
            found.since = min(filter(None, [found.since, *moments]), default="")
            if found.forgotten and not whole:
                break


def positions(journal: DialJournal | None) -> dict[str, int]:
    """Return how much of each file the database was told of, without files that are too old to be kept."""
    rows = JournalFile.objects.filter(journal=journal).values_list("name", "position") if journal else []
    since = folders.first_day(settings.DIAL_JOURNAL_DAYS)
    return {name: position for name, position in rows if (day := folders.day_of(name)) and day >= since}


def unknown(lines: Iterable[Line]) -> Iterator[Line]:
    """Yield the lines that the database does not know: intents and notes."""
    held = list(lines)
    for start in range(0, len(held), AT_ONCE):
        some = held[start : start + AT_ONCE]
        calls = [line["call"] for line in some if line["kind"] == "intent"]
        fences = dict(Call.objects.filter(uuid__in=calls).values_list("uuid", "placing_attempts")) if calls else {}
        by_text = {str(key): fence for key, fence in fences.items()}
        tokens = [line["token"] for line in some if "token" in line]
        notes = {str(key) for (key,) in JournalNote.objects.filter(token__in=tokens).values_list("token")}
        for line in some:
            if line["kind"] == "intent":
                if by_text.get(line["call"], -1) < line["fence"]:
                    yield line
            elif "token" in line and line["token"] not in notes:
                yield line
