"""The table of what is believed, as docs/what-is-believed.md shows it.

`python -m tests.calls.belief_rules` writes it into the page, from the rules that drive the fold.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import django

PAGE = Path(__file__).parents[2] / "docs" / "what-is-believed.md"
BEGIN, END = "<!-- table -->", "<!-- end of the table -->"


def generated() -> Iterator[str]:
    """Yield the lines between the two marks: the rules by field, then what each way to win means."""
    from calls.outcomes.folding import RULES, Wins

    yield "| field | who wins | from | until | believed if |"
    yield "|---|---|---|---|---|"
    for rule in RULES:
        cells = (f"`{rule.field}`", _name(rule.wins), rule.source.value, rule.until.value, rule.check.value)
        yield f"| {' | '.join(cells)} |"
    yield ""
    for wins in Wins:
        yield f"- **{_name(wins)}**: {wins.value}"


def _name(member: object) -> str:
    return str(getattr(member, "name", "")).lower().replace("_", " ")


def main() -> None:
    text = PAGE.read_text("utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    table = "\n".join(generated())
    PAGE.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}", "utf-8")


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    main()
