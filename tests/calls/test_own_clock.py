"""What decides counts from our own clock. A provider's times are for showing, whatever they say."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from calls.dialing import enqueueing, placing
from calls.following import polling
from calls.models import OPEN, Call, Status
from campaigns import launching
from campaigns.models import Recipient
from providers.adapters.base import Answer, CallState, Reading
from providers.adapters.errors import ProviderError
from providers.models import PhoneNumber
from tenants.models import Organization
from tests.calls import support

ROOT = Path(__file__).parents[2]
# What an adapter reads of a provider, and the columns that show it.
THEIRS = {"started_at", "answered_at", "ended_at", "duration_seconds", "billed_duration_seconds"}
# Everything that decides whom to call, when, and for how much money. `calls/reports`, pages, files, serializers and
# webhooks show; they decide nothing.
DECIDING = (
    *("calls/gate", "calls/dialing", "calls/actions", "calls/engine", "calls/forecast", "calls/outcomes"),
    *("calls/following", "calls/deadlines.py", "calls/triggers.py", "campaigns"),
)
# What these names are elsewhere, and who may read a provider's. Nothing else is exempt.
NOT_THEIRS = {
    # When a campaign, an import or a worker was started, by our clock.
    ("calls/actions/campaigns.py", "started_at"),
    ("calls/gate/inputs.py", "started_at"),
    ("calls/engine/slice.py", "started_at"),
    ("campaigns/models/campaign.py", "started_at"),
    ("campaigns/models/contact_import.py", "started_at"),
    ("campaigns/imports/job.py", "started_at"),
    ("campaigns/import_api.py", "started_at"),
    ("campaigns/admin/contact_import.py", "started_at"),
    # When a scheduled callback was over, by our clock.
    ("calls/actions/scheduled_callbacks.py", "ended_at"),
    # The fold stores them, where the other evidence and our own clock allow it.
    *((f"calls/outcomes/{module}.py", name) for module in ("folding", "plausibility") for name in THEIRS),
    # A duration is no time of day: money is estimated from it, and never more than our own clock allows in doubt.
    *(("calls/outcomes/costs.py", name) for name in ("duration_seconds", "billed_duration_seconds")),
    *(("calls/forecast/outcome_mix.py", name) for name in ("duration_seconds", "billed_duration_seconds")),
}


def names_in(source: str) -> Iterator[str]:
    """Yield the names of `THEIRS` in code: attributes, keywords, arguments, and texts like `ended_at__gt`."""
    tree = ast.parse(source)
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        found = ""
        if isinstance(node, ast.Attribute):
            found = node.attr
        elif isinstance(node, ast.Name):
            found = node.id
        elif isinstance(node, ast.keyword | ast.arg):
            found = node.arg or ""
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            found = node.value
        for word in found.replace("-", " ").replace(".", " ").replace("__", " ").split():
            if word in THEIRS:
                yield word


def test_no_decision_reads_a_providers_time() -> None:
    """Rules count from `dialed_at` and `terminal_at`, which are ours."""
    files = [path for place in DECIDING for path in sorted((ROOT / place).rglob("*.py") or [])]
    files += [ROOT / place for place in DECIDING if place.endswith(".py")]
    assert len(files) > 100
    found = set()
    for path in files:
        if "migrations" not in path.parts:
            name = str(path.relative_to(ROOT))
            found |= {(name, word) for word in names_in(path.read_text())}
    assert found - NOT_THEIRS == set(), "count from dialed_at or terminal_at instead"
    unused = {(name, word) for name, word in NOT_THEIRS - found if name != "calls/outcomes/folding.py"}
    assert unused == set(), "these exceptions are not needed any more"


@pytest.mark.parametrize(
    "line",
    [
        "wait = call.ended_at",
        "calls.filter(ended_at__gt=now)",
        "Max('ended_at')",
        "values('calls__answered_at')",
        "F('call__started_at')",
        "update(**{'duration_seconds': 3})",
        "getattr(call, 'ended_at')",
        "def due(ended_at): pass",
        "-call.answered_at",
        "order_by('-ended_at')",
    ],
)
def test_every_way_to_read_one_is_seen(line: str) -> None:
    assert list(names_in(line))


# The wait of a retry, whatever a provider says about the end of the call.

HEARD = datetime(2026, 5, 12, 13, 0, tzinfo=UTC)  # when we saw the ends
WAIT = timedelta(minutes=120)
HOUR = timedelta(hours=1)


def times_of(end: datetime) -> Iterator[Any]:
    """Yield what `endedAt` may be, of a call that really ended at `end`: in other zones, units, forms, and nonsense."""
    yield None
    yield from ("", "soon", "null", [], {}, True, 0, -1, 10**30)
    for hours in range(-12, 15, 2):
        local = end + hours * HOUR
        yield f"{local:%Y-%m-%dT%H:%M:%S}"
        if hours % 4 == 0:
            yield f"{local:%Y-%m-%dT%H:%M:%S}.000Z"
            yield f"{local:%Y-%m-%d %H:%M:%S}"
    long_ago, far_away = datetime(1999, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
    for moment in (end, end - 4 * HOUR, end + 8 * HOUR, long_ago, far_away):
        seconds = int(moment.timestamp())
        for unit in (1, 1_000, 1_000_000):
            yield seconds * unit
            yield str(seconds * unit)
        yield moment.isoformat()
        yield f"{moment:%a, %d %b %Y %H:%M:%S} GMT"


ABSENT = object()


def ending(call: Call, said: Any) -> bytes:
    """Return AlloMia's answer about a call that nobody answered, by its documentation."""
    details: dict[str, Any] = {"startedAt": None, "endedAt": said, "duration": 0, "endedReason": "no-answer"}
    if said is ABSENT:
        del details["endedAt"]
    body = {"outboundCallId": call.provider_call_id, "status": "no-answer", "callDetails": details}
    return json.dumps(body).encode()


