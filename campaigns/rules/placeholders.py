"""Find texts that nobody means to speak: placeholders that were not filled in, words for a missing value, damage. Pure.

Two kinds of rules. A *remnant* (a template's placeholder, HTML, a dump of an object, an error of a spreadsheet, damaged
letters) counts wherever it stands in a text, because no sentence contains it. A *word* ("None", "null", "-") counts
only when it is the whole text, because sentences and names contain it too. Words count in the spelling in which
programs write them.

Doubts, and how they are decided:

- "Null" as a family name counts as a name where another part of a name stands beside it, in the same text or in another
  variable. "NULL" and "null" never do as a whole text: databases write them.
- "Nan", "Nil" and "Na" are names in this spelling; "nan", "NaN", "nil" and "NA" are missing values. "NA" is a place in
  a variable about a country, region or market.
- "None" is what Python writes, so it counts as a whole text; "none" counts in names only: as a value it is an answer.
- In a name of several words a program's word counts when it is the first or the last: "Ann undefined", "null Smith".
- A JSON text is no remnant: some assistants are given their data so.
- A question mark between the letters of a name is a lost letter; in other texts it is not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from html.entities import html5


class Kind(StrEnum):
    """Why nobody means to speak a text. The value is part of the API."""

    words: str

    TEMPLATE = "template", "a placeholder that was not filled in"
    MISSING = "missing_value", "a program's word for a missing value"
    SPREADSHEET = "spreadsheet_error", "an error or a formula of a spreadsheet"
    MARKUP = "markup", "HTML code"
    OBJECT = "object", "a program's object instead of its text"
    DAMAGED = "damaged", "damaged letters"
    FILLER = "filler", "a filler instead of a value"

    def __new__(cls, value: str, words: str) -> Kind:
        member = str.__new__(cls, value)
        member._value_ = value
        member.words = words
        return member

    @classmethod
    def of(cls, code: str) -> Kind | None:
        """Return the kind with this value."""
        return next((kind for kind in cls if kind == code), None)


NAME = "customer_name"  # the customer's name among the variables of a call


@dataclass(frozen=True)
class Placeholder:
    """A value that nobody means to speak: of which variable (or NAME), what it is, and the text."""

    variable: str
    kind: Kind
    value: str


_WORD = r"[^\W\d][\w .:\-'\u2019]{0,60}"
# In single braces: also with a field's kind before the name, or a fallback after it.
_IN_BRACES = rf"\{{\s*[!$@#]?{_WORD}(?:[|=][^{{}}\n]{{0,80}})?\}}"
# Words that stand for somebody's name, and that templates write in brackets.
_PERSON = (
    r"(?:(?:the |insert |your |customer |client |contact )?(?:(?:first|last|full|sur|family|given)[ _-]?)?name"
    r"|first|last|customer|client|recipient|vorname|nachname|kunde|pr[eé]nom|nom|nombre|apellidos?|nome|cognome|voornaam)"
)
_REMNANTS: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    (
        Kind.OBJECT,
        re.compile(
            r"\[object [A-Z]\w*\]"
            r"|<[\w.]+(?: object)? at 0x[0-9a-fA-F]+>"
            r"|<(?:bound method|function|class|module|built-in) [^>]{1,80}>"
            r"|#<\w[\w:]*(?::0x[0-9a-f]+)?[^>]{0,80}>"
            r"|\b(?:[a-z_]\w*\.)+[A-Z]\w*@[0-9a-f]{4,16}\b"
            r"|\bSystem\.(?:Object|DBNull|String\[\]|Collections\.[\w.]+)"
            r"|\bfunction ?\w*\([^)]{0,60}\) ?\{"
            r"|\bPromise ?\{"
            r"|\bOptional(?:\.empty\b|\[)"
        ),
    ),
    (
        Kind.MISSING,
        re.compile(
            r"<no value>|%!\w\([^)]{0,60}\)|<(?:nil|null|None|NA|NaT|undefined|unset|unknown)>"
            r"|\((?:null|nil|none|undefined)\)|\[(?:null|nil|undefined)\]"
            r"|(?<![\w-])-?NaN(?![\w-])|\bInvalid [Dd]ate(?:[Tt]ime)?\b"
            r"|\b0000-00-00|\b0001-01-01[T ]00:00"
            r"|\b1\.#(?:QNAN|IND|INF)\b|nan\((?:ind|snan)\)"
            r"|\b(?:Hello|Hi|Hey|Dear|Mr|Mrs|Ms|Dr|Hallo|Liebe[r]?|Herr|Frau|Bonjour|Hola|Ciao|Olá)\.? "
            r"(?:null|undefined|None|NULL|nan|nil)(?=[,.!]|$)"
        ),
    ),
    (
        Kind.SPREADSHEET,
        re.compile(
            r"(?<![\w#])#[¡¿]?(?:N/A|NA(?![\w-])|NV(?![\w-])|N/D|REF!|VALUE!|NAME\?|DIV/0|NUM!|NULL!|SPILL!|CALC!|FIELD!"
            r"|GETTING_DATA|CONNECT!|BLOCKED!|BUSY!|UNKNOWN!|EXTERNAL!|PYTHON!|ERROR!|BEZUG!|WERT!|ZAHL!|ÜBERLAUF!"
            r"|VALOR!|VALEUR!|VALORE!|WAARDE!|NOMBRE\?|NOM\?|NOME\?|NAAM\?|NOMBRE!|NOMBRE¡|NUL!|NULO!|VERW!|GETAL!)"
            r"|(?<!\w)Err:\d{3}(?!\d)|^=[A-Z][A-Z.]{1,30}\(.*\)$|^=[A-Z]{1,3}\d{1,7}$"
        ),
    ),
    (
        Kind.TEMPLATE,
        re.compile(
            r"\{\{.{0,200}?\}\}|\{\{[#/^>!&]?\s*\w|\{%.{1,200}?%\}|<%.{0,200}?%>|<\?(?:php|=)"
            rf"|[$#@!]\{{{_WORD}\}}|{_IN_BRACES}|\{{\d{{1,2}}\}}|\$\([A-Za-z_]\w*\)"
            rf"|\[\[\s*{_WORD}\s*\]\]|<<\s*{_WORD}\s*>>|«\s*{_WORD}\s*»|\(\(\s*{_WORD}\s*\)\)"
            r"|(?<!\w)@(?:contact|fields|flow|results|run|child|parent|trigger|input|urns|globals)\.[a-z_]\w*"
            r"|@\((?:[a-z_]+\(|contact|fields|flow|results|globals)[^()]{0,80}\)"
            r"|[*_]\|[A-Z][\w:]*\|[*_]|%%\s*[A-Za-z_][\w.:=]*\s*%%|##[A-Za-z_]\w*##|@@[A-Za-z_]\w*@@"
            r"|(?<![\w%])%[A-Za-z_][A-Za-z0-9_.]*%(?![\w%])|%\([A-Za-z_]\w*\)[sdif]"
            r"|(?<![\w:])::[A-Za-z_][\w.]*::(?![\w:])|__[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*__"
            rf"|\[(?:[A-Z][A-Z0-9]*_[A-Z0-9_]+|(?i:{_PERSON}|company(?: name)?|insert [\w ]{{1,40}}))\]"
            r"|<(?i:(?:(?:first|last|full|sur|family|given|customer|contact|company)[ _-]?)?name)>",
            re.DOTALL,
        ),
    ),
    (
        Kind.MARKUP,
        re.compile(
            r"&#\d{1,7};|&#[xX][0-9a-fA-F]{1,6};"
            r"|</?(?:a|b|br|div|em|font|h[1-6]|hr|html|body|head|i|img|li|ol|p|pre|script|span|strong|style|table|tbody|td|th"
            r"|tr|u|ul)(?:\s[^<>]{0,300})?/?>|<!--|<!\[CDATA\["
        ),
    ),
    (
        Kind.DAMAGED,
        re.compile(r"\ufffd|ï¿½|â€|\\u[0-9a-fA-F]{4}|\\x[0-9a-fA-F]{2}|=C[23]=[89AB][0-9A-F]|=E2=80=[89AB][0-9A-F]"),
    ),
)
_ENTITY = re.compile(r"&([A-Za-z][A-Za-z0-9]{1,31};)")
_PERCENT_CODED = re.compile(r"(?:%C[23]%[89AB][0-9A-F]|\w%20\w)", re.IGNORECASE)
_ADDRESS = re.compile(r"\w://")
_LOST_LETTER = re.compile(r"[^\W\d_]\?[^\W\d_]")
# What UTF-8 read as Windows-1252 looks like: the lead bytes of Latin letters, dashes and quotes, and emoji. Two letters
# of another alphabet.
_MISREAD = re.compile(
    r"[\u0080-\u017f]|[\u2010-\u2044\u20ac\u2122]|\ufeff|[\U0001f000-\U0001faff]|[\u0370-\u052f]{2}|[\u0590-\u06ff]{2}"
)
_MAYBE_MISREAD = re.compile(r"[\u00c2-\u00f4][\u0080-\u00bf\u0152-\u0192\u02c6\u02dc\u2013-\u2122]")
# In the spelling in which programs, databases and exports write them (pandas' list of missing values among them).
_WORDS = frozenset(
    {
        *("None", "NULL", "null", "nil", "nan", "-nan", "-NaN", "NAN", "NaN", "NaT", "NA", "<NA>"),
        *("N/A", "n/a", "N/a", "N.A.", "n.a.", "N.A", "n.a", "N / A", "\\N", "\\n", "N\\A"),
        *("undefined", "UNDEFINED", "Undefined", "DBNull", "nullptr", "void 0"),
        *("inf", "-inf", "-Infinity", "k.A.", "k. A.", "n. a.", "n. v.", "s/d", "n.d.", "null,", "None,", "[None]"),
        *("'null'", '"null"', "[null]", "(empty)", "(blank)", "[none]", "<none>", "<empty>", "<blank>", "(not set)"),
    }
)
_OBJECTS = frozenset({"Array", "array()", "Array()", "[object]", "[Object]", "[Array]", "[Function]"})
_FILLERS = frozenset(
    {
        *("todo", "tbd", "t.b.d.", "fixme", "placeholder", "lorem ipsum", "asdf", "qwerty", "foo", "foobar", "dummy"),
        *("zzz", "loading...", "loading…", "your name here", "insert name here", "name here"),
    }
)
_X = re.compile(r"[xX]{3,}|[xX]+(?:[ -][xX]{2,})+")
_NO_TEXT = re.compile(r"[\s\-\u2013\u2014_.,;:?!¿¡*#/\\|~'\"`^=<>()\[\]{}+%&@]+")
_DUMMY_CALL = re.compile(
    r"[$:](?!NaN$)[A-Za-z_]\w*|%[sdif@]|[A-Za-z]+_[A-Za-z_]*name|lorem ipsum.*", re.IGNORECASE | re.DOTALL
)
# Only of names: nobody is called so, though a value of another variable may say it.
_NO_NAMES = frozenset(
    {
        *(
            "none",
            "na",
            "n a",
            "unknown",
            "no name",
            "noname",
            "nobody",
            "unnamed",
            "anonymous",
            "empty",
            "blank",
            "name",
        ),
        *("not available", "not applicable", "missing", "not set"),
        *("first name", "last name", "full name", "firstname", "lastname", "fullname", "surname", "customer name"),
        *("unbekannt", "inconnu", "desconocido", "sconosciuto", "onbekend", "kein name", "sans nom", "sin nombre"),
    }
)
_ALSO_NAMES = frozenset({"Nan", "Nil", "Na"})
_WORDS_IN_NAMES = frozenset(
    {"null", "undefined", "nan", "NaN", "nil", "None", "NULL", "UNDEFINED", "N/A", "n/a", "#N/A"}
)
_OF_A_NAME = re.compile(r"name|prenom|prénom|apellido|nombre|cognome|achternaam|(?:^|_)nom(?:$|_)", re.I)
_OF_A_PLACE = re.compile(r"country|region|market|continent|state|nation|area|territory|(?:^|_)land(?:$|_)", re.I)

# Most values are plain words, in which only these can belong to a remnant: they need no further search.
_PLAIN = re.compile(r"[A-Za-z0-9 .,'\-]+")
_TELLTALE = re.compile(r"NaN|nvalid|0000-00|System\.|Optional|null|undefined|None|NULL|nan|nil")


def kind_of(text: str, variable: str = "", *, beside_a_name: bool = False) -> Kind | None:
    """Return why nobody means to speak a text. None: it may be spoken.

    `variable`: what it is the value of; names have rules of their own. `beside_a_name`: another part of the same name
    is a value that may be spoken.
    """
    value = text.strip()
    if not value:
        return None
    return _kind_of(value, *_traits(variable), beside_a_name)


@lru_cache(maxsize=4_096)
def _traits(variable: str) -> tuple[bool, bool]:
    """Return whether a variable holds a part of a name, and whether it holds a place."""
    return bool(_OF_A_NAME.search(variable)), bool(_OF_A_PLACE.search(variable))


@lru_cache(maxsize=65_536)  # first names, cities and products repeat within a campaign
def _kind_of(value: str, of_a_name: bool, of_a_place: bool, beside_a_name: bool) -> Kind | None:
    found = _word(value, of_a_name, of_a_place, beside_a_name)
    if found or (_PLAIN.fullmatch(value) and not _TELLTALE.search(value)):
        return found
    return remnant(value, of_a_name)


def _word(value: str, of_a_name: bool, of_a_place: bool, beside_a_name: bool) -> Kind | None:
    if value in _WORDS:
        return None if of_a_place and value == "NA" else Kind.MISSING
    if value in _OBJECTS:
        return Kind.OBJECT
    lower = value.lower()
    if lower in _FILLERS or (lower[0] == "x" and _X.fullmatch(value)):
        return Kind.FILLER
    if not value[0].isalnum() and _NO_TEXT.fullmatch(value):
        return Kind.FILLER
    if (value[0] in "$:%lL" or "_" in value) and _DUMMY_CALL.fullmatch(value):
        return Kind.TEMPLATE if value[0] in "$:%" or "_" in value else Kind.FILLER
    parts = value.replace(",", " ").split()
    if len(parts) > 1 and all(part in _WORDS for part in parts):
        return Kind.MISSING
    if value == "Null" and not (of_a_name and beside_a_name):
        return Kind.MISSING
    if not of_a_name:
        return None
    if lower in _NO_NAMES and value not in _ALSO_NAMES:
        return Kind.MISSING
    return Kind.MISSING if len(parts) > 1 and _in_a_name(parts) else None


def _in_a_name(parts: list[str]) -> bool:
    """Return whether the first or last word of a name is a program's word for a missing value.

    In a name that is all in capitals, NULL is spelled as the rest.
    """
    for own, others in ((parts[0], parts[1:]), (parts[-1], parts[:-1])):
        if own in _WORDS_IN_NAMES and not (own.isupper() and all(part.isupper() for part in others)):
            return True
    return False


def remnant(value: str, of_a_name: bool = False) -> Kind | None:
    """Return the kind of a remnant in a text: what no sentence contains."""
    for kind, pattern in _REMNANTS:
        if pattern.search(value):
            return kind
    if any(match[1] in html5 for match in _ENTITY.finditer(value)):
        return Kind.MARKUP
    if _is_misread(value) or (of_a_name and _LOST_LETTER.search(value)):
        return Kind.DAMAGED
    return Kind.DAMAGED if _PERCENT_CODED.search(value) and not _ADDRESS.search(value) else None


def _is_misread(value: str) -> bool:
    """Return whether a text is UTF-8 that was read as Windows-1252, such as "JosÃ©".

    Such a text is valid UTF-8 when it is written in Windows-1252; what a person writes hardly ever is.
    """
    if not _MAYBE_MISREAD.search(value):
        return False
    try:
        meant = b"".join(_as_byte(letter) for letter in value).decode()
    except UnicodeError:
        return False
    return bool(_MISREAD.search(meant))


def _as_byte(letter: str) -> bytes:
    """Return the byte that Windows-1252, or Latin-1 where it has none, reads as this letter."""
    try:
        return letter.encode("cp1252")
    except UnicodeEncodeError:
        return letter.encode("latin-1")


def find(values: Mapping[str, str], name: str = "") -> list[Placeholder]:
    """Return the values that nobody means to speak among the variables of a call and the customer's name."""
    named = {NAME: name, **values} if name else values
    found = []
    for key, value in named.items():
        beside = value == "Null" and _beside_a_name(named, key)
        if kind := kind_of(value, key, beside_a_name=beside):
            found.append(Placeholder(key, kind, value))
    return found


def _beside_a_name(named: Mapping[str, str], key: str) -> bool:
    """Return whether another part of the name is a value that may be spoken."""
    others = [(other, value) for other, value in named.items() if other != key and _traits(other)[0]]
    return any(value.strip() and value != "Null" and kind_of(value, other) is None for other, value in others)


def shown(names: Iterable[str]) -> str:
    """Return the names of variables for a sentence."""
    return ", ".join(_labels(names))


def _labels(names: Iterable[str]) -> Iterator[str]:
    for name in dict.fromkeys(names):
        yield "name" if name == NAME else name
