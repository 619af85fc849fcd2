"""A small simulated month, and tests of its judge."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.simulation import oracle, plan
from tests.simulation.plan import Account, Campaign, Deed, Number, Organization, Person, Place, Plan
from tests.simulation.run import Journal, Left, Month
from tests.simulation.telephone import Dial

NEW_YORK = Place("+1212555", 4, "US", ("America/New_York",), "US")
ANN, BOB = Person("+12125550140", NEW_YORK), Person("+12125550141", NEW_YORK)
BEGIN = datetime(2026, 3, 6, tzinfo=UTC)
NOON = datetime(2026, 3, 6, 17, 0, tzinfo=UTC)  # a Friday in New York
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("only", "lasts", "at_least", "share"),
    [
        pytest.param("crowded", timedelta(days=3), 10, 3, id="days in which clocks go forward"),
        pytest.param(None, plan.LASTS, 100, 1, id="a month", marks=pytest.mark.proof),
    ],
)
def test_a_small_month_breaks_no_rule(only: str | None, lasts: timedelta, at_least: int, share: int) -> None:
    """The kind "left behind" is not judged here: with so few people, a daily budget may be too small for a single call.

    `make simulate` judges it.
    """
    wanted = plan.month(120, seed=3, only=only)
    wanted = replace(
        wanted, end=wanted.begin + lasts, organizations=tuple(fewer(home, share) for home in wanted.organizations)
    )
    journal = Month(wanted, seed=3).run()
    assert len(journal.dials) > at_least
    assert [found for found in oracle.judge(wanted, journal).violations if found[0] != "left behind"] == []


def fewer(home: Organization, share: int) -> Organization:
    """Return the organization with every `share`-th person of each campaign."""
    return replace(home, campaigns=tuple(replace(each, people=each.people[::share]) for each in home.campaigns))


def a_plan(people: tuple[Person, ...] = (ANN,), **fields: Any) -> Plan:
    """Return one campaign from nine to five that retries two hours after no answer. `fields` overrides values: those of
    the campaign, account and number in dicts of their own."""
    campaign = Campaign(
        "c",
        people,
        (plan.opening(range(7), 9, 17),),
        (("a", 1),),
        ("+12125550100",),
        retries=(("no_answer", 120, 3),),
    )
    campaign = replace(campaign, **fields.pop("campaign", {}))
    account = replace(Account("a", price=Decimal("0.1")), **fields.pop("account", {}))
    number = replace(Number("+12125550100", "a"), **fields.pop("number", {}))
    home = Organization("o", (account,), (number,), (campaign,), gap=HOUR, per_day=2)
    return Plan(BEGIN, BEGIN + timedelta(days=3), (replace(home, **fields),))


def dial(at: datetime, phone: str = ANN.phone, **fields: Any) -> Dial:
    given: dict[str, Any] = {
        "outcome": "no_answer",
        "ended_at": at + MINUTE,
        "recorded_at": at + MINUTE,
        "reserved": Decimal("0.5"),
    }
    return Dial(at, "o", "c", "a", "+12125550100", phone, **(given | fields))


def judged(wanted: Plan, dials: list[Dial], *, deeds: tuple[Deed, ...] = (), **left: Any) -> set[str]:
    journal = Journal(dials=dials, deeds=[("o", deed) for deed in deeds])
    for person in wanted.organizations[0].campaigns[0].people:
        own = [each for each in dials if each.phone == person.phone]
        given: dict[str, Any] = {"status": "done", "reason": "", "attempts": len(own)}
        if not own or (own[-1].outcome == "no_answer" and len(own) < 3):
            given["status"] = "waiting"
        journal.left["o", "c", person.phone] = Left(**(given | left))
    return set(oracle.judge(wanted, journal).counted())


ANSWERED = {"outcome": "completed"}
LISTED = Deed(BEGIN, "list", ANN.phone)
BREAKS: dict[str, Callable[[], set[str]]] = {
    "closed hours": lambda: judged(a_plan(), [dial(NOON - 4 * HOUR, **ANSWERED)]),
    "country": lambda: judged(a_plan(countries=("FR",)), [dial(NOON, **ANSWERED)]),
    "do not call": lambda: judged(a_plan(), [dial(NOON, **ANSWERED)], deeds=(LISTED,)),
    "on hold": lambda: judged(a_plan(), [dial(NOON, **ANSWERED)], deeds=(Deed(BEGIN, "hold", ANN.phone),)),
    "stopped or paused": lambda: judged(a_plan(), [dial(NOON, **ANSWERED)], deeds=(Deed(BEGIN, "stop"),)),
    "outside its time": lambda: judged(a_plan(campaign={"ends_at": NOON}), [dial(NOON, **ANSWERED)]),
    "second open call": lambda: judged(
        a_plan(gap=timedelta()), [dial(NOON, recorded_at=NOON + 3 * HOUR), dial(NOON + 2 * HOUR + MINUTE)]
    ),
    "minimum gap": lambda: judged(a_plan(gap=4 * HOUR), [dial(NOON), dial(NOON + 3 * HOUR)]),
    "calls per day": lambda: judged(a_plan(per_day=1), [dial(NOON), dial(NOON + 3 * HOUR)]),
    "calls per 30 days": lambda: judged(a_plan(per_30_days=1), [dial(NOON), dial(NOON + 25 * HOUR)]),
    "attempts": lambda: judged(a_plan(campaign={"max_attempts": 1}), [dial(NOON), dial(NOON + 3 * HOUR)]),
    "retry": lambda: judged(a_plan(), [dial(NOON, **ANSWERED), dial(NOON + 3 * HOUR)]),
    "open calls": lambda: judged(
        a_plan((ANN, BOB), account={"max_open": 1}), [dial(NOON, **ANSWERED), dial(NOON, BOB.phone, **ANSWERED)]
    ),
    "account's rate": lambda: judged(
        a_plan((ANN, BOB), account={"calls_per_second": 1}),
        [dial(NOON, **ANSWERED), dial(NOON, BOB.phone, **ANSWERED)],
    ),
    "pace": lambda: judged(a_plan(campaign={"per_minute": 1}), [dial(NOON), dial(NOON), dial(NOON)]),
    "number's day": lambda: judged(a_plan(number={"per_day": 1}), [dial(NOON), dial(NOON + 3 * HOUR)]),
    "number's rest": lambda: judged(a_plan(number={"rest": 60}), [dial(NOON), dial(NOON)]),
    "campaign's budget": lambda: judged(a_plan(campaign={"budget": Decimal("0.4")}), [dial(NOON)]),
    "organization's day": lambda: judged(a_plan(daily_budget=Decimal("0.4")), [dial(NOON)]),
    "account's day": lambda: judged(a_plan(account={"daily_budget": Decimal("0.4")}), [dial(NOON)]),
    "left behind": lambda: judged(a_plan(), []),
    "wrong end": lambda: judged(a_plan(), [dial(NOON)], status="done"),
}


def test_the_judge_finds_each_kind_of_broken_rule(subtests: pytest.Subtests) -> None:
    for kind, found in BREAKS.items():
        with subtests.test(kind):
            assert kind in found()


def test_the_judge_finds_a_campaign_that_paused_without_need() -> None:
    wanted = a_plan(campaign={"budget": Decimal(9)})
    journal = Journal(paused=[("o", "c", NOON)])
    assert "paused without need" in oracle.judge(wanted, journal).counted()


def test_every_kind_is_broken_once() -> None:
    assert {*BREAKS, "paused without need"} == set(oracle.KINDS)


def test_the_judge_is_content_with_a_right_month() -> None:
    opens = datetime(2026, 3, 6, 14, 0, tzinfo=UTC)
    assert judged(a_plan(), [dial(opens, **ANSWERED)]) == set()
    again = opens + 2 * HOUR + MINUTE
    assert judged(a_plan(), [dial(opens), dial(again, **ANSWERED)]) == set()


def test_the_hours_know_holidays_midnight_and_jumping_clocks() -> None:
    from tests.simulation.hours import Calendar

    calendar = Calendar(BEGIN, BEGIN + timedelta(days=4))
    nights = (plan.opening([5], 22, 4),)  # Saturday the 7th into Sunday, when two becomes three
    table = calendar.open_in("America/New_York", nights, ())
    assert sum(table) == 5 * 60
    assert sum(calendar.open_in("America/New_York", nights, (date(2026, 3, 7),))) == 0
    assert sum(calendar.open_in("America/New_York", nights, (date(2026, 3, 8),))) == 2 * 60
