"""One text of a page in another language: its message in the catalog, or the parts of which it is made."""

from __future__ import annotations

import re
import string
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache

from tenants.backoffice.languages import conventions
from tenants.backoffice.languages.messages import PLACEHOLDER, messages_of

ENGLISH = "en"
KEPT = 20_000  # translated texts of a process and language
DEEP = 4  # texts within texts
LONGEST = 800  # characters of a text that is compared with messages; a longer one is a person's, or a message whole
_KINDS = {"i": "[0-9a-f]{8}[0-9a-f-]*", "n": conventions.NUMBER.pattern, "p": r"\+\d+", "t": r".+?", "x": r".+?"}
_SENTENCES = re.compile(r"(?<=[.!?…])\s+(?=[A-Z0-9“(])")
_BESIDE, _LABEL = re.compile(r"( · | \| | \u2013 | — | → )"), re.compile(r"(: )")
_SEPARATORS = (_BESIDE, _LABEL, re.compile(r"(, | and | or |; )"))
MARKS = string.punctuation + " «»“”…·\u2013—→←"
_NO_VERBS = {"and", "as", "at", "by", "for", "from", "in", "of", "on", "or", "to", "with"}
_COUNTED = re.compile(r"(.*\D) ([\d,.]+ ?%?)")
_LETTERS = re.compile(r"[A-Za-z]{2}")


@dataclass
class _Pattern:
    """A message with placeholders."""

    text: str
    said: str

    def __post_init__(self) -> None:
        words = PLACEHOLDER.split(self.text)[::2]
        letters = sum(map(str.isalpha, "".join(words)))
        self.longest = max(words, key=len)  # most texts are told apart by it, without an expression
        self.rank = -letters  # the message with most words of its own is tried first
        self.tells = letters >= (6 if _first_word(self.text) else 12)  # it has so many that it fits no other text

    @cached_property
    def matches(self) -> re.Pattern[str]:
        """Compiled when it is first needed: all would take most of a second.

        A value ends where the next words of the message first come, and no other end is tried: somebody's text of a
        thousand characters would keep a message with five values busy for minutes.
        """
        begins, *rest = PLACEHOLDER.split(self.text)
        pairs = list(zip(rest[::2], rest[1::2], strict=True))
        parts = [f"(?>(?P<{name}>{_KINDS[name[0]]}){re.escape(words)})" for name, words in pairs[:-1]]
        name, ends = pairs[-1]
        return re.compile(f"{re.escape(begins)}{''.join(parts)}(?P<{name}>{_KINDS[name[0]]}){re.escape(ends)}")


