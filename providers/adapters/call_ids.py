"""Whether two texts are the same call's ID at a provider: one rule for reads, callbacks and lists. Pure.

Public reports show providers that give an ID back in another case, in braces, without the hyphens of a UUID, or with a
prefix (`OUT-4f2a…`) in one place and without it in another.
"""

from __future__ import annotations

import re

_PREFIX = re.compile(r"(?:urn:uuid:|[a-z][a-z0-9]{0,15}[-_:./])(?=.)")
_UUID = re.compile(r"[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}")
SHORTEST = 4  # characters that have to be left when a prefix is taken off


def same_call(one: str, other: str) -> bool:
    """Return whether both IDs name the same call. An empty ID names none."""
    first, second = _bare(one), _bare(other)
    if not first or not second:
        return False
    return first == second or _unprefixed(first) == second or first == _unprefixed(second)


def _bare(text: str) -> str:
    """Return the ID without case, blanks, braces, and the hyphens of a UUID."""
    bare = text.strip().strip("{}\"'").casefold().removesuffix(".0")
    return bare.replace("-", "") if _UUID.fullmatch(bare) else bare


def _unprefixed(bare: str) -> str:
    """Return the ID without its prefix of letters and one separator, or unchanged if it has none."""
    found = _PREFIX.match(bare)
    rest = bare[found.end() :] if found else ""
    return _bare(rest) if len(rest) >= SHORTEST else bare
