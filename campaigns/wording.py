"""Counts as pages and messages show them."""

from __future__ import annotations


def counted(n: int, one: str, many: str = "") -> str:
    """Return a count with its noun, like “1 recipient” or “1,200 recipients”. `many`: an irregular plural."""
    return f"{n:,} {one if n == 1 else many or f'{one}s'}"


def contacts(n: int, kind: str = "") -> str:
    """Return a count of contacts, like “1 contact”, “1,200 contacts” or “1 new contact”."""
    return counted(n, f"{kind} contact".lstrip())


def recipients(n: int) -> str:
    """Return a count of a campaign's recipients, like “1 recipient” or “1,200 recipients”."""
    return counted(n, "recipient")
