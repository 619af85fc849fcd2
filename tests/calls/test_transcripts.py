"""Transcripts, read live from the sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from calls.models import Call
from providers.models import ProviderAccount, ReadBucket
from providers.sandbox.server import Running, running
from tenants.models import Membership, Organization
from tests.calls.support import reach
from tests.calls.test_api_calls import a_call
from tests.conftest import ApiClient
from tests.waiting import eventually

pytestmark = pytest.mark.django_db
KEY = {"authorization": "Bearer sk_sandbox"}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Running]:
    with running(speed=50, seed=7) as found:
        yield found


def dial(sandbox: Running, to: str = "+14155550101") -> str:
    """Return a call at the sandbox that has ended."""
    url = f"{sandbox.url}/callingbox/v1/calls"
    with httpx.Client(trust_env=False, headers=KEY) as client:
        made = client.post(url, json={"to": to, "prompt": "Confirm."}).json()["id"]
        eventually(lambda: client.get(f"{url}/{made}").json()["ended_at"], "the call does not end")
    return str(made)


@pytest.fixture
def call(organization: Organization, sandbox: Running) -> Call:
    number = reach(organization, sandbox.url, "callingbox")
    return a_call(number.account.assistants.get(), number, "+14155550101", provider_call_id=dial(sandbox))


def path_of(call: Call) -> str:
    return f"/api/v1/calls/{call.uuid}/transcript/"


def test_the_turns_come_in_order(api: ApiClient, call: Call) -> None:
    found = api.get(path_of(call))
    assert found.status_code == 200, found.content
    turns = found.json()["transcript"]
    assert [(turn["role"], turn["text"]) for turn in turns] == [
        ("assistant", "Hello, is now a good time?"),
        ("user", "Yes, go ahead."),
    ]
    assert all(list(turn) == ["role", "text", "at"] and turn["at"].endswith("Z") for turn in turns)
    assert turns[0]["at"] < turns[1]["at"]


def test_nothing_said_is_a_404_in_words(api: ApiClient, call: Call, sandbox: Running) -> None:
    silent = dial(sandbox, "+14155550102")
    for given, words in (
        (silent, "The provider has no transcript of this call, or none yet."),
        ("5b1e0c1e-0000-4000-8000-00000000000a", "The provider keeps no transcript of this call."),
        ("", "The provider's id of this call is not known, so its transcript cannot be read."),
    ):
        other = a_call(call.assistant, call.phone_number, "+14155550102", provider_call_id=given)
        answer = api.get(path_of(other))
        assert (answer.status_code, answer.json()) == (404, {"error": words})


@pytest.mark.parametrize("provider", ["allomia", "polyai", "plumvoice"])
def test_a_provider_without_transcripts_is_a_404_in_words(
    api: ApiClient, organization: Organization, sandbox: Running, provider: str
) -> None:
    number = reach(organization, sandbox.url, provider)
    call = a_call(number.account.assistants.get(), number, "+14155550101", provider_call_id="x1")
    answer = api.get(path_of(call))
    assert answer.status_code == 404
    assert "has no transcripts that can be read" in answer.json()["error"]


def test_a_transcript_takes_one_of_the_accounts_reads(api: ApiClient, call: Call) -> None:
    ProviderAccount.objects.update(reads_per_second=1)
    assert api.get(path_of(call)).status_code == 200
    ReadBucket.objects.update(tokens=0, tokens_at=timezone.now())
    answer = api.get(path_of(call))
    assert (answer.status_code, set(answer.json())) == (429, {"error"})
    assert int(answer["Retry-After"]) >= 1


def test_a_provider_that_is_down_is_a_503_without_its_words(api: ApiClient, call: Call, sandbox: Running) -> None:
    ProviderAccount.objects.update(base_url="http://127.0.0.1:9")
    answer = api.get(path_of(call))
    assert (answer.status_code, answer.json()) == (
        503,
        {"error": "No connection to the provider could be made. Try again later."},
    )
    ProviderAccount.objects.update(base_url=f"{sandbox.url}/callingbox")
    sandbox.control(reading_fault_rate=1.0)
    try:
        # The sandbox draws the kind of fault: one only makes it slow, one asks the client to wait.
        assert api.get(path_of(call)).status_code in {200, 429, 503}
    finally:
        sandbox.control(reading_fault_rate=0.0)


def test_staff_read_it_on_demand_and_its_text_is_only_text(
    call: Call, organization: Organization, monkeypatch: pytest.MonkeyPatch, stranger: Organization
) -> None:
    user = User.objects.create_user("ada@example.org", is_staff=True)
    Membership.objects.create(user=user, organization=organization, role="viewer")
    client = Client()
    client.force_login(user)
    url = reverse("admin:calls_call_transcript", args=[call.pk])
    assert url in client.get(reverse("admin:calls_call_change", args=[call.pk])).content.decode()
    assert "Yes, go ahead." in client.get(url).content.decode()

    def hostile(*given: Any) -> Any:
        from providers.adapters.base import Segment

        return [Segment("user", "<script>alert(1)</script>")]

    monkeypatch.setattr("providers.adapters.callingbox.CallingBox.read_transcript", hostile)
    page = client.get(url).content.decode()
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page
    ProviderAccount.objects.update(base_url="http://127.0.0.1:9")
    assert "No connection to the provider" in client.get(url).content.decode()
    Membership.objects.update(organization=stranger)
    assert client.get(url).status_code == 404
