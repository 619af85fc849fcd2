"""One form for names and for what people type to find them: as letters compare at the primary strength of collations.

Case, accents, vowel points, the form of Unicode, apostrophes, dashes and spaces do not count. Letters that readers of a
script tell apart do: vowel signs of Indian scripts and Thai, and the voiced marks of kana.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

LONGEST_WORD = 100  # characters; PostgreSQL indexes words of at most 2 KB

# Letters for which Unicode has no decomposition, though people leave out the stroke or write them in full.
_LETTERS = {
    "ı": "i",
    "ø": "o",
    "đ": "d",
    "ð": "d",
    "ł": "l",
    "ħ": "h",
    "ŧ": "t",
    "ŋ": "n",
    "æ": "ae",
    "œ": "oe",
    "þ": "th",
    "ɓ": "b",
    "ɗ": "d",
    "ƙ": "k",
    "ƴ": "y",
    "ĸ": "k",
    "ǥ": "g",
    "ɨ": "i",
    "ƶ": "z",
    # Arabic and Persian keyboards have other code points for the same letters; ة is written ه, ى is written ي.
    "ٱ": "ا",
    "ى": "ي",
    "ی": "ي",
    "ے": "ي",
    "ک": "ك",
    "ة": "ه",
    "ہ": "ه",
    "ھ": "ه",
    "ە": "ه",
    "ۃ": "ه",
    "ـ": "",
    # Hebrew letters at the end of a word, and the ligatures of Yiddish.
    "ך": "כ",
    "ם": "מ",
    "ן": "נ",
    "ף": "פ",
    "ץ": "צ",
    "װ": "וו",
    "ױ": "וי",
    "ײ": "יי",
    # Katakana and hiragana are two ways to write one reading.
    **{chr(code): chr(code - 0x60) for code in range(0x30A1, 0x30F7)},
}
_FOLDED = str.maketrans(_LETTERS)
_APOSTROPHES = dict.fromkeys(map(ord, "'’‘‛ʼʻʹʾʿˈ′`´＇՚׳ꞌʽ" + '"“”„״″'))  # a quotation mark abbreviates in Hebrew
# Combining classes of marks that are letters to their readers: voiced kana, viramas, vowels of Thai, Lao and Tibetan.
_KEPT_MARKS = frozenset({0, 8, 9, 103, 118, 129, 130, 132})
_IGNORED = frozenset({"Cf", "Me"})
_VARIATIONS = re.compile("[\u034f\u180b-\u180d\ufe00-\ufe0f\U000e0100-\U000e01ef]")
# Scripts without spaces: each ideograph and each syllable counts as a word, so that a given name alone is found.
_ALONE = re.compile("([\u3007\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003ffff])")
_ASCII = {code: " " for code in range(128) if not chr(code).isalnum()} | dict.fromkeys(map(ord, "'`\""))


def search_key(text: str) -> str:
    """Return the words of a text as they are compared, with one space between them.

    The words of a person's name are found by their beginnings, in any order. A text without letters, digits or symbols
    is one word, so that it is found as well.
    """
    parts = text.split()
    found = " ".join(filter(None, map(_folded, parts)))
    return found or "".join(filter(str.isprintable, "".join(parts)))[:LONGEST_WORD]


@lru_cache(maxsize=65536)  # a million imported names have few words
def _folded(part: str) -> str:
    """Return the words of a text without spaces."""
    if part.isascii():
        words = part.lower().translate(_ASCII)
    else:
        composed = unicodedata.normalize("NFKC", part.translate(_APOSTROPHES))
        apart = unicodedata.normalize("NFKD", _ALONE.sub(r" \1 ", composed).casefold())
        kept = "".join(map(_character, _VARIATIONS.sub("", apart)))
        # Composed again, so that neither a syllable of Hangul nor a kana begins like another one.
        words = unicodedata.normalize("NFC", unicodedata.normalize("NFKD", kept.casefold()).translate(_FOLDED))
    return " ".join([word[:LONGEST_WORD] for word in words.split()])


@lru_cache(maxsize=4096)
def _character(character: str) -> str:
    """Return a decomposed character as it is compared: a space between words, "" for a mark that does not count."""
    category = unicodedata.category(character)
    if category in _IGNORED or (category == "Mn" and unicodedata.combining(character) not in _KEPT_MARKS):
        return ""
    if category[0] in "ZPC":
        return " "
    digit = unicodedata.decimal(character, None)
    return character if digit is None else str(digit)


def narrows(term: str) -> bool:
    """Return whether a search for names by this term is no search for nearly all: two letters, or an ideograph."""
    found = search_key(term)
    return len(found) >= 2 or bool(_ALONE.fullmatch(found))


def is_among(name: str, names: Iterable[str]) -> bool:
    """Return whether one of the names is the same, however it is written."""
    key = search_key(name)
    return any(search_key(each) == key for each in names)


def contains(text: str, asked: str) -> bool:
    """Return whether the text has the words of a search, in this order, the first from any of its letters."""
    return asked in search_key(text)


def keys_that_contain(rows: Any, fields: Iterable[str], term: str) -> list[int]:
    """Return the keys of the rows that have the term in one of these columns, in the order of the rows.

    For tables that people fill by hand, such as campaigns: every row is read. Contacts have a column of their own.
    """
    asked = search_key(term)
    found = rows.values_list("pk", *fields)
    return [pk for pk, *texts in found if any(contains(text or "", asked) for text in texts)] if asked else []
