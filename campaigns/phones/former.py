"""Numbering plans that changed: a number in its former form as today's, and today's number in its former forms.

Only changes that lose nothing: each former form belongs to one number of today. Not here for that reason: Gabon (2019;
`phonenumbers` still has the former numbers as valid), French Polynesia (2014), Metro Manila (2019), Chile (2012-2016)
and the fixed numbers of Ho Chi Minh City, where the former digits do not tell the new ones or are another's today.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby


@dataclass(frozen=True)
class Change:
    """One pattern of former national numbers, what it became, and how to get back."""

    code: int
    former: re.Pattern[str]
    today: str  # a replacement for `former`
    now: re.Pattern[str]
    before: str  # a replacement for `now`


def _change(code: int, former: str, today: str, now: str, before: str) -> Change:
    return Change(code, re.compile(former), today, re.compile(now), before)


def _prefixed(code: int, former: str, prefix: str) -> Change:
    """Return a change that put digits before the numbers that `former` matches."""
    return _change(code, f"({former})", rf"{prefix}\1", f"{prefix}({former})", r"\1")


# Viettel, Mobifone, Vinaphone, Vietnamobile, Gmobile: three digits became two.
VIETNAM = (
    "120:70 121:79 122:77 126:76 128:78 123:83 124:84 125:85 127:81 129:82 "
    "162:32 163:33 164:34 165:35 166:36 167:37 168:38 169:39 186:56 188:58 199:59"
)
CHANGES: tuple[Change, ...] = (
    # Mexico, 2019-08-03 (IFT, fundamental plan of numbering of 2018): the 1 before mobile numbers called from abroad.
    _change(52, r"1(\d{10})", r"\1", r"(\d{10})", r"1\1"),
    # Argentina: mobile numbers are +54 9 from abroad, and without the 9 the digits are the same subscriber's (ENACOM,
    # fundamental plan of numbering). They are valid as fixed ones, so only a do-not-call entry is taken for both. The
    # 15 of calls at home is in the tables of `phonenumbers`.
    _change(54, "(?!)", "", r"9(\d{10})", r"\1"),
    # Brazil, 2012-07-29 to 2016-11-06 (Anatel, resolution 553/2010): a 9 before mobile numbers of eight digits.
    _change(55, r"([1-9][1-9])([6-9]\d{7})", r"\g<1>9\2", r"([1-9][1-9])9([6-9]\d{7})", r"\1\2"),
    # Benin, 2024-11-30 (ARCEP Bénin): 01 before every number.
    _prefixed(229, r"[2-9]\d{7}", "01"),
    # Ivory Coast, 2021-01-31 (ARTCI): two digits of the operator, which the second digit of a mobile number and the
    # third of a fixed one told before.
    _prefixed(225, r"[04-9][1-3]\d{6}", "01"),
    _prefixed(225, r"[04-9][4-6]\d{6}", "05"),
    _prefixed(225, r"[04-9][7-9]\d{6}", "07"),
    _prefixed(225, r"(?:2[0-4]|3[0-6])8\d{5}", "21"),
    _prefixed(225, r"(?:2[0-4]|3[0-6])0\d{5}", "25"),
    _prefixed(225, r"(?:2[0-4]|3[0-6])[1-79]\d{5}", "27"),
    # Vietnam, 2018-09-15 (Ministry of Information and Communications, decision 798/2018): mobile numbers of ten digits.
    *(
        _change(84, rf"{old}(\d{{7}})", rf"{new}\g<1>", rf"{new}(\d{{7}})", rf"{old}\g<1>")
        for old, new in (pair.split(":") for pair in VIETNAM.split())
    ),
    # Cameroon, 2014-11-21 (ART): 6 before mobile numbers, 2 before fixed ones.
    _prefixed(237, r"[5-9]\d{7}", "6"),
    _prefixed(237, r"(?:22|33)\d{6}", "2"),
    # Mauritius, 2013-09-01 (ICTA): a 5 before mobile numbers.
    _prefixed(230, r"(?:2[5-9]|4[2-9]|7\d|8[6-9]|9\d)\d{5}", "5"),
    # Colombia, 2021-09-01 (CRC, resolution 5826/2019): 60 before fixed numbers of eight digits.
    _prefixed(57, r"[124-8]\d{7}", "60"),
    # Saudi Arabia, 2013 (CITC): a 1 before the area code of fixed numbers.
    _prefixed(966, r"[1-467]\d{7}", "1"),
)
BY_CODE: dict[int, tuple[Change, ...]] = {
    code: tuple(found)
    for code, found in groupby(sorted(CHANGES, key=lambda change: change.code), key=lambda change: change.code)
}


def todays(code: int, national: str) -> Iterator[str]:
    """Yield the national numbers of today that a former one may be. The caller checks which of them are valid."""
    for change in BY_CODE.get(code, ()):
        if change.former.fullmatch(national):
            yield change.former.sub(change.today, national, count=1)


def formers(code: int, national: str) -> Iterator[str]:
    """Yield the former national numbers of one of today."""
    for change in BY_CODE.get(code, ()):
        if change.now.fullmatch(national):
            yield change.now.sub(change.before, national, count=1)
