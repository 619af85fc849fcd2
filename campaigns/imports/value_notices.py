"""What an import says about values that nobody means to speak, such as NULL or {{first_name}}. Pure.

The values are imported as they are. A campaign that would speak one holds, skips or empties it by its own rule.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from campaigns.imports.rows import ContactRow
from campaigns.rules.placeholders import NAME, Kind, find
from campaigns.wording import counted

EXAMPLES = 3  # of each column and kind


@dataclass
class ValueNotices:
    """Accepted rows by the contact's field and the kind of value, and the first of them with line and value.

    `rows` counts each row once.
    """

    rows: int = 0
    found: Counter[tuple[str, Kind]] = field(default_factory=Counter)
    _examples: dict[tuple[str, Kind], list[tuple[int, str]]] = field(default_factory=dict)

    def take(self, row: ContactRow) -> None:
        placeholders = find(row.variables, row.name)
        self.rows += bool(placeholders)
        for each in placeholders:
            key = ("name" if each.variable == NAME else f"variables.{each.variable}", each.kind)
            self.found[key] += 1
            kept = self._examples.setdefault(key, [])
            if len(kept) < EXAMPLES:
                kept.append((row.line, each.value))

    def groups(self) -> Iterator[tuple[str, Kind, int, list[tuple[int, str]]]]:
        """Yield field, kind, count of rows and examples, the most frequent first."""
        for (name, kind), n in self.found.most_common():
            yield name, kind, n, self._examples[name, kind]

    def as_json(self) -> list[dict[str, Any]]:
        return [
            {
                "field": name,
                "kind": kind.value,
                "rows": n,
                "examples": [{"line": line, "value": value} for line, value in examples],
            }
            for name, kind, n, examples in self.groups()
        ]

    @property
    def sentence(self) -> str:
        """Return how many rows have such a value. Empty: none."""
        if not self.rows:
            return ""
        has = "has" if self.rows == 1 else "have"
        return (
            f"{counted(self.rows, 'row')} {has} a value that nobody means to speak. It is imported as it is; campaigns "
            "hold such contacts until a team member decides, unless they say otherwise."
        )
