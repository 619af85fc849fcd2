"""Organizations that each meet one kind of situation, with lines for everybody: each recipient is judged by itself."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta

from tests.oracle.minutes import opening
from tests.simulation.homes import OFFICE, RETRIES, WEEK, WORKDAYS
from tests.simulation.plan import (
    EVERYWHERE,
    PLACES,
    WORLD,
    Account,
    Campaign,
    Deed,
    Number,
    Organization,
    Person,
    people,
)

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
ACCOUNTS = (Account("one", 40, 5_000), Account("two", 40, 5_000))
NUMBERS = (
    Number("+12125550100", "one"),
    Number("+13125550100", "one"),
    Number("+14155550100", "two"),
)
DAYS = (opening(WEEK, 9, 20),)
AMERICANS = PLACES[:6]
CLOSURES = (1, 2, 6, 7, 13, 14, 15, 16, 20, 30, 45, 60, 100, 200, 300, 364, 380)
WEEKS = (1, 2, 3, 9, 26, 53)


def _home(
    name: str, campaigns: Sequence[Campaign], *, deeds: Sequence[Deed] = (), gap: timedelta = HOUR
) -> Organization:
    return Organization(
        name,
        ACCOUNTS,
        NUMBERS,
        tuple(campaigns),
        countries=EVERYWHERE,
        gap=gap,
        per_day=3,
        deeds=tuple(sorted(deeds, key=lambda deed: deed.at)),
        ample=True,
    )


def _campaign(name: str, who: Sequence[Person], **rules: object) -> Campaign:
    numbers = tuple(number.e164 for number in NUMBERS)
    plain = Campaign(name, tuple(who), DAYS, (("one", 1), ("two", 1)), numbers, retries=RETRIES, max_attempts=4)
    return Campaign(**(vars(plain) | rules))


def world(count: int, begin: datetime, rng: random.Random) -> Organization:
    """Countries of many clocks, called by campaigns whose own clock is far away."""
    everybody = people(count, rng, (*WORLD, *PLACES[6:11]))
    return _home(
        "world",
        (
            _campaign("from Kolkata", everybody[::2], zone="Asia/Kolkata"),
            _campaign("from Paris", everybody[1::2], zone="Europe/Paris", windows=OFFICE),
        ),
    )


def edits(count: int, begin: datetime, rng: random.Random) -> Organization:
    """Every rule is loosened and tightened while recipients wait for it."""
    everybody = people(count, rng, (*AMERICANS, *WORLD[-8:]))
    few = everybody[::4]
    campaigns = (
        # A weekly window: most recipients wait for days, until an edit opens it at once.
        _campaign("windows", everybody[: count // 2], windows=(opening([1], 9, 10),), zone="America/Chicago"),
        _campaign("retries", everybody[count // 2 :], retries=(("no_answer", 2_880, 2), ("busy", 600, 2))),
        _campaign("again", everybody[::3], windows=(opening(WEEK, 8, 21),), max_attempts=2),
    )
    deeds = [*_window_edits(begin), *_rule_edits(begin), *_switches(begin), *_of_contacts(few, begin, rng)]
    return _home("edits", campaigns, deeds=deeds, gap=20 * HOUR)


def _window_edits(begin: datetime) -> Iterator[Deed]:
    at = begin + 4 * HOUR
    steps: tuple[tuple[int, dict[str, object]], ...] = (
        (4, {"windows": (opening(WEEK, 8, 21),)}),
        (30, {"holidays": tuple((at + n * DAY).date() for n in (1, 2, 3))}),
        (53, {"holidays": ()}),
        (80, {"windows": (opening([2], 10, 12),)}),
        (170, {"windows": (opening(WORKDAYS, 9, 17),), "holidays": ((at + 8 * DAY).date(),)}),
        (360, {"windows": (opening(WEEK, 0, 24),), "holidays": ()}),
    )
    for hours, changes in steps:
        yield Deed(begin + hours * HOUR, "edit", "windows", changes=changes)


def _rule_edits(begin: datetime) -> Iterator[Deed]:
    rules: tuple[tuple[int, dict[str, object]], ...] = (
        (27, {"retries": (("no_answer", 60, 3), ("busy", 10, 3))}),  # loosened
        (100, {"retries": (("no_answer", 2_000, 3), ("busy", 10, 3), ("failed", 30, 3))}),  # a longer wait
        (150, {"retries": (("no_answer", 90, 4), ("busy", 10, 3), ("failed", 30, 3))}),
        (320, {"retries": (("no_answer", 90, 4),)}),  # rules removed
        (420, {"max_attempts": 2}),
        (500, {"max_attempts": 4, "gap": timedelta(hours=2)}),
    )
    for hours, changes in rules:
        yield Deed(begin + hours * HOUR, "edit", "retries", changes=changes)
    house: tuple[tuple[int, dict[str, object]], ...] = (
        (50, {"gap": 2 * HOUR}),
        (76, {"gap": 30 * HOUR}),
        (98, {"per_day": 1}),
        (126, {"per_day": 4, "gap": HOUR}),
        (200, {"per_30_days": 2}),
        (330, {"per_30_days": None}),
        (400, {"per_30_days": 3}),
    )
    for hours, changes in house:
        yield Deed(begin + hours * HOUR, "house", changes=changes)


def _switches(begin: datetime) -> Iterator[Deed]:
    """Each number and assistant in turn is switched off, then all of them."""
    parts = (("number", NUMBERS[0].e164), ("assistant", "one"), ("number", NUMBERS[2].e164), ("assistant", "two"))
    for n, (kind, name) in enumerate(parts):
        off = begin + (6 + 47 * n) * HOUR
        yield Deed(off, kind, name, changes={"active": False})
        yield Deed(off + 26 * HOUR, kind, name, changes={"active": True})
    for number in NUMBERS:
        yield Deed(begin + 245 * HOUR, "number", number.e164, changes={"active": False})
        yield Deed(begin + 293 * HOUR, "number", number.e164, changes={"active": True})


def _of_contacts(few: Sequence[Person], begin: datetime, rng: random.Random) -> Iterator[Deed]:
    """Corrected zones, which end a wait or begin one, and holds."""
    for person in few:
        at = begin + rng.random() * 12 * DAY
        zone = rng.choice(["Asia/Tokyo", "America/Chicago", "Pacific/Honolulu", "America/New_York"])
        yield Deed(at, "zone", person.phone, changes={"timezone": zone})
        yield Deed(at + rng.random() * 5 * DAY, "zone", person.phone, changes={"timezone": ""})
    for person in few[::2]:
        at = begin + rng.random() * 15 * DAY
        until = at + rng.random() * 6 * DAY if rng.random() < 0.5 else None
        yield Deed(at, "hold", person.phone, until)
        yield Deed(at + rng.random() * 4 * DAY, "lift", person.phone)


def promises(count: int, begin: datetime, rng: random.Random) -> Organization:
    """Two campaigns share all contacts; scheduled callbacks of each are due while the other would call."""
    everybody = people(count, rng, AMERICANS)
    long_days = (opening(WEEK, 8, 21),)
    campaigns = (
        _campaign("first", everybody, windows=long_days, retries=(("no_answer", 200, 4), ("busy", 30, 4))),
        _campaign("second", everybody, windows=long_days, retries=(("no_answer", 300, 4),)),
    )
    deeds = []
    for person in rng.sample(everybody, len(everybody) // 2):
        for name in ("first", "second")[: rng.choice((1, 1, 2))]:
            made = begin + rng.random() * 20 * DAY
            # Between 17:00 and 23:00 UTC it is day everywhere in the United States but Hawaii.
            noon = datetime.combine((made + rng.randrange(3) * DAY).date(), time(17), tzinfo=begin.tzinfo)
            due = max(made + 10 * timedelta(minutes=1), noon + rng.random() * 6 * HOUR)
            deeds.append(Deed(made, "promise", name, due, {"phone": person.phone}))
    return _home("promises", campaigns, deeds=deeds, gap=2 * HOUR)


def closures(count: int, begin: datetime, rng: random.Random) -> tuple[Organization, ...]:
    """Holidays of every length, met by a new campaign and by a running one, and weekly windows among them."""
    parts = 2 * len(CLOSURES) + 7 * len(WEEKS)
    each = max(1, count // parts)
    everybody = iter(people(each * parts, rng, AMERICANS))
    campaigns, deeds = [], []

    def some() -> list[Person]:
        return [person for _, person in zip(range(each), everybody, strict=False)]

    for days in CLOSURES:
        closed = _from(begin.date() - DAY, days + 1)
        campaigns.append(_campaign(f"new, {days} days", some(), holidays=closed))
        # It runs, and closes before its first window opens.
        campaigns.append(_campaign(f"running, {days} days", some()))
        changes = {"holidays": _from(begin.date(), days)}
        deeds.append(Deed(begin + HOUR / 3, "edit", f"running, {days} days", changes=changes))
    for weeks in WEEKS:
        for weekday in range(7):
            mine = [day for day in _from(begin.date(), 7 * weeks + 7) if day.weekday() == weekday]
            name, week = f"weekday {weekday}, {weeks} weeks", (opening([weekday], 9, 12),)
            campaigns.append(_campaign(name, some(), windows=week, holidays=tuple(mine[:weeks])))
    return (_home("closures", campaigns, deeds=deeds),)


def _from(first: date, days: int) -> tuple[date, ...]:
    return tuple(first + n * DAY for n in range(days))
