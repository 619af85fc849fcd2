"""Numbering plans: digits as a number of a country, dialled there or from abroad.

The plans are those of `phonenumbers`. What it does not know is added here: the French plan, which reaches several
country codes, prefixes that Mexico dropped, and short cuts between neighbours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import phonenumbers

from campaigns.phones import former
from campaigns.phones.compiled import kind_and_region
from tenants.dialling_areas import FRENCH_OVERSEAS

UNKNOWN = phonenumbers.PhoneNumberType.UNKNOWN
NATIONAL, INTERNATIONAL = phonenumbers.PhoneNumberFormat.NATIONAL, phonenumbers.PhoneNumberFormat.INTERNATIONAL
CODES = {str(code): code for code in phonenumbers.COUNTRY_CODE_TO_REGION_CODE}
SHORTEST, LONGEST = 3, 14  # digits of a national number that this product calls

FRANCE = 33
FRENCH = FRENCH_OVERSEAS | {"FR"}
# Blocks of the French plan that are no numbers of metropolitan France (ARCEP, decision 2018-0881 as amended), and the
# country codes that they are called by from abroad.
OVERSEAS_BLOCK = re.compile(r"26[2389]|508|59[0468]|639|69[0-4]|69[67]|70[89]")
OVERSEAS_CODES = (262, 590, 594, 596, 508)
SAINT_PIERRE = "508"  # its numbers have six digits at home, and begin with 508 in the French plan
ITALIAN = frozenset({"IT", "VA"})  # where a landline begins with 0 and a mobile number with 3

# Prefixes that are still written: Mexico dropped them on 2019-08-03.
DROPPED_PREFIX = {"MX": re.compile(r"01|04[45]")}
# Singapore from Malaysia; Kenya, Tanzania and Uganda from one another. `phonenumbers` has these for prefixes of calls
# abroad, and would take the first digits of the neighbour's number for a country code.
NEIGHBOURS = {
    "MY": {"02": 65},
    "KE": {"006": 256, "007": 255},
    "TZ": {"005": 254, "006": 256},
    "UG": {"005": 254, "007": 255},
}
ABROAD = {"TZ": "000", "UG": "000"}


class Number(NamedTuple):
    """A number that a numbering plan has."""

    code: int
    national: str
    kind: int  # a value of phonenumbers.PhoneNumberType
    country: str  # "" or three digits where the number belongs to no country

    @property
    def e164(self) -> str:
        return f"+{self.code}{self.national}"

    def groups(self, form: int) -> tuple[str, ...]:
        """Return the digits as its country groups them."""
        return tuple(re.findall(r"\d+", phonenumbers.format_number(_object(self.code, self.national), form)))


def number(code: int, national: str) -> Number | None:
    """Return the number of a country code, or None if its plan does not have it."""
    if not SHORTEST <= len(national) <= LONGEST or not _possible(code, len(national)):
        return None
    kind, country = kind_and_region(code, national)
    return None if kind == UNKNOWN else Number(code, national, kind, country)


def out_of_use(code: int, national: str) -> bool:
    """Return whether a plan has numbers of this length, and none that begins so: not yet, or not any more."""
    if not SHORTEST <= len(national) <= LONGEST or not _possible(code, len(national)):
        return False
    if code == FRANCE and OVERSEAS_BLOCK.match(national):
        return False
    return kind_and_region(code, national)[0] == UNKNOWN


def _object(code: int, national: str) -> Any:
    zeros = len(national[:-1]) - len(national[:-1].lstrip("0"))
    return phonenumbers.PhoneNumber(
        country_code=code,
        national_number=int(national),
        italian_leading_zero=True if zeros else None,
        number_of_leading_zeros=zeros if zeros > 1 else None,
    )


@lru_cache(maxsize=4096)
def _possible(code: int, length: int) -> bool:
    return any(length in plan.general_desc.possible_length for plan in _plans(code))


@lru_cache(maxsize=512)
def _plans(code: int) -> tuple[Any, ...]:
    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(code, ())
    found = (phonenumbers.PhoneMetadata.metadata_for_region_or_calling_code(code, region) for region in regions)
    return tuple(plan for plan in found if plan)


@lru_cache(maxsize=512)
def _plan(region: str) -> Any:
    return phonenumbers.PhoneMetadata.metadata_for_region(region)


def split(digits: str) -> tuple[int, str] | None:
    """Return the country code and the rest of a number without its plus, or None if it begins with no code."""
    for length in (1, 2, 3):
        if (code := CODES.get(digits[:length])) and len(digits) > length:
            return code, digits[length:]
    return None


@lru_cache(maxsize=512)
def usual_length(region: str) -> int:
    """Return the digits of a country's longer kind of number, fixed or mobile, by the examples of `phonenumbers`."""
    kinds = (phonenumbers.PhoneNumberType.FIXED_LINE, phonenumbers.PhoneNumberType.MOBILE)
    examples = filter(None, (phonenumbers.example_number_for_type(region, kind) for kind in kinds))
    return max((len(phonenumbers.national_significant_number(each)) for each in examples), default=LONGEST)


