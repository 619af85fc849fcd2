"""One form for names and for what people type to find them: as letters compare at the primary strength of collations.

Case, accents, vowel points, the form of Unicode, apostrophes, dashes and spaces do not count. Letters that readers of a
script tell apart do: vowel signs of Indian scripts and Thai, and the voiced marks of kana.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import chain
from typing import Any

LONGEST_WORD = 100  # characters; PostgreSQL indexes words of at most 2 KB
MOST_WORDS = 5  # of a search whose words are also tried as parts of one

# Stored keys follow from this module and from Unicode's tables. A change of `name_key` or of `search_key` gets the next
# number: `campaigns/name_keys.py` then computes the keys of old rows anew.
FORM = f"2, Unicode {unicodedata.unidata_version}"

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
_DASHES = re.compile("[-\u058a\u05be\u2010-\u2015\u2212\ufe58\ufe63\uff0d]")
# Words that are written with the name that follows, apart from it, or joined to it by a mark. Short given names among
# them, such as Ben, do no harm: their owners are found by one word more.
_PARTICLE_WORDS = """
    o d l n m t k mc mac fitz ni nic al el ul abd abdul abdel abu abou ben bin bint ibn ait ould da das de degli dei del
    dell della delle den der des di do dos du la las le les lo los li san sant santa santo sao st ste saint sainte van
    vander vanden von vom ten ter te op zu zum zur af av qu dall nell all
    о д аль эль бен ибн ван фон де ле ла дер абд абу عبد ابو ابن بن ام ال בנ בת אבו אל
"""
_PARTICLES = frozenset(_PARTICLE_WORDS.split())
# A particle before an apostrophe, or before a capital within a word. In Sa'id and Мар'яна the mark is part of the name.
_ELIDED = re.compile("(\\w{1,4})['’‘‛ʼʻ′`´＇](?=\\w\\w)")
_CAPITAL = re.compile("([A-Z][a-z]{1,4})(?=[A-Z][a-z])")
_MARKED = re.compile(f"{_DASHES.pattern}|{_ELIDED.pattern}|{_CAPITAL.pattern}|^[Mm][Cc]")
_SHORTEST_AFTER_MC = 3  # letters
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


def name_key(name: str) -> str:
    """Return what is stored of a name: its search key, then the other words by which it is found.

    These are the parts of words that marks join (O'Connor, Jean-Luc, McDonald), and particles with what follows them
    (Al Hassan, van der Berg), so that `connor`, `jeanluc`, `donald`, `alhassan` and `vanderberg` find them.
    """
    key = search_key(name)
    words = key.split()
    more = list(chain.from_iterable(map(_parts, name.split())))
    if not _PARTICLES.isdisjoint(words):
        more += _with_particles(words)
    return " ".join(dict.fromkeys([*words, *more])) if more else key


@lru_cache(maxsize=65536)
def _parts(part: str) -> tuple[str, ...]:
    """Return the further words of a text without spaces: what a particle is joined to, and what dashes join."""
    part = unicodedata.normalize("NFC", part)
    if not _MARKED.search(part):
        return ()
    pieces = list(filter(None, _DASHES.split(part)))
    found = []
    for piece in pieces:
        joined = _ELIDED.match(piece) or _CAPITAL.match(piece)
        if joined and _folded(joined[1]) in _PARTICLES:
            found += _folded(piece[joined.end() :]).split()
        elif (folded := _folded(piece)).startswith("mc") and len(folded) >= 2 + _SHORTEST_AFTER_MC:
            found.append(folded[2:])
    keys = [_folded(piece).replace(" ", "") for piece in pieces]
    return (*found, *("".join(keys[place:])[:LONGEST_WORD] for place in range(len(keys) - 1)))


def _with_particles(words: list[str]) -> Iterator[str]:
    """Yield each particle joined to the words that follow, until one that is no particle."""
    for place, word in enumerate(words[:-1]):
        if word in _PARTICLES:
            last = next((n for n in range(place + 1, len(words)) if words[n] not in _PARTICLES), len(words) - 1)
            yield "".join(words[place : last + 1])[:LONGEST_WORD]


def ways(key: str) -> list[list[str]]:
    """Return the sets of words that a search may mean: its words, and any that follow each other as one.

    So `o connor` finds OConnor too, and `van der berg` finds Vanderberg.
    """
    words = key.split()
    plain = list(dict.fromkeys(words))
    if not 2 <= len(words) <= MOST_WORDS:
        return [plain]
    runs = ((first, last) for first in range(len(words)) for last in range(first + 2, len(words) + 1))
    return [plain, *([*words[:a], "".join(words[a:b])[:LONGEST_WORD], *words[b:]] for a, b in runs)]


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
    """Return whether the text has the words of a search, in this order, the first from any of its letters.

    Words may also be joined, as in `ways`.
    """
    key = name_key(text)
    return asked in key or asked.replace(" ", "") in key


def keys_that_contain(rows: Any, fields: Iterable[str], term: str) -> list[int]:
    """Return the keys of the rows that have the term in one of these columns, in the order of the rows.

    For tables that people fill by hand, such as campaigns: every row is read. Contacts have a column of their own.
    """
    asked = search_key(term)
    found = rows.values_list("pk", *fields)
    return [pk for pk, *texts in found if any(contains(text or "", asked) for text in texts)] if asked else []
