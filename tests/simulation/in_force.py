"""What was in force at each moment: rules and their edits, holds, stops, switched-off parts, and promises."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any

from tests.oracle import laws, numbers
from tests.oracle.minutes import Calendar, Hours, Opening
from tests.simulation.journal import Journal
from tests.simulation.plan import Campaign, Deed, Organization, Plan
from tests.simulation.timeline import Span, Timeline

EVER = timedelta(days=400)
TOLERANCE = timedelta(minutes=30)


@dataclass(frozen=True)
class Promise:
    """A scheduled callback: made at a moment, due at another, and to be kept within the tolerance."""

    made: datetime
    due: datetime
    phone: str
    campaign: str

    @property
    def latest(self) -> datetime:
        return self.due + TOLERANCE


class InForce:
    def __init__(self, plan: Plan, organization: Organization, journal: Journal, calendar: Calendar) -> None:
        self._never, self._calendar = plan.end + EVER, calendar
        self.house = Timeline(organization)
        self.campaigns = {each.name: Timeline(each) for each in organization.campaigns}
        people = {person.phone: person for each in organization.campaigns for person in each.people}
        self.zones = {phone: Timeline(person.place.timezone) for phone, person in people.items()}
        self.listed: dict[str, datetime] = {}
        self.held: defaultdict[str, list[Span]] = defaultdict(list)
        self.still: defaultdict[str, list[Span]] = defaultdict(list)  # by campaign; "" is the whole organization
        self.off: defaultdict[tuple[str, str], list[Span]] = defaultdict(list)  # "number" or "assistant", and its name
        self.promises: defaultdict[str, list[Promise]] = defaultdict(list)
        self.edits: list[datetime] = []
        for home, deed in journal.deeds:
            if home == organization.name:
                self._read(deed)
        for dial in journal.dials:
            if dial.organization == organization.name and dial.manner.opt_out is not None and dial.settled_at:
                self.listed[dial.phone] = min(dial.settled_at, self.listed.get(dial.phone, dial.settled_at))
        self.self_paused = {name: at for home, name, at in journal.paused if home == organization.name}
        for name, at in self.self_paused.items():
            self.still[name].append((at, self._never))

    def _read(self, deed: Deed) -> None:
        match deed.kind:
            case "list":
                self.listed.setdefault(deed.subject, deed.at)
            case "hold":
                self.held[deed.subject].append((deed.at, deed.until or self._never))
            case "lift":
                self.held[deed.subject] = [(a, min(b, deed.at)) for a, b in self.held[deed.subject]]
            case "pause" | "stop":
                self.still[deed.subject].append((deed.at, self._never))
            case "resume" | "allow":
                self._end(self.still[deed.subject], deed.at)
            case "promise":
                assert deed.until is not None
                made = Promise(deed.at, deed.until, deed.changes["phone"], deed.subject)
                self.promises[made.phone].append(made)
            case _:
                self.edits.append(deed.at)
                self._edit(deed)

    def _edit(self, deed: Deed) -> None:
        changes: Any = deed.changes
        match deed.kind:
            case "edit":
                campaign = self.campaigns[deed.subject]
                campaign.change(deed.at, replace(campaign.last, **changes))
            case "house":
                self.house.change(deed.at, replace(self.house.last, **changes))
            case "zone":
                self.zones[deed.subject].change(deed.at, changes["timezone"])
            case "number" | "assistant":
                key = deed.kind, deed.subject
                if changes["active"]:
                    self._end(self.off[key], deed.at)
                else:
                    self.off[key].append((deed.at, self._never))
            case _:
                raise AssertionError(deed.kind)

    @staticmethod
    def _end(spans: list[Span], at: datetime) -> None:
        if spans:
            spans[-1] = (spans[-1][0], at)

    def gap(self, campaign: Campaign, house: Organization) -> timedelta:
        return house.gap if campaign.gap is None else campaign.gap

    def may_call(self, campaign: Campaign, phone: str, zone: str, *, careful: bool = False) -> bytes:
        """Return a byte for each minute: 1 where the campaign may call. `careful`: where it may not wait any more."""
        where = numbers.careful_zones_for if careful else numbers.zones_for
        hours = (_hours(campaign.windows, campaign.holidays), *self._law(campaign, phone))
        return self._calendar.all_open(where(phone, zone, campaign.zone), hours)

    def may_call_back(self, campaign: Campaign, phone: str, zone: str) -> bytes:
        """The campaign's own hours do not bind a call that the contact asked for; the law does."""
        return self._calendar.all_open(numbers.zones_for(phone, zone, campaign.zone), self._law(campaign, phone))

    @staticmethod
    def _law(campaign: Campaign, phone: str) -> tuple[Hours, ...]:
        return () if campaign.lawless else (laws.law(numbers.law_of(phone)),)


@cache
def _hours(windows: tuple[Opening, ...], holidays: tuple[date, ...]) -> Hours:
    return Hours(windows, frozenset(holidays))
