"""Numbers of every region, made from the numbering plans, and the ways in which files wound them.

The numbers come from the patterns of the plans, and the wounds from the digits alone: nothing here asks the product.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import phonenumbers
from phonenumbers import PhoneNumberFormat, PhoneNumberType

PARSER: Any = import_module("re._parser")  # private: it gives a pattern as a tree
KINDS = {"mobile": PhoneNumberType.MOBILE, "fixed": PhoneNumberType.FIXED_LINE}
EITHER = PhoneNumberType.FIXED_LINE_OR_MOBILE
# What `phonenumbers` has for valid, and the numbering plan does not. France: blocks of its plan for the regions
# overseas (ARCEP: 0262 and 0263 Réunion, 0269 Mayotte, 0508 Saint-Pierre and Miquelon, 0590, 0594 and 0596 the Antilles
# and Guiana), so that +33 596 is nobody's. Gabon: numbers of before 2019, out of service since 2024-04-06 (ARCEP).
NOT_IN_SERVICE = {
    "FR": re.compile(r"(?:26[2389]|508|59[0468])\d{6}"),
    "GA": re.compile(r"[2-7]\d{6}|0[1-7]\d{6}"),
}


@dataclass(frozen=True)
class Made:
    """A number, and how it is written."""

    region: str
    kind: str
    code: int
    national: str

    @property
    def e164(self) -> str:
        return f"+{self.code}{self.national}"

    def _formatted(self, form: int) -> str:
        return str(phonenumbers.format_number(phonenumbers.parse(self.e164, None), form))

    def ways(self) -> Iterator[tuple[str, str]]:
        """Yield the name of each wounded way, and the number in it."""
        digits = f"{self.code}{self.national}"
        at_home = self._formatted(PhoneNumberFormat.NATIONAL)
        plan: Any = phonenumbers.PhoneMetadata.metadata_for_region(self.region)
        yield "no plus", digits
        yield "00", f"00{digits}"
        yield "national", at_home
        yield "bracketed zero", f"+{self.code} ({plan.national_prefix or '0'}){self.national}"
        yield "spaces and dots", self._formatted(PhoneNumberFormat.INTERNATIONAL).replace("-", ".")
        yield "scientific", f"{digits[0]}.{digits[1:]}E+{len(digits) - 1}"
        yield "formula", f'="{at_home}"'
        yield "tel", self._formatted(PhoneNumberFormat.RFC3966)


def made(region: str, kind: str, many: int, seed: int = 1) -> list[Made]:
    """Return up to so many different valid numbers of a region."""
    plan: Any = phonenumbers.PhoneMetadata.metadata_for_region(region)
    described = getattr(plan, "mobile" if kind == "mobile" else "fixed_line")
    if described is None or not described.national_number_pattern:
        return []
    randomness = random.Random(f"{seed} {region} {kind}")
    tree = PARSER.parse(described.national_number_pattern)
    found: dict[str, Made] = {}
    for _ in range(many * 20):
        national = matching(tree, randomness)
        number = phonenumbers.PhoneNumber(country_code=plan.country_code)
        phonenumbers.phonenumberutil._set_italian_leading_zeros_for_phone_number(national, number)
        number.national_number = int(national)
        withdrawn = NOT_IN_SERVICE.get(region)
        if phonenumbers.number_type(number) not in {KINDS[kind], EITHER} or (
            withdrawn and withdrawn.fullmatch(national)
        ):
            continue
        found[national] = Made(region, kind, plan.country_code, national)
        if len(found) == many:
            break
    return list(found.values())


def matching(tree: Any, randomness: random.Random) -> str:
    """Return a random text that a parsed pattern of a numbering plan matches."""
    text = ""
    for operation, argument in tree:
        name = str(operation)
        if name == "LITERAL":
            text += chr(argument)
        elif name == "IN":
            text += randomness.choice(sorted(_characters(argument)))
        elif name == "SUBPATTERN":
            text += matching(argument[-1], randomness)
        elif name == "BRANCH":
            text += matching(randomness.choice(argument[1]), randomness)
        elif name in {"MAX_REPEAT", "MIN_REPEAT"}:
            least, most, inner = argument
            text += "".join(matching(inner, randomness) for _ in range(randomness.randint(least, int(most))))
        else:
            raise AssertionError(f"a pattern holds {name}")
    return text


def _characters(parts: Any) -> set[str]:
    found: set[str] = set()
    for operation, argument in parts:
        if str(operation) == "RANGE":
            found.update(chr(point) for point in range(argument[0], argument[1] + 1))
        elif str(operation) == "CATEGORY":
            found.update("0123456789")
        else:
            found.add(chr(argument))
    return found
