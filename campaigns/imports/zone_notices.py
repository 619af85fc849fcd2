"""What an import says about the time zones of rows that it accepts. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from campaigns.imports.rows import ContactRow
from campaigns.rules.number_zones import number_zones
from campaigns.rules.whereabouts import contradicts
from campaigns.wording import counted

EXAMPLES = 10  # of each kind
ZONES = 3  # of a number, in a sentence
Example = dict[str, Any]


@dataclass
class ZoneNotices:
    """Counts of accepted rows, and the first of them as examples.

    `contradicting`: the zone is none of the number's. `interpreted`: the file has another word for the zone.
    """

    contradicting: int = 0
    interpreted: int = 0
    examples: dict[str, list[Example]] = field(default_factory=dict)

    def take(self, row: ContactRow) -> None:
        if not row.timezone:
            return
        if row.written_zone:
            self.interpreted += 1
            self._keep("interpreted", {"line": row.line, "written": row.written_zone, "timezone": row.timezone})
        if contradicts(row.timezone, row.phone):
            self.contradicting += 1
            zones = list(number_zones(row.phone))
            self._keep("contradicting", {"line": row.line, "timezone": row.timezone, "number_zones": zones})

    def _keep(self, kind: str, example: Example) -> None:
        kept = self.examples.setdefault(kind, [])
        if len(kept) < EXAMPLES:
            kept.append(example)


def sentences(contradicting: int, interpreted: int) -> dict[str, str]:
    """Return a sentence for each kind that has rows, by kind."""
    found = {}
    if contradicting:
        has = "has" if contradicting == 1 else "have"
        found["contradicting"] = (
            f"{counted(contradicting, 'row')} {has} a time zone that is none of the number's. Such contacts are "
            "imported, and called only when both are in calling hours, unless the campaign trusts the contact's time "
            "zone."
        )
    if interpreted:
        has = "has" if interpreted == 1 else "have"
        found["interpreted"] = (
            f"{counted(interpreted, 'row')} {has} another word for a time zone. Check how it was read."
        )
    return found


def shown(examples: Mapping[str, Sequence[Example]]) -> dict[str, list[tuple[int, str]]]:
    """Return line and sentence of the examples, by kind."""
    return {
        "contradicting": [
            (row["line"], f"{row['timezone']}, but the number is in {_some(row['number_zones'])}")
            for row in examples.get("contradicting", ())
        ],
        "interpreted": [
            (row["line"], f"{row['written']} was read as {row['timezone']}") for row in examples.get("interpreted", ())
        ],
    }


def _some(zones: Sequence[str]) -> str:
    return " or ".join(zones) if len(zones) <= ZONES else f"one of {len(zones)} other time zones"