class Catalog:
    """The messages of a language. `say` is what pages use."""

    def __init__(self, language: str, messages: Mapping[str, str]) -> None:
        self.language = language
        self._names = conventions.names(language)
        self._days = conventions.days(language)
        self._marks = conventions.MARKS.get(language, {})
        self._exact: dict[str, str] = {}
        self._patterns: dict[str, list[_Pattern]] = defaultdict(list)
        for text, translation in messages.items():
            if PLACEHOLDER.search(text):
                self._patterns[_first_word(text)].append(_Pattern(text, translation))
            else:
                self._exact[text] = translation
        self._between: dict[str, str] = {
            f" {word} ": f" {said} " for word in ("and", "or") if (said := self._known(word))
        }
        self._between[": "] = f"{self._marks.get(':', ':')} "
        self._found = lru_cache(KEPT)(self.found)

    def say(self, text: str) -> str:
        """Return the text in this language. What no message is for stays; amounts and moments are rewritten."""
        if len(text) > LONGEST:
            return self._exact.get(" ".join(text.split()), text)
        return self._found(text) or self._plain(text)

    def found(self, text: str, depth: int = 0) -> str | None:
        """Return the translation of a text, None if there is none. White space counts as one space."""
        text = " ".join(text.split())
        if not _LETTERS.search(text):
            return self._plain(text)
        if depth > DEEP:
            return None
        return self._message(text, depth) or self._of_parts(text, depth) or self._loosely(text, depth)

    def _plain(self, text: str) -> str:
        return conventions.dates(conventions.numbers(text, self.language), self.language)

    def _message(self, text: str, depth: int) -> str | None:
        if not text:
            return None
        if exact := self._known(text) or (self._names.get(text) if depth else None):
            return exact
        none = (
            text.startswith("0 ") and text.endswith("s") and depth <= DEEP and self.language in conventions.ZERO_IS_ONE
        )
        if none and (found := self._message(f"0 {text[2:-1]}", DEEP + 1)):
            return found
        for pattern in self._candidates(text):
            if match := pattern.matches.fullmatch(text):
                said, whole = self._filled(pattern.said, match.groupdict(), depth)
                if whole:
                    return said
        lower = text[0].lower() + text[1:]
        if lower != text and (found := self._message(lower, depth)):
            return found[0].upper() + found[1:]
        return None

    def _loosely(self, text: str, depth: int) -> str | None:
        """Return the message with most words of its own, although a text within it is not known: it may be a name."""
        for pattern in self._candidates(text):
            if pattern.tells and (match := pattern.matches.fullmatch(text)):
                return self._filled(pattern.said, match.groupdict(), depth)[0]
        return None

    def _known(self, text: str) -> str | None:
        """Return a message without placeholders. A sentence may be shown without its mark, a label with one."""
        if not text:
            return None
        exact = self._exact
        if found := self._days.get(text) or exact.get(text):
            return found
        if text[-1] in ":….," and (found := exact.get(text[:-1])):
            return found + self._marks.get(text[-1], text[-1])
        return found.removesuffix(".") if (found := exact.get(f"{text}.")) else None

    def _candidates(self, text: str) -> list[_Pattern]:
        of_any = self._patterns.get("", ())
        found = [each for each in (*self._patterns.get(_first_word(text), ()), *of_any) if each.longest in text]
        return sorted(found, key=lambda each: each.rank)

    def _filled(self, said: str, values: Mapping[str, str], depth: int) -> tuple[str, bool]:
        """Return a message with its values, and whether all of its texts are known."""
        texts = {name: self.found(value, depth + 1) for name, value in values.items() if name[0] == "t"}

        def value(found: re.Match[str]) -> str:
            name, written = found[1], values[found[1]]
            if name[0] == "n":
                return conventions.number(written, self.language)
            if name[0] == "t":
                return texts.get(name) or self._plain(written)
            return conventions.dates(written, self.language)  # a moment, or else as it is written

        return PLACEHOLDER.sub(value, said), all(text is not None for text in texts.values())

    def _of_parts(self, text: str, depth: int) -> str | None:
        """Return a text made of sentences, of a list, or of a message between marks; None if no part is known."""
        before, opens, inside = text.rpartition(" (")
        if opens and inside.endswith(")"):
            known, inner = self.found(before, depth + 1), self.found(inside[:-1], depth + 1)
            if known or inner:
                return f"{known or self._plain(before)} ({inner or self._plain(inside[:-1])})"
        parts = _SENTENCES.split(text)
        if len(parts) > 1:
            return self._joined(parts, " ", depth)
        bare = text.strip(MARKS)
        if bare != text and bare and (inner := self._message(bare, depth + 1)):
            begins = text.index(bare)
            return f"{text[:begins]}{inner}{text[begins + len(bare) :]}"
        if (counted := _COUNTED.fullmatch(text)) and (head := self._message(counted[1], depth + 1)):
            return f"{head} {self._plain(counted[2])}"
        who, _, did = text.partition(" ")  # of the audit log: “ada started the campaign”
        verb = did.partition(" ")[0]
        if verb[:1].islower() and verb != did and verb not in _NO_VERBS and not self._known(who):
            what = self._message(did, depth + 1)
            if what:
                return f"{who} {what}"
        for separator in _SEPARATORS:
            pieces = separator.split(text)
            if len(pieces) > 1:
                within = depth + (separator in (_BESIDE, _LABEL))  # a list of countries alone may be a name
                said = [part if place % 2 else self.found(part, within) for place, part in enumerate(pieces)]
                if self._belong(separator, pieces[0], said[::2]):
                    return "".join(
                        self._between.get(part, part) if place % 2 else (each or self._plain(part))
                        for place, (part, each) in enumerate(zip(pieces, said, strict=True))
                    )
        plain = self._plain(text)
        return plain if plain != text else None

    def _belong(self, separator: re.Pattern[str], first: str, said: list[str | None]) -> bool:
        """Return whether parts are ours: some beside “ · ”, the label before a colon, all of a list."""
        if separator is _BESIDE:
            return any(each is not None for each in said)
        return all(each is not None for each in said) or (separator is _LABEL and bool(self._known(first)))

    def _joined(self, parts: list[str], between: str, depth: int) -> str | None:
        said = [self.found(part, depth + 1) for part in parts]
        return between.join(each for each in said if each) if all(said) else None


def _first_word(text: str) -> str:
    """Return the word with which a text begins, empty if that may change."""
    word = text.split(" ", 1)[0]
    return "" if PLACEHOLDER.search(word) or not word.isalpha() else word


@cache
def catalog_of(language: str) -> Catalog:
    """Return the catalog of a language, read once in a process."""
    return Catalog(language, messages_of(language))


def speaker(language: str) -> Callable[[str], str]:
    """Return the function that says a text in the language."""
    return str if language in ("", ENGLISH) else catalog_of(language).say
