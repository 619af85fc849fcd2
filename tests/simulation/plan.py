"""The plan of a simulation as plain values: places, people, campaigns, limits, and actions during the month.

Nothing here comes from the product. The judge reads these values; the product reads its own rows.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

HOUR = timedelta(hours=1)
MONEY = Decimal
FIVE = MONEY(5)


@dataclass(frozen=True)
class Place:
    """Numbers with a common prefix. `zones`: the time zones their owners may be in, written by hand; () if unknown."""

    prefix: str
    more: int  # digits after the prefix
    country: str
    zones: tuple[str, ...]
    law: str
    weight: int = 4
    timezone: str = ""  # the contact's own time zone, if it has one


# Each clock of the country once (zone.tab of the tz database, read by hand).
AUSTRALIA = (
    "Australia/Perth",
    "Australia/Eucla",
    "Australia/Darwin",
    "Australia/Adelaide",
    "Australia/Brisbane",
    "Australia/Sydney",
    "Australia/Lord_Howe",
)
PLACES = (
    Place("+1212555", 4, "US", ("America/New_York",), "US", 8),
    Place("+1312555", 4, "US", ("America/Chicago",), "US", 8),
    Place("+1303555", 4, "US", ("America/Denver",), "US"),
    Place("+1415555", 4, "US", ("America/Los_Angeles",), "US", 8),
    Place("+1602555", 4, "US", ("America/Phoenix",), "US"),
    Place("+1808555", 4, "US", ("Pacific/Honolulu",), "US"),
    Place("+1907555", 4, "US", ("America/Adak", "America/Anchorage"), "US"),
    Place("+1305555", 4, "US", ("America/New_York",), "US-FL"),
    Place("+1416555", 4, "CA", ("America/Toronto",), "CA"),
    Place("+1709555", 4, "CA", ("America/Halifax", "America/St_Johns"), "CA", 2),
    Place("+1800555", 4, "US", (), "US", 2),  # toll-free
    Place("+3361", 7, "FR", ("Europe/Paris",), "FR", 8),
    Place("+44791112", 4, "GG", ("Europe/Guernsey", "Europe/Isle_of_Man", "Europe/Jersey", "Europe/London"), "8-21", 2),
    Place("+442079", 6, "GB", ("Europe/London",), "8-21"),
    Place("+4915112", 6, "DE", ("Europe/Berlin",), "careful"),
    Place("+351912", 6, "PT", ("Atlantic/Azores", "Europe/Lisbon"), "careful"),
    Place("+34612", 6, "ES", ("Atlantic/Canary", "Europe/Madrid"), "ES"),
    Place("+612925", 5, "AU", ("Australia/Sydney",), "AU"),
    Place("+614123", 5, "AU", AUSTRALIA, "AU", 2),  # mobile numbers of a whole continent
    Place("+614124", 5, "AU", ("Australia/Lord_Howe",), "AU", 2, "Australia/Lord_Howe"),
    Place("+64211", 6, "NZ", ("Pacific/Auckland", "Pacific/Chatham"), "careful", 2),
    Place("+919876", 6, "IN", ("Asia/Kolkata",), "9-21"),
    Place("+977984", 7, "NP", ("Asia/Kathmandu",), "8-21"),
    Place("+819012", 6, "JP", ("Asia/Tokyo",), "careful", 2),
    # The contact's own zone is none of the number's: it must be calling hours in both.
    Place("+33612", 6, "FR", ("America/Cayenne", "Europe/Paris"), "FR", 2, "America/Cayenne"),
    Place("+1646555", 4, "US", ("Europe/Berlin", "America/New_York"), "US", 2, "Europe/Berlin"),
    Place("+7912345", 4, "RU", (), "8-21", 1),  # a country that is not allowed
)
COUNTRIES = ("US", "CA", "FR", "GB", "GG", "DE", "PT", "ES", "AU", "NZ", "IN", "NP", "JP")


@dataclass(frozen=True)
class Person:
    phone: str
    place: Place


@dataclass(frozen=True)
class Opening:
    """Days as numbers, 0 is Monday; minutes after midnight. A window that closes before it opens runs over midnight."""

    days: tuple[int, ...]
    opens: int
    closes: int


def opening(days: Iterable[int], opens: float, closes: float) -> Opening:
    return Opening(tuple(days), int(opens * 60), int(closes * 60))


@dataclass(frozen=True)
class Account:
    name: str
    calls_per_second: int = 40
    max_open: int = 200
    price: Decimal | None = None
    reserved_minutes: Decimal = FIVE
    daily_budget: Decimal | None = None


@dataclass(frozen=True)
class Number:
    e164: str
    account: str
    per_day: int | None = None
    rest: int = 0
    max_open: int | None = None


@dataclass(frozen=True)
class Campaign:
    name: str
    people: tuple[Person, ...]
    windows: tuple[Opening, ...]
    assistants: tuple[tuple[str, int], ...]  # account, weight; the first is the campaign's own
    numbers: tuple[str, ...]
    zone: str = "America/New_York"
    holidays: tuple[date, ...] = ()
    retries: tuple[tuple[str, int, int], ...] = ()  # outcome, minutes, attempts
    max_attempts: int = 3
    gap: timedelta | None = None
    ends_at: datetime | None = None
    starts_at: datetime | None = None
    priority: int = 1
    per_minute: int | None = None
    max_open: int | None = None
    budget: Decimal | None = None
    lawless: bool = False  # the campaign overrides the legal hours


@dataclass(frozen=True)
class Deed:
    """An action during the month: list, hold, lift, pause, resume, stop, allow."""

    at: datetime
    kind: str
    subject: str = ""
    until: datetime | None = None


@dataclass(frozen=True)
class Organization:
    name: str
    accounts: tuple[Account, ...]
    numbers: tuple[Number, ...]
    campaigns: tuple[Campaign, ...]
    zone: str = "America/New_York"
    countries: tuple[str, ...] = COUNTRIES
    gap: timedelta = timedelta(hours=4)
    per_day: int = 2
    per_30_days: int | None = None
    daily_budget: Decimal | None = None
    deeds: tuple[Deed, ...] = ()


@dataclass(frozen=True)
class Plan:
    begin: datetime
    end: datetime
    organizations: tuple[Organization, ...]


WORKDAYS, WEEK, WEEKEND = range(5), range(7), (5, 6)
OFFICE = (opening(WORKDAYS, 9, 12.5), opening(WORKDAYS, 13.5, 20), opening([5], 10, 15))
ALWAYS = (opening(WEEK, 0, 24),)
NIGHTS = (opening([0, 2, 4], 19, 2), opening([6], 22, 9.5))  # over midnight; Sunday's runs into Monday morning
RETRIES = (("no_answer", 150, 3), ("busy", 20, 4), ("failed", 60, 2), ("voicemail", 24 * 60, 3))
# In spring clocks go forward in America on 8 March and in Europe on the 29th, back in Australia on 5 April. In autumn
# the reverse.
SEASONS = {"spring": datetime(2026, 3, 6, 13, tzinfo=UTC), "autumn": datetime(2026, 10, 2, 13, tzinfo=UTC)}
LASTS = timedelta(days=33)


def people(count: int, rng: random.Random) -> tuple[Person, ...]:
    """Return `count` different people of all places, by weight."""
    weights = [place.weight for place in PLACES]
    found: dict[str, Person] = {}
    while len(found) < count:
        place = rng.choices(PLACES, weights)[0]
        phone = f"{place.prefix}{rng.randrange(10**place.more):0{place.more}d}"
        if place.prefix == "+3361" and phone.startswith("+33612"):
            continue  # these have a place with another zone
        if phone in found:  # a prefix may run out of numbers; continue with one that has more digits
            place = PLACES[11]
            continue
        found[phone] = Person(phone, place)
    return tuple(found.values())


def month(contacts: int, seed: int, season: str = "spring", only: str | None = None) -> Plan:
    """Return one crowded organization with every kind of rule, and quiet ones that each meet one kind of limit.

    The halves share nothing, so `only` selects one of them and both can run at the same time.
    """
    rng = random.Random(seed)
    begin = SEASONS[season]
    quiet_size = max(20, min(2_500, contacts // 10))
    crowded = _crowded(max(100, contacts - 6 * quiet_size), begin, rng)
    quiet = _quiet(quiet_size, begin, rng)
    return Plan(begin, begin + LASTS, {"crowded": (crowded,), "quiet": quiet}.get(only or "", (crowded, *quiet)))


def _crowded(count: int, begin: datetime, rng: random.Random) -> Organization:
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


def _quiet(size: int, begin: datetime, rng: random.Random) -> tuple[Organization, ...]:
    """Organizations with one campaign each, slowed down by one kind of limit, without actions during the month."""
    account = Account("only", 20, max(3, size // 10), MONEY("0.10"))
    number = Number("+12125550100", "only")
    plain = Campaign("only", (), OFFICE, (("only", 1),), (number.e164,), retries=RETRIES, max_attempts=4)
    pace = max(1, round(size / (3 * 9 * 60)))

    def one(name: str, *, rules: Any = None, **limits: Any) -> Organization:
        made = replace(Organization(name, (account,), (number,), (), gap=HOUR, per_day=3), **limits)
        numbers = tuple(each.e164 for each in made.numbers)
        own = replace(plain, people=people(size, rng), numbers=numbers, **(rules or {}))
        return replace(made, campaigns=(own,))

    capped = tuple(Number(f"+121255501{n:02d}", "only", per_day=max(3, size // 15)) for n in range(3))
    two = (
        replace(account, name="left", daily_budget=MONEY(size) * MONEY("0.025")),
        replace(account, name="right", price=MONEY("0.15")),
    )
    pair = (replace(number, account="left"), replace(number, e164="+13125550101", account="right"))
    return (
        one("pace", rules={"per_minute": pace, "holidays": (begin.date() + timedelta(days=3),)}),
        one("lines", rules={"max_open": 1, "max_attempts": 3}),
        one("numbers", numbers=capped),
        one("day's budget", daily_budget=MONEY(size) * MONEY("0.02")),
        one("variants", rules={"assistants": (("left", 2), ("right", 1))}, accounts=two, numbers=pair),
        one("rare", per_30_days=2, per_day=1),
    )
