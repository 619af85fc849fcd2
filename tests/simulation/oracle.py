"""The judge: reads the plan and the journal, and counts every call that broke a rule and every call that is missing.

It shares no code with the product. It counts hours, gaps, caps, capacities and money again, in a simple way.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from zoneinfo import ZoneInfo

from tests.simulation.hours import Calendar
from tests.simulation.plan import Account, Campaign, Organization, Person, Place, Plan
from tests.simulation.run import Journal, Left
from tests.simulation.telephone import Dial

KINDS = (
    "closed hours",
    "country",
    "do not call",
    "on hold",
    "stopped or paused",
    "outside its time",
    "second open call",
    "minimum gap",
    "calls per day",
    "calls per 30 days",
    "attempts",
    "retry",
    "open calls",
    "account's rate",
    "pace",
    "number's day",
    "number's rest",
    "campaign's budget",
    "organization's day",
    "account's day",
    "paused without need",
    "left behind",
    "wrong end",
)
DAY, MONTH, EVER = timedelta(days=1), timedelta(days=30), timedelta(days=400)
PATIENCE = timedelta(minutes=30)  # a campaign idles if it calls no one for so long although a recipient may be called
A_LITTLE = timedelta(milliseconds=1)
Span = tuple[datetime, datetime]


@dataclass
class Finding:
    violations: list[tuple[str, str]] = field(default_factory=list)

    def __call__(self, kind: str, said: str) -> None:
        assert kind in KINDS
        self.violations.append((kind, said))

    def counted(self) -> Counter[str]:
        return Counter(kind for kind, _ in self.violations)


def judge(plan: Plan, journal: Journal) -> Finding:
    found = Finding()
    calendar = Calendar(plan.begin, plan.end)
    for organization in plan.organizations:
        _Judge(plan, organization, journal, calendar, found).judge()
    return found


class _Judge:
    def __init__(
        self, plan: Plan, organization: Organization, journal: Journal, calendar: Calendar, found: Finding
    ) -> None:
        self.plan, self.organization, self.calendar, self.found = plan, organization, calendar, found
        self.dials = [dial for dial in journal.dials if dial.organization == organization.name]
        self.campaigns = {each.name: each for each in organization.campaigns}
        self.people = {person.phone: person for each in organization.campaigns for person in each.people}
        self.left = {key[1:]: left for key, left in journal.left.items() if key[0] == organization.name}
        self.by_person: defaultdict[str, list[Dial]] = defaultdict(list)
        for dial in self.dials:
            self.by_person[dial.phone].append(dial)
        self.self_paused = {name: at for home, name, at in journal.paused if home == organization.name}
        self._read_deeds(journal)

    def _read_deeds(self, journal: Journal) -> None:
        self.listed: dict[str, datetime] = {}
        self.held: defaultdict[str, list[Span]] = defaultdict(list)
        self.still: defaultdict[str, list[Span]] = defaultdict(list)  # by campaign; "" is the whole organization
        never = self.plan.end + EVER
        for home, deed in journal.deeds:
            if home != self.organization.name:
                continue
            if deed.kind == "list":
                self.listed.setdefault(deed.subject, deed.at)
            elif deed.kind == "hold":
                self.held[deed.subject].append((deed.at, deed.until or never))
            elif deed.kind == "lift":
                self.held[deed.subject] = [(a, min(b, deed.at)) for a, b in self.held[deed.subject]]
            else:
                key = deed.subject if deed.kind in {"pause", "resume"} else ""
                if deed.kind in {"pause", "stop"}:
                    self.still[key].append((deed.at, never))
                elif self.still[key]:
                    self.still[key][-1] = (self.still[key][-1][0], deed.at)
        for name, at in self.self_paused.items():
            self.still[name].append((at, never))

    def judge(self) -> None:
        for dial in self.dials:
            self._permitted(dial)
        for phone, dials in self.by_person.items():
            self._person(phone, [dial for dial in dials if dial.rang])
        for name, campaign in self.campaigns.items():
            self._attempts(campaign)
            self._open(name, [d for d in self.dials if d.campaign == name], campaign.max_open)
            if campaign.per_minute:
                moments = [dial.at for dial in self.dials if dial.campaign == name]
                self._rate("pace", name, moments, campaign.per_minute / 60, 2)
        for account in self.organization.accounts:
            own = [dial for dial in self.dials if dial.account == account.name]
            self._open(account.name, own, account.max_open)
            rate = account.calls_per_second
            self._rate("account's rate", account.name, [dial.at for dial in own], rate, max(1, rate))
        self._numbers()
        poor = self._money()
        for campaign in self.campaigns.values():
            self._left_behind(campaign, poor[campaign.name])

    # Each dial.

    def _permitted(self, dial: Dial) -> None:
        campaign, place = self.campaigns[dial.campaign], self.people[dial.phone].place
        if not self.calendar.may_call(campaign, place)[self.calendar.minute(dial.at)]:
            self.found("closed hours", f"{dial.at} {dial.campaign} {dial.phone} in {place.zones or campaign.zone}")
        if place.country not in self.organization.countries:
            self.found("country", f"{dial.at} {dial.phone}")
        if self.listed.get(dial.phone, dial.at + DAY) <= dial.at:
            self.found("do not call", f"{dial.at} {dial.phone}")
        if _within(self.held[dial.phone], dial.at):
            self.found("on hold", f"{dial.at} {dial.phone}")
        if _within(self.still[""], dial.at) or _within(self.still[dial.campaign], dial.at):
            self.found("stopped or paused", f"{dial.at} {dial.campaign} {dial.phone}")
        if dial.at < (campaign.starts_at or dial.at) or dial.at >= (campaign.ends_at or dial.at + DAY):
            self.found("outside its time", f"{dial.at} {dial.campaign}")

    def _person(self, phone: str, dials: list[Dial]) -> None:
        for n, dial in enumerate(dials):
            before = dials[:n]
            gap = self._gap(self.campaigns[dial.campaign])
            if before and dial.at - before[-1].at < gap:
                self.found("minimum gap", f"{phone}: {before[-1].at} and {dial.at}")
            if before and (before[-1].recorded_at or self.plan.end) > dial.at:
                self.found("second open call", f"{phone}: {before[-1].at} and {dial.at}")
            if sum(each.at > dial.at - DAY for each in before) >= self.organization.per_day:
                self.found("calls per day", f"{phone} at {dial.at}")
            most = self.organization.per_30_days
            if most is not None and sum(each.at > dial.at - MONTH for each in before) >= most:
                self.found("calls per 30 days", f"{phone} at {dial.at}")

    def _gap(self, campaign: Campaign) -> timedelta:
        return self.organization.gap if campaign.gap is None else campaign.gap

    # Each recipient: the sequence of attempts, and the final status.

    def _attempts(self, campaign: Campaign) -> None:
        for person in campaign.people:
            made = self._made(campaign, person)
            if len(made) > campaign.max_attempts:
                self.found("attempts", f"{campaign.name} {person.phone}: {len(made)}")
            for n, (dial, later) in enumerate(pairwise(made), start=1):
                again = self._again(campaign, dial, n)
                if again is None or later.at < again:
                    self.found("retry", f"{campaign.name} {person.phone}: {dial.outcome} {dial.at}, then {later.at}")
            self._ending(campaign, person, made)

    def _made(self, campaign: Campaign, person: Person) -> list[Dial]:
        dials = self.by_person[person.phone]
        return [dial for dial in dials if dial.campaign == campaign.name and dial.answer != "not_sent"]

    def _again(self, campaign: Campaign, dial: Dial, attempts: int) -> datetime | None:
        """Return when a recipient may be called again after the `attempts`-th call; None if never."""
        outcome = "failed" if dial.answer == "refused" else dial.outcome
        rules = {name: (timedelta(minutes=wait), most) for name, wait, most in campaign.retries}
        rule = rules.get("voicemail") if dial.machine and outcome in {"completed", "no_answer"} else None
        rule = rule or (rules.get(outcome) if outcome != "completed" else None)
        if rule is None or attempts >= min(rule[1], campaign.max_attempts):
            return None
        return (dial.ended_at or dial.at) + max(rule[0], self._gap(campaign))

    def _ending(self, campaign: Campaign, person: Person, made: list[Dial]) -> None:
        left = self.left.get((campaign.name, person.phone))
        if left is None:
            if not campaign.starts_at or campaign.starts_at < self.plan.end:
                self.found("wrong end", f"{campaign.name} {person.phone} was never a recipient")
            return
        wrong = self._wrong(campaign, person, made, left)
        if wrong:
            self.found("wrong end", f"{campaign.name} {person.phone}: {wrong} ({left})")

    def _wrong(self, campaign: Campaign, person: Person, made: list[Dial], left: Left) -> str:
        open_now = bool(made) and made[-1].recorded_at is None
        again = self._again(campaign, made[-1], len(made)) if made and not open_now else None
        over = campaign.ends_at is not None
        forbidden = person.phone in self.listed or person.place.country not in self.organization.countries
        if left.attempts != len(made):
            return f"{len(made)} calls were made"
        if left.status == "skipped":
            right = {"do_not_call": person.phone in self.listed, "country": forbidden}
            return "" if not made and right.get(left.reason) else "skipped without a reason"
        if left.status == "done" and not made:
            return "" if left.reason == "no_open_window" and over else "done without a call"
        if left.status == "done":
            return "" if again is None or over or forbidden else "done though another call was due"
        if left.status in {"pending", "waiting"}:
            return "" if not made or again else "waits though no call is due"
        return "" if open_now or left.status == "calling" else "its call has ended, but its status has not"

    # Capacity.

    def _open(self, whose: str, dials: list[Dial], most: int | None) -> None:
        if most is None:
            return
        ends: list[datetime] = []
        for dial in dials:
            while ends and ends[0] <= dial.at:
                heapq.heappop(ends)
            if dial.rang:
                heapq.heappush(ends, dial.recorded_at or self.plan.end)
            if len(ends) > most:
                self.found("open calls", f"{whose} at {dial.at}: {len(ends)} of {most}")

    def _rate(self, kind: str, whose: str, moments: list[datetime], per_second: float, burst: float) -> None:
        level, last = float(burst), self.plan.begin
        for moment in moments:
            level = min(float(burst), level + (moment - last).total_seconds() * per_second) - 1
            last = moment
            if level < -1e-3:
                self.found(kind, f"{whose} at {moment}")

    def _numbers(self) -> None:
        for number in self.organization.numbers:
            dials = [dial for dial in self.dials if dial.number == number.e164 and dial.rang]
            self._open(number.e164, dials, number.max_open)
            moments = [dial.at for dial in dials]
            for n, moment in enumerate(moments):
                if n and moment - moments[n - 1] < timedelta(seconds=number.rest) - A_LITTLE:
                    self.found("number's rest", f"{number.e164} at {moment}")
                if number.per_day is not None and n - bisect_right(moments, moment - DAY) >= number.per_day:
                    self.found("number's day", f"{number.e164} at {moment}")

    # Money.

    def _money(self) -> dict[str, list[Span]]:
        """Judge every budget. Return, by campaign, the spans in which money or caller numbers were used up."""
        organization, zone = self.organization, ZoneInfo(self.organization.zone)
        most = max((_reserve(account) for account in organization.accounts), default=Decimal(0))
        by_day: defaultdict[object, list[Dial]] = defaultdict(list)
        for dial in self.dials:
            by_day[dial.at.astimezone(zone).date()].append(dial)
        shared: list[Span] = []
        by_account: defaultdict[str, list[Span]] = defaultdict(list)
        for dials in by_day.values():
            tomorrow = dials[0].at.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
            tomorrow = (tomorrow + DAY).astimezone(dials[0].at.tzinfo)
            shared += self._judge_budget("organization's day", dials, organization.daily_budget, most, tomorrow)
            for account in organization.accounts:
                own = [dial for dial in dials if dial.account == account.name]
                limit = account.daily_budget
                by_account[account.name] += self._judge_budget("account's day", own, limit, _reserve(account), tomorrow)
        return {campaign.name: self._poor(campaign, shared, by_account) for campaign in organization.campaigns}

    def _poor(self, campaign: Campaign, shared: list[Span], by_account: dict[str, list[Span]]) -> list[Span]:
        accounts = [account for account in self.organization.accounts if account.name in dict(campaign.assistants)]
        least = min(_reserve(account) for account in accounts)
        own = [dial for dial in self.dials if dial.campaign == campaign.name]
        most = max(_reserve(account) for account in accounts)
        spent = self._judge_budget("campaign's budget", own, campaign.budget, most, self.plan.end)
        paused = self.self_paused.get(campaign.name)
        if paused and sum(d.cost for d in own if d.recorded_at and d.recorded_at <= paused) + least <= (
            campaign.budget or Decimal(0)
        ):
            self.found("paused without need", f"{campaign.name} at {paused}")
        full = [span for account in accounts for span in self._full(account, campaign)]
        return [*shared, *spent, *full, *(span for account in accounts for span in by_account[account.name])]

    def _judge_budget(
        self, kind: str, dials: Iterable[Dial], limit: Decimal | None, reserve: Decimal, renewed: datetime
    ) -> list[Span]:
        """Judge one budget. Return the spans in which another call did not fit."""
        if limit is None:
            return []
        used, order = Decimal(0), 0
        settled: list[tuple[datetime, int, Dial]] = []
        steps: list[tuple[datetime, Decimal]] = []

        def settle(until: datetime) -> None:
            nonlocal used
            while settled and settled[0][0] <= until:
                at, _, dial = heapq.heappop(settled)
                used += dial.cost - dial.reserved
                steps.append((at, used))

        for dial in dials:
            settle(dial.at)
            if used + dial.reserved > limit:
                self.found(kind, f"at {dial.at}: {used} used, {dial.reserved} to set aside, {limit} at most")
            if dial.rang:
                used += dial.reserved
                order += 1
                steps.append((dial.at, used))
                heapq.heappush(settled, (dial.recorded_at or self.plan.end, order, dial))
        settle(renewed)
        ends = [at for at, _ in steps[1:]] + [renewed]
        return [(at, end) for (at, amount), end in zip(steps, ends, strict=False) if amount + reserve > limit]

    def _full(self, account: Account, campaign: Campaign) -> list[Span]:
        """Return when every caller number of the campaign at an account was at its daily cap."""
        own = [number for number in self.organization.numbers if number.e164 in campaign.numbers]
        numbers = [number for number in own if number.account == account.name]
        if not numbers or any(number.per_day is None for number in numbers):
            return []
        changes: list[tuple[datetime, int, str]] = []
        for dial in self.dials:
            if dial.rang and dial.account == account.name:
                changes += [(dial.at, 1, dial.number), (dial.at + DAY, -1, dial.number)]
        changes.sort(key=lambda change: change[:2])
        used: Counter[str] = Counter()
        spans, since = [], None
        for at, change, number in changes:
            used[number] += change
            full = all(used[each.e164] >= (each.per_day or 0) for each in numbers)
            if full and since is None:
                since = at
            elif not full and since is not None:
                spans.append((since, at))
                since = None
        return spans

    # Recipients who could have been called and were not.

    def _left_behind(self, campaign: Campaign, poor: list[Span]) -> None:
        idle = self._idle(campaign, poor)
        chances = {place: self._chances(campaign, place, idle) for place in {p.place for p in campaign.people}}
        launched = max(self.plan.begin, campaign.starts_at or self.plan.begin)
        for person in campaign.people:
            if person.place.country not in self.organization.countries or not chances[person.place]:
                continue
            made = self._made(campaign, person)
            dues = [launched, *(self._again(campaign, dial, n) for n, dial in enumerate(made, start=1))]
            for due, until in zip(dues, [*(dial.at for dial in made), self.plan.end], strict=True):
                if due is not None and (missed := self._missed(campaign, person, due, until, chances[person.place])):
                    self.found(
                        "left behind",
                        f"{self.organization.name}: {campaign.name} {person.phone} from {missed[0]} to {missed[1]}",
                    )

    def _idle(self, campaign: Campaign, poor: list[Span]) -> list[Span]:
        """Return when the campaign made no calls for a while although it ran and had money and caller numbers."""
        moments = [dial.at for dial in self.dials if dial.campaign == campaign.name]
        edges = [max(self.plan.begin, campaign.starts_at or self.plan.begin), *moments]
        edges.append(min(self.plan.end, campaign.ends_at or self.plan.end))
        quiet = [(first, last) for first, last in pairwise(edges) if last - first >= PATIENCE]
        return _without(quiet, [*self.still[""], *self.still[campaign.name], *poor])

    def _chances(self, campaign: Campaign, place: Place, idle: list[Span]) -> list[Span]:
        """Return when the idle campaign could have called people of this place."""
        table = self.calendar.may_call(campaign, place)
        return [chance for span in idle for chance in self._runs(table, *span)]

    def _runs(self, table: bytes, first: datetime, last: datetime) -> Iterator[Span]:
        start, stop = self.calendar.minute(first) + 1, self.calendar.minute(last)
        while (begin := table.find(1, start, stop)) >= 0:
            end = table.find(0, begin, stop)
            end = stop if end < 0 else end
            if self.calendar.at(end) - self.calendar.at(begin) >= PATIENCE:
                yield self.calendar.at(begin), self.calendar.at(end)
            start = end

    def _missed(
        self, campaign: Campaign, person: Person, due: datetime, until: datetime, chances: list[Span]
    ) -> Span | None:
        until = min(until, self.listed.get(person.phone, until))
        own = [(a, b) for a, b in _clipped(chances, due, until) if b - a >= PATIENCE]
        if not own:
            return None
        rang = [dial.at for dial in self.by_person[person.phone] if dial.rang]
        blocked = [*self.held[person.phone], *((at, at + self._gap(campaign)) for at in rang)]
        blocked += [(d.at, d.recorded_at or until) for d in self.by_person[person.phone]]
        blocked += _capped(rang, self.organization.per_day, DAY)
        if self.organization.per_30_days is not None:
            blocked += _capped(rang, self.organization.per_30_days, MONTH)
        return next((span for span in _without(own, blocked) if span[1] - span[0] >= PATIENCE), None)


def _reserve(account: Account) -> Decimal:
    return (account.price or Decimal(0)) * account.reserved_minutes


def _within(spans: Iterable[Span], moment: datetime) -> bool:
    return any(first <= moment < last for first, last in spans)


def _capped(moments: list[datetime], most: int, lasts: timedelta) -> list[Span]:
    """Return the spans in which the last `most` calls are all younger than `lasts`."""
    return [(moments[n + most - 1], moments[n] + lasts) for n in range(len(moments) - most + 1)]


def _clipped(spans: list[Span], first: datetime, last: datetime) -> Iterator[Span]:
    for a, b in spans[max(0, bisect_left(spans, (first, first)) - 1) :]:
        if a >= last:
            return
        if max(a, first) < min(b, last):
            yield max(a, first), min(b, last)


def _without(spans: Iterable[Span], blocked: Iterable[Span]) -> list[Span]:
    found = list(spans)
    for first, last in blocked:
        if first < last:
            found = (
                [piece for a, b in found for piece in ((a, min(b, first)), (max(a, last), b)) if piece[0] < piece[1]]
                if any(a < last and first < b for a, b in found)
                else found
            )
    return found
