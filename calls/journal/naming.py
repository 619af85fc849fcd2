"""The names by which people tell dial journals apart: the host where it has one, else host and folder, or the ID."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from tenants.models import DialJournal


class Unclear(Exception):
    """A name stands for no journal, or for several. The message is a sentence."""


def names(journals: Iterable[DialJournal]) -> list[str]:
    """Return names that `find` understands, in order."""
    named = list(journals)
    if not named:
        return []
    hosts = Counter(host for host, _ in DialJournal.objects.values_list("host", "folder").distinct())
    return sorted({each.host if hosts[each.host] < 2 else str(each) for each in named})


def find(given: Iterable[str]) -> list[DialJournal]:
    """Return the journals of these names, also those that were in a folder one after the other. Raises Unclear."""
    known = list(DialJournal.objects.order_by("pk"))
    found: list[DialJournal] = []
    for name in given:
        fitting = [each for each in known if name in (each.host, str(each), str(each.uuid))]
        if not fitting:
            raise Unclear(f"There is no dial journal of {name}. Known: {', '.join(names(known)) or 'none'}.")
        folders = sorted({str(each) for each in fitting})
        if len(folders) > 1:
            raise Unclear(f"{name} has several dial journals. Name one: {', '.join(folders)}.")
        found += fitting
    return found
