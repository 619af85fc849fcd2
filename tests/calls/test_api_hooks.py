"""Status callbacks: the token is checked first, and the response is only a status code."""

from __future__ import annotations

import hashlib
import io
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from calls.following import status_callbacks
from calls.models import ProviderCallback, Status
from providers.models import Assistant, PhoneNumber
from tests.calls.test_api_calls import a_call
from tests.conftest import ApiClient, an_account

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> ApiClient:
    """A client without a key and with CSRF checks, like a provider."""
    found = ApiClient()
    found.handler.enforce_csrf_checks = True
    return found


@pytest.fixture
def hook(assistant: Assistant, phone_number: PhoneNumber) -> str:
    call = a_call(assistant, phone_number, "+33612345678", status=Status.COMPLETED)
    return f"/hooks/allomia/{call.callback_token}"


def test_a_known_token_is_filed_and_answered_at_once(client: ApiClient, hook: str) -> None:
    answer = client.post(hook, b'{"status": "busy"}', content_type="text/plain", headers={"accept": "text/html"})
    assert (answer.status_code, answer.json()) == (200, {})
    assert bytes(ProviderCallback.objects.get().body) == b'{"status": "busy"}'


@pytest.mark.parametrize("path", ["/hooks/allomia/unknown", "/hooks/nobody/x", "/hooks/allomia/%00", "/hooks/x/y/z"])
def test_an_unknown_token_is_a_404(client: ApiClient, path: str) -> None:
    answer = client.post(path, {})
    assert (answer.status_code, answer.json()) == (404, {"error": "Not found"})


def test_a_token_belongs_to_its_provider(client: ApiClient, hook: str) -> None:
    assert client.post(hook.replace("allomia", "polyai"), {}).status_code == 404


def test_looking_is_an_empty_200(client: ApiClient, hook: str) -> None:
    for path in (hook, "/hooks/allomia/unknown", "/hooks/callingbox/account/unknown"):
        for look in (client.get, client.head):
            answer = look(path)
            assert (answer.status_code, answer.content) == (200, b"")


def test_a_body_over_256_kib_is_a_413(client: ApiClient, hook: str) -> None:
    long = b"x" * 262_144
    assert client.post(hook, long, content_type="text/plain").status_code == 200
    assert bytes(ProviderCallback.objects.get().body) == long
    for path in (hook, "/hooks/allomia/unknown", "/hooks/callingbox/account/unknown"):
        answer = client.post(path, long + b"x", content_type="text/plain")
        assert (answer.status_code, set(answer.json())) == (413, {"error"})
        assert "256 KiB" in answer.json()["error"]
    assert ProviderCallback.objects.count() == 1


def test_a_callback_that_is_too_long_makes_the_next_read_due(
    client: ApiClient, assistant: Assistant, phone_number: PhoneNumber
) -> None:
    later = timezone.now() + timedelta(hours=1)
    call = a_call(
        assistant, phone_number, "+33612345678", status=Status.DIALING, provider_call_id="x1", next_read_at=later
    )
    path = f"/hooks/allomia/{call.callback_token}"
    assert client.post(path, b"x" * 262_145, content_type="text/plain").status_code == 413
    call.refresh_from_db()
    assert call.next_read_at is not None
    assert call.next_read_at < later
    assert "256 KiB" in call.events.get(type="callback").detail


def test_other_methods_are_a_405(client: ApiClient, hook: str) -> None:
    answer = client.delete(hook)
    assert (answer.status_code, set(answer.json())) == (405, {"error"})


def test_an_account_wide_callback_without_a_good_signature_is_a_401(client: ApiClient, assistant: Assistant) -> None:
    account = an_account(
        assistant.organization,
        provider="callingbox",
        credentials={"api_key": "sk", "endpoint_secret": "whsec_" + hashlib.sha256(b"").hexdigest()},
    )
    answer = client.post(f"/hooks/callingbox/account/{account.hook_token}", {"event": "call.ended"})
    assert (answer.status_code, set(answer.json())) == (401, {"error"})
    assert client.post("/hooks/callingbox/account/unknown", {}).status_code == 404
    assert not ProviderCallback.objects.exists()


