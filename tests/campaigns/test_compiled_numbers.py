"""Numbers are read quickly where that is possible, and always as they are read slowly, with the library.

Numbers of every region and kind are made from the numbering plans, many are spoiled, and each is written in some way. A
text is read twice: as the product does, and with nothing but the library and the slow road.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import phonenumbers
import pytest

from campaigns.phones import EVERYWHERE, NotCallable, Reading, TwoReadings, country_of, normalise, plans, readings
from campaigns.phones.compiled import kind_and_region
from campaigns.phones.facts import is_in_use, may_be_mobile, number_kind
from tests.campaigns.number_table import PARSER, matching

REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)
KINDS = (
    *("fixed_line", "mobile", "toll_free", "premium_rate", "shared_cost", "personal_number", "voip", "pager", "uan"),
    *("voicemail", "general_desc"),
)
COMMON = frozenset({"FR", "DE", "GB", "US", "CA", "ES", "IT", "CH", "RE", "RU", "BR"})
WAYS = (
    *("{plus}", "{plus}", "{home}", "{home}", "{bare}", "{abroad}", "{digits}", "{own}", "{spaced}", "{dotted}"),
    *("{dashed}", "({area}) {rest}", "({area}){rest}", "{plus} ext 5", "{home}x12", "+{code} (0){bare}", "{slashed}"),
    *("tel:{plus}", "'{home}", "{plus}.0", "{digits}.0", "{bare}.00", "+{home}", "({plus})", "{plus_spaced}", "{odd}"),
    *("(+{code}) {rest_spaced}", "+{code}.{dotted}", "{digits}e5", "{comma}", "{spaced} ", "{wide}", "0{home}"),
)


def library_kind_and_region(code: int, national: str) -> tuple[int, str]:
    """Answer `kind_and_region` with the library alone."""
    zeros = len(national[:-1]) - len(national[:-1].lstrip("0"))
    number = phonenumbers.PhoneNumber(
        country_code=code,
        national_number=int(national),
        italian_leading_zero=True if zeros else None,
        number_of_leading_zeros=zeros if zeros > 1 else None,
    )
    return int(phonenumbers.number_type(number)), phonenumbers.region_code_for_number(number) or ""


def numbers(many: int, seed: int) -> Iterator[tuple[str, int, str]]:
    """Yield a region, its country code and a national number, which is of the region or spoiled."""
    chance = random.Random(seed)
    trees: dict[tuple[str, str], Any] = {}
    for number in range(many):
        region = chance.choice(sorted(COMMON)) if number % 4 == 0 else REGIONS[number % len(REGIONS)]
        plan: Any = phonenumbers.PhoneMetadata.metadata_for_region(region)
        described = [name for name in KINDS if getattr(plan, name) and getattr(plan, name).national_number_pattern]
        name = chance.choice(described[:2] if chance.random() < 0.6 else described)
        if (region, name) not in trees:
            trees[region, name] = PARSER.parse(getattr(plan, name).national_number_pattern)
        yield region, plan.country_code, _spoiled(matching(trees[region, name], chance), chance)


def _spoiled(national: str, chance: random.Random) -> str:
    what, at = chance.random(), chance.randrange(len(national))
    if what < 0.1:
        return national[:at] + str(chance.randrange(10)) + national[at + 1 :]
    if what < 0.15:
        return national[:at] + national[at + 1 :] or national
    if what < 0.2:
        return national[:at] + str(chance.randrange(10)) + national[at:]
    return chance.choice(("0", "1", "9", "15", "00")) + national if what < 0.23 else national


def texts(many: int, seed: int) -> Iterator[tuple[str, str]]:
    """Yield a text and the region in which it is read."""
    chance = random.Random(seed + 1)
    for region, code, national in numbers(many, seed):
        plan: Any = phonenumbers.PhoneMetadata.metadata_for_region(region)
        prefix = plan.national_prefix or chance.choice(("", "0"))
        home = prefix + national
        groups = _grouped(home, chance)
        written = chance.choice(WAYS).format(
            plus=f"+{code}{national}",
            home=home,
            bare=national,
            abroad=f"00{code}{national}",
            own=chance.choice(("011", "0011", "810", "0014", "001", "119")) + f"{code}{national}",
            digits=f"{code}{national}",
            spaced=" ".join(groups),
            dotted=".".join(groups),
            dashed="-".join(groups),
            area=home[:3],
            rest=home[3:],
            rest_spaced=" ".join(_grouped(national, chance)),
            plus_spaced=" ".join(["+" + str(code), *_grouped(national, chance)]),
            slashed=f"{home[:4]}/{home[4:]}",
            odd="".join(chance.choice((" ", "-", ".", "", "(", ")")) + each for each in groups),
            comma=",".join(groups),
            wide="\N{NO-BREAK SPACE}".join(groups),
            code=code,
        )
        where = region if chance.random() < 0.7 else chance.choice((*COMMON, *REGIONS, ""))
        yield written, where


def _grouped(digits: str, chance: random.Random) -> list[str]:
    groups = []
    while digits:
        size = chance.randint(1, 8)
        groups.append(digits[:size])
        digits = digits[size:]
    return groups or [""]


def outcome(read: Any, text: str, region: str, allowed: frozenset[str]) -> tuple[str, str]:
    try:
        return read(text, region, allowed, Reading.UNDECIDED), ""
    except NotCallable as error:
        return type(error).__name__, str(error)


def check_texts(many: int, seed: int) -> tuple[int, int]:
    """Read every text twice. Return how many of them are numbers, and how many were read at once."""
    good = quick = 0
    for number, (text, region) in enumerate(texts(many, seed)):
        allowed = COMMON if number % 3 == 0 else EVERYWHERE
        found = outcome(normalise, text, region, allowed)
        with pytest.MonkeyPatch.context() as only_the_library:
            only_the_library.setattr(plans, "kind_and_region", library_kind_and_region)
            only_the_library.setattr(plans, "_writes_trunk", lambda code: True)
            assert found == outcome(readings._thoroughly, text, region, allowed), (text, region)
        good += not found[1]
        quick += bool(readings.at_once(text, region, allowed))
    return good, quick


def check_kinds(many: int, seed: int) -> None:
    for _, code, national in numbers(many, seed):
        kind, region = library_kind_and_region(code, national)
        found = kind_and_region(code, national)
        assert found[0] == kind, (code, national)
        # Where a country code has one country, the library names it for any digits.
        assert found[1] == region or (kind == 99 and not found[1]), (code, national)


def check_facts(many: int, seed: int) -> None:
    for _, code, national in numbers(many, seed):
        number = phonenumbers.parse(f"+{code}{national}", None) if 2 < len(national) < 17 else None
        if number is None or national[0] == "0":
            continue  # the library's parser alone tells what such digits are
        if (number.country_code, str(number.national_number)) != (code, national):
            continue  # it dropped a trunk prefix, which a number in E.164 has not
        e164, kind = f"+{code}{national}", int(phonenumbers.number_type(number))
        region = phonenumbers.region_code_for_number(number) or ""
        assert country_of(e164) == (region if region.isalpha() else ""), e164
        assert number_kind(e164) == {0: "fixed", 1: "mobile"}.get(kind, ""), e164
        assert (may_be_mobile(e164), is_in_use(e164)) == (kind in {1, 2}, kind != 99), e164


@pytest.mark.parametrize(("texts", "seed"), [(4_000, 7), pytest.param(20_000, 1, marks=pytest.mark.long)])
def test_numbers_are_read_at_once_as_they_are_read_thoroughly(texts: int, seed: int) -> None:
    good, quick = check_texts(texts, seed=seed)
    assert good > texts * 0.35
    assert quick > good * 0.3, "the common forms are read at once"


def test_digits_that_begin_with_a_prefix_of_calls_abroad_are_not_read_at_once() -> None:
    """Each is a number of its country, and behind the country's own prefix (015, 09, 00) one of another country."""
    for text, region in (("0153234665764", "IL"), ("09247088331", "MX"), ("006486791", "RW")):
        with pytest.raises(TwoReadings):
            normalise(text, region, EVERYWHERE)


