"""The plan of a simulation as plain values: places, people, campaigns, limits, and actions during the month.

Nothing here comes from the product. The judge reads these values; the product reads its own rows.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.oracle import numbers
from tests.oracle.minutes import Opening

FIVE = Decimal(5)


@dataclass(frozen=True)
class Place:
    """Numbers with a common prefix. Where they may be and which law holds is told by `tests/oracle/numbers.py`."""

    prefix: str
    more: int  # digits after the prefix
    weight: int = 4
    timezone: str = ""  # the contact's own time zone, if it has one

    @property
    def country(self) -> str:
        return numbers.country_of(self.prefix)


PLACES = (
    Place("+1212555", 4, 8),
    Place("+1312555", 4, 8),
    Place("+1303555", 4),
    Place("+1415555", 4, 8),
    Place("+1602555", 4),
    Place("+1808555", 4),
    Place("+1907555", 4),
    Place("+1305555", 4),
    Place("+1416555", 4),
    Place("+1709555", 4, 2),
    Place("+1800555", 4, 2),  # toll-free
    Place("+33620", 6, 8),
    Place("+44791112", 4, 2),
    Place("+442079", 6),
    Place("+4915112", 6),
    Place("+351912", 6),
    Place("+34612", 6),
    Place("+612925", 5),
    Place("+614123", 5, 2),  # mobile numbers of a whole continent
    Place("+614124", 5, 2, "Australia/Lord_Howe"),
    Place("+64211", 6, 2),
    Place("+919876", 6),
    Place("+977984", 7),
    Place("+819012", 6, 2),
    # The contact's own zone is none of the number's: it must be calling hours in both.
    Place("+33612", 6, 2, "America/Cayenne"),
    Place("+1646555", 4, 2, "Europe/Berlin"),
    Place("+7912345", 4, 1),  # a country that is not allowed
)
# Countries and area codes with many clocks: numbers that tell one of them, and numbers that tell none.
WORLD = (
    Place("+1423555", 4),
    Place("+1850555", 4),
    Place("+1448555", 4),
    Place("+1208555", 4),
    Place("+1986555", 4),
    Place("+1605555", 4),
    Place("+1928555", 4),
    Place("+1250555", 4),
    Place("+1876555", 4),
    Place("+525512", 6),
    Place("+526641", 6),
    Place("+529981", 6),
    Place("+5511987", 6),
    Place("+5592987", 6),
    Place("+5568987", 6),
    Place("+5696", 7),
    Place("+562212", 5),
    Place("+59399", 7),
    Place("+7916", 7, 8),
    Place("+7495123", 4),
    Place("+7383212", 4),
    Place("+741522", 5),
    Place("+7701", 7),
    Place("+614125", 5),
    Place("+86139", 8),
    Place("+62812", 8),
    Place("+62213", 7),
    Place("+97254", 7),
    Place("+24381", 7),
    # Contacts with a zone of their own: one of the number's, none of them, or a word that is no place.
    Place("+7917", 7, 4, "Asia/Yekaterinburg"),
    Place("+7918", 7, 4, "Europe/Berlin"),
    Place("+7919", 7, 4, "Etc/GMT-5"),
    Place("+1423556", 4, 4, "America/Chicago"),
    Place("+1212556", 4, 4, "EST"),
    Place("+1212557", 4, 4, "Etc/GMT-5"),
    Place("+1212558", 4, 4, "Asia/Tokyo"),
    Place("+1800556", 4, 4, "America/Denver"),  # toll-free, with a zone
    Place("+1800557", 4, 4, "EST"),
    Place("+62813", 8, 4, "Asia/Makassar"),
    Place("+97252", 7, 4, "Europe/Athens"),  # the same clock but for two days a year
    Place("+614126", 5, 4, "Australia/Perth"),
    Place("+5511986", 6, 4, "America/Manaus"),
)
COUNTRIES = ("US", "CA", "FR", "GB", "GG", "DE", "PT", "ES", "AU", "NZ", "IN", "NP", "JP")
EVERYWHERE = (*COUNTRIES, "JM", "MX", "BR", "CL", "EC", "RU", "KZ", "CN", "ID", "IL", "CD")


@dataclass(frozen=True)
class Person:
    phone: str
    place: Place


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
    """An action during the month.

    list, hold, lift, zone: a contact, by phone. pause, resume, edit, promise: a campaign, by name. number, assistant:
    switched off or on. stop, allow, house: the organization. `changes` are the new values of an edit.
    """

    at: datetime
    kind: str
    subject: str = ""
    until: datetime | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)


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
    ample: bool = False  # lines, money and numbers for everybody at once: each recipient is judged by itself


@dataclass(frozen=True)
class Plan:
    begin: datetime
    end: datetime
    organizations: tuple[Organization, ...]


def people(count: int, rng: random.Random, places: Sequence[Place] = PLACES) -> tuple[Person, ...]:
    """Return `count` different people of these places, by weight."""
    weights = [place.weight for place in places]
    found: dict[str, Person] = {}
    while len(found) < count:
        [place] = rng.choices(places, weights)
        phone = f"{place.prefix}{rng.randrange(10**place.more):0{place.more}d}"
        if phone in found:  # a prefix may run out of numbers; continue with the one that has most digits
            place = max(places, key=lambda each: each.more)
            phone = f"{place.prefix}{rng.randrange(10**place.more):0{place.more}d}"
        found.setdefault(phone, Person(phone, place))
    return tuple(found.values())