def national_prefix(region: str) -> str:
    """Return the digits that are dialled before a national number, like 0; "" if there are none."""
    return str(_plan(region).national_prefix or "")


@lru_cache(maxsize=512)
def own_codes(region: str) -> tuple[str, ...]:
    """Return the country codes of the numbers that a country dials as its own; none for no country."""
    if not region:
        return ()
    codes = (FRANCE, *OVERSEAS_CODES) if region in FRENCH else (_plan(region).country_code,)
    return tuple(map(str, codes))


def international(digits: str) -> Number | None:
    """Return the number with these digits after its plus. Drops a trunk prefix, as in +33 (0)1."""
    parts = split(digits)
    if parts is None:
        return None
    code, rest = parts
    plans = _plans(code)
    found = number(code, rest)
    if found is None and plans and (bare := _without_trunk(rest, plans[0])) != rest:
        rest = bare
        found = number(code, rest)
    if code == FRANCE and OVERSEAS_BLOCK.match(rest):
        return _overseas(rest) or found
    return found


def with_its_plus_lost(digits: str, dialled: Number | None, region: str) -> Number | None:
    """Return the number that has lost its plus, as a second reading beside the one dialled at home, if there is one.

    Digits of another country that lost a plus and kept a trunk prefix besides count only where nothing else fits.
    """
    found = international(digits)
    doubtful = found and dialled and f"{found.code}{found.national}" != digits
    return None if found and doubtful and str(found.code) not in own_codes(region) else found


def former_international(digits: str) -> Number | None:
    """Return today's number for one in a former form, written with these digits after its plus."""
    parts = split(digits)
    if parts is None:
        return None
    code, rest = parts
    plans = _plans(code)
    return _todays(code, rest) or (_todays(code, _without_trunk(rest, plans[0])) if plans else None)


def national(digits: str, region: str) -> Number | None:
    """Return the number that is dialled with these digits in a country, with its trunk prefix or without."""
    if region in FRENCH and len(bare := digits.removeprefix("0")) == 9:
        return _dialled_in_french(bare, region)
    plan = _plan(region)
    bare = _without_trunk(digits, plan)
    found = number(plan.country_code, bare) or (number(plan.country_code, digits) if bare != digits else None)
    return found or (_rarely_dialled(digits, region) if digits[0] == "0" else None)


def with_its_zero_lost(digits: str, region: str) -> Number | None:
    """Return the number that begins with a 0 of its own before these digits, which a spreadsheet dropped.

    None where they may be a mobile number with a digit missing.
    """
    if digits[0] == "0" or (region in ITALIAN and digits[0] == "3"):
        return None
    return number(_plan(region).country_code, f"0{digits}")


def former_national(digits: str, region: str) -> Number | None:
    """Return today's number for one in a former form, as it was dialled in a country."""
    plan = _plan(region)
    bare = _without_trunk(digits, plan)
    if region == "MX":  # there the 1 stood only after the country code
        return None
    return _todays(plan.country_code, bare) or (_todays(plan.country_code, digits) if bare != digits else None)


def _todays(code: int, rest: str) -> Number | None:
    found = {number(code, candidate) for candidate in former.todays(code, rest)} - {None}
    return found.pop() if len(found) == 1 else None


def old_forms(e164: str) -> tuple[str, ...]:
    """Return the former written forms of a number, in E.164: a do-not-call list may hold one of them."""
    digits = e164.removeprefix("+")
    parts = split(digits) if digits.isdecimal() else None  # not what an erased contact has for a number
    if parts is None:
        return ()
    code, rest = parts
    found = [f"+{code}{before}" for before in former.formers(code, rest)]
    # Earlier versions of this product read numbers of the French overseas regions as metropolitan ones.
    block = f"{code}{rest}" if str(code) == SAINT_PIERRE and len(rest) == 6 else rest
    if code in OVERSEAS_CODES and len(block) == 9 and OVERSEAS_BLOCK.match(block):
        found.append(f"+{FRANCE}{block}")
    return tuple(dict.fromkeys(found))


