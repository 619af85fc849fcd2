"""Judge the sequence of calls to each recipient, and the status that the recipient has at the end."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

from tests.simulation.case import Case
from tests.simulation.journal import Left
from tests.simulation.plan import Campaign, Organization, Person
from tests.simulation.telephone import Dial

GOING = {"pending", "waiting"}


def judge(case: Case) -> None:
    for name in case.known.campaigns:
        for person in case.people_of(name):
            made = case.made(name, person.phone)
            _retries(case, name, made)
            _ending(case, name, person, made)


def again(campaign: Campaign, gap: timedelta, dial: Dial, attempts: int) -> datetime | None:
    """Return when a recipient may be called again after the `attempts`-th call; None if never.

    The wait counts from when the end was seen, not from when the provider says it was.
    """
    outcome = "failed" if dial.answer == "refused" else dial.outcome
    rules = {name: (timedelta(minutes=wait), most) for name, wait, most in campaign.retries}
    rule = rules.get("voicemail") if dial.machine and outcome in {"completed", "no_answer"} else None
    rule = rule or (rules.get(outcome) if outcome != "completed" else None)
    if rule is None or attempts >= min(rule[1], campaign.max_attempts):
        return None
    return (dial.recorded_at or dial.ended_at or dial.at) + max(rule[0], gap)


def forbidden_from(case: Case, name: str, dial: Dial, attempts: int) -> datetime | None:
    """Return the first moment after a call at which the rules in force allow no further one; None if there is none."""
    ended, campaign = dial.recorded_at or case.plan.end, case.known.campaigns[name]
    for at, until, rules in case.versions(campaign, ended):
        if until > ended and again(rules, timedelta(), dial, attempts) is None:
            return max(at, ended)
    return None


def _retries(case: Case, name: str, made: list[Dial]) -> None:
    for n, dial in enumerate(made):
        if not dial.asked_for and n >= case.known.campaigns[name].at(dial.at).max_attempts:
            case.found("attempts", f"{name} {dial.phone}: {n + 1}")
    for n, (dial, later) in enumerate(pairwise(made), start=1):
        if later.asked_for:
            continue
        now, planned = (_again_at(case, name, dial, n, at) for at in (later.at, dial.recorded_at or later.at))
        said = f"{name} {dial.phone}: {dial.outcome} {dial.at}, then {later.at}"
        if now is None or (later.at < now and (planned is None or later.at < planned)):
            case.found("retry", said)
        elif later.at < now:
            case.found("an old wait", said)


def _again_at(case: Case, name: str, dial: Dial, attempts: int, moment: datetime) -> datetime | None:
    campaign, house = case.known.campaigns[name].at(moment), case.known.house.at(moment)
    return again(campaign, case.known.gap(campaign, house), dial, attempts)


def _ending(case: Case, name: str, person: Person, made: list[Dial]) -> None:
    left, campaign = case.left.get((name, person.phone)), case.known.campaigns[name].last
    if left is None:
        if not campaign.starts_at or campaign.starts_at < case.plan.end:
            case.found("wrong end", f"{name} {person.phone} was never a recipient")
        return
    wrong = _wrong(case, name, person, made, left)
    if wrong:
        case.found("wrong end", f"{name} {person.phone}: {wrong} ({left})")


def _wrong(case: Case, name: str, person: Person, made: list[Dial], left: Left) -> str:
    open_now = bool(made) and made[-1].recorded_at is None
    over = case.known.campaigns[name].last.ends_at is not None
    listed = person.phone in case.known.listed
    forbidden = listed or any(person.place.country not in house.countries for house in case.known.house.values)
    if left.attempts != len(made):
        return f"{len(made)} calls were made"
    if left.status == "skipped":
        right = {"do_not_call": listed, "country": forbidden}
        return "" if not made and right.get(left.reason) else "skipped without a reason"
    if left.status == "done" and not made:
        return "" if left.reason == "no_open_window" and over else "done without a call"
    if left.status == "done":
        last = open_now or forbidden_from(case, name, made[-1], len(made)) is not None
        return "" if last or over or forbidden else "done though another call was due"
    if left.status in GOING:
        promised = any(each.latest > case.plan.end for each in case.known.promises[person.phone])
        due = not made or promised or open_now or allowed_at_its_end(case, name, made)
        return "" if due else "waits though no call is due"
    return "" if open_now or left.status == "calling" else "its call has ended, but its status has not"


def allowed_at_its_end(case: Case, name: str, made: list[Dial]) -> bool:
    """Return whether the rules allowed a further call when the last one ended, or do now."""
    ended = made[-1].recorded_at or case.plan.end
    rules: tuple[Campaign, ...] = tuple(case.known.campaigns[name].at(at) for at in (ended, case.plan.end))
    return any(again(each, timedelta(), made[-1], len(made)) is not None for each in rules)


def country_forbidden_from(case: Case, person: Person) -> datetime | None:
    """Return the first moment at which the organization may not call the country of a person."""
    house: Organization
    for at, _, house in case.versions(case.known.house, case.plan.begin):
        if person.place.country not in house.countries:
            return at
    return None