def test_a_failure_of_ours_is_a_500_so_that_it_comes_again(
    client: ApiClient, hook: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> int:
        raise RuntimeError("boom")

    monkeypatch.setattr("calls.following.status_callbacks.receive", broken)
    assert client.post(hook, {}).status_code == 500


def test_a_chunked_body_is_filed_whole(client: ApiClient, hook: str) -> None:
    """gunicorn passes a chunked body on decoded, without a length."""
    chunked: dict[str, Any] = {
        "CONTENT_LENGTH": "",
        "HTTP_TRANSFER_ENCODING": "chunked",
        "wsgi.input": io.BytesIO(b'{"status": "busy"}'),
        "wsgi.input_terminated": True,
    }
    assert client.post(hook, b"-", **chunked).status_code == 200
    assert bytes(ProviderCallback.objects.get().body) == b'{"status": "busy"}'


def read_all() -> None:
    for pk in status_callbacks.pending(1000):
        status_callbacks.process(pk)


def test_a_token_takes_a_providers_burst_and_no_flood(client: ApiClient, hook: str, frozen: Any) -> None:
    for number in range(50):  # ten steps of a call, each sent five times
        assert client.post(hook, {"status": "busy", "n": number}).status_code == 200
    answers = [client.post(hook, b"junk", content_type="text/plain") for _ in range(50)]
    assert [answer.status_code for answer in answers] == [200] * 10 + [429] * 40
    assert (answers[-1]["Retry-After"], set(answers[-1].json())) == ("60", {"error"})
    assert ProviderCallback.objects.count() == 60
    frozen.shift(61)
    assert client.post(hook, {}).status_code == 429  # nothing of it is read yet
    read_all()
    assert client.post(hook, {"status": "busy"}).status_code == 200


def test_the_rate_is_that_of_one_token(
    client: ApiClient, hook: str, assistant: Assistant, phone_number: PhoneNumber, frozen: Any
) -> None:
    other = a_call(assistant, phone_number, "+33612345679", status=Status.COMPLETED)
    while client.post(hook, {}).status_code == 200:
        pass
    assert client.post(f"/hooks/allomia/{other.callback_token}", {}).status_code == 200


def test_a_token_cannot_fill_the_database(client: ApiClient, hook: str, frozen: Any) -> None:
    def junk() -> ProviderCallback:
        client.post(hook, b"\xff" * 100_000, content_type="text/plain")
        read_all()
        return ProviderCallback.objects.latest("pk")

    first = junk()
    assert len(bytes(first.body)) == 16_384
    of_call = {"call": first.call, "account": first.account, "processed_at": first.processed_at}
    signed = ProviderCallback.objects.create(verification="verified", body=b"{}", **of_call)
    frozen.shift(61)
    ProviderCallback.objects.bulk_create(
        ProviderCallback(verification="unsigned", body=b"x", received_at=first.received_at, **of_call)
        for _ in range(150)
    )
    last = junk()
    kept = set(ProviderCallback.objects.filter(verification="unsigned").values_list("pk", flat=True))
    assert kept == set(range(last.pk - 99, last.pk + 1))
    assert ProviderCallback.objects.filter(pk=signed.pk).exists()


def test_bodies_that_are_too_long_leave_one_event_a_minute(
    client: ApiClient, assistant: Assistant, phone_number: PhoneNumber, frozen: Any
) -> None:
    later = timezone.now() + timedelta(hours=1)
    fields: Any = {"status": Status.RINGING, "provider_call_id": "p1", "next_read_at": later}
    call = a_call(assistant, phone_number, "+33612345678", **fields)
    for _ in range(5):
        client.post(f"/hooks/allomia/{call.callback_token}", b"x" * 262_145, content_type="text/plain")
    assert call.events.filter(type="callback").count() == 1


def test_callbacks_are_deleted_after_30_days_once_they_are_read(client: ApiClient, hook: str, frozen: Any) -> None:
    client.post(hook, {"status": "busy"})
    frozen.shift(timedelta(days=31))
    assert status_callbacks.purge() == 0  # nobody has read it
    read_all()
    client.post(hook, {"status": "busy"})
    read_all()
    assert status_callbacks.purge() == 1
    assert ProviderCallback.objects.count() == 1