def _dialled_in_french(bare: str, region: str) -> Number | None:
    if OVERSEAS_BLOCK.match(bare):
        return _overseas(bare)
    # 08 and 09 are everywhere: the region's own numbers first.
    own = number(_plan(region).country_code, bare) if bare[0] in "89" else None
    return own or number(FRANCE, bare)


def overseas_codes(bare: str) -> tuple[int, ...]:
    """Return the country codes of French numbers overseas that begin with these digits; () for other digits."""
    return OVERSEAS_CODES if OVERSEAS_BLOCK.match(bare) else ()


def _overseas(bare: str) -> Number | None:
    for code in OVERSEAS_CODES:
        if found := number(code, bare):
            return found
    return number(int(SAINT_PIERRE), bare[3:]) if bare.startswith(SAINT_PIERRE) else None


def _rarely_dialled(digits: str, region: str) -> Number | None:
    """Return the number behind a neighbour's prefix, a dropped prefix, or a 0 that the country never had."""
    for prefix, code in NEIGHBOURS.get(region, {}).items():
        if digits.startswith(prefix) and (found := number(code, digits[len(prefix) :])):
            return found
    if dropped := DROPPED_PREFIX.get(region):
        digits = dropped.sub("", digits, count=1) if dropped.match(digits) else digits
    bare = digits.removeprefix("0")
    return None if bare.startswith("0") else number(_plan(region).country_code, bare)


def _without_trunk(digits: str, plan: Any) -> str:
    """Return the digits without the trunk prefix of a plan, and in its full form where the plan has short ones."""
    prefix = _trunk(plan.national_prefix_for_parsing) if plan.national_prefix_for_parsing else None
    found = prefix.match(digits) if prefix else None
    if not prefix or not found:
        return digits
    rule = plan.national_prefix_transform_rule
    if rule and found.groups() and found.groups()[-1] is not None:
        return prefix.sub(re.sub(r"\\(\d)", r"\\g<\1>", rule), digits, count=1)
    return digits[found.end() :]


@lru_cache(maxsize=512)
def _trunk(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def abroad(digits: str, region: str) -> Iterator[Number]:
    """Yield what the digits reach when they begin with the prefix of calls abroad: 00, or the country's own."""
    for rest in _dialled_abroad(digits, region):
        if reached := international(rest):
            yield reached
            if rest == digits[2:] and str(reached.code) in own_codes(region):
                return  # 00 and the own country code: the digits of a carrier do not stand before that


def former_abroad(digits: str, region: str) -> Iterator[Number]:
    """Yield today's numbers for former ones behind the prefix of calls abroad."""
    return (found for rest in _dialled_abroad(digits, region) if (found := former_international(rest)))


def _dialled_abroad(digits: str, region: str) -> tuple[str, ...]:
    rests = [digits[2:]] if digits.startswith("00") else []
    if (prefix := _abroad(region)) and (found := prefix.match(digits)):
        rests.append(digits[found.end() :])
    return tuple(dict.fromkeys(rests))


def leads_abroad(digits: str, region: str) -> bool:
    """Return whether digits begin with a prefix of calls abroad, 00 or the country's own."""
    if digits.startswith("00"):
        return True
    prefix = _abroad(region)
    return prefix is not None and prefix.match(digits) is not None


@lru_cache(maxsize=512)
def _abroad(region: str) -> re.Pattern[str] | None:
    pattern = ABROAD.get(region) or (_plan(region).international_prefix if region else None)
    return re.compile(pattern) if pattern else None


def lacks_trunk(found: Number, digits: str) -> bool:
    """Return whether digits that were read as dialled at home lack the 0 (or 8, 06) that people there write."""
    if digits != found.national or not _writes_trunk(found.code):
        return False
    for plan in _plans(found.code)[:1]:
        for form in plan.number_format:
            leading = form.leading_digits_pattern
            if leading and not re.match(leading[-1], digits):
                continue
            if re.fullmatch(form.pattern, digits):
                rule = (form.national_prefix_formatting_rule or "").replace("\\1", "")
                return bool(re.search(r"\d", rule)) and not form.national_prefix_optional_when_formatting
    return False


@lru_cache(maxsize=512)
def _writes_trunk(code: int) -> bool:
    """Return whether any numbers of a country code are written with a trunk prefix at home."""
    forms = [form.national_prefix_formatting_rule or "" for plan in _plans(code)[:1] for form in plan.number_format]
    return any(re.search(r"\d", rule.replace("\\1", "")) for rule in forms)
