"""Mask what must not stand in logs, histories and error texts: phone numbers, secrets, personal values. Pure."""

from __future__ import annotations

import re
import unicodedata

MASK = "•••"

# What consists of digits and is no phone number. These come first, so that no part of them is masked.
_KEPT = r"""
    (?<![\w-])[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}(?![\w-])                     # a UUID
  | (?<!\d)\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?(?![\d-])  # a time
  | (?<!\d)\d{1,2}/[A-Z][a-z]{2}/\d{4}(?:[: ]\d{2}:\d{2}:\d{2}(?:\ [+-]\d{4})?)?         # a time in an access log
  | (?<![\d.])(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?:25[0-5]|2[0-4]\d|1?\d?\d)){3}(?::\d{1,5})?(?![\d.])      # IPv4
  | (?<![\w:])(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}(?![\w:])                              # IPv6
  | (?<![\d.,])\d{1,3}(?:,\d{3}){1,4}(?:\.\d{1,2})?(?![\d.,\ ()-]*\d)                      # an amount in thousands
  | (?<![\d.])-?(?:0[.,]\d{1,9}|[1-9]\d?[.,]\d{1,6}|\d{1,6}[.,]\d{1,2})(?![\d.,\ ()-]*\d)  # an amount
  | \b0x[0-9a-f]+\b
  | (?<=")\ [1-5]\d{2}\ \d+                                                               # status and size of an answer
  | ^(?:Account|Call|Status\ callback|Webhook)\ \d{1,9}(?=:)                           # how our own lines begin
"""
# Digits in groups. A leading "+" may be percent-encoded, and a space between groups percent-encoded or escaped.
_ESCAPED = r"%2[089def]|%c2%a0|\\xa0|\\u[0-9a-f]{4}|&(?:nbsp|thinsp|ensp|emsp|\#x?[0-9a-f]{2,5});"
_COMMA = r"(?<=\d{3}),(?=\d{3,4}(?!\d))"
_FILLING = r"[\s.()/+\-_\u00ad\u00b7\u22c5\u30fb\u2010-\u2015\u2212\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
_GAP = rf"(?:{_ESCAPED}|{_COMMA}|{_FILLING}){{0,4}}"
_GLUED = r"(?<=[^\W\d_])(?=\d{9,15}(?![^\W_]))"  # to the end of a word, as in `tel15145551234`
_AFTER_ESCAPE = r"(?:(?<=\\[abfnrtv])|(?<=\\x[0-9a-f]{2})|(?<=\\u[0-9a-f]{4})|(?<=%[0-9a-f]{2}))(?!\d{7}\b)"
_START = rf"(?:(?:\+|%2b|(?<![\w.])00){_GAP}|(?<![^\W_])(?!\d{{7}}\b)|{_AFTER_ESCAPE}|{_GLUED})"
_PHONE = rf"(?P<phone>{_START}\(?\d(?:{_GAP}\d){{6,}})"  # also several numbers in a row
_DIGITS_OF_A_NUMBER = re.compile(rf"{_KEPT}|{_PHONE}", re.VERBOSE | re.IGNORECASE)
_NOT_DIALED = re.compile(rf"%2b|{_ESCAPED}", re.IGNORECASE)

