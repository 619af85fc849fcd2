"""How counts of people are told."""

from __future__ import annotations


def people(n: int, kind: str = "") -> str:
    """Like “1 person”, “1,200 people”, “1 new person”."""
    return " ".join(filter(None, (f"{n:,}", kind, "person" if n == 1 else "people")))
