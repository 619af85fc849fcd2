"""The words of a column's name: without case, accents and punctuation, so that spellings compare equal. Pure."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
COUNTED = re.compile(r"(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])")


@lru_cache(maxsize=8_192)
def plain(header: str) -> str:
    """Return a header in lower case, without accents and punctuation, its words parted by one space."""
    spread = CAMEL.sub(" ", header[:500]).casefold()
    letters = (c for c in unicodedata.normalize("NFKD", spread) if not unicodedata.combining(c))
    return " ".join("".join(c if c.isalnum() else " " for c in letters).split())


def tokens(header: str) -> tuple[str, ...]:
    """Return the words of a header; `Phone2` has two."""
    return tuple(COUNTED.sub(" ", plain(header)).split())


def words(text: str) -> list[str]:
    """Return the entries of a table of words, which are parted by bars, as `plain` would write them."""
    return [plain(word) for word in text.split("|")]
