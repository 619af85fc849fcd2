"""The judge: reads the plan and the journal, and counts every call that broke a rule and every call that is missing.

It shares no code with the product. It counts hours, gaps, caps, capacities and money again, in a simple way, from the
tables in `tests/oracle`. Each call is judged by the rules that were in force at its moment.
"""

from __future__ import annotations

from datetime import timedelta

from tests.oracle.minutes import Calendar
from tests.simulation import capacity, endings, left_behind, money, promises
from tests.simulation.case import Case, Finding
from tests.simulation.journal import Journal
from tests.simulation.plan import Campaign, Plan
from tests.simulation.telephone import Dial
from tests.simulation.timeline import within

DAY, MONTH = timedelta(days=1), timedelta(days=30)


def judge(plan: Plan, journal: Journal) -> Finding:
    found = Finding()
    calendar = Calendar(plan.begin, plan.end)
    for organization in plan.organizations:
        case = Case(plan, organization, journal, calendar, found)
        for dial in case.dials:
            _permitted(case, dial)
        for phone, dials in case.by_person.items():
            _person(case, phone, [dial for dial in dials if dial.rang])
        endings.judge(case)
        capacity.judge(case)
        promises.judge(case)
        left_behind.judge(case, money.judge(case))
    return found


def _permitted(case: Case, dial: Dial) -> None:
    known, place = case.known, case.people[dial.phone].place
    campaign, zone = known.campaigns[dial.campaign].at(dial.at), known.zones[dial.phone].at(dial.at)
    may_call = known.may_call_back if dial.asked_for else known.may_call
    if not may_call(campaign, dial.phone, zone)[case.calendar.minute(dial.at)]:
        case.found("closed hours", f"{dial.at} {dial.campaign} {dial.phone} {zone}")
    if place.country not in known.house.at(dial.at).countries:
        case.found("country", f"{dial.at} {dial.phone}")
    if known.listed.get(dial.phone, dial.at + DAY) <= dial.at:
        case.found("do not call", f"{dial.at} {dial.phone}")
    if within(known.held[dial.phone], dial.at):
        case.found("on hold", f"{dial.at} {dial.phone}")
    if within(known.still[""], dial.at) or within(known.still[dial.campaign], dial.at):
        case.found("stopped or paused", f"{dial.at} {dial.campaign} {dial.phone}")
    if any(within(known.off[part], dial.at) for part in (("number", dial.number), ("assistant", dial.account))):
        case.found("switched off", f"{dial.at} {dial.campaign} {dial.phone} from {dial.number} at {dial.account}")
    if not _in_its_time(campaign, dial):
        case.found("outside its time", f"{dial.at} {dial.campaign}")


def _in_its_time(campaign: Campaign, dial: Dial) -> bool:
    return (campaign.starts_at or dial.at) <= dial.at < (campaign.ends_at or dial.at + DAY)


def _person(case: Case, phone: str, dials: list[Dial]) -> None:
    for n, dial in enumerate(dials):
        before, house = dials[:n], case.known.house.at(dial.at)
        if before and (before[-1].recorded_at or case.plan.end) > dial.at:
            case.found("second open call", f"{phone}: {before[-1].at} and {dial.at}")
        if dial.asked_for:
            continue  # a contact who asked to be called is called
        gap = case.known.gap(case.known.campaigns[dial.campaign].at(dial.at), house)
        if before and dial.at - before[-1].at < gap:
            case.found("minimum gap", f"{phone}: {before[-1].at} and {dial.at}")
        if sum(each.at > dial.at - DAY for each in before) >= house.per_day:
            case.found("calls per day", f"{phone} at {dial.at}")
        most = house.per_30_days
        if most is not None and sum(each.at > dial.at - MONTH for each in before) >= most:
            case.found("calls per 30 days", f"{phone} at {dial.at}")
