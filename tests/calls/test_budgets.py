"""Budgets: no placing exceeds a budget, reserve included. At the limit the campaign pauses and gives the reason."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from calls.actions import budget_watch
from calls.dialing import enqueueing, placing
from calls.gate import budgets
from calls.models import Call, Status
from campaigns import launching
from campaigns.models import Campaign
from providers.models import PhoneNumber, ProviderAccount
from tenants.models import Alert, Organization, Tenant
from tests.calls import support
from tests.conftest import examples
from tests.waiting import PATIENCE

NUMBERS = [f"+16465556{n:03d}" for n in range(12)]


def running(line: PhoneNumber, numbers: list[str] = NUMBERS, **fields: Any) -> Campaign:
    made = support.campaign(line, support.people(line.organization, numbers), status="running", **fields)
    launching.step(made.pk)
    return made


@pytest.fixture
def line(organization: Organization) -> PhoneNumber:
    return support.reach(organization, "http://127.0.0.1:9", "allomia", price_per_minute=Decimal("0.10"))


def place_all(line: PhoneNumber) -> None:
    enqueueing.feed_all(line.organization_id)
    for _ in range(4):
        placing.claim(line.account_id)


def set_aside() -> Decimal:
    return sum(Call.objects.filter(status=Status.PLACING).values_list("cost_reserved", flat=True), Decimal(0))


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("whose", "reason"),
    [("campaign", "budget"), ("organization", "organization_budget"), ("account", "account_budget")],
)
def test_no_more_is_set_aside_than_the_cap(line: PhoneNumber, whose: str, reason: str) -> None:
    cap = Decimal("1.00")  # room for three calls of 0.30
    if whose == "organization":
        Organization.objects.update(daily_budget=cap)
    elif whose == "account":
        ProviderAccount.objects.update(daily_budget=cap)
    made = running(line, budget=cap if whose == "campaign" else None)
    place_all(line)
    assert set_aside() == Decimal("0.90")
    waiting = set(made.calls.queued().values_list("status_reason", flat=True))
    waiting |= set(made.recipients.filter(status="pending").values_list("reason", flat=True))
    assert reason in waiting and waiting <= {reason, ""}


@pytest.mark.django_db
def test_a_raised_budget_of_the_day_is_used_at_once(line: PhoneNumber, api: Any) -> None:
    made = running(line)
    Organization.objects.update(daily_budget=Decimal("0.10"))
    place_all(line)
    assert set_aside() == 0 and made.recipients.filter(reason="organization_budget").exists()
    at = f"/api/v1/organizations/{line.organization.uuid}/"
    changed = api.patch(at, {"daily_budget": {"amount": "1.00", "currency": "USD"}}, content_type="application/json")
    assert changed.status_code == 200, changed.json()
    support.look()
    place_all(line)
    assert set_aside() == Decimal("0.90")


@pytest.mark.django_db
def test_the_reserve_is_the_accounts_own_choice(line: PhoneNumber) -> None:
    ProviderAccount.objects.update(reserved_minutes=Decimal("10"))
    running(line, budget=Decimal("2.50"))
    place_all(line)
    assert set_aside() == Decimal("2.00")


@pytest.mark.django_db
def test_the_day_is_the_organizations_own(organization: Organization) -> None:
    organization.timezone = "America/New_York"
    start, end = budgets.day_of(organization, datetime(2026, 3, 8, 3, 0, tzinfo=UTC))
    assert (start, end) == (datetime(2026, 3, 7, 5, 0, tzinfo=UTC), datetime(2026, 3, 8, 5, 0, tzinfo=UTC))
    start, end = budgets.day_of(organization, datetime(2026, 3, 8, 12, 0, tzinfo=UTC))
    assert end - start == timedelta(hours=23)


@pytest.mark.django_db
def test_yesterdays_calls_do_not_count_today(line: PhoneNumber) -> None:
    Organization.objects.update(daily_budget=Decimal("0.40"))
    line.organization.refresh_from_db()
    old = support.single(line, "+16465557000")
    two_days_ago = timezone.now() - timedelta(days=2)
    Call.objects.filter(pk=old.pk).update(
        status=Status.COMPLETED, cost_price=Decimal(5), dialed_at=two_days_ago, terminal_at=two_days_ago
    )
    assert budgets.spending_today(line.organization, timezone.now()) == budgets.NO_SPENDING
    running(line)
    place_all(line)
    assert set_aside() == Decimal("0.30")


@pytest.mark.django_db
def test_a_campaign_with_nothing_left_pauses_itself_and_says_why(line: PhoneNumber) -> None:
    made = running(line, budget=Decimal("0.70"))
    place_all(line)
    budget_watch.watch(timezone.now())
    made.refresh_from_db()
    assert made.status == Campaign.Status.RUNNING  # two calls reserve 0.60, because their cost is not known yet
    Call.objects.filter(status=Status.PLACING).update(
        status=Status.COMPLETED, cost_price=Decimal("0.25"), cost_reserved=0, terminal_at=timezone.now()
    )
    budget_watch.watch(timezone.now())
    made.refresh_from_db()
    assert made.status == Campaign.Status.PAUSED
    assert made.status_reason == "The budget is spent: 0.50 USD of 0.70 USD."
    assert Alert.objects.filter(key__startswith="budget.spent:", message__contains=made.status_reason).count() == 1


@pytest.mark.django_db
def test_alerts_come_once_at_half_at_four_fifths_and_at_the_end(line: PhoneNumber) -> None:
    made = running(line, budget=Decimal("0.70"))
    place_all(line)
    for _ in range(3):
        budget_watch.watch(timezone.now())
    found = list(Alert.objects.order_by("pk").values_list("key", flat=True))
    assert [key.split(":")[0] for key in found] == ["budget.50", "budget.80"]
    assert Alert.objects.filter(subject=str(made.uuid)).count() == 2
    Campaign.objects.update(budget=Decimal("1.00"))
    budget_watch.watch(timezone.now())
    assert Alert.objects.filter(key__startswith="budget.50").count() == 2  # of another budget


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_do_not_spend_a_cap_twice(line: PhoneNumber) -> None:
    Organization.objects.update(daily_budget=Decimal("1.00"))
    other = support.reach(line.organization, "http://127.0.0.1:9", "callingbox", price_per_minute=Decimal("0.10"))
    running(line, NUMBERS[:6])
    running(other, NUMBERS[6:])
    enqueueing.feed_all(line.organization_id)
    barrier = threading.Barrier(4)

    def work(account: int) -> None:
        barrier.wait(PATIENCE)
        try:
            placing.claim(account)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(each.account_id,)) for each in (line, other) * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert set_aside() == Decimal("0.90")


class NoInterleavingOverspends(TestCase):
    """Placings, outcomes, failures and budgets in any order."""

    @examples(5, proof=100)
    @given(
        st.lists(st.sampled_from(["feed", "claim", "end", "not sent", "single"]), min_size=5, max_size=25),
        st.decimals("0.10", "2.00", places=2),
        st.decimals("0.10", "2.00", places=2),
        st.decimals("0.00", "0.30", places=2),
    )
    def test(self, steps: list[str], campaign_cap: Decimal, day_cap: Decimal, cost: Decimal) -> None:
        organization = Organization.objects.create(
            tenant=Tenant.objects.create(name="T"), name="O", default_region="US", daily_budget=day_cap
        )
        line = support.reach(organization, "http://127.0.0.1:9", "allomia", price_per_minute=Decimal("0.10"))
        made = running(line, NUMBERS[:8], budget=campaign_cap)
        singles = iter(f"+16465558{n:03d}" for n in range(30))
        for step in steps:
            if step == "feed":
                enqueueing.feed_all(organization.pk)
            elif step == "claim":
                placing.claim(line.account_id)
            elif step == "single":
                Organization.objects.update(single_call_hours="any")
                support.single(line, next(singles))
            elif call := Call.objects.filter(status=Status.PLACING).first():
                if step == "end":
                    Call.objects.filter(pk=call.pk).update(
                        status=Status.COMPLETED, cost_price=cost, cost_reserved=0, terminal_at=timezone.now()
                    )
                else:
                    Call.objects.filter(pk=call.pk).update(
                        status=Status.QUEUED, cost_reserved=0, dialed_at=None, lease_until=None
                    )
            assert support.dollars(budgets.spent_on(made)) <= campaign_cap
            assert support.dollars(budgets.spending_today(organization, timezone.now()).used) <= day_cap
