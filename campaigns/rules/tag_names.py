"""What a tag may be called, and how a text names several tags. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tenants.search_keys import search_key
from tenants.texts import one_line

MAX_NAME = 60  # characters
BETWEEN = re.compile("[;,\n]")


class NotATag(ValueError):
    """A text cannot be the name of a tag. The message is a sentence that says what to do."""


def tag_key(name: str) -> str:
    """Return how the name is compared: without case, accents and punctuation."""
    return search_key(name)


def read_tag(text: str) -> str:
    """Return the name as it is stored. Raises NotATag, and NotText for control characters."""
    name = " ".join(one_line(text).split())
    if BETWEEN.search(name):
        raise NotATag(f"'{name[:80]}' has a comma or a semicolon, which part tags. Write one tag, or several tags.")
    if len(name) > MAX_NAME:
        raise NotATag(f"The tag '{name[:80]}' has {len(name)} characters. Shorten it to {MAX_NAME}.")
    if not tag_key(name):
        raise NotATag("A tag needs a name. Write a word.")
    return name


def read_tags(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the names, each tag once, in their order. Raises NotATag and NotText."""
    found: dict[str, str] = {}
    for text in texts:
        name = read_tag(text)
        found.setdefault(tag_key(name), name)
    return tuple(found.values())


def split_tags(text: str) -> tuple[str, ...]:
    """Return the names of tags that are written in one text, parted by commas or semicolons.

    Raises NotATag and NotText.
    """
    parts = (part.strip().strip('"') for part in BETWEEN.split(text))  # some programs quote each tag
    return read_tags(part for part in parts if part.strip())
