"""The messages of a language: what pages show in English, with its translation.

A message is a text as a page shows it: `{n1} calls wait.` Its placeholders stand for what changes:

- `{n…}` is a number, written with the marks of the language.
- `{i…}` is an ID of ours, or the beginning of one.
- `{p…}` is a phone number, such as +33123456789.
- `{x…}` is a text of a person or a program: it stays as it is, unless all of it is a moment.
- `{t…}` is a text of ours, a date or a country, and is translated in its turn.

Catalogs are .po files (GNU gettext), which every editor of translations opens. `composed.txt` has the messages
that no line of code has whole: those of Django and the theme, and those that are put together.
"""

from __future__ import annotations

import re
from pathlib import Path

from babel.messages.pofile import read_po

CATALOGS = Path(__file__).resolve().parent / "catalogs"
PLACEHOLDER = re.compile(r"\{([inptx]\d*)\}")


def messages_of(language: str) -> dict[str, str]:
    """Return English text -> translation. Messages without a translation are left out."""
    with (CATALOGS / f"{language}.po").open("rb") as file:
        return {str(row.id): str(row.string) for row in read_po(file, locale=language) if row.id and row.string}
