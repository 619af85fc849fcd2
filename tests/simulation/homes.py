"""The organizations of the simulated month: a crowded one, and quiet ones that each meet one kind of limit."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.oracle.minutes import opening
from tests.simulation.plan import Account, Campaign, Deed, Number, Organization, Person, people

HOUR = timedelta(hours=1)
MONEY = Decimal
WORKDAYS, WEEK, WEEKEND = range(5), range(7), (5, 6)
OFFICE = (opening(WORKDAYS, 9, 12.5), opening(WORKDAYS, 13.5, 20), opening([5], 10, 15))
ALWAYS = (opening(WEEK, 0, 24),)
NIGHTS = (opening([0, 2, 4], 19, 2), opening([6], 22, 9.5))  # over midnight; Sunday's runs into Monday morning
RETRIES = (("no_answer", 150, 3), ("busy", 20, 4), ("failed", 60, 2), ("voicemail", 24 * 60, 3))


def crowded(count: int, begin: datetime, rng: random.Random) -> Organization:
    """Four campaigns share people and accounts. People are listed and held, and calls are paused and stopped."""
    everybody = people(count, rng)
    half, some = everybody[: count * 6 // 10], everybody[count // 2 :]
    few, fewer = everybody[:: max(1, count // 300)], everybody[3 :: max(1, count // 120)]
    per_day = max(20, count // 12)
    accounts = (
        Account("one", 40, max(6, count // 60), MONEY("0.10"), daily_budget=MONEY(per_day) * MONEY("0.2")),
        Account("two", 25, max(4, count // 100), MONEY("0.12")),
    )
    numbers = (
        Number("+12125550100", "one", rest=0, max_open=max(5, count // 80)),
        Number("+13125550100", "one"),
        Number("+14155550100", "two"),
        Number("+16025550100", "two", per_day=max(8, len(few) // 8), rest=3),
        Number("+16025550101", "two", per_day=max(8, len(few) // 8)),
    )
    holidays = tuple(begin.date() + timedelta(days=days) for days in (4, 11, 24))
    bulk, shared = [n.e164 for n in numbers[:3]], [n.e164 for n in numbers[:2]]
    campaigns = (
        Campaign(
            "offer",
            half,
            OFFICE,
            (("one", 3), ("two", 1)),
            tuple(bulk),
            holidays=holidays,
            retries=RETRIES,
            priority=3,
        ),
        Campaign(
            "survey",
            some,
            (opening(WEEK, 10, 18),),
            (("one", 1),),
            tuple(shared),
            zone="America/Los_Angeles",
            retries=(("no_answer", 600, 2), ("busy", 45, 2)),
            max_attempts=2,
            max_open=max(3, count // 150),
            budget=MONEY(count) * MONEY("0.06"),
            starts_at=begin + timedelta(days=2, hours=3),
            gap=timedelta(hours=12),
        ),
        Campaign(
            "nights",
            few,
            NIGHTS,
            (("two", 1),),
            tuple(n.e164 for n in numbers[3:]),
            retries=(("no_answer", 60, 3), ("voicemail", 300, 2)),
            per_minute=6,
            lawless=True,
        ),
        Campaign(
            "short",
            fewer,
            (opening([1, 3, 6], 8, 11), opening([1, 3], 15, 22)),
            (("two", 1),),
            tuple(bulk[2:]),
            retries=(("no_answer", 5, 5), ("failed", 5, 5), ("busy", 1, 5)),
            max_attempts=5,
            gap=timedelta(minutes=30),
            ends_at=begin + timedelta(days=16, hours=2),
        ),
    )
    return Organization(
        "crowded",
        accounts,
        numbers,
        campaigns,
        per_30_days=4,
        daily_budget=MONEY(per_day) * MONEY("0.35"),
        deeds=_deeds(everybody, begin, rng),
    )


def _deeds(everybody: tuple[Person, ...], begin: datetime, rng: random.Random) -> tuple[Deed, ...]:
    listed = rng.sample(everybody, len(everybody) // 20)
    held = rng.sample(everybody, len(everybody) // 25)
    found = [Deed(begin + rng.random() * timedelta(days=20), "list", person.phone) for person in listed]
    for person in held:
        at = begin + rng.random() * timedelta(days=15)
        until = at + rng.random() * timedelta(days=6) if rng.random() < 0.6 else None
        found.append(Deed(at, "hold", person.phone, until))
        if until is None:
            found.append(Deed(at + timedelta(days=5), "lift", person.phone))
    at = begin + timedelta(days=1, hours=2, minutes=17)
    found += [Deed(at, "stop"), Deed(at + timedelta(hours=3), "allow")]
    at = begin + timedelta(days=4, hours=1, minutes=3)
    found += [Deed(at, "pause", "offer"), Deed(at + timedelta(hours=20), "resume", "offer")]
    at = begin + timedelta(days=9, hours=3)
    found += [Deed(at, "stop"), Deed(at + timedelta(hours=5), "allow")]
    return tuple(sorted(found, key=lambda deed: deed.at))


def quiet(size: int, begin: datetime, rng: random.Random) -> tuple[Organization, ...]:
    """Organizations with one campaign each, slowed down by one kind of limit, without actions during the month."""
    account = Account("only", 20, max(3, size // 10), MONEY("0.10"))
    number = Number("+12125550100", "only")
    plain = Campaign("only", (), OFFICE, (("only", 1),), (number.e164,), retries=RETRIES, max_attempts=4)
    pace = max(1, round(size / (3 * 9 * 60)))
    budgeted = MONEY(max(size, 30))  # for fewer, a day would have less than what a call sets aside

    def one(name: str, *, rules: Any = None, **limits: Any) -> Organization:
        made = replace(Organization(name, (account,), (number,), (), gap=HOUR, per_day=3), **limits)
        numbers = tuple(each.e164 for each in made.numbers)
        own = replace(plain, people=people(size, rng), numbers=numbers, **(rules or {}))
        return replace(made, campaigns=(own,))

    capped = tuple(Number(f"+121255501{n:02d}", "only", per_day=max(3, size // 15)) for n in range(3))
    two = (
        replace(account, name="left", daily_budget=budgeted * MONEY("0.025")),
        replace(account, name="right", price=MONEY("0.15")),
    )
    pair = (replace(number, account="left"), replace(number, e164="+13125550101", account="right"))
    return (
        one("pace", rules={"per_minute": pace, "holidays": (begin.date() + timedelta(days=3),)}),
        one("lines", rules={"max_open": 1, "max_attempts": 3}),
        one("numbers", numbers=capped),
        one("day's budget", daily_budget=budgeted * MONEY("0.02")),
        one("variants", rules={"assistants": (("left", 2), ("right", 1))}, accounts=two, numbers=pair),
        one("rare", per_30_days=2, per_day=1),
    )
