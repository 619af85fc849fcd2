"""Whether two texts are the same call's ID at a provider: one rule for reads, callbacks, lists and searches. Pure.

Public reports show providers that give an ID back in another case, in braces, without the hyphens of a UUID, or with a
prefix (`OUT-4f2a…`) in one place and without it in another. Two numbers are the same ID only digit by digit, and two
IDs with different prefixes are two calls.
"""

from __future__ import annotations

import re

# A word and one separator. A part of a UUID or of another hexadecimal ID is no word.
_PREFIX = re.compile(r"(?![0-9a-f]{4,}[-_:./])[a-z][a-z0-9]{0,15}[-_:./](?=.)")
_UUID = re.compile(r"[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}")
_WRAPPED = re.compile(r"\{(.+)\}|\"(.+)\"|'(.+)'|<(.+)>|\((.+)\)|urn:uuid:(.+)")
_AS_FLOAT = re.compile(r"([0-9]+)\.0+")  # how a program writes a numeric ID that it took for a measured number
SHORTEST = 4  # characters that have to be left when a prefix is taken off


def same_call(one: str, other: str) -> bool:
    """Return whether both IDs name the same call. An empty ID names none."""
    if (
        one == other and one.isascii() and one.replace("-", "").isalnum()
    ):  # as nearly always; nothing is to be taken off
        return True
    first, second = _parts(one), _parts(other)
    alike = first == second or "" in (first[0], second[0])
    return bool(first[1]) and first[1] == second[1] and alike


def spellings(text: str) -> list[str]:
    """Return in lower case how an ID may be stored that names the same call, but for a prefix that this one lacks."""
    prefix, core = _parts(text)
    forms = {core}
    if _UUID.fullmatch(core):
        forms.add("-".join((core[:8], core[8:12], core[12:16], core[16:20], core[20:])))
    return sorted({text.strip().lower()} | {before + form for before in ("", prefix) for form in forms if form})


def _parts(text: str) -> tuple[str, str]:
    """Return the prefix of an ID, "" if it has none, and the rest without case, blanks, braces and a UUID's hyphens."""
    core = _bare(text.strip().lower())
    found = None if _UUID.fullmatch(core) else _PREFIX.match(core)
    if found is None or len(core) - found.end() < SHORTEST:
        return "", core
    return found[0], _bare(core[found.end() :])


def _bare(core: str) -> str:
    while found := _WRAPPED.fullmatch(core):
        core = next(inner for inner in found.groups() if inner).strip()
    if found := _AS_FLOAT.fullmatch(core):
        core = found[1]
    return core.replace("-", "") if _UUID.fullmatch(core) else core
