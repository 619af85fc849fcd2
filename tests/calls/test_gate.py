"""The gate: each check alone, which check takes precedence, and that the gate fails closed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import product
from typing import Any

import pytest

from calls.gate.checks import CheckName
from calls.gate.decision import LATER, DailyBudget, Facts, decide
from campaigns.rules.windows import Hours, Window
from tenants.money import Money
from tests.calls.support import usd
from tests.tables import cases

NOON = datetime(2026, 5, 13, 16, 0, tzinfo=UTC)  # a Wednesday, noon in New York
NINE_TO_EIGHT = Hours(windows=(Window(days=frozenset(range(7)), opens=9 * 60, closes=20 * 60),))
FINE = Facts(
    organization_active=True,
    calls_stopped=False,
    account_active=True,
    account_blocked=False,
    account_blocked_until=None,
    account_blocked_reason="",
    assistant_active=True,
    number_active=True,
    campaign_status="running",
    not_before=None,
    not_after=None,
    do_not_call=False,
    country="US",
    allowed_countries=frozenset({"US"}),
    zones=("America/New_York",),
    hours=(NINE_TO_EIGHT,),
    open_call=False,
    attempts=0,
    max_attempts=3,
    last_dialed_at=None,
    min_gap=timedelta(hours=4),
    dialed_in_a_day=(),
    max_per_day=3,
)


def test_a_call_that_breaks_no_rule_is_allowed_and_every_answer_is_kept() -> None:
    decision = decide(FINE, NOON)
    assert decision.verdict == "allow"
    stored = decision.as_json(NOON)
    assert {check["name"] for check in stored["checks"]} >= {"do_not_call", "calling_hours", "minimum_gap", "country"}


def test_moments_are_told_in_the_persons_own_time() -> None:
    later = NOON + timedelta(hours=20)
    held = decide(replace(FINE, on_hold=True, hold_until=later), NOON)
    assert held.detail == "The contact is on hold until Thu 14 May 08:00 America/New_York."
    gap = decide(replace(FINE, last_dialed_at=NOON - timedelta(hours=1)), NOON)
    assert gap.detail == "Called a short time ago; again from 15:00 America/New_York."


def spent_today(check: CheckName) -> DailyBudget:
    return DailyBudget(check, usd(1), usd(2), NOON + timedelta(hours=12), paid=usd(2))


STOPS: list[tuple[dict[str, Any], str, str]] = [
    ({"organization_active": False}, "defer", "organization"),
    ({"calls_stopped": True}, "defer", "calls_stopped"),
    ({"account_active": False}, "defer", "account"),
    ({"account_blocked": True, "account_blocked_reason": "wrong key"}, "defer", "account"),
    ({"assistant_active": False}, "defer", "assistant"),
    ({"number_active": False}, "defer", "caller_number"),
    ({"campaign_status": "paused"}, "defer", "campaign"),
    ({"campaign_status": "canceled"}, "skip", "campaign"),
    ({"campaign_status": "finished"}, "skip", "campaign"),
    ({"do_not_call": True}, "skip", "do_not_call"),
    ({"country": "FR"}, "skip", "country"),
    ({"country": ""}, "skip", "country"),
    ({"allowed_countries": frozenset()}, "skip", "country"),
    ({"zones": ()}, "defer", "no_opening"),
    ({"zones": ("Mars/Olympus",)}, "defer", "no_opening"),
    ({"hours": (Hours(windows=()),)}, "defer", "no_opening"),
    ({"zones": ("America/New_York", "Pacific/Honolulu")}, "defer", "calling_hours"),
    ({"not_before": NOON + timedelta(hours=1)}, "defer", "not_before"),
    ({"not_after": NOON}, "skip", "no_open_window"),
    ({"campaign_status": None, "not_after": NOON}, "skip", "too_late"),
    ({"retry_at": NOON + timedelta(hours=1)}, "defer", "retry_wait"),
    ({"callback_until": NOON + timedelta(hours=1)}, "defer", "scheduled_callback"),
    ({"open_call": True}, "defer", "open_call"),
    ({"attempts": 3}, "skip", "attempts"),
    ({"last_dialed_at": NOON - timedelta(hours=3)}, "defer", "minimum_gap"),
    ({"dialed_in_a_day": (NOON - timedelta(hours=20),) * 3}, "defer", "calls_per_day"),
    ({"max_per_day": 0}, "defer", "calls_per_day"),
    ({"budget": usd(1), "spent": usd("0.9"), "reserve": usd("0.15")}, "defer", "budget"),
    ({"budget": usd(9), "spent": usd(0), "reserve": Money(Decimal("0.1"), "EUR")}, "defer", "budget_currency"),
    ({"number_max_open": 2, "number_open": 2}, "defer", "caller_number_capacity"),
    ({"campaign_max_open": 5, "campaign_open": 5}, "defer", "campaign_capacity"),
    ({"on_hold": True, "hold_until": NOON + timedelta(hours=1)}, "defer", "hold"),
    ({"on_hold": True}, "defer", "on_hold"),
    ({"max_per_30_days": 2, "dialed_in_30_days": (NOON - timedelta(days=5),) * 2}, "defer", "calls_per_30_days"),
    ({"daily_budgets": (spent_today(CheckName.ORGANIZATION_BUDGET),)}, "defer", "organization_budget"),
    ({"daily_budgets": (spent_today(CheckName.ACCOUNT_BUDGET),)}, "defer", "account_budget"),
    ({"number_max_in_a_day": 9, "number_in_a_day": 9}, "defer", "caller_number_day"),
    ({"number_last_at": NOON, "number_rest": timedelta(seconds=30)}, "defer", "caller_number_rest"),
    ({"campaign_next_at": NOON + timedelta(seconds=1)}, "defer", "pace"),
]


@cases(("change", "verdict", "reason"), STOPS)
def test_each_rule_alone_stops_a_call(change: dict[str, Any], verdict: str, reason: str) -> None:
    decision = decide(replace(FINE, **change), NOON)
    assert (decision.verdict, decision.reason) == (verdict, reason)
    assert decision.detail
    assert (decision.until is not None) == (verdict == "defer")


def test_every_check_stops_calls_and_only_as_its_traits_say() -> None:
    seen = {(reason, verdict) for _, verdict, reason in STOPS}
    names = [name for name in CheckName if not name.traits.only_explained]
    assert {(name, "defer") for name in names if name.traits.defers} == {row for row in seen if row[1] == "defer"}
    assert {(name, "skip") for name in names if name.traits.ends_it} == {row for row in seen if row[1] == "skip"}


@pytest.mark.parametrize(
    ("made", "most", "told"),
    [
        (1, 3, "1 of 3 attempts made."),
        (3, 3, "3 of 3 attempts made."),
        (2, 1, "Attempts made: 2; allowed: 1."),
        (1, 0, "No attempt follows this outcome."),
        (0, 0, "0 of 0 attempts made."),
    ],
)
def test_attempts_are_never_told_as_more_of_less(made: int, most: int, told: str) -> None:
    """A retry rule of the last outcome may allow less than were made."""
    checks = decide(FINE.but(attempts=made, max_attempts=most), NOON).checks
    assert [check.detail for check in checks if check.name == "attempts"] == [told]


def test_outside_the_window_the_answer_names_the_moment_it_opens() -> None:
    late = datetime(2026, 5, 14, 2, 30, tzinfo=UTC)  # 22:30 on Wednesday in New York
    decision = decide(FINE, late)
    assert decision.until == datetime(2026, 5, 14, 13, 0, tzinfo=UTC)
    assert "America/New_York" in decision.detail


def test_a_skip_outweighs_every_deferral() -> None:
    facts = replace(FINE, do_not_call=True, calls_stopped=True, open_call=True)
    assert decide(facts, NOON).verdict == "skip"


def test_of_several_deferrals_the_last_to_end_decides() -> None:
    facts = replace(FINE, open_call=True, last_dialed_at=NOON - timedelta(hours=1))
    assert decide(facts, NOON).until == NOON + timedelta(hours=3)


def test_no_window_before_the_campaign_ends_is_the_end_of_it() -> None:
    late = datetime(2026, 5, 14, 2, 30, tzinfo=UTC)
    decision = decide(replace(FINE, not_after=late + timedelta(hours=2)), late)
    assert (decision.verdict, decision.reason) == ("skip", "no_open_window")


def test_waiting_for_a_free_line_never_outlasts_the_call() -> None:
    facts = replace(FINE, account_active=False, not_after=NOON + timedelta(minutes=1))
    decision = decide(facts, NOON)
    assert (decision.verdict, decision.until) == ("defer", NOON + timedelta(minutes=1))


def test_money_set_aside_for_calls_that_still_go_on_may_come_back_today() -> None:
    tomorrow = NOON + timedelta(hours=12)
    facts = replace(FINE, reserve=usd("0.30"))
    spent = DailyBudget(CheckName.ORGANIZATION_BUDGET, usd(10), usd("9.80"), tomorrow, paid=usd("9.80"))
    assert decide(replace(facts, daily_budgets=(spent,)), NOON).until == tomorrow
    set_aside = replace(spent, paid=usd("7.00"))
    assert decide(replace(facts, daily_budgets=(set_aside,)), NOON).until == NOON + LATER


def test_answers_that_decisions_share_say_what_a_new_one_says() -> None:
    """Over days with and without a change of clocks, and edits between; asked twice, so that the second is kept."""
    summer = datetime(2026, 3, 8, 6, 59, tzinfo=UTC)
    edits: list[dict[str, Any]] = [{}, {"country": "FR"}, {"zones": ("Europe/Paris", "Asia/Tokyo")}, {"attempts": 3}]
    edits += [{"hours": ()}, {"campaign_status": "paused"}, {"open_call": True}, {"number_open": 1}]
    moments = [NOON, *(summer + timedelta(minutes=minutes) for minutes in (0, 2, 61, 22 * 60, 24 * 60))]
    for at, edit in [*product(moments, edits)] * 2:
        found = decide(replace(FINE, **edit), at)
        assert found == decide(FINE.but(**edit), at)
        plain = [{"name": each.name, "result": each.result, "detail": each.detail} for each in found.checks]
        assert found.as_json(at)["checks"] == plain
        details = {each.name: each.detail for each in found.checks if each.result == "allow"}
        assert details.get(CheckName.COUNTRY, "US") == "US"
        assert details.get(CheckName.CALLING_HOURS) in {None, ", ".join(edit.get("zones", FINE.zones))}
        assert all(not details.get(name) for name in (CheckName.OPEN_CALL, CheckName.MINIMUM_GAP))
    assert vars(FINE.but(attempts=2)) == vars(replace(FINE, attempts=2)) and FINE.attempts == 0
    with pytest.raises(TypeError):
        FINE.but(atempts=2)