def ring(line: PhoneNumber) -> list[Call]:
    """Enqueue and place what may be called now. Return the calls."""
    support.look()
    enqueueing.feed_all(line.organization_id)
    made = []
    while claims := placing.claim(line.account_id):
        for claim in claims:
            placing.record(claim, Reading(CallState.DIALING, provider_call_id=f"p{claim.call.pk}"))
            made.append(claim.call)
    return made


def hear(line: PhoneNumber, forms: dict[str, Any]) -> None:
    """Read the end of each open call as AlloMia tells it, in the form chosen for its number."""
    related = ("account", "assistant", "polling")
    for call in Call.objects.filter(account=line.account_id, status__in=OPEN).select_related(*related):
        due = polling.DueRead(call, call.account.adapter)
        body = ending(call, forms[call.to_number])
        answer: Reading | ProviderError
        try:
            answer = due.adapter.read_status(Answer(200, {}, body), call.as_handle(), timezone.now())
        except ProviderError as error:
            answer = error
        assert isinstance(answer, Reading), forms[call.to_number]
        polling.record(due, answer, body)


@pytest.mark.django_db
def test_no_form_of_a_providers_time_shortens_or_lengthens_a_wait(organization: Organization) -> None:
    """No answer, wait 120 minutes, three attempts: three calls, each two hours after the end of the one before."""
    forms = [ABSENT, *times_of(HEARD)]
    numbers = {f"+1646555{n:04d}": form for n, form in enumerate(forms, start=1000)}
    with time_machine.travel(HEARD - timedelta(seconds=40), tick=False) as clock:
        line = support.reach(organization, "http://127.0.0.1:9", "allomia", max_open_calls=1000, calls_per_second=1000)
        people = support.people(organization, list(numbers))
        made = support.campaign(line, people, retries=3, status="running")
        made.retry_rules.update(wait_minutes=120, max_attempts=3)
        launching.step(made.pk)
        for attempt in range(1, 4):
            called = ring(line)
            assert {call.to_number for call in called} == set(numbers), f"attempt {attempt}"
            clock.shift(40)
            heard = timezone.now()
            hear(line, numbers)
            assert set(Call.objects.values_list("status", flat=True)) == {Status.NO_ANSWER}
            waits = set(made.recipients.values_list("next_attempt_at", flat=True))
            assert waits == ({heard + WAIT} if attempt < 3 else {None})
            clock.shift(WAIT - timedelta(seconds=1))
            assert ring(line) == [], "a second too early"
            clock.shift(1)
        assert ring(line) == []
        assert set(made.recipients.values_list("status", "attempts")) == {(Recipient.Status.DONE, 3)}


@pytest.mark.django_db
def test_an_end_seen_hours_late_counts_from_when_it_was_seen(organization: Organization) -> None:
    """No worker ran for three hours: the wait begins when the end is seen. Later than asked, never earlier."""
    with time_machine.travel(HEARD - timedelta(seconds=40), tick=False) as clock:
        line = support.reach(organization, "http://127.0.0.1:9", "allomia")
        made = support.campaign(line, support.people(organization, ["+16465551000"]), retries=3, status="running")
        made.retry_rules.update(wait_minutes=120, max_attempts=3)
        launching.step(made.pk)
        assert len(ring(line)) == 1
        clock.shift(3 * HOUR)
        hear(line, {"+16465551000": HEARD.isoformat()})
        assert made.recipients.get().next_attempt_at == timezone.now() + WAIT