_NAMES = (
    r"(?<![\w-])[\w-]{0,40}(?:api[_-]?key|access[_-]?key|token|secret|passw(?:or)?d|signature|authorization|credential\w{0,9}"
    r"|cookie|session(?:id|[_-]?key)|private[_-]?key)"
)
_HEADERS = r"\b((?:[a-z]{1,20}-){1,4}(?:key|token|secret|signature)|(?:set-)?cookie)"
_WORD = (
    r"(?<![\w/+.-])(?=[\w+-]{0,200}[a-z])(?=[\w+-]{0,200}[A-Z])(?=(?:[a-zA-Z_+-]{0,50}\d){3})[\w+-]{24,}={0,2}(?![\w/])"
)
_HEX = r"(?<![\w-])(?=[0-9a-f]{0,64}[a-f])(?=[a-f]{0,64}\d)[0-9a-f]{32,}(?![\w-])"
_RANDOM = r"(?=[\w+/=.~:-]{0,200}\d|[\w+/=.~:-]{16})"  # what a secret has and few words have
_ANY = re.IGNORECASE
_SECRETS = (
    # `https://user:password@host`
    (re.compile(r"([a-z][a-z0-9+.-]{0,20}://[^\s/:@'\"]{0,200}:)[^\s'\"]{1,500}(?=@)", _ANY), rf"\1{MASK}"),
    # `Bearer …`, and no sentence that has such a word
    (re.compile(rf"\b(Bearer|Basic|Token|Digest)\s{{1,9}}{_RANDOM}[\w+/=.~:-]{{6,}}", _ANY), rf"\1 {MASK}"),
    # `"api_key": "…"`, `password='…'`, `token=…`
    (
        re.compile(rf"""({_NAMES}['"]?\s{{0,9}}[:=]>?\s{{0,9}})(['"])(?:\\.|(?!\2).){{1,9999}}\2""", _ANY),
        rf"\1\2{MASK}\2",
    ),
    # `Authorization: ApiKey …`
    (re.compile(r"(authorization\s{0,9}[:=]\s{0,9})(?!['\"])(?:(?!\\[nr])[^\n]){1,9999}", _ANY), rf"\1{MASK}"),
    # `"password": 123456`, `'api_key': ['…']`
    (
        re.compile(rf"({_NAMES}['\"]\s{{0,9}}[:=]>?\s{{0,9}})(?:\[[^\]\n]{{0,9999}}\]?|-?\d[\d.]{{0,99}})", _ANY),
        rf"\1{MASK}",
    ),
    (re.compile(rf"({_NAMES}=)[^\s&'\"•]+", _ANY), rf"\1{MASK}"),
    (re.compile(rf"({_NAMES}:\s{{0,9}})[^\s&'\",•]{{6,}}", _ANY), rf"\1{MASK}"),
    (re.compile(r"((?:passw(?:or)?d|secret)\s{0,9}[:=]\s{0,9})[^\s&'\",•]+", _ANY), rf"\1{MASK}"),
    (re.compile(r"([?&](?:key|sig|code|hash|auth|state|nonce)=)[^\s&'\"]+", _ANY), rf"\1{MASK}"),
    # `X-Api-Key: …`, `Cookie: …`
    (re.compile(rf"{_HEADERS}:[^\n'\"]+", _ANY), rf"\1: {MASK}"),
    # our own keys, webhook secrets and callback addresses
    (re.compile(r"\b(tl_|whsec_)[\w+/=-]{8,}"), rf"\1{MASK}"),
    (re.compile(r"(/hooks/[a-z]+/(?:account/)?)[\w-]+"), rf"\1{MASK}"),
    # a signed token, `header.claims.signature`
    (re.compile(r"\beyJ[\w-]{8,4000}(?:\.[\w-]*){1,4}"), MASK),
    # a long random text, as keys and session names are: letters of both cases and digits, or hexadecimal
    (re.compile(_WORD), MASK),
    (re.compile(_HEX, _ANY), MASK),
)
# What a search or a form put into an address: names, numbers, e-mail addresses.
_QUERY = re.compile(r"""(\b(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS)\s[^\s?"]{0,2000}\?)[^\s"]*""")
_QUERY_OF_ADDRESS = re.compile(r"""(\bhttps?://[^\s?'"<>]{1,2000}\?)[^\s'"<>]+""", _ANY)
# PostgreSQL quotes whole rows: `DETAIL:  Failing row contains (…)`, `CONTEXT:  COPY …, line 3: "…"`. A value of a row
# may have several lines, and all of it may be the text of another text, with `\n` for the ends of lines.
_QUOTED_ROWS = re.compile(
    r"((?:^|\\n)[^\S\n]*(?:DETAIL|CONTEXT|QUERY|STATEMENT|HINT|LINE \d{1,9}):)[^\n]*", re.MULTILINE
)
_QUOTED_KEY = re.compile(
    r"(Key \([^)\n]{1,500}\)=)\(.{0,3000}?\)(?= (?:already exists|is not present|is still referenced|conflicts with))",
    re.DOTALL,  # 3000: a key of an index is not longer
)
_QUOTED_ROW = re.compile(r"(Failing row contains )\(.{0,8000}?\)\.?(?=\s*$)", re.MULTILINE | re.DOTALL)
_QUOTED_VALUE = re.compile(r"((?:invalid input syntax|invalid input value|value too long)[^\n:]{0,300}:\s?)[^\n]+")


def masked(text: str) -> str:
    """Return the text without phone numbers, secrets and values that a database quotes.

    Of a phone number its first and last two digits stay. Digits of other scripts are masked as those of ours.
    """
    text = _QUOTED_ROW.sub(rf"\1{MASK}", text)
    text = _QUOTED_KEY.sub(rf"\1{MASK}", text)
    text = _QUOTED_VALUE.sub(rf"\1{MASK}", _QUOTED_ROWS.sub(rf"\1 {MASK}", text))
    text = _QUERY_OF_ADDRESS.sub(rf"\1{MASK}", _QUERY.sub(rf"\1{MASK}", text))
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return without_numbers(text)


def without_numbers(text: str) -> str:
    """Return the text with its phone numbers masked, in whatever spelling."""
    plain = text if text.isascii() else "".join(map(_digit, text))
    if not any("0" <= character <= "9" for character in plain):
        return text
    return _DIGITS_OF_A_NUMBER.sub(_number, plain)


def _digit(character: str) -> str:
    value = unicodedata.decimal(character, None) if not character.isascii() else None
    return character if value is None else str(value)


def _number(found: re.Match[str]) -> str:
    phone = found["phone"]
    if phone is None:
        return found[0]
    digits = [character for character in _NOT_DIALED.sub("", phone) if character.isdigit()]
    plus = "+" if phone.lstrip("( ").lower().startswith(("+", "%2b")) else ""
    return f"{plus}{''.join(digits[:2])}{MASK}{''.join(digits[-2:])}"
