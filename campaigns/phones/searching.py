"""What a search for a number looks for: a search may hold several readings, an order to call may not."""

from __future__ import annotations

import phonenumbers

from campaigns.phones import plans
from campaigns.phones.faults import TwoReadings
from campaigns.phones.readings import EVERYWHERE, normalise


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
