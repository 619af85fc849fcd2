from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from calls.actions import campaigns, quiescing
from calls.gate import decision
from calls.outcomes import placement_results, poll_schedule
from campaigns import launching
from campaigns.models import Campaign, Recipient
from providers.models import PhoneNumber
from providers.sandbox import server
from tenants.models import Organization, Tenant
from tests.calls import support
from tests.conftest import ApiClient, KeyMaker
from tests.waiting import PATIENCE

SPEED = 20  # times faster than real time


@pytest.fixture
def sandbox(_hurried: None) -> Iterator[Any]:
    """The four providers over loopback. Their calls and the engine's waits are shorter."""
    with server.running(speed=SPEED, seed=7) as found:
        yield found


@pytest.fixture
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Divide the engine's waits by the sandbox's speed. Leases and deadlines stay, because nothing waits for them."""
    after_error = poll_schedule.after_error

    def sooner(now: datetime, errors: int, retention_at: datetime | None) -> datetime:
        return now + (after_error(now, errors, retention_at) - now) / SPEED

    monkeypatch.setattr(poll_schedule, "after_error", sooner)
    monkeypatch.setattr(poll_schedule, "SEARCHES", tuple(wait / SPEED for wait in poll_schedule.SEARCHES))
    monkeypatch.setattr(poll_schedule, "SETTLING", poll_schedule.SETTLING / SPEED)
    monkeypatch.setattr(placement_results, "REQUEUE_AFTER", placement_results.REQUEUE_AFTER / SPEED)
    monkeypatch.setattr(decision, "SOON", decision.SOON / SPEED)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Poll faster by the same factor as the sandbox's calls."""
    monkeypatch.setattr(poll_schedule, "STEPS", ((timedelta(hours=24), timedelta(seconds=0.3)),))


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A claim may be sent for the whole test, so an action waits for the claim's answer and never for the clock."""
    monkeypatch.setattr(quiescing, "SEND_WITHIN", PATIENCE)


@pytest.fixture
def callers(transactional_db: None) -> Organization:
    """An organization that may call American numbers at any hour, without limits."""
    return Organization.objects.create(
        tenant=Tenant.objects.create(name="Callers"),
        name="Callers",
        default_region="US",
        timezone="America/New_York",
        min_gap_minutes=0,
        max_attempts_per_day=100,
        single_call_hours=Organization.SingleCallHours.ANY,
    )


@pytest.fixture
def hooks(live_server: Any, settings: Any) -> str:
    """Trunkline's web server, so that status callbacks arrive."""
    settings.PUBLIC_BASE_URL = live_server.url
    return str(live_server.url)


@pytest.fixture
def number(callers: Organization) -> PhoneNumber:
    """A caller number whose provider does not answer, for tests of what happens before the request."""
    return support.reach(callers, "http://127.0.0.1:9", "allomia")


@pytest.fixture
def running(number: PhoneNumber) -> Campaign:
    """A started campaign with one recipient."""
    made = support.campaign(number, support.people(number.organization, ["+12125550150"]), retries=3)
    campaigns.start(made, actor="ada")
    launching.step(made.pk)
    return made


@pytest.fixture
def recipient(running: Campaign) -> Recipient:
    return running.recipients.get()


@pytest.fixture
def program(callers: Organization, client_for: KeyMaker) -> ApiClient:
    """An API client with a key of scope `call`."""
    return client_for(callers, "call")
