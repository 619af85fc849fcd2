"""The whole path of a call with real parts: contacts, campaign, engine, HTTP, the sandbox, status callbacks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from calls.actions import campaigns
from calls.models import Call, Status, WebhookDelivery
from campaigns.models import Campaign, Recipient
from tenants.models import Organization, StoredAnswer
from tests.calls import support
from tests.waiting import eventually

PROVIDERS = ["allomia", "polyai", "plumvoice", "callingbox"]
AREAS = ("212", "303", "415", "617", "213", "304", "408", "618", "305", "702")


def numbers(endings: list[int], areas: tuple[str, ...] = AREAS[:1]) -> list[str]:
    return [f"+1{area}55501{ending:02}" for area in areas for ending in endings]


def rings(sandbox: Any) -> Counter[str]:
    return Counter(dial["to_number"] for dial in sandbox.journal())


def launch(made: Campaign) -> None:
    campaigns.start(made, actor="test")


def assert_stored_as_it_was(made: Campaign, sandbox: Any) -> None:
    """Check that every dial in the journal has its call, with the provider's outcome."""
    calls = {call.provider_call_id: call for call in Call.objects.filter(campaign=made) if call.provider_call_id}
    for dial in sandbox.journal():
        call = (
            calls.get(dial["id"])
            or Call.objects.filter(campaign=made, to_number=dial["to_number"], provider_call_id="")
            .exclude(status=Status.CANCELED)
            .get()
        )
        assert call.status in (dial["outcome"], Status.UNCONFIRMED), (dial, call.status)


@pytest.mark.parametrize(
    ("provider", "with_callbacks"),
    [
        pytest.param(slug, told, id=f"{'callbacks' if told else 'reading alone'}-{slug}", marks=marks)
        for place, slug in enumerate(PROVIDERS)
        for told, marks in ((place % 2 == 0, []), (place % 2 != 0, pytest.mark.long))
    ],
)
def test_a_campaign_ends_with_every_outcome_stored(
    provider: str, with_callbacks: bool, callers: Organization, sandbox: Any, request: pytest.FixtureRequest
) -> None:
    if with_callbacks:
        request.getfixturevalue("hooks")
    number = support.reach(callers, sandbox.url, provider)
    people = support.people(callers, numbers([1, 2, 3, 4, 5, 15, 17, 18, 19, 20, 24, 25, *range(40, 44)]))
    made = support.campaign(number, people, retries=2)
    launch(made)
    with support.engine():
        eventually(lambda: support.no_call_is_open(made), "the campaign does not finish")
    assert_stored_as_it_was(made, sandbox)
    assert max(rings(sandbox).values()) <= 2
    assert len(rings(sandbox)) == 16
    counts = Counter(made.recipients.values_list("status", flat=True))
    assert counts == {Recipient.Status.DONE: 16}


def test_each_end_is_told_to_the_campaigns_own_address_once(callers: Organization, sandbox: Any) -> None:
    number = support.reach(callers, sandbox.url, "allomia")
    made = support.campaign(number, support.people(callers, numbers([1, 2, 3])), callback_url="https://example.org/x")
    launch(made)
    with support.engine():
        eventually(lambda: support.no_call_is_open(made))
    assert WebhookDelivery.objects.filter(call__campaign=made).count() == 3


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_lost_answer_is_never_dialled_again_and_told_as_a_doubt(
    provider: str, callers: Organization, sandbox: Any
) -> None:
    """There is no further evidence: no status callback, and except at CallingBox no list of calls."""
    number = support.reach(callers, sandbox.url, provider)
    made = support.campaign(number, support.people(callers, numbers([8, 10, 12, 13, 34])), retries=3)
    launch(made)
    with support.engine():
        eventually(lambda: made.recipients.filter(status__in=["review", "done"]).count() == 5)
        eventually(lambda: Call.objects.filter(status=Status.PLACING).count() == 0)
        if provider == "callingbox":
            eventually(lambda: support.no_call_is_open(made), what="they are in the provider's list")
    assert set(rings(sandbox).values()) == {1}
    expected = Status.COMPLETED if provider == "callingbox" else Status.UNCONFIRMED
    assert set(Call.objects.values_list("status", flat=True)) == {expected}


@pytest.mark.parametrize("provider", ["allomia", "plumvoice", "callingbox"])
def test_a_callback_to_its_own_address_resolves_a_lost_answer(
    provider: str, callers: Organization, sandbox: Any, hooks: str
) -> None:
    number = support.reach(callers, sandbox.url, provider)
    made = support.campaign(number, support.people(callers, numbers([8, 10, 12])))
    launch(made)
    with support.engine():
        eventually(lambda: support.no_call_is_open(made), what="the callback was not taken as evidence")
    assert_stored_as_it_was(made, sandbox)
    assert set(rings(sandbox).values()) == {1}
    assert set(Call.objects.values_list("status", flat=True)) == {Status.COMPLETED}


