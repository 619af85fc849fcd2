"""Where phone numbers may be: a small table of prefixes, written by hand from national numbering plans.

A row gives the country and the zones of the prefix. Without zones the number tells its country alone, and may be
wherever `zone1970.tab` has a zone of that country.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from tests.oracle import zones


@dataclass(frozen=True)
class Prefix:
    digits: str
    country: str
    zones: tuple[str, ...] = ()
    law: str = ""  # where it is not the country's
    # Zones that the product may add, because its phone library lists an exchange of the area there. It may wait for
    # them, and it must wait for `zones`.
    perhaps: tuple[str, ...] = ()
    nowhere: bool = False  # toll-free, or of no country


def _us(area: int, *names: str, law: str = "US", perhaps: tuple[str, ...] = ()) -> Prefix:
    return Prefix(f"+1{area}", "US", names, law, perhaps)


EASTERN, CENTRAL, MOUNTAIN, PACIFIC = "America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles"
PREFIXES = (
    # North America, by area code. Some of them lie on both sides of a zone's border.
    _us(212, EASTERN),
    _us(646, EASTERN),
    _us(312, CENTRAL),
    _us(303, MOUNTAIN),
    _us(415, PACIFIC),
    _us(602, "America/Phoenix"),
    _us(808, "Pacific/Honolulu"),
    _us(907, "America/Anchorage", "America/Adak", perhaps=("Pacific/Honolulu",)),
    _us(305, EASTERN, law="US-FL"),
    _us(850, EASTERN, CENTRAL, law="US-FL"),  # Tallahassee and Pensacola
    _us(448, EASTERN, CENTRAL, law="US-FL"),  # lies over 850
    _us(423, EASTERN, CENTRAL),  # Chattanooga; Marion, Bledsoe and Sequatchie counties
    _us(208, "America/Boise", PACIFIC),  # the panhandle
    _us(986, "America/Boise", PACIFIC),  # lies over 208
    _us(605, CENTRAL, MOUNTAIN, law="US-SD"),
    _us(928, "America/Phoenix", MOUNTAIN),  # the Navajo Nation keeps summer time
    Prefix("+1416", "CA", ("America/Toronto",)),
    Prefix("+1709", "CA", ("America/St_Johns", "America/Goose_Bay"), perhaps=("America/Puerto_Rico",)),
    Prefix("+1250", "CA", ("America/Vancouver", "America/Edmonton"), perhaps=("America/Phoenix",)),
    Prefix("+1876", "JM"),
    Prefix("+1800", "US", law="US", nowhere=True),
    Prefix("+52 55", "MX", ("America/Mexico_City",)),
    Prefix("+52 664", "MX", ("America/Tijuana",)),
    Prefix("+52 998", "MX", ("America/Cancun",)),
    # South America. Brazilian mobile numbers have area codes.
    Prefix("+55 11", "BR", ("America/Sao_Paulo",)),
    Prefix("+55 92", "BR", ("America/Manaus",)),
    Prefix("+55 68", "BR", ("America/Rio_Branco",)),
    Prefix("+56 9", "CL"),  # mobile: the mainland, Aysén, Magallanes, Easter Island
    # The product's library cannot tell Chile's fixed lines from mobile numbers.
    Prefix("+56 2", "CL", ("America/Santiago",), perhaps=("America/Coyhaique", "Pacific/Easter")),
    Prefix("+593 9", "EC"),  # mobile: the mainland and the Galápagos
    # Europe. Mobile numbers tell the country alone.
    Prefix("+33", "FR"),
    Prefix("+44 20", "GB"),
    Prefix("+44 7911", "GG"),
    Prefix("+49 151", "DE"),
    Prefix("+351 91", "PT"),
    Prefix("+34 6", "ES"),
    Prefix("+7 9", "RU"),
    Prefix("+7 495", "RU", ("Europe/Moscow",)),
    Prefix("+7 383", "RU", ("Asia/Novosibirsk",)),
    Prefix("+7 4152", "RU", ("Asia/Kamchatka",)),
    Prefix("+7 70", "KZ"),
    # Asia, Africa, Oceania.
    Prefix("+61 2", "AU", ("Australia/Sydney",)),
    Prefix("+61 4", "AU"),
    Prefix("+64 21", "NZ"),
    Prefix("+91", "IN"),
    Prefix("+977", "NP"),
    Prefix("+81", "JP"),
    Prefix("+86 1", "CN"),  # mobile; Xinjiang keeps two clocks
    Prefix("+62 8", "ID"),
    Prefix("+62 21", "ID", ("Asia/Jakarta",)),
    Prefix("+972 5", "IL"),
    Prefix("+243", "CD"),
)
BY_DIGITS = {row.digits.replace(" ", ""): row for row in PREFIXES}
LONGEST = max(map(len, BY_DIGITS))


@cache
def prefix_of(phone: str) -> Prefix:
    """Return the longest prefix of a number. Raises LookupError: the table must know every number of a test."""
    for length in range(LONGEST, 1, -1):
        if found := BY_DIGITS.get(phone[:length]):
            return found
    raise LookupError(f"tests/oracle/numbers.py has no prefix of {phone}")


def country_of(phone: str) -> str:
    return prefix_of(phone).country


def law_of(phone: str) -> str:
    row = prefix_of(phone)
    return row.law or row.country


def zones_of(phone: str) -> tuple[str, ...]:
    """Return the zones that the number may be in, of which several may keep one clock; () without a place."""
    row = prefix_of(phone)
    return () if row.nowhere else row.zones or zones.by_country()[row.country]


def zones_for(phone: str, own: str, home: str) -> tuple[str, ...]:
    """Return the zones in all of which it must be calling hours. `own`: the contact's; `home`: the campaign's.

    The contact's zone narrows the number's when one of them keeps its clock, else it joins them. What is no place
    counts for nothing. `home` counts only for a number without a place whose contact has no zone.
    """
    told, found = own if own in zones.places() else "", zones_of(phone)
    if not found:
        return (told or home,)
    if not told:
        return found
    return (told,) if any(zones.same_clock(told, zone) for zone in found) else (told, *found)


def careful_zones_for(phone: str, own: str, home: str) -> tuple[str, ...]:
    """Return the zones that the product may wait for beside those that it must wait for."""
    must, more = zones_for(phone, own, home), prefix_of(phone).perhaps
    return must if must == (own,) else (*must, *more)
