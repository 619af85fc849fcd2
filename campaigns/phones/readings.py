"""Which number a text means: every reading is looked for before one is believed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Set
from enum import StrEnum

import phonenumbers

from campaigns.phones import plans, written
from campaigns.phones.faults import EXAMPLE, NotCallable, TwoReadings, example, shown
from campaigns.phones.plans import Number
from campaigns.phones.written import Written

SATELLITE_CODES = frozenset({870, 878, 881, 882, 883, 888})
CALLABLE_TYPES = frozenset(
    {
        phonenumbers.PhoneNumberType.FIXED_LINE,
        phonenumbers.PhoneNumberType.MOBILE,
        phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE,
        phonenumbers.PhoneNumberType.VOIP,
        phonenumbers.PhoneNumberType.TOLL_FREE,
    }
)
REFUSED_TYPES = {
    phonenumbers.PhoneNumberType.PREMIUM_RATE: "a premium-rate number",
    phonenumbers.PhoneNumberType.SHARED_COST: "a shared-cost number",
    phonenumbers.PhoneNumberType.PERSONAL_NUMBER: "a personal number billed at a special rate",
    phonenumbers.PhoneNumberType.PAGER: "a pager",
    phonenumbers.PhoneNumberType.UAN: "a company access number billed at a special rate",
    phonenumbers.PhoneNumberType.VOICEMAIL: "a voicemail access number",
}
EVERYWHERE: frozenset[str] = frozenset(phonenumbers.SUPPORTED_REGIONS)  # for the do-not-call list
MUCH_LONGER = 2  # digits
ENOUGH = 3  # different numbers of a column that decide how it is read


class Reading(StrEnum):
    """How a column writes its numbers, where a cell alone fits two readings."""

    UNDECIDED = "undecided"
    NATIONAL = "national"  # some cells read only as national numbers, and none only as international ones
    PLUS_LOST = "plus_lost"  # none reads only as national, and some only as international: the plus was lost


def normalise(text: str, region: str, allowed: Collection[str], reading: Reading = Reading.UNDECIDED) -> str:
    """Return the E.164 form of a number as a user or a file wrote it. Raises NotCallable.

    `region` is the country of numbers written without a country code. `allowed` are the countries that may be called.
    Both use two-letter country codes. Raises TwoReadings where digits fit two numbers. `reading` is what the number's
    column decided (see `column_reading`): it settles those, and changes nothing for any other text.
    """
    return at_once(text, region, allowed) or _thoroughly(text, region, allowed, reading)


def at_once(text: str, region: str, allowed: Collection[str]) -> str:
    """Return what `normalise` returns for a number in a common form, as a file has millions; "" for all others.

    Such a text is taken apart in one way only, and its digits are one number: after a plus, or as dialled at home
    where no prefix of calls abroad begins them, and the same one if they have lost a plus.
    """
    digits = written.plain(text)
    if not digits:
        return ""
    if digits[0] == "+":
        found = plans.international(digits[1:])
    elif region not in EVERYWHERE or plans.leads_abroad(digits, region):
        return ""
    else:
        found = plans.national(digits, region)
        if found and digits[0] != "0" and _may_lack_something(found, digits, region):
            plus_lost = plans.with_its_plus_lost(digits, found, region)
            if plus_lost and plus_lost.e164 != found.e164:
                return ""
    if found is None or found.kind not in CALLABLE_TYPES or found.country not in allowed:
        return ""
    return found.e164 if found.code not in SATELLITE_CODES and found.country.isalpha() else ""


def _may_lack_something(dialled: Number, digits: str, home: str) -> bool:
    """Return whether digits dialled at home, without a 0 before them, may have lost a plus or a trunk prefix."""
    return digits.startswith(plans.own_codes(home)) or plans.lacks_trunk(dialled, digits)


def _thoroughly(text: str, region: str, allowed: Collection[str], reading: Reading) -> str:
    """Return the number that a text means, of all readings. Raises NotCallable."""
    found = _meant(text, _home(region), reading)
    if found.code in SATELLITE_CODES:
        raise NotCallable(f"'{shown(text)}' is a satellite or global network number, which is never called.")
    if found.kind not in CALLABLE_TYPES:
        what = REFUSED_TYPES.get(found.kind, "a number of an unknown kind")
        raise NotCallable(f"'{shown(text)}' is {what}, which is never called; give a landline or mobile number.")
    if not found.country.isalpha():
        raise NotCallable(f"'{shown(text)}' belongs to no country; write it like {EXAMPLE}.")
    if found.country not in allowed:
        names = ", ".join(sorted(allowed)) or "none"
        raise NotCallable(
            f"'{shown(text)}' is a number in {found.country}, which may not be called (allowed: {names}); "
            f"have {found.country} added to the organization's countries first."
        )
    return found.e164


def normalise_further(text: str, region: str, allowed: Collection[str], reading: Reading = Reading.UNDECIDED) -> str:
    """Return the E.164 form of a further number of a person, as `normalise` does. Raises NotCallable.

    A number with a plus, 00 or its trunk prefix is returned even if the numbering plan has no such numbers: the tables
    lag behind new ranges, and a person's number is not to be lost. Whoever dials asks `is_in_use` first.
    """
    try:
        return normalise(text, region, allowed, reading)
    except TwoReadings:
        raise
    except NotCallable:
        found = _out_of_use(written.read(text), _home(region), allowed)
        if not found:
            raise
        return found


def _out_of_use(given: Written, home: str, allowed: Collection[str]) -> str:
    """Return the number that a plan has room for and does not use; "" if there is none, or several."""
    digits = given.digits
    if given.plus or digits.startswith("00"):
        parts = plans.split(digits if given.plus else digits[2:])
    elif home and digits[:1] == "0" and plans.national_prefix(home) == "0":
        parts = int(plans.own_codes(home)[0]), digits[1:]
    else:
        parts = None
    if not parts or given.without_zero or not plans.out_of_use(*parts):
        return ""
    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE[parts[0]]
    return f"+{parts[0]}{parts[1]}" if (home if home in regions else regions[0]) in allowed else ""


def column_reading(cells: Iterable[str], region: str) -> Reading:
    """Return how a column of numbers is to be read. Pass every cell of the column; it stops once that is decided.

    At least three different numbers decide. Cells with a plus or 00 tell nothing about the others. Where every cell
    fits two numbers, the plus was lost if all would be far longer at home than the country's numbers are: plans of
    variable length allow 13 digits where nobody has more than 9.
    """
    home = _home(region)
    if not home:
        return Reading.UNDECIDED
    seen: set[str] = set()
    only_national = only_abroad = only_own = too_short = False
    for cell in cells:
        if cell[:1] == "+" or (cell[:1] == "0" and only_national and len(seen) >= ENOUGH):
            continue  # quick: it can tell nothing new
        digits = _unmarked(cell)
        if not digits or digits.startswith("00"):
            continue
        dialled, plus_lost = _both(digits, home)
        if len(seen) < ENOUGH and (dialled or plus_lost):
            seen.add(digits)
        only_national = only_national or (dialled is not None and plus_lost is None)
        if dialled and plus_lost:
            too_short = too_short or len(dialled.national) < plans.usual_length(home) + MUCH_LONGER
        if plus_lost and not dialled:
            only_abroad, only_own = True, only_own or digits.startswith(plans.own_codes(home))
        if only_national and only_abroad:
            return Reading.UNDECIDED
    if len(seen) < ENOUGH:
        return Reading.UNDECIDED
    if only_own or not (only_national or only_abroad or too_short):
        return Reading.PLUS_LOST
    return Reading.NATIONAL if only_national else Reading.UNDECIDED


def _home(region: str) -> str:
    return region if region in phonenumbers.SUPPORTED_REGIONS else ""


def _unmarked(cell: str) -> str:
    """Return the digits of a cell without a plus; "" for any other cell."""
    if cell.isascii() and cell.isdigit():
        return cell
    try:
        found = written.read(cell)
    except NotCallable:
        return ""
    return "" if found.plus else found.digits


def _both(digits: str, home: str) -> tuple[Number | None, Number | None]:
    """Return the number dialled at home, and the one with its plus lost. Both are the same where the digits agree."""
    dialled = plans.national(digits, home)
    plus_lost = plans.with_its_plus_lost(digits, dialled, home)
    if dialled or plus_lost:
        return dialled, plus_lost
    return plans.former_national(digits, home), plans.former_international(digits)


def _meant(text: str, home: str, reading: Reading) -> Number:
    """Return the one number that a text means. Raises NotCallable."""
    given = written.read(text)
    for digits in (given.digits, given.without_zero):
        if not digits:
            continue
        if given.plus:
            found = plans.international(digits) or plans.former_international(digits)
        elif home:
            found = _without_plus(text, given, digits, home, reading)
        else:
            found = _only(text, {*plans.abroad(digits, home)} or {*plans.former_abroad(digits, home)})
        if found and given.plus and given.without_zero not in {"", digits}:
            # A zero in brackets is dialled from abroad in a few countries, and not in most.
            found = _only(text, {found, plans.international(given.without_zero)} - {None})
        if found:
            return found
    raise _no_number(text, given, home)


def _without_plus(text: str, given: Written, digits: str, home: str, reading: Reading) -> Number | None:
    """Return the number that digits mean in a country. Raises TwoReadings."""
    ways = {plans.national(digits, home), *plans.abroad(digits, home)}
    dialled = _only(text, ways - {None})
    if digits[0] == "0" or (dialled and not _may_lack_something(dialled, digits, home)):
        # A country code never begins with 0, and a number complete as people write it has lost nothing.
        former = {plans.former_national(digits, home), *plans.former_abroad(digits, home)}
        return dialled or _only(text, former - {None})
    dialled = dialled or plans.former_national(digits, home)
    zero_shown = given.without_zero and given.groups[0] != "0"  # in brackets after other digits: after a country code
    plus_lost = plans.international(digits) if zero_shown else plans.with_its_plus_lost(digits, dialled, home)
    dialled = dialled or plans.with_its_zero_lost(digits, home)
    if dialled and plus_lost and dialled.e164 != plus_lost.e164:
        return _decided(text, given, dialled, plus_lost, reading)
    return dialled or plus_lost or plans.former_international(digits)


def _decided(text: str, given: Written, dialled: Number, plus_lost: Number, reading: Reading) -> Number:
    """Return the reading that the cell itself shows, or else that its column decided. Raises TwoReadings."""
    if given.without_zero and given.groups[0] != "0":
        return plus_lost
    at_home, abroad = dialled.groups(plans.NATIONAL), plus_lost.groups(plans.INTERNATIONAL)
    if len(given.groups) > 1 and at_home != abroad and given.groups in (at_home, abroad):
        return dialled if given.groups == at_home else plus_lost
    if reading != Reading.UNDECIDED:
        return dialled if reading == Reading.NATIONAL else plus_lost
    raise TwoReadings(text, dialled.e164, plus_lost.e164)


def _only(text: str, found: Set[Number | None]) -> Number | None:
    """Return the number of a set. Raises TwoReadings if there are several."""
    first, second, *_ = [*sorted(way.e164 for way in found if way), "", ""]
    if second:
        raise TwoReadings(text, first, second)
    return next(iter(found), None)


def _no_number(text: str, given: Written, home: str) -> NotCallable:
    """Return why a text is no number."""
    international = given.plus or given.digits.startswith("00")
    if len(given.digits) <= 6 and home and _is_short(given.digits, home):
        return NotCallable(
            f"'{shown(text)}' is a short or emergency number, which is never called; give a full number."
        )
    if not home and not international:
        return NotCallable(f"'{shown(text)}' does not say its country; write it like {EXAMPLE}.")
    where = f" in {home}" if home and not international else ""
    return NotCallable(f"'{shown(text)}' is not a phone number{where}; write it like {example(home)}.")


def _is_short(digits: str, home: str) -> bool:
    if len(digits) < 2:
        return False
    if phonenumbers.is_emergency_number(digits, home):
        return True
    try:
        return bool(phonenumbers.is_valid_short_number_for_region(phonenumbers.parse(digits, home), home))
    except phonenumbers.NumberParseException:
        return False
