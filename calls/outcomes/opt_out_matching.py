"""Whether a reading meets an assistant's opt-out rules, in whatever form the provider gives the result. Pure.

A person who asked not to be called has to be heard, so in doubt a rule is met: in a name with other separators, in a
result that is text, and in a value that is not believed. A plain "no" never meets a rule that asks for a "yes".
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from providers.adapters.base import Reading, Remark

Rule = Mapping[str, str]
YES = frozenset({"true", "yes", "y", "1", "t", "on"})
NO = frozenset({"false", "no", "n", "0", "f", "off"})
ASKS_FOR_YES, ASKS_FOR_NO = frozenset({"true", "yes"}), frozenset({"false", "no"})
WRAPPERS = frozenset({"value", "val", "answer", "result", "response"})  # of a value with its reason beside it
DEEPEST = 12
# Between a name and its value in a text: punctuation, and a word as in `"name": "opt_out", "value": "true"`.
_MARKED = r"(?:\s*[^\w\s][^\w]{0,12}|\s+(?=is|was))(?:(?:value|val|answer|result|response|is|was)[^\w]{1,12})?"

_REASON_FOLLOWS = re.compile(r"[,.;:!(\n\u2013\u2014]|\s-")


def matching_rule(rules: Iterable[Rule], *readings: Reading) -> Rule | None:
    """Return the first rule that one of the readings meets, or None."""
    return next((rule for rule in rules if any(_is_met(rule, reading) for reading in readings)), None)


def _is_met(rule: Rule, reading: Reading) -> bool:
    name, *path = rule["field"].split(".")
    doubtful = any(_remark_meets(rule["equals"], name, path, remark) for remark in reading.remarks if not remark.taken)
    if name != "result":
        return doubtful or _meets(rule["equals"], getattr(reading, name))
    return (
        doubtful
        or any(_meets(rule["equals"], value) for value in _values(reading.result, path))
        or _text_meets(rule["equals"], path[-1], reading.result_text)
    )


def _values(result: Any, path: list[str], depth: int = 0) -> Iterator[Any]:
    """Yield the values at a path: by the exact names, else by names that differ in case and separators alone.

    Public reports show results inside an analysis, in lists, and as rows with a name and a value. So an object that
    says nothing at the path is looked into.
    """
    if not path:
        yield result
        return
    if depth > DEEPEST:
        return
    if isinstance(result, list):
        for each in result:
            yield from _values(each, path, depth + 1)
        return
    found = _object(result)
    step, *rest = path
    names = [step] if step in found else [name for name in found if _is_same(name, step)]
    said = [value for name in names for value in _values(found[name], rest, depth + 1)]
    if any(value not in (None, "", [], {}) for value in said):
        yield from said
        return
    if any(_is_same(name, step) for name in found.values()):  # {"name": "opt_out", "value": true}
        for name, value in found.items():
            if _folded(str(name)) in WRAPPERS:
                yield from _values(value, rest, depth + 1)
    for inner in found.values():
        yield from _values(inner, path, depth + 1)


def _is_same(name: Any, step: str) -> bool:
    return isinstance(name, str) and _folded(name) == _folded(step)


def _object(value: Any) -> Mapping[str, Any]:
    """Return an object, also one that is JSON text. Empty if there is none."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return {}
    return value if isinstance(value, Mapping) else {}


def _meets(equals: str, value: Any) -> bool:
    """Return whether a value is what a rule asks for: as text, and a boolean in every way it is written."""
    if isinstance(value, list | tuple):
        return any(_meets(equals, each) for each in value if not isinstance(each, list | tuple))
    if isinstance(value, Mapping):
        inner = [each for name, each in value.items() if _folded(str(name)) in WRAPPERS]
        return any(_meets(equals, each) for each in inner if not isinstance(each, Mapping))
    text, wanted = _text(value), _text(equals)
    if text is None or wanted is None:
        return False
    words = _of_boolean(wanted)
    if text == wanted or text.strip(" .!\"'") in words:
        return True
    return _is_wordy(wanted) and (_folded(text) == _folded(wanted) or _begins(text, wanted, words))


def _begins(text: str, wanted: str, words: Iterable[str]) -> bool:
    """Return whether a text is the wanted word and, after a mark, why: "Yes, they asked for it"."""
    first = _REASON_FOLLOWS.split(text.strip(" \"'"), maxsplit=1)[0].rstrip()
    spelled = {_folded(wanted), *(ASKS_FOR_YES | ASKS_FOR_NO).intersection(words)}
    return first != text and _folded(first) in spelled


def _of_boolean(wanted: str) -> frozenset[str]:
    """Return the ways to write the boolean that a rule asks for, or none if it asks for another value."""
    if wanted in ASKS_FOR_YES:
        return YES
    return NO if wanted in ASKS_FOR_NO else frozenset()


def _text(value: Any) -> str | None:
    """Return a value as rules write it: booleans and numbers as JSON, text in lower case. None: it is empty."""
    if isinstance(value, str):
        return value.strip().casefold() or None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value) if isinstance(value, bool | int | float) else None


def _folded(text: str) -> str:
    """Return a text without case and separators: `opt_out`, `optOut` and `Opt-Out` are one name."""
    return re.sub(r"[\s_-]+", "", text).casefold()


def _is_wordy(text: str) -> bool:
    return any(letter.isalpha() for letter in text)


def _remark_meets(equals: str, name: str, path: list[str], remark: Remark) -> bool:
    """Return whether a value that is not believed could be what the rule asks for."""
    last = re.sub(r"\[\d+\]$", "", remark.path.rpartition(".")[2])
    wanted = path[-1] if path else name
    if remark.field == name != "result" or _folded(last) == _folded(wanted):
        said = _plain(remark.said)
        return _meets(equals, said) or _contains_value(equals, said)
    if name != "result":
        return False
    return _text_meets(equals, wanted, remark.said) if _folded(last) == name else _names(equals, wanted, remark.said)


def _text_meets(equals: str, name: str, text: str) -> bool:
    """Return whether a result that is text is the value, or has the name with the value after it."""
    return bool(text.strip()) and (_meets(equals, _plain(text)) or _names(equals, name, text))


def _names(equals: str, name: str, text: str) -> bool:
    """Return whether a text has the name with the value after it."""
    parts = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+", name) or [name]
    spelled = r"[\s_-]*".join(map(re.escape, parts))
    # With a blank alone between them, "opt out on the website" is no value.
    following = rf"{_MARKED}(?:{_pattern(equals)})|\s+(?:{_pattern(equals, shortest=3)})"
    return re.search(rf"(?<![\w-]){spelled}(?:{following})", _plain(text), re.IGNORECASE) is not None


def _contains_value(equals: str, text: str) -> bool:
    return re.search(rf"(?<![\w.])(?:{_pattern(equals)})", text, re.IGNORECASE) is not None


def _pattern(equals: str, shortest: int = 1) -> str:
    """Return the expression for a rule's value as a whole word, and for other ways to write a boolean."""
    wanted = equals.strip().casefold()
    others = (word for word in _of_boolean(wanted) if len(word) >= shortest)
    words = sorted({wanted, *others}, key=len, reverse=True)
    spelled = "|".join(r"[\s_-]+".join(map(re.escape, re.split(r"[\s_-]+", word))) for word in words)
    return rf"(?:{spelled})(?!\w|\.\d)"


def _plain(text: str) -> str:
    """Return a text without the escapes of JSON and HTML that stand between its words."""
    return re.sub(r"\\+(?:u0022|[nrt])?", " ", html.unescape(text))
