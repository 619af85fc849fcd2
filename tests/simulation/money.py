"""Judge budgets, and tell when a campaign had no money or no caller number left."""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal

from tests.oracle import zones
from tests.simulation.case import Case
from tests.simulation.plan import Account, Campaign
from tests.simulation.telephone import CENT, Dial
from tests.simulation.timeline import Span

DAY = timedelta(days=1)


def judge(case: Case) -> dict[str, list[Span]]:
    """Judge every budget. Return, by campaign, the spans in which money or caller numbers were used up."""
    organization, zone = case.organization, zones.zone(case.organization.zone)
    most = max((_reserve(account) for account in organization.accounts), default=Decimal(0))
    _costs(case)
    by_day: defaultdict[object, list[Dial]] = defaultdict(list)
    for dial in case.dials:
        by_day[dial.at.astimezone(zone).date()].append(dial)
    shared: list[Span] = []
    by_account: defaultdict[str, list[Span]] = defaultdict(list)
    for dials in by_day.values():
        tomorrow = dials[0].at.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
        tomorrow = (tomorrow + DAY).astimezone(dials[0].at.tzinfo)
        shared += _judge_budget(case, "organization's day", dials, organization.daily_budget, most, tomorrow)
        for account in organization.accounts:
            own = [dial for dial in dials if dial.account == account.name]
            limit = account.daily_budget
            by_account[account.name] += _judge_budget(case, "account's day", own, limit, _reserve(account), tomorrow)
    return {campaign.name: _poor(case, campaign, shared, by_account) for campaign in organization.campaigns}


def _poor(case: Case, campaign: Campaign, shared: list[Span], by_account: dict[str, list[Span]]) -> list[Span]:
    accounts = [account for account in case.organization.accounts if account.name in dict(campaign.assistants)]
    least = min(_reserve(account) for account in accounts)
    own = [dial for dial in case.dials if dial.campaign == campaign.name]
    most = max(_reserve(account) for account in accounts)
    spent = _judge_budget(case, "campaign's budget", own, campaign.budget, most, case.plan.end)
    paused = case.known.self_paused.get(campaign.name)
    certain = sum(d.cost for d in own if d.settled_at and paused and d.settled_at <= paused)
    if paused and certain + least <= (campaign.budget or Decimal(0)):
        case.found("paused without need", f"{campaign.name} at {paused}")
    full = [span for account in accounts for span in _full(case, account, campaign)]
    return [*shared, *spent, *full, *(span for account in accounts for span in by_account[account.name])]


def _judge_budget(
    case: Case, kind: str, dials: Iterable[Dial], limit: Decimal | None, reserve: Decimal, renewed: datetime
) -> list[Span]:
    """Judge one budget. Return the spans in which another call did not fit."""
    if limit is None:
        return []
    used, order = Decimal(0), 0
    settled: list[tuple[datetime, int, Decimal]] = []
    steps: list[tuple[datetime, Decimal]] = []

    def settle(until: datetime) -> None:
        nonlocal used
        while settled and settled[0][0] <= until:
            at, _, change = heapq.heappop(settled)
            used += change
            steps.append((at, used))

    for dial in dials:
        settle(dial.at)
        if used + dial.reserved > limit:
            case.found(kind, f"at {dial.at}: {used} used, {dial.reserved} to set aside, {limit} at most")
        if dial.rang:
            used += dial.reserved
            order += 1
            steps.append((dial.at, used))
            for at, change in _changes(dial, case.plan.end):
                order += 1
                heapq.heappush(settled, (at, order, change))
    settle(renewed)
    ends = [at for at, _ in steps[1:]] + [renewed]
    return [(at, end) for (at, amount), end in zip(steps, ends, strict=False) if amount + reserve > limit]


def _changes(dial: Dial, end: datetime) -> Iterator[tuple[datetime, Decimal]]:
    """Yield by how much the end of a call and its price change what is used up.

    While a price is awaited, the call counts as its reserve at least.
    """
    aside = dial.reserved
    if dial.recorded_at and dial.manner.settles_after is not None:
        known = Decimal(0) if dial.manner.zero_first else dial.estimate
        yield dial.recorded_at, max(known, aside) - aside
        aside = max(known, aside)
        if dial.settled_at is None:
            return
    yield dial.settled_at or dial.recorded_at or end, dial.cost - aside


def _costs(case: Case) -> None:
    """Judge the cost that is stored about each call that ended."""
    for dial in case.dials:
        if dial.rang and dial.meant is not None and abs(dial.cost - dial.meant) > CENT:
            case.found("wrong cost", f"{dial.campaign} {dial.phone} {dial.at}: {dial.cost}, meant {dial.meant}")


def _full(case: Case, account: Account, campaign: Campaign) -> list[Span]:
    """Return when every caller number of the campaign at an account was at its daily cap."""
    own = [number for number in case.organization.numbers if number.e164 in campaign.numbers]
    numbers = [number for number in own if number.account == account.name]
    if not numbers or any(number.per_day is None for number in numbers):
        return []
    changes: list[tuple[datetime, int, str]] = []
    for dial in case.dials:
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


def _reserve(account: Account) -> Decimal:
    return (account.price or Decimal(0)) * account.reserved_minutes
