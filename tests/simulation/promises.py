"""Judge scheduled callbacks: kept in their time where that was possible, and not disturbed by another call."""

from __future__ import annotations

from datetime import timedelta

from tests.simulation.case import Case
from tests.simulation.in_force import Promise
from tests.simulation.telephone import Dial
from tests.simulation.timeline import Span, within, without

ENOUGH = timedelta(minutes=3)  # the engine looks for callbacks that are due every few seconds


def judge(case: Case) -> None:
    kept: set[int] = set()
    for promises in case.known.promises.values():
        for promise in promises:
            _judge(case, promise, kept)
    for dial in case.dials:
        if dial.asked_for and id(dial) not in kept:
            case.found("callback's time", f"{dial.campaign} {dial.phone} at {dial.at}")


def _judge(case: Case, promise: Promise, kept: set[int]) -> None:
    dials = [dial for dial in case.by_person[promise.phone] if promise.made <= dial.at < promise.latest]
    calls = [d for d in dials if d.asked_for and d.campaign == promise.campaign and d.at >= promise.due]
    kept |= {id(dial) for dial in calls}
    rang = next((dial for dial in calls if dial.rang), None)
    until = rang.at if rang else promise.latest
    said = f"{promise.campaign} {promise.phone}, promised {promise.made} for {promise.due}"
    for dial in dials:
        if dial.at < until and not dial.asked_for:
            case.found("callback disturbed", f"{said}: {dial.campaign} called at {dial.at}")
    if rang is None and promise.latest <= case.plan.end:
        possible = without([(promise.due, promise.latest)], _impossible(case, promise, dials))
        if any(last - first >= ENOUGH for first, last in possible):
            case.found("callback missed", said)


def _impossible(case: Case, promise: Promise, dials: list[Dial]) -> list[Span]:
    """Return when no call could keep the promise."""
    known, minute = case.known, timedelta(minutes=1)
    spans = [*known.held[promise.phone], *known.still[""], *known.still[promise.campaign]]
    spans += [(dial.at, dial.recorded_at or promise.latest) for dial in case.by_person[promise.phone]]
    if promise.phone in known.listed:
        spans.append((known.listed[promise.phone], promise.latest))
    spans += [(dial.at, dial.at + 2 * minute) for dial in dials if dial.answer == "not_sent"]
    moment = promise.due
    while moment < promise.latest:
        campaign, zone = known.campaigns[promise.campaign].at(moment), known.zones[promise.phone].at(moment)
        table = known.may_call_back(campaign, promise.phone, zone)
        numbers = [within(known.off["number", number], moment) for number in campaign.numbers]
        assistants = [within(known.off["assistant", account], moment) for account, _ in campaign.assistants]
        dark = all(numbers) or all(assistants)
        if dark or not table[case.calendar.minute(moment)]:
            spans.append((moment, moment + minute))
        moment += minute
    return spans