def test_what_certainly_was_not_placed_is_placed_later(callers: Organization, sandbox: Any) -> None:
    number = support.reach(callers, sandbox.url, "allomia")
    call = support.single(number, "+12125550111")  # 429, then accepted
    with support.engine():
        eventually(lambda: Call.objects.get(pk=call.pk).is_terminal)
    assert rings(sandbox) == {"+12125550111": 1}
    call.refresh_from_db()
    assert (call.status, call.placing_attempts) == (Status.COMPLETED, 2)


def test_a_wrong_key_blocks_the_account_pauses_its_campaigns_and_rings_nobody(
    callers: Organization, sandbox: Any
) -> None:
    number = support.reach(callers, sandbox.url, "allomia", credentials={"api_key": "wrong"})
    made = support.campaign(number, support.people(callers, numbers([1, 2, 3])))
    launch(made)
    with support.engine():
        eventually(lambda: Campaign.objects.get(pk=made.pk).status == Campaign.Status.PAUSED)
        eventually(lambda: Call.objects.filter(status=Status.PLACING).count() == 0)
    number.account.refresh_from_db()
    assert number.account.blocked_code == "misconfigured"
    assert "key" in number.account.blocked_reason.lower()
    assert rings(sandbox) == {}
    assert Call.objects.exclude(status=Status.QUEUED).count() == 0


def test_a_campaign_whose_calls_are_all_refused_alike_pauses_itself(callers: Organization, sandbox: Any) -> None:
    number = support.reach(callers, sandbox.url, "allomia", calls_per_second=5)
    made = support.campaign(number, support.people(callers, numbers([23], AREAS)))
    launch(made)
    with support.engine():
        eventually(lambda: Campaign.objects.get(pk=made.pk).status == Campaign.Status.PAUSED)
    assert "refused" in Campaign.objects.get(pk=made.pk).status_reason
    assert rings(sandbox) == {}


def faulty() -> Iterator[Any]:
    """Yield numbers of people with each provider: few people and one provider in `make test`."""
    for slug in PROVIDERS:
        yield pytest.param(25, slug, marks=[] if slug == "callingbox" else pytest.mark.long, id=f"25-{slug}")
        yield pytest.param(60, slug, marks=pytest.mark.proof, id=f"60-{slug}")


@pytest.mark.slow
@pytest.mark.parametrize(("people", "provider"), list(faulty()))
def test_a_fifth_of_all_answers_faulty_rings_nobody_twice_and_loses_nothing(
    people: int, provider: str, callers: Organization, sandbox: Any, hooks: str
) -> None:
    """Two processes at once; a fifth of the answers to placings and polls is faulty, callbacks are lost and doubled."""
    sandbox.control(placing_fault_rate=0.2, reading_fault_rate=0.2, callback_loss_rate=0.2, callback_double_rate=0.2)
    number = support.reach(callers, sandbox.url, provider)
    made = support.campaign(number, support.people(callers, numbers(list(range(40, 40 + people)))))
    launch(made)
    with support.engine(processes=2):
        eventually(lambda: _settled(made, sandbox), "outcomes are missing")
    assert_stored_as_it_was(made, sandbox)
    assert max(rings(sandbox).values()) == 1, "a number was dialled twice"
    assert Call.objects.filter(status__in=[Status.EXPIRED, Status.UNKNOWN]).count() == 0


def _settled(made: Campaign, sandbox: Any) -> bool:
    """Whether all evidence has been recorded: the doubts left are dials without any further evidence."""
    made.refresh_from_db()
    if made.status != Campaign.Status.FINISHED:
        return False
    left = Call.objects.open().filter(campaign=made)
    if left.exclude(status=Status.UNCONFIRMED).exists():
        return False
    return made.assistant is not None and (
        made.assistant.account.provider != "callingbox"
        or not left.filter(status=Status.UNCONFIRMED).exists()
        or all(call.to_number not in rings(sandbox) for call in left)
    )


def test_stored_answers_are_forgotten_after_a_day(callers: Organization) -> None:
    StoredAnswer.objects.create(slot="old", started_at=timezone.now() - timedelta(hours=25))
    StoredAnswer.objects.create(slot="new")
    with support.engine():
        eventually(lambda: not StoredAnswer.objects.filter(slot="old").exists())
    assert StoredAnswer.objects.get().slot == "new"
