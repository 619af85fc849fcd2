"""What a search for a number looks for: a search may hold several readings, an order to call may not."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

import phonenumbers

from campaigns.phones import plans
from campaigns.phones.faults import NotCallable, TwoReadings
from campaigns.phones.readings import EVERYWHERE, normalise
from campaigns.phones.written import LABEL


def lookups(text: str, region: str) -> tuple[str, ...]:
    """Return every E.164 form under which a written number may be stored. Raises NotCallable if it is no number.

    Both numbers of an ambiguous text count, and the former forms of each.
    """
    try:
        found: tuple[str, ...] = (normalise(text, region, EVERYWHERE),)
    except TwoReadings as error:
        found = error.numbers
    return tuple(dict.fromkeys(form for number in found for form in (number, *plans.old_forms(number))))


def beginnings(digits: str, region: str) -> set[str]:
    """Return how the E.164 numbers begin that a country dials with these first digits."""
    code = phonenumbers.country_code_for_region(region)
    if not code or not digits:
        return set()
    prefix = phonenumbers.ndd_prefix_for_region(region, True) or ""
    bare = digits.removeprefix(prefix) if prefix and region != "IT" else digits
    if not bare:
        return set()
    codes = plans.overseas_codes(bare) if region in plans.FRENCH else ()
    return {f"+{each}{bare}" for each in codes or (code,)}


def e164_prefixes(term: str, regions: Iterable[str]) -> set[str]:
    """Return the E.164 prefixes that a search term may mean, if it is written as in one of these countries.

    A term with letters is no number, apart from a label like that of a `tel:` address. Digits of any script count, and
    marks of direction do not.
    """
    term = "".join(map(_written, term)).strip()
    if label := LABEL.match(term):
        term = term[label.end() :]
    digits = "".join(character for character in term if character.isdecimal())
    if not digits or any(character.isalpha() for character in term):
        return set()
    if term.lstrip("( ").startswith("+"):
        return {f"+{digits}", *_whole(term, "")}
    found = {f"+{digits}"} if len(digits) > 6 else set()
    if digits.startswith("00"):
        found = {f"+{digits[2:]}"} if len(digits) > 2 else set()
    for region in regions:
        found.update(_whole(term, region))
        found |= set() if digits.startswith("00") else beginnings(digits, region)
    return found


def _written(character: str) -> str:
    """Return a character as European keyboards write it: a digit, a plus, or nothing for a mark of direction."""
    if character.isascii():
        return character
    if unicodedata.category(character) == "Cf":
        return ""
    digit = unicodedata.decimal(character, None)
    return unicodedata.normalize("NFKC", character) if digit is None else str(digit)


def _whole(term: str, region: str) -> Iterable[str]:
    """Return the numbers that a term in full may mean, in today's form and in former ones."""
    try:
        return lookups(term, region)
    except NotCallable:
        return ()
