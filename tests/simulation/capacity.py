"""Judge lines, rates, paces and caller numbers."""

from __future__ import annotations

import heapq
from bisect import bisect_right
from datetime import datetime, timedelta

from tests.simulation.case import Case
from tests.simulation.telephone import Dial

DAY, A_LITTLE = timedelta(days=1), timedelta(milliseconds=1)


def judge(case: Case) -> None:
    for name, line in case.known.campaigns.items():
        campaign, dials = line.last, [dial for dial in case.dials if dial.campaign == name]
        _open(case, name, dials, campaign.max_open)
        if campaign.per_minute:
            moments = [dial.at for dial in dials if not dial.asked_for]
            _rate(case, "pace", name, moments, campaign.per_minute / 60, 2)
    for account in case.organization.accounts:
        own = [dial for dial in case.dials if dial.account == account.name]
        _open(case, account.name, own, account.max_open)
        rate = account.calls_per_second
        _rate(case, "account's rate", account.name, [dial.at for dial in own], rate, max(1, rate))
    _numbers(case)


def _open(case: Case, whose: str, dials: list[Dial], most: int | None) -> None:
    if most is None:
        return
    ends: list[datetime] = []
    for dial in dials:
        while ends and ends[0] <= dial.at:
            heapq.heappop(ends)
        if dial.rang:
            heapq.heappush(ends, dial.recorded_at or case.plan.end)
        if len(ends) > most:
            case.found("open calls", f"{whose} at {dial.at}: {len(ends)} of {most}")


def _rate(case: Case, kind: str, whose: str, moments: list[datetime], per_second: float, burst: float) -> None:
    level, last = float(burst), case.plan.begin
    for moment in moments:
        level = min(float(burst), level + (moment - last).total_seconds() * per_second) - 1
        last = moment
        if level < -1e-3:
            case.found(kind, f"{whose} at {moment}")


def _numbers(case: Case) -> None:
    for number in case.organization.numbers:
        dials = [dial for dial in case.dials if dial.number == number.e164 and dial.rang]
        _open(case, number.e164, dials, number.max_open)
        moments = [dial.at for dial in dials]
        for n, moment in enumerate(moments):
            if n and moment - moments[n - 1] < timedelta(seconds=number.rest) - A_LITTLE:
                case.found("number's rest", f"{number.e164} at {moment}")
            if number.per_day is not None and n - bisect_right(moments, moment - DAY) >= number.per_day:
                case.found("number's day", f"{number.e164} at {moment}")
