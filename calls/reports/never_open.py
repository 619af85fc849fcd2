"""Recipients whose calling hours never open: whom it concerns, and what a team member can do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from calls.reports.problem import Problem
from campaigns.rules.number_zones import country_name
from campaigns.rules.windows import Hours, next_opening
from campaigns.rules.zone_words import is_place
from campaigns.wording import recipients as counted

NAMED = 3  # places, or zones of a place, in a sentence


@dataclass(frozen=True)
class ClosedPlace:
    """Where contacts may be whose calling hours never open, and which of the causes it is."""

    country: str
    zones: tuple[str, ...]
    cause: str  # a code of CAUSES

    def __str__(self) -> str:
        zones = ", ".join(self.zones) if len(self.zones) <= NAMED else f"{len(self.zones)} time zones"
        return f"{country_name(self.country) or 'no country'} ({zones})"


CAUSES: Mapping[str, tuple[str, str]] = {
    "no_common_hour": (
        "The number may be in several time zones, which share no calling hour",
        "Enter the contact's time zone, or choose the country under “Countries called by the campaign's time zone”.",
    ),
    "zones_contradict": (
        "The contact's time zone is none of its number's, and both share no calling hour",
        "Correct the contact's time zone, or choose “Trust the contact's time zone”.",
    ),
    "never_open": (
        "The calling windows leave no hour within the legal calling hours",
        "Change the calling windows or the holidays.",
    ),
}


@lru_cache(maxsize=4096)
def closed_place(
    country: str, zones: tuple[str, ...], contact_timezone: str, hours: tuple[Hours, ...], now: datetime
) -> ClosedPlace:
    """Return the place and the cause of hours that never open. A zone alone opens where only a common hour is missing.

    A contact's zone that is one of its number's narrows them to itself, so with several zones it is none of them.
    """
    cause = "never_open"
    if len(zones) > 1 and all(next_opening(hours, (zone,), now) for zone in zones):
        cause = "zones_contradict" if is_place(contact_timezone) else "no_common_hour"
    return ClosedPlace(country, zones, cause)


def problems(found: Mapping[ClosedPlace, int]) -> list[Problem]:
    """Return a warning for each cause: how many recipients of which countries and zones, and what to do."""
    warnings = []
    for cause, (why, remedy) in CAUSES.items():
        places = Counter({place: n for place, n in found.items() if place.cause == cause})
        if places:
            message = f"{counted(places.total())} whose calling hours never open: {_listed(places)}. {why}. {remedy}"
            warnings.append(Problem(cause, "warning", message, places.total()))
    return warnings


def _listed(places: Counter[ClosedPlace]) -> str:
    rows: Sequence[tuple[ClosedPlace, int]] = sorted(places.items(), key=lambda row: (-row[1], str(row[0])))
    first, rest = rows[:NAMED], rows[NAMED:]
    parts = [f"{n:,} in {place}" for place, n in first]
    return "; ".join([*parts, f"{sum(n for _, n in rest):,} elsewhere"] if rest else parts)
