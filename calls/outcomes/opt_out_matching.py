"""Whether a reading meets an assistant's opt-out rules, in whatever form the provider gives the result. Pure.

A person who asked not to be called has to be heard, so in doubt a rule is met: in a name with other separators, in a
result that is text, and in a value that is not believed. A plain "no" never meets a rule that asks for a "yes".
"""

from __future__ import annotations

import html
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from providers.adapters.base import Reading, Remark

Rule = Mapping[str, str]
YES = frozenset({"true", "yes", "y", "1", "t", "on"})
NO = frozenset({"false", "no", "n", "0", "f", "off"})
SAID_AT_LENGTH = frozenset({"true", "yes", "false", "no"})
ASKS_FOR_YES, ASKS_FOR_NO = frozenset({"true", "yes"}), frozenset({"false", "no"})
# Folded names of a value with its confidence, reason or kind beside it.
WRAPPERS = frozenset({"value", "val", "answer", "result", "response"})
DEEPEST = 12
_REASON_FOLLOWS = re.compile(r"[,.;:!(\n\u2013\u2014]|\s-")
# In front of a name in a text. Before a name that a program wrote, a "no" may be another field's: `a=no opt_out=yes`.
_NEVER = re.compile(r"(?:\b(?:not|never|without)(?:\s(?:to|an?|any|yet))?|n['\u2019]t)[ \t]+$", re.IGNORECASE)
_NONE = re.compile(r"(?<![:=>])[ \t]no[ \t]+$|^no[ \t]+$", re.IGNORECASE)
_UNSEEN = re.compile("[\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]")  # Unicode's format characters
_OTHER_DIGIT = re.compile(r"[^\D0-9]")
# A question's choice, which is no value: "opt out (yes/no): no".
_CHOICE = re.compile(
    r"\b(?:(?:yes|true|y)\s*(?:/|\||or)\s*(?:no|false|n)|(?:no|false|n)\s*(?:/|\||or)\s*(?:yes|true|y))\b",
    re.IGNORECASE,
)
# Between a name and its value in a text: punctuation, and a word as in `"name": "opt_out", "value": "true"`.
_MARKED = r"(?:\s*[^\w\s][^\w]{0,12}|\s+(?=is|was))(?:(?:value|val|answer|result|response|is|was)[^\w]{1,12})?"


def matching_rule(rules: Iterable[Rule], *readings: Reading) -> Rule | None:
    """Return the first rule that one of the readings meets, or None."""
    return next((rule for rule in rules if any(_is_met(rule, reading) for reading in readings)), None)


def _is_met(rule: Rule, reading: Reading) -> bool:
    name, *path = rule["field"].split(".")
    doubtful = any(_remark_meets(rule["equals"], name, path, remark) for remark in reading.remarks if not remark.taken)
    if name != "result":
        return doubtful or _meets(rule["equals"], getattr(reading, name))
    values = list(_values(reading.result, path))
    return (
        doubtful
        or _any_meets(rule["equals"], values)
        or (not any(map(_says, values)) and _any_meets(rule["equals"], _values_inside(reading.result, path)))
        or (not values and _is_met_inside(rule["equals"], path, reading.result))
        or _text_meets(rule["equals"], path[-1], reading.result_text)
    )


def _values(result: Any, path: list[str]) -> Iterator[Any]:
    """Yield the values at a path: by the exact names, else by names that differ in case and separators alone."""
    if not path:
        yield result
        return
    found, (step, *rest) = _object(result), path
    names = [step] if step in found else [name for name in found if _folded(str(name)) == _folded(step)]
    for name in names:
        yield from _values(found[name], rest)


def _says(value: Any) -> bool:
    return value not in (None, "", [], {})


def _any_meets(equals: str, values: Iterable[Any]) -> bool:
    return any(_meets(equals, value) for value in values)


def _values_inside(result: Any, path: list[str], depth: int = 0) -> Iterator[Any]:
    """Yield the values at a path in the objects and lists inside a result, also in rows with a name and a value."""
    if depth > DEEPEST:
        return
    found, (step, *rest) = _object(result), path
    yield from _values(found, path)
    if any(isinstance(name, str) and _folded(name) == _folded(step) for name in found.values()):
        for name, value in found.items():
            if _folded(str(name)) in WRAPPERS:
                yield from _values(value, rest)
    for inner in result if isinstance(result, list) else found.values():
        yield from _values_inside(inner, path, depth + 1)


def _is_met_inside(equals: str, path: list[str], result: Any) -> bool:
    """Return whether the path's last name has the value anywhere else in the result: in an envelope, a list, a text."""
    if not result:
        return False
    text = json.dumps(result, ensure_ascii=False)
    folded = _folded(text)
    return all(_folded(name) in folded for name in path) and _names(equals, path[-1], text)


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
        return any(_meets(equals, each) for each in value)
    if isinstance(value, Mapping):
        return any(_meets(equals, each) for name, each in value.items() if len(value) == 1 or _folded(name) in WRAPPERS)
    text, wanted = _text(value), _text(equals)
    if text is None or wanted is None:
        return False
    words = _of_boolean(wanted)
    return (
        text == wanted
        or text.strip(" .!#\"'") in {wanted, *words}
        or any(_begins_with(text, word) for word in words & SAID_AT_LENGTH)
        or (_is_wordy(wanted) and _folded(wanted) in (_folded(text), _folded(_REASON_FOLLOWS.split(text)[0])))
    )


def _begins_with(text: str, word: str) -> bool:
    """Return whether a text is a yes or no with words after it, as in "yes, please". A choice of both is none."""
    return re.match(rf"{word}(?![\w/|]|\s*(?:[/|]|or\b))", _CHOICE.sub(" ", text).strip()) is not None


def _of_boolean(wanted: str) -> frozenset[str]:
    """Return the ways to write the boolean that a rule asks for, or none if it asks for another value."""
    if wanted in ASKS_FOR_YES:
        return YES
    return NO if wanted in ASKS_FOR_NO else frozenset()


def _text(value: Any) -> str | None:
    """Return a value as rules write it: booleans and numbers as JSON, text in lower case. None: it is empty."""
    if isinstance(value, str):
        text = _clear(value).strip().casefold()
        return re.sub(r"^(-?[0-9]+)\.0+$", r"\1", text) or None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value) if isinstance(value, bool | int | float) else None


def _folded(text: str) -> str:
    """Return a text without case and separators: `opt_out`, `optOut` and `Opt-Out` are one name."""
    return re.sub(r"[\s_.-]+", "", _clear(text)).casefold()


def _clear(text: str) -> str:
    """Return a text with digits and letters of one form, and without marks that cannot be seen, such as RTL marks."""
    if text.isascii():
        return text
    seen = _UNSEEN.sub("", unicodedata.normalize("NFKC", text))
    return _OTHER_DIGIT.sub(lambda digit: str(unicodedata.decimal(digit[0])), seen)


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
    plain = _plain(text)
    found = re.finditer(rf"(?<![\w-])({spelled})(?:{following})", plain, re.IGNORECASE)
    return any(not _is_denied(plain[max(0, named.start() - 20) : named.start()], named[1]) for named in found)


def _is_denied(before: str, name: str) -> bool:
    """Return whether the text in front of a name denies it: "did not opt out: ...", "no opt-out: ..."."""
    in_words = re.search(r"[a-z][\s-]+[a-z]", name, re.IGNORECASE)
    return bool(_NEVER.search(before) or (in_words and _NONE.search(before)))


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
    return _CHOICE.sub(" ", re.sub(r"\\+(?:u0022|[nrt])?", " ", _clear(html.unescape(text))))
