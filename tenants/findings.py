"""What a check of the installation found. Each room checks its own; `config/findings.py` lists all of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Severity(IntEnum):
    """How bad it is. A fault keeps calls from being placed or followed, or pages from being shown."""

    FINE = 0
    WARNING = 1
    FAULT = 2


@dataclass(frozen=True)
class Finding:
    """`message`: what is wrong and what to do, in words for the people who run the installation."""

    severity: Severity = Severity.FINE
    message: str = ""


def fault(message: str) -> Finding:
    """Return a fault, or nothing found if there is no message."""
    return Finding(Severity.FAULT, message) if message else Finding()


def warning(message: str) -> Finding:
    """Return a warning, or nothing found if there is no message."""
    return Finding(Severity.WARNING, message) if message else Finding()
