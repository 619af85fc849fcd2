"""Rules that change while a campaign runs hold from the moment of the response."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from calls.actions import campaigns
from calls.models import Call, Status
from campaigns.models import CallingWindow, Campaign, Contact, Recipient
from tenants.models import ApiKey, Organization
from tests.calls import support
from tests.conftest import ApiClient
from tests.waiting import eventually

NUMBERS = [f"+1{area}55501{ending}" for area in ("212", "303", "415") for ending in range(40, 60)]
AT_FIRST = 30


@pytest.fixture
def placing_tokens(monkeypatch: pytest.MonkeyPatch) -> support.PlacingTokens:
    """Tokens for half of the calls, so that the others wait for the test, however slow it is."""
    return support.PlacingTokens(monkeypatch, AT_FIRST)


@pytest.fixture
def running(callers: Organization, sandbox: Any, placing_tokens: support.PlacingTokens) -> Campaign:
    """A campaign of sixty recipients that runs during the test."""
    number = support.reach(callers, sandbox.url, "allomia", max_open_calls=20)
    made = support.campaign(number, support.people(callers, NUMBERS))
    campaigns.start(made, actor="test")
    return made


@pytest.fixture
def program(callers: Organization) -> ApiClient:
    _, key = ApiKey.issue(tenant=callers.tenant, organization=callers, name="test", scopes=["manage"])
    return ApiClient(key)


def rung(sandbox: Any) -> list[str]:
    return [dial["to_number"] for dial in sandbox.journal()]


def test_a_number_on_do_not_call_is_not_dialled_after_the_post_returned(
    running: Campaign, placing_tokens: support.PlacingTokens, sandbox: Any, program: ApiClient
) -> None:
    with support.engine(processes=2):
        eventually(lambda: len(sandbox.journal()) >= 10)
        listed = {}
        for number in NUMBERS[::2]:
            entry = {"phone": number, "reason": "asked us to"}
            ask = partial(program.post, "/api/v1/do-not-call/", entry, headers={"Idempotency-Key": number})
            answer = support.answered(ask)
            assert answer.status_code == 201
            listed[number] = number in rung(sandbox) or bool(answer.json()["open_calls"])
        placing_tokens.open()
        eventually(lambda: support.no_call_is_open(running))
    after = set(rung(sandbox))
    for number, before in listed.items():
        assert (number in after) <= before, f"{number} was dialled after it was listed"
    skipped = running.recipients.filter(reason="do_not_call", status=Recipient.Status.SKIPPED).count()
    assert skipped == sum(not before for before in listed.values()) > 0


def test_a_paused_campaign_places_nothing_after_the_pause_returned_and_resumes_where_it_was(
    running: Campaign, placing_tokens: support.PlacingTokens, sandbox: Any, program: ApiClient
) -> None:
    path = f"/api/v1/campaigns/{running.uuid}"
    with support.engine(processes=2) as engine:
        eventually(lambda: len(sandbox.journal()) >= 10)
        paused = support.answered(lambda: program.post(f"{path}/pause/"))
        assert paused.json()["status"] == "paused"
        at_pause = len(sandbox.journal())
        placing_tokens.open()
        engine.looks_again()
        assert len(sandbox.journal()) == at_pause < len(NUMBERS)
        resumed = support.answered(lambda: program.post(f"{path}/resume/"))
        assert resumed.json()["status"] == "running"
        eventually(lambda: support.no_call_is_open(running))
    assert sorted(rung(sandbox)) == sorted(NUMBERS)


def test_the_kill_switch_stops_campaigns_and_single_calls(
    running: Campaign, placing_tokens: support.PlacingTokens, callers: Organization, sandbox: Any, program: ApiClient
) -> None:
    with support.engine(processes=2) as engine:
        eventually(lambda: len(sandbox.journal()) >= 10)
        path = f"/api/v1/organizations/{callers.uuid}/"
        answer = support.answered(lambda: program.patch(path, {"calls_stopped": True}))
        assert answer.json()["calls_stopped"] is True
        number = Call.objects.filter(campaign=running).first().phone_number  # type: ignore[union-attr]
        support.single(number, "+12025550141")
        at_stop = len(sandbox.journal())
        placing_tokens.open()
        engine.looks_again()
        assert len(sandbox.journal()) == at_stop
        support.answered(lambda: program.patch(path, {"calls_stopped": False}))
        eventually(lambda: "+12025550141" in rung(sandbox))


def test_cancel_withdraws_whom_nobody_called_and_follows_the_open_calls_to_their_end(
    running: Campaign, placing_tokens: support.PlacingTokens, sandbox: Any, program: ApiClient
) -> None:
    with support.engine(processes=2) as engine:
        eventually(lambda: len(sandbox.journal()) >= 10)
        canceled = support.answered(lambda: program.post(f"/api/v1/campaigns/{running.uuid}/cancel/"))
        assert canceled.json()["status"] == "canceled"
        at_cancel = len(sandbox.journal())
        placing_tokens.open()
        eventually(lambda: not Call.objects.filter(status__in=Status.values[:7]).exists())
        engine.looks_again()
    assert len(sandbox.journal()) == at_cancel
    counts = {status: running.recipients.filter(status=status).count() for status in Recipient.Status.values}
    assert counts["withdrawn"] == len(NUMBERS) - at_cancel
    assert counts["done"] == at_cancel
    assert counts["pending"] == counts["calling"] == counts["waiting"] == 0


def test_a_contact_outside_the_window_is_deferred_with_the_reason_and_the_time_it_opens(
    callers: Organization, sandbox: Any, program: ApiClient
) -> None:
    """Two contacts on one list. The window is open now in New York; in India, ten hours ahead, it opens tomorrow."""
    now = timezone.now()
    number = support.reach(callers, sandbox.url, "allomia")
    people = support.people(callers, ["+12125550140", "+18005550141"])  # toll-free: its contact's zone counts alone
    Contact.objects.filter(phone="+18005550141").update(timezone="Asia/Kolkata")
    made = support.campaign(number, people)
    made.windows.all().delete()
    opens, closes = (
        (now + timedelta(hours=hours)).astimezone(ZoneInfo("America/New_York")).replace(second=0, microsecond=0)
        for hours in (-1, 1)
    )
    CallingWindow.objects.create(
        campaign=made,
        days=support.EVERY_DAY,
        opens=opens.hour * 60 + opens.minute,
        closes=closes.hour * 60 + closes.minute,
    )
    campaigns.start(made, actor="test")
    with support.engine():
        eventually(lambda: "+12125550140" in rung(sandbox))
        eventually(lambda: Recipient.objects.get(contact__phone="+18005550141").reason != "")
        eventually(lambda: not Call.objects.open().exists())
    late = made.recipients.get(contact__phone="+18005550141")
    assert (late.status, late.reason) == (Recipient.Status.PENDING, "calling_hours")
    opening = opens.replace(tzinfo=ZoneInfo("Asia/Kolkata")) + timedelta(days=1)
    while opening - timedelta(days=1) > now:
        opening -= timedelta(days=1)
    assert late.next_attempt_at == opening
    assert rung(sandbox) == ["+12125550140"]
    (reason,) = program.get(f"/api/v1/campaigns/{made.uuid}/progress/").json()["idle_reasons"]
    assert (reason["code"], reason["count"]) == ("calling_hours", 1)
    assert datetime.fromisoformat(reason["until"]) == opening
