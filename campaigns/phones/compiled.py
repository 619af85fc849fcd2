"""The numbering plans of `phonenumbers`, compiled: one regular expression for each region and length of number.

The library asks ten patterns one after another to tell what kind a number is, and asks them again to tell its region.
Here the same patterns are alternatives of one expression, in the library's order, so that the first one that matches
wins here as there. The answers are the library's for every text of digits (tests/campaigns/test_compiled_numbers.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import phonenumbers
from phonenumbers import PhoneNumberType as Kind

# The library's order. Fixed and mobile come last: a number may be both.
KINDS = (
    ("premium_rate", Kind.PREMIUM_RATE),
    ("toll_free", Kind.TOLL_FREE),
    ("shared_cost", Kind.SHARED_COST),
    ("voip", Kind.VOIP),
    ("personal_number", Kind.PERSONAL_NUMBER),
    ("pager", Kind.PAGER),
    ("uan", Kind.UAN),
    ("voicemail", Kind.VOICEMAIL),
)
KIND_OF: dict[str, int] = {f"k{kind}": kind for kind in range(int(Kind.VOICEMAIL) + 1)}
Match = Callable[[str], re.Match[str] | None]
NOTHING = re.compile("(?!)")


def kind_and_region(code: int, national: str) -> tuple[int, str]:
    """Return the kind of a national number, a value of `phonenumbers.PhoneNumberType`, and its region.

    The kind is unknown where no region of the country code has the number. The region is three digits where the code
    is of no country.
    """
    for region, leading, match in _regions(code, len(national)):
        if leading is None:
            if found := match(national):
                return KIND_OF[found.lastgroup or ""], region
        elif leading(national):
            found = match(national)
            return KIND_OF[found.lastgroup or ""] if found else Kind.UNKNOWN, region
    return Kind.UNKNOWN, ""


@lru_cache(maxsize=4_096)
def _regions(code: int, length: int) -> tuple[tuple[str, Match | None, Match], ...]:
    """Return the regions of a country code in the library's order.

    Each with what matches the digits that decide alone for it, if there are such, and what matches its numbers of this
    length: the name of its last group says the kind.
    """
    found = []
    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(code, ())
    for region in regions:
        if plan := _metadata(code, region):
            decides = plan.leading_digits is not None and len(regions) > 1
            leading = re.compile(plan.leading_digits).match if decides else None
            found.append((region, leading, _pattern(plan, length).match))
    return tuple(found)


def _metadata(code: int, region: str) -> Any:
    return phonenumbers.PhoneMetadata.metadata_for_region_or_calling_code(code, region)


def _pattern(plan: Any, length: int) -> re.Pattern[str]:
    if not (general := _digits(plan.general_desc, length)):
        return NOTHING
    return re.compile(rf"(?={general}\Z)(?:{'|'.join(_alternatives(plan, length)) or '(?!)'})\Z")


def _alternatives(plan: Any, length: int) -> Iterator[str]:
    """Yield the patterns of a plan's kinds, each in a group whose name ends with the kind."""
    for name, kind in KINDS:
        if digits := _digits(getattr(plan, name), length):
            yield f"(?P<k{kind}>{digits})"
    fixed, mobile = _digits(plan.fixed_line, length), _digits(plan.mobile, length)
    same = plan.same_mobile_and_fixed_line_pattern
    if fixed and same:
        yield f"(?P<k{Kind.FIXED_LINE_OR_MOBILE}>{fixed})"
        return
    if fixed and mobile:
        yield rf"(?P<k{Kind.FIXED_LINE_OR_MOBILE}>(?={mobile}\Z){fixed})"
    if fixed:
        yield f"(?P<k{Kind.FIXED_LINE}>{fixed})"
    if mobile and not same:
        yield f"(?P<k{Kind.MOBILE}>{mobile})"


def _digits(desc: Any, length: int) -> str:
    """Return the pattern of a kind of number; "" if no number of this length is of the kind."""
    if desc is None or not desc.national_number_pattern:
        return ""
    if desc.possible_length and length not in desc.possible_length:
        return ""
    return f"(?:{desc.national_number_pattern})"
