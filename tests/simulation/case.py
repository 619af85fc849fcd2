"""One organization's case: its plan, its calls, and what was in force. What a judge found is kept here."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from tests.oracle.minutes import Calendar
from tests.simulation.in_force import InForce
from tests.simulation.journal import Journal
from tests.simulation.plan import Organization, Person, Plan
from tests.simulation.telephone import Dial
from tests.simulation.timeline import Timeline

T = TypeVar("T")
KINDS = (
    "closed hours",
    "country",
    "do not call",
    "on hold",
    "stopped or paused",
    "switched off",
    "outside its time",
    "second open call",
    "minimum gap",
    "calls per day",
    "calls per 30 days",
    "attempts",
    "retry",
    "an old wait",
    "open calls",
    "account's rate",
    "pace",
    "number's day",
    "number's rest",
    "campaign's budget",
    "organization's day",
    "account's day",
    "paused without need",
    "wrong cost",
    "callback's time",
    "callback missed",
    "callback disturbed",
    "left behind",
    "late look",
    "wrong end",
)


@dataclass
class Finding:
    violations: list[tuple[str, str]] = field(default_factory=list)
    by_home: Counter[tuple[str, str]] = field(default_factory=Counter)  # organization, kind

    def add(self, home: str, kind: str, said: str) -> None:
        assert kind in KINDS
        self.violations.append((kind, f"{home}: {said}"))
        self.by_home[home, kind] += 1

    def counted(self) -> Counter[str]:
        return Counter(kind for kind, _ in self.violations)


class Case:
    def __init__(
        self, plan: Plan, organization: Organization, journal: Journal, calendar: Calendar, finding: Finding
    ) -> None:
        self.plan, self.organization, self.calendar, self._finding = plan, organization, calendar, finding
        self.known = InForce(plan, organization, journal, calendar)
        self.dials = [dial for dial in journal.dials if dial.organization == organization.name]
        self.people = {person.phone: person for each in organization.campaigns for person in each.people}
        self.left = {key[1:]: left for key, left in journal.left.items() if key[0] == organization.name}
        self.by_person: defaultdict[str, list[Dial]] = defaultdict(list)
        for dial in self.dials:
            self.by_person[dial.phone].append(dial)

    def found(self, kind: str, said: str) -> None:
        self._finding.add(self.organization.name, kind, said)

    def people_of(self, campaign: str) -> tuple[Person, ...]:
        return self.known.campaigns[campaign].last.people

    def made(self, campaign: str, phone: str) -> list[Dial]:
        """Return the calls that count as attempts."""
        dials = self.by_person[phone]
        return [dial for dial in dials if dial.campaign == campaign and dial.answer != "not_sent"]

    def versions(self, line: Timeline[T], since: datetime) -> Iterator[tuple[datetime, datetime, T]]:
        """Yield the values from `since` on, each with its span."""
        ends = [*line.moments[1:], self.plan.end]
        for at, until, value in zip(line.moments, ends, line.values, strict=True):
            if until > since:
                yield max(at, since), until, value
