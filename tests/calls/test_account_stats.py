"""Statistics of provider accounts and caller numbers: correct, worded, of one organization, with few queries."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from calls.admin.setup import account_health, number_use
from calls.models import Call, Status
from calls.reports.account_stats import Health, health_of, quantile
from calls.reports.figures.caller_numbers import Use, use_of
from providers.models import PhoneNumber, ProviderAccount
from tenants.models import Organization
from tests.calls import support
from tests.calls.test_campaign_page import viewer, words_of
from tests.conftest import a_number, an_account, an_assistant

__all__ = ["viewer"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("assistant", "frozen")]
SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def calls(number: PhoneNumber, count: int, **fields: Any) -> None:
    """Create ended calls, each to a new contact."""
    start = Call.objects.count()
    for at in range(start, start + count):
        support.single(number, f"+336123{at:05d}", **fields)


def ended(number: PhoneNumber, status: str, count: int = 1, ago: timedelta = MINUTE, **fields: Any) -> None:
    at = timezone.now() - ago
    calls(number, count, **{"status": status, "dialed_at": at - MINUTE, "terminal_at": at, **fields})


def test_health_counts_the_last_hour_and_what_is_open(phone_number: PhoneNumber) -> None:
    now, later = timezone.now(), {"next_read_at": timezone.now() + HOUR}
    ended(phone_number, "completed", 3)
    ended(phone_number, "failed", dialed_at=None)  # refused, so no phone rang
    ended(phone_number, "unknown")
    ended(phone_number, "canceled", dialed_at=None)
    ended(phone_number, "failed", ago=2 * HOUR)
    calls(phone_number, 2, status="ringing", dialed_at=now, **later)
    calls(phone_number, 1, status="unconfirmed", dialed_at=now, **later)
    calls(phone_number, 1)  # queued
    found = health_of([phone_number.account], now)[phone_number.account_id]
    assert found == Health(open_calls=3, unconfirmed=1, ended=5, failed=2)


def test_placing_is_measured_from_the_decision_to_the_answer(phone_number: PhoneNumber) -> None:
    now = timezone.now()
    for seconds in range(1, 21):
        ended(phone_number, "busy", dialed_at=now - 2 * MINUTE, placed_at=now - 2 * MINUTE + seconds * SECOND / 10)
    ended(phone_number, "busy", dialed_at=now - 20 * MINUTE, placed_at=now - MINUTE)  # found again later by reconciling
    found = health_of([phone_number.account], now)[phone_number.account_id]
    assert (found.median, found.slow) == (1.0, 1.9)
    assert found.last_placed and now - 2 * MINUTE < found.last_placed <= now - 2 * MINUTE + 2 * SECOND
    Call.objects.update(terminal_at=now - 8 * DAY, dialed_at=now - 8 * DAY, placed_at=now - 8 * DAY + SECOND)
    assert health_of([phone_number.account], now)[phone_number.account_id] == Health()


def test_an_account_has_its_own_health(phone_number: PhoneNumber, stranger: Organization) -> None:
    quiet, theirs = an_account(phone_number.organization, name="Quiet"), a_number(an_account(stranger))
    an_assistant(theirs.account)
    ended(phone_number, "failed")
    ended(theirs, "completed", 2)
    found = health_of([phone_number.account, quiet], timezone.now())
    assert {pk: (each.ended, each.failed) for pk, each in found.items()} == {
        phone_number.account_id: (1, 1),
        quiet.pk: (0, 0),
    }


@pytest.mark.parametrize(
    ("values", "share", "expected"), [([], 0.5, None), ([3.0], 0.95, 3.0), ([1.0, 2.0, 3.0, 4.0], 0.5, 2.0)]
)
def test_quantiles(values: list[float], share: float, expected: float | None) -> None:
    assert quantile(values, share) == expected


@pytest.mark.parametrize(
    ("fields", "label", "detail"),
    [
        ({}, "In service", ""),
        ({"is_active": False}, "Switched off", "It places no calls."),
        ({"failures_in_a_row": 1}, "Failing", "The last request to place a call had no usable answer."),
        ({"failures_in_a_row": 3}, "Failing", "3 requests in a row to place a call had no usable answer. After 5 in a"),
        (
            {"blocked_code": "misconfigured", "blocked_reason": "The key was refused."},
            "Blocked",
            "Set up wrongly. The key was refused. The block lasts until a team member unblocks the account.",
        ),
        (
            {"blocked_code": "unconfirmed", "blocked_reason": "6 calls are unconfirmed."},
            "Blocked",
            "Too many unconfirmed calls. 6 calls are unconfirmed. "
            "The block lasts until the unconfirmed calls are settled",
        ),
        (
            {"blocked_code": "unreachable", "blocked_reason": "It did not answer.", "until": MINUTE},
            "Blocked",
            "Cannot be reached. It did not answer. Trunkline retries a harmless read t",
        ),
        ({"blocked_code": "misconfigured", "blocked_reason": "x", "until": -MINUTE}, "In service", ""),
    ],
)
def test_the_breaker_is_told_in_words(
    account: ProviderAccount, fields: dict[str, Any], label: str, detail: str
) -> None:
    now, until = timezone.now(), fields.pop("until", None)
    for name, value in fields.items():
        setattr(account, name, value)
    if account.blocked_code:
        account.blocked_at, account.blocked_until = now, now + until if until else None
    found = account_health.state_of(account, Health(), now)
    assert found.label == label
    assert found.detail.startswith(detail) and bool(found.detail) == bool(detail)


FAILING = (
    # ended, failed, threshold, what the page says. A share equal to the threshold counts.
    (50, 22, 25, "44 % failing"),
    (50, 12, 25, "In service"),
    (48, 12, 25, "25 % failing"),
    (10, 10, 100, "100 % failing"),
    (9, 9, 25, "In service"),  # too few calls
    (0, 0, 25, "In service"),
    (50, 50, None, "In service"),
    (200, 199, 99, "99 % failing"),  # not rounded up to all
)


@pytest.mark.parametrize(("ended_calls", "failed_calls", "threshold", "label"), FAILING)
def test_an_account_whose_calls_fail_is_not_called_in_service(
    account: ProviderAccount, ended_calls: int, failed_calls: int, threshold: int | None, label: str
) -> None:
    account.failing_percent = threshold
    found = account_health.state_of(account, Health(ended=ended_calls, failed=failed_calls), timezone.now())
    assert (found.label, found.colour) == (label, "success" if label == "In service" else "warning")
    if found.detail:
        assert f"{failed_calls} of the {ended_calls} calls that ended in the last hour failed." in found.detail
        assert f"From {threshold} %" in found.detail


def test_a_failing_account_is_on_the_lists_and_needs_attention(viewer: Client, phone_number: PhoneNumber) -> None:
    healthy = a_number(an_account(phone_number.organization, name="Healthy"), e164="+33142000009")
    an_assistant(healthy.account)
    ended(healthy, "completed", 10)
    ended(phone_number, "failed", 5)
    ended(phone_number, "completed", 4)
    ended(phone_number, "failed", 9, ago=2 * HOUR)  # before the last hour
    dashboard = reverse("admin:calls_call_overview")
    assert "failing" not in viewer.get(dashboard).content.decode(), "nine calls prove nothing"
    ended(phone_number, "no_answer")
    told = words_of(viewer.get(dashboard).content.decode())
    assert "AlloMia: 50 % failing 5 of the 10 calls that ended in the last hour failed. From 25 %" in told, told
    assert "Healthy: " not in told
    listed = viewer.get(reverse("admin:providers_provideraccount_changelist")).content.decode()
    assert "50 % failing" in listed and listed.count("In service") == 1
    ProviderAccount.objects.update(failing_percent=60)
    assert "failing" not in viewer.get(dashboard).content.decode()


@pytest.mark.parametrize(
    ("ago", "expected"), [(SECOND, "just now"), (90 * SECOND, "1 min ago"), (3 * DAY, "3 days ago")]
)
def test_how_long_ago(ago: timedelta, expected: str) -> None:
    assert account_health.ago(timezone.now() - ago, timezone.now()) == expected


def test_the_pages_of_an_account_tell_how_it_fares(viewer: Client, phone_number: PhoneNumber) -> None:
    ended(phone_number, "completed", 3, placed_at=timezone.now() - 2 * MINUTE + SECOND / 2)
    ended(phone_number, "failed")
    ProviderAccount.objects.update(failures_in_a_row=2)
    page = reverse("admin:providers_provideraccount_change", args=[phone_number.account_id])
    text = words_of(viewer.get(page).content.decode())
    assert "Calls under way 0 of 50 at most Unconfirmed calls 0 of 5 at most" in text
    assert "Calls that ended in the last hour 4 Failed, of these 1 of 4 (25 %)" in text
    assert "Failing. 2 requests in a row" in text
    listed = words_of(viewer.get(reverse("admin:providers_provideraccount_changelist")).content.decode())
    assert "AlloMia AlloMia Failing 0 of 50 4 1 of 4 (25 %)" in listed
    figures = words_of(viewer.get(reverse("admin:calls_call_today")).content.decode())
    assert "AlloMia Failing 0 of 50 1 of 4 (25 %)" in figures and "2 requests in a row" in figures


def test_blocked_accounts_come_first_on_the_dashboard(viewer: Client, account: ProviderAccount) -> None:
    for number in range(8):
        an_account(account.organization, name=f"Other {number}")
    last = ProviderAccount.objects.order_by("-pk")[0]
    ProviderAccount.objects.filter(pk=last.pk).update(
        blocked_at=timezone.now(), blocked_code="misconfigured", blocked_reason="The key was refused."
    )
    text = words_of(viewer.get(reverse("admin:calls_call_today")).content.decode())
    assert text.index("Other 7 Blocked") < text.index("Other 0") and "Other 6" not in text  # these are behind "all"


# --- caller numbers ---


def test_the_use_of_a_number(phone_number: PhoneNumber) -> None:
    ended(phone_number, "completed", 2)
    ended(phone_number, "completed", answered_by="machine")
    ended(phone_number, "busy", ago=DAY - HOUR)
    ended(phone_number, "no_answer", ago=3 * DAY)
    ended(phone_number, "completed", ago=8 * DAY)
    now = timezone.now()
    calls(phone_number, 1, status="ringing", dialed_at=now - SECOND, next_read_at=now + HOUR)
    use = use_of([phone_number], now)[phone_number.pk]
    assert (use.today, use.ended, use.reached, use.last) == (5, 5, 2, now - SECOND)
    assert number_use.answered(use) == "2 of 5 (40 %)"
    assert number_use.answered(Use()) == "-"


def test_when_a_number_may_call_again(phone_number: PhoneNumber) -> None:
    now = timezone.now()
    use = Use(today=3, first=now - 20 * HOUR, last=now - MINUTE)
    assert number_use.rests_until(phone_number, use, now) is None
    phone_number.rest_seconds = 90
    assert number_use.rests_until(phone_number, use, now) == now + 30 * SECOND
    phone_number.max_calls_per_day = 3
    assert number_use.rests_until(phone_number, use, now) == now + 4 * HOUR
    assert number_use.used(phone_number, use) == "3 of 3"
    phone_number.max_calls_per_day, phone_number.rest_seconds = 4, 60
    assert number_use.rests_until(phone_number, use, now) is None


def test_the_pages_of_a_number_tell_its_use(viewer: Client, phone_number: PhoneNumber) -> None:
    ended(phone_number, "completed")
    ended(phone_number, "busy")
    PhoneNumber.objects.update(max_calls_per_day=2)
    page = viewer.get(reverse("admin:providers_phonenumber_change", args=[phone_number.pk]))
    text = words_of(page.content.decode())
    assert "Calls in 24 hours 2 of 2 at most" in text
    assert "Calls in 7 days answered by a person 1 of 2 (50 %)" in text and "Rest Until to" in text
    listed = words_of(viewer.get(reverse("admin:providers_phonenumber_changelist")).content.decode())
    assert "01 42 00 00 01" in listed and "2 of 2 1 of 2 (50 %) To" in listed


@pytest.mark.parametrize("model", ["phonenumber", "provideraccount"])
def test_the_lists_ask_as_much_of_many_as_of_one(viewer: Client, phone_number: PhoneNumber, model: str) -> None:
    url, counts = reverse(f"admin:providers_{model}_changelist"), []
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            assert viewer.get(url).status_code == 200
        counts.append(len(queries))
        for each in range(5):
            ended(a_number(an_account(phone_number.organization), e164=f"+3314200010{each}"), "busy", 0)
            ended(phone_number, Status.BUSY)
    assert counts[0] == counts[1] <= 15, [query["sql"][:120] for query in queries]
