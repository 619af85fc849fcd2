"""Counts as pages and messages show them."""

from __future__ import annotations


def contacts(n: int, kind: str = "") -> str:
    """Return a count of contacts, like “1 contact”, “1,200 contacts” or “1 new contact”."""
    return _counted(n, kind, "contact")


def recipients(n: int, kind: str = "") -> str:
    """Return a count of a campaign's recipients, like “1 recipient” or “1,200 recipients”."""
    return _counted(n, kind, "recipient")


def _counted(n: int, kind: str, noun: str) -> str:
    return " ".join(filter(None, (f"{n:,}", kind, noun if n == 1 else f"{noun}s")))
