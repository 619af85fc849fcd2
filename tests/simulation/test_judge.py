"""A small simulated month, and tests of its judge."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.oracle.minutes import opening
from tests.simulation import case, months, oracle
from tests.simulation.journal import Journal, Left
from tests.simulation.plan import Account, Campaign, Deed, Number, Organization, Person, Place, Plan
from tests.simulation.run import Month
from tests.simulation.telephone import Dial, Manner

NEW_YORK = Place("+1212555", 4)
ANN, BOB = Person("+12125550140", NEW_YORK), Person("+12125550141", NEW_YORK)
BEGIN = datetime(2026, 3, 6, tzinfo=UTC)
NOON = datetime(2026, 3, 6, 17, 0, tzinfo=UTC)  # a Friday in New York
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("only", "lasts", "at_least", "share"),
    [
        pytest.param("crowded", timedelta(days=1.25), 5, 6, id="shared limits", marks=pytest.mark.long),
        pytest.param("world", timedelta(days=1), 5, 6, id="countries of many clocks"),
        pytest.param(
            "edits",
            timedelta(days=4),
            10,
            10,
            id="edits, and a night in which clocks go forward",
            marks=pytest.mark.long,
        ),
        pytest.param("promises", timedelta(days=3), 10, 10, id="callbacks"),
        pytest.param("closures", timedelta(days=425), 60, 1, id="a year of closures", marks=pytest.mark.proof),
        pytest.param(None, months.LASTS, 300, 1, id="a month", marks=pytest.mark.proof),
    ],
)
def test_a_small_month_breaks_no_rule(only: str | None, lasts: timedelta, at_least: int, share: int) -> None:
    """The kind "left behind" is not judged where lines are few: a daily budget may be too small for a single call.

    `make simulate` judges it.
    """
    wanted = next(months.plans(120, seed=3, only=only))
    wanted = replace(
        wanted, end=wanted.begin + lasts, organizations=tuple(fewer(home, share) for home in wanted.organizations)
    )
    journal = Month(wanted, seed=3).run()
    assert len(journal.dials) > at_least
    assert all("409" in answer or "422" in answer for _, deed, answer in journal.refused if deed.kind == "promise")
    others = [answer for _, deed, answer in journal.refused if deed.kind != "promise"]
    assert all("A finished campaign cannot be changed" in answer for answer in others), others
    poor = {home.name for home in wanted.organizations if not home.ample}
    found = oracle.judge(wanted, journal).violations
    assert [each for each in found if each[0] != "left behind" or each[1].partition(":")[0] not in poor] == []


def fewer(home: Organization, share: int) -> Organization:
    """Return the organization with every `share`-th person of each campaign, and without the deeds of the others."""
    campaigns = tuple(replace(each, people=each.people[::share]) for each in home.campaigns)
    people = {(each.name, person.phone) for each in campaigns for person in each.people}
    phones = {phone for _, phone in people}
    kept = (
        deed
        for deed in home.deeds
        if (deed.kind not in {"list", "hold", "lift", "zone"} or deed.subject in phones)
        and (deed.kind != "promise" or (deed.subject, deed.changes["phone"]) in people)
    )
    return replace(home, campaigns=campaigns, deeds=tuple(kept))


def a_plan(people: tuple[Person, ...] = (ANN,), **fields: Any) -> Plan:
    """Return one campaign from nine to five that retries two hours after no answer. `fields` overrides values: those of
    the campaign, account and number in dicts of their own."""
    campaign = Campaign(
        "c",
        people,
        (opening(range(7), 9, 17),),
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


def edited(
    changes: dict[str, Any], dials: list[Dial], *, kind: str = "edit", subject: str = "c", **plan: Any
) -> set[str]:
    """Judge these calls where an edit was made at noon."""
    return judged(a_plan(**plan), dials, deeds=(Deed(NOON, kind, subject, changes=changes),))


def promised(*dials: Dial) -> set[str]:
    """Judge these calls where a callback was promised at noon for two."""
    return judged(a_plan(), [*dials], deeds=(Deed(NOON, "promise", "c", NOON + 2 * HOUR, {"phone": ANN.phone}),))


ANSWERED = {"outcome": "completed"}
LATE_START = {"left behind"}  # the first call came hours after the opening, in a plan of which other calls are judged
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
    "switched off": lambda: edited(
        {"active": False}, [dial(NOON + MINUTE, **ANSWERED)], kind="number", subject="+12125550100"
    ),
    "an old wait": lambda: edited(
        {"retries": (("no_answer", 180, 3),)}, [dial(NOON - 5 * MINUTE), dial(NOON + 2 * HOUR + MINUTE, **ANSWERED)]
    ),
    "callback's time": lambda: promised(dial(NOON + 3 * HOUR, asked_for=True, **ANSWERED)),
    "callback missed": lambda: promised(),
    "callback disturbed": lambda: promised(dial(NOON + HOUR, **ANSWERED)),
    "left behind": lambda: judged(a_plan(), []),
    "late look": lambda: (
        edited(
            {"gap": HOUR},
            [dial(NOON - 2 * HOUR, **ANSWERED)],
            campaign={"starts_at": NOON - 4 * HOUR, "gap": 30 * HOUR},
        )
        | edited({"windows": (opening(range(7), 9, 17),)}, [], campaign={"windows": (opening([1], 9, 17),)})
    ),
    "wrong cost": lambda: judged(a_plan(), [dial(NOON, cost=Decimal("0.1"), **ANSWERED)]),
    "wrong end": lambda: judged(a_plan(), [dial(NOON)], status="done"),
}


def test_the_judge_finds_each_kind_of_broken_rule(subtests: pytest.Subtests) -> None:
    for kind, found in BREAKS.items():
        with subtests.test(kind):
            assert kind in found()


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"windows": (opening(range(7), 9, 11),)}, "closed hours"),
        ({"holidays": (date(2026, 3, 6),)}, "closed hours"),
        ({"gap": 5 * HOUR}, "minimum gap"),
        ({"max_attempts": 1}, "attempts"),
        ({"retries": ()}, "retry"),
        ({"retries": (("no_answer", 60, 1),)}, "retry"),
    ],
)
def test_a_call_is_judged_by_the_rules_of_its_moment(changes: dict[str, Any], kind: str) -> None:
    calls = [dial(NOON - HOUR), dial(NOON + HOUR + 2 * MINUTE, **ANSWERED)]
    assert kind in edited(changes, calls)
    assert judged(a_plan(), calls) == LATE_START
    early = [dial(NOON - 3 * HOUR + MINUTE), dial(NOON - MINUTE, **ANSWERED)]
    assert edited(changes, early) == LATE_START, "the edit came later"


@pytest.mark.parametrize(
    ("changes", "kind"),
    [({"gap": 5 * HOUR}, "minimum gap"), ({"per_day": 1}, "calls per day"), ({"per_30_days": 1}, "calls per 30 days")],
)
def test_a_call_is_judged_by_the_organizations_rules_of_its_moment(changes: dict[str, Any], kind: str) -> None:
    calls = [dial(NOON - HOUR), dial(NOON + HOUR + 2 * MINUTE, **ANSWERED)]
    assert kind in edited(changes, calls, kind="house", subject="")


def test_a_call_is_judged_by_the_contacts_zone_of_its_moment() -> None:
    calls = [dial(NOON + MINUTE, **ANSWERED)]
    tokyo = {"timezone": "Asia/Tokyo"}
    assert "closed hours" in edited(tokyo, calls, kind="zone", subject=ANN.phone)
    assert edited(tokyo, [dial(NOON - MINUTE, **ANSWERED)], kind="zone", subject=ANN.phone) == LATE_START


def test_the_judge_is_content_with_a_kept_promise_and_with_an_impossible_one() -> None:
    kept = dial(NOON + 2 * HOUR + MINUTE, asked_for=True, **ANSWERED)
    assert promised(kept) == LATE_START
    night = Deed(NOON, "promise", "c", NOON + 12 * HOUR, {"phone": ANN.phone})
    assert "callback missed" not in judged(a_plan(), [], deeds=(night,))


def test_the_judge_is_content_where_everything_is_switched_off() -> None:
    off = Deed(BEGIN, "number", "+12125550100", changes={"active": False})
    assert judged(a_plan(ample=True), [], deeds=(off,)) == set()
    assert judged(a_plan(ample=True), []) == {"left behind"}


def test_the_judge_finds_a_campaign_that_paused_without_need() -> None:
    wanted = a_plan(campaign={"budget": Decimal(9)})
    journal = Journal(paused=[("o", "c", NOON)])
    assert "paused without need" in oracle.judge(wanted, journal).counted()


PRICED = Manner(settles_after=HOUR, price=Decimal("0.3"))
TOLD: dict[str, Any] = {"outcome": "completed", "rate": Decimal("0.1"), "paid_seconds": 60, "manner": PRICED}


def test_a_cost_is_the_price_once_it_is_told_and_the_estimate_before() -> None:
    def costs(cost: str, **fields: Any) -> bool:
        return "wrong cost" in judged(a_plan(), [dial(NOON, cost=Decimal(cost), **{**TOLD, **fields})])

    settled = {"settled_at": NOON + HOUR}
    assert not costs("0.1") and costs("0.3")
    assert not costs("0.3", **settled) and costs("0.1", **settled) and costs("0", **settled)
    free = {"manner": replace(PRICED, price=Decimal(0)), **settled}
    assert not costs("0", **free) and costs("0.1", **free)


def test_a_budget_keeps_the_reserve_until_the_price_is_told() -> None:
    """A second call does not fit beside the first one's reserve of 0.5; it fits beside its price of 0.3."""
    wanted = a_plan((ANN, BOB), campaign={"budget": Decimal("0.8")})
    first = dial(NOON, cost=Decimal("0.3"), settled_at=NOON + HOUR + MINUTE, **TOLD)
    early, later = (dial(NOON + wait, BOB.phone, **ANSWERED) for wait in (30 * MINUTE, 90 * MINUTE))
    assert "campaign's budget" in judged(wanted, [first, early])
    assert "campaign's budget" not in judged(wanted, [first, later])


def test_a_wait_counts_from_the_moment_at_which_the_end_was_told() -> None:
    told = dial(NOON - 2 * HOUR, recorded_at=NOON - HOUR)
    assert "retry" in judged(a_plan(), [told, dial(NOON + MINUTE, **ANSWERED)])
    assert "retry" not in judged(a_plan(), [told, dial(NOON + HOUR + MINUTE, **ANSWERED)])


def test_an_opt_out_in_a_result_lists_the_number() -> None:
    asked = Manner(opt_out={"result": {"opt_out": True}})
    calls = [dial(NOON - 2 * HOUR, manner=asked, settled_at=NOON - HOUR), dial(NOON + HOUR, **ANSWERED)]
    assert "do not call" in judged(a_plan(), calls)


def test_every_kind_is_broken_once() -> None:
    assert {*BREAKS, "paused without need"} == set(case.KINDS)


def test_the_judge_is_content_with_a_right_month() -> None:
    opens = datetime(2026, 3, 6, 14, 0, tzinfo=UTC)
    assert judged(a_plan(), [dial(opens, **ANSWERED)]) == set()
    again = opens + 2 * HOUR + MINUTE
    assert judged(a_plan(), [dial(opens), dial(again, **ANSWERED)]) == set()
