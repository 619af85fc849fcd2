"""Find recipients who could have been called and were not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from tests.simulation import endings
from tests.simulation.case import Case
from tests.simulation.plan import Campaign, Organization, Person
from tests.simulation.telephone import Dial
from tests.simulation.timeline import Span, capped, clipped, joined, without

DAY, MONTH = timedelta(days=1), timedelta(days=30)
PATIENCE = timedelta(minutes=30)  # a campaign idles if it calls no one for so long although a recipient may be called


@dataclass(frozen=True)
class Era:
    """A span in which neither the campaign's rules, the organization's nor the contact's zone changed."""

    first: datetime
    last: datetime
    campaign: Campaign
    house: Organization
    zone: str
    gap: timedelta

    def clip(self, first: datetime, last: datetime) -> Span:
        return max(first, self.first), min(last, self.last)


def judge(case: Case, poor: dict[str, list[Span]]) -> None:
    for name in case.known.campaigns:
        _Campaign(case, name, poor[name]).judge()


class _Campaign:
    def __init__(self, case: Case, name: str, poor: list[Span]) -> None:
        self.case, self.name = case, name
        first = case.known.campaigns[name].values[0]
        self.launched = max(case.plan.begin, first.starts_at or case.plan.begin)
        self.over = min(case.plan.end, first.ends_at or case.plan.end)
        self.idle = self._idle(poor)
        self._chances: dict[tuple[object, ...], list[Span]] = {}

    def _idle(self, poor: list[Span]) -> list[Span]:
        """Return when the campaign made no calls for a while although it ran and had money and caller numbers.

        Where lines are ample, a call to somebody else is no excuse: it is all the time in which it ran.
        """
        known = self.case.known
        moments = [dial.at for dial in self.case.dials if dial.campaign == self.name]
        edges = [self.launched, *(() if self.case.organization.ample else moments), self.over]
        quiet = [(first, last) for first, last in pairwise(edges) if last - first >= PATIENCE]
        return without(quiet, [*known.still[""], *known.still[self.name], *poor, *self._dark()])

    def _dark(self) -> Iterator[Span]:
        """Yield when all assistants or all caller numbers of the campaign are switched off."""
        known, campaign = self.case.known, self.case.known.campaigns[self.name].last
        everything = [(self.launched, self.over)]
        numbers = [("number", number) for number in campaign.numbers]
        assistants = [("assistant", account) for account, _ in campaign.assistants]
        for parts in (numbers, assistants):
            on = [span for part in parts for span in without(everything, known.off[part])]
            yield from without(everything, on)

    def judge(self) -> None:
        for person in self.case.people_of(self.name):
            made = self.case.made(self.name, person.phone)
            for n in range(len(made) + 1):
                until = made[n].at if n < len(made) else self.over
                if missed := self._missed(person, made, n, until):
                    self._report(person, missed, made[n - 1].at if n else self.launched)

    def _report(self, person: Person, missed: Span, since: datetime) -> None:
        """An edit after the last call, and a wait that it should have ended: the edit was not seen."""
        edited = any(since <= at < missed[1] for at in self.case.known.edits)
        kind = "late look" if edited else "left behind"
        self.case.found(kind, f"{self.name} {person.phone} from {missed[0]} to {missed[1]}")

    def _missed(self, person: Person, made: list[Dial], n: int, until: datetime) -> Span | None:
        until = min(until, self._ended(person, made, n) or until)
        own: list[Span] = []
        eras = list(self._eras(person))
        for era in eras:
            due = self.launched if n == 0 else endings.again(era.campaign, era.gap, made[n - 1], n)
            first, last = era.clip(due or until, until)
            if first < last:
                own += clipped(self._open(person, era), first, last)
        own = [span for span in joined(own) if span[1] - span[0] >= PATIENCE]
        if not own:
            return None
        return next((span for span in without(own, self._blocked(person, eras, until)) if _long(span)), None)

    def _ended(self, person: Person, made: list[Dial], n: int) -> datetime | None:
        """Return the first moment at which the recipient could rightly be given up."""
        ends = [
            self.case.known.listed.get(person.phone),
            endings.country_forbidden_from(self.case, person),
            endings.forbidden_from(self.case, self.name, made[n - 1], n) if n else None,
        ]
        return min(filter(None, ends), default=None)

    def _eras(self, person: Person) -> Iterator[Era]:
        known = self.case.known
        lines = (known.campaigns[self.name], known.house, known.zones[person.phone])
        changes = {moment for line in lines for moment in line.moments if self.launched < moment < self.over}
        for first, last in pairwise([self.launched, *sorted(changes), self.over]):
            campaign, house = known.campaigns[self.name].at(first), known.house.at(first)
            zone = known.zones[person.phone].at(first)
            yield Era(first, last, campaign, house, zone, known.gap(campaign, house))

    def _open(self, person: Person, era: Era) -> list[Span]:
        """Return when the idle campaign could have called people of this place."""
        key = person.place, era.zone, era.first, era.last
        if key not in self._chances:
            table = self.case.known.may_call(era.campaign, person.phone, era.zone, careful=True)
            spans = [span for span in (era.clip(*span) for span in self.idle) if span[0] < span[1]]
            self._chances[key] = [run for span in spans for run in self._runs(table, *span)]
        return self._chances[key]

    def _runs(self, table: bytes, first: datetime, last: datetime) -> Iterator[Span]:
        calendar = self.case.calendar
        start, stop = calendar.minute(first) + 1, calendar.minute(last)
        while (begin := table.find(1, start, stop)) >= 0:
            end = table.find(0, begin, stop)
            end = stop if end < 0 else end
            yield calendar.at(begin), calendar.at(end)
            start = end

    def _blocked(self, person: Person, eras: list[Era], until: datetime) -> list[Span]:
        dials = self.case.by_person[person.phone]
        rang = [dial.at for dial in dials if dial.rang]
        blocked = [*self.case.known.held[person.phone], *((d.at, d.recorded_at or until) for d in dials)]
        blocked += [(each.made, each.latest) for each in self.case.known.promises[person.phone]]
        for era in eras:
            spans = [(at, at + era.gap) for at in rang]
            spans += capped(rang, era.house.per_day, DAY)
            if era.house.per_30_days is not None:
                spans += capped(rang, era.house.per_30_days, MONTH)
            blocked += [era.clip(*span) for span in spans]
        return blocked


def _long(span: Span) -> bool:
    return span[1] - span[0] >= PATIENCE