def test_compiled_plans_answer_as_the_library() -> None:
    check_kinds(6_000, seed=2)
    check_facts(1_500, seed=3)


def test_every_country_code_is_compiled_also_those_of_no_country() -> None:
    chance = random.Random(4)
    for code, regions in phonenumbers.COUNTRY_CODE_TO_REGION_CODE.items():
        for region in regions:
            plan: Any = phonenumbers.PhoneMetadata.metadata_for_region_or_calling_code(code, region)
            for name in KINDS:
                described = getattr(plan, name)
                if described and described.national_number_pattern and described.possible_length != (-1,):
                    national = matching(PARSER.parse(described.national_number_pattern), chance)
                    assert kind_and_region(code, national)[0] == library_kind_and_region(code, national)[0], national


def test_the_country_code_of_digits_is_found() -> None:
    for code in phonenumbers.COUNTRY_CODE_TO_REGION_CODE:
        assert plans.split(f"{code}612345678") == (code, "612345678")
        assert plans.split(f"{code}") is None
    assert plans.split("0612345678") is plans.split("") is None


@pytest.mark.proof
@pytest.mark.slow
def test_a_million_numbers_are_read_at_once_as_they_are_read_thoroughly() -> None:
    good, quick = check_texts(1_000_000, seed=11)
    assert good > 300_000
    assert quick > good * 0.3
    check_kinds(1_000_000, seed=12)
    check_facts(200_000, seed=13)
