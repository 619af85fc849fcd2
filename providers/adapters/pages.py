"""Read a page of a provider's list of calls, without its rows: which list it is, and whether another follows. Pure.

Public reports show lists in envelopes, and pages that name the next one instead of saying that there is one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from providers.adapters.fields import Fields
from providers.adapters.rows import DEEPEST, ENVELOPES, LIST_NAMES

_ABOUT_PAGES = ("meta", "pagination", "paging")  # of objects beside the list
_NEXT = ("next_cursor", "next_page", "next_page_token", "next_page_uri", "next")


@dataclass(frozen=True)
class Page:
    """`rows`: those that are still in the page, because they are no list of objects as such."""

    rows: Sequence[Fields]
    has_more: bool


def list_page(body: Any) -> Page | None:
    """Return the page that a body is, or None if there is no list in it."""
    message = Fields(body if isinstance(body, dict) else {LIST_NAMES[0]: body})
    holders = list(_holders(message))
    with_list = [holder for holder in holders if any(isinstance(holder.raw(name), list) for name in LIST_NAMES)]
    found = [(holder, rows) for holder in with_list or [message] for rows in _lists(holder)]
    if not found:
        return None
    return Page([row for _, rows in found for row in rows], _has_more(holders))


def _holders(message: Fields, depth: int = 1) -> Iterator[Fields]:
    """Return the message and the envelopes in it."""
    yield message
    for name in ENVELOPES:
        if depth < DEEPEST and isinstance(message.raw(name), dict):
            yield from _holders(message.inside(name), depth + 1)


def _lists(holder: Fields) -> Iterator[Sequence[Fields]]:
    for name in LIST_NAMES:
        if (rows := holder.rows(name)) is not None:
            yield rows


def _has_more(holders: Sequence[Fields]) -> bool:
    """Return whether another page follows: as a flag says, or else because the next page is named."""
    beside = [holder.inside(name) for holder in holders for name in _ABOUT_PAGES if isinstance(holder.raw(name), dict)]
    told = [*holders, *beside]
    flags = [flag for holder in told if (flag := holder.flag("has_more")) is not None]
    if flags:
        return any(flags)
    return any(holder.raw(name) not in (None, "", False) for holder in told for name in _NEXT)
