"""Exports that are recognised by their columns, and what those columns become. Pure.

An entry knows a program's columns that words alone would read wrongly. All other columns are read by their names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from campaigns.imports.header_words import plain, words


@dataclass(frozen=True)
class KnownExport:
    """Files of one program. `needs`: plain names that every such file has. `targets`: what columns become, by name.

    A target of None leaves the column to the general rules.
    """

    name: str
    needs: frozenset[str]
    targets: Mapping[str, str | None] = field(default_factory=dict)


def _export(name: str, needs: str, **targets: str) -> KnownExport:
    """Build an entry. Each keyword is a target with `__` for its dot, and holds the names of its columns."""
    return KnownExport(
        name,
        frozenset(words(needs)),
        {
            column: "" if target == "left_out" else target.replace("__", ".")
            for target, columns in targets.items()
            for column in words(columns)
        },
    )


EXPORTS: tuple[KnownExport, ...] = ()


def known_export(header: Sequence[str]) -> KnownExport | None:
    """Return the program that wrote a file with these columns; None if it is not known."""
    present = {plain(column) for column in header}
    fitting = [each for each in EXPORTS if each.needs <= present]
    return max(fitting, key=lambda each: len(each.needs), default=None)
