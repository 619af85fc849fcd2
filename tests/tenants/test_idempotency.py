"""`Idempotency-Key`: one effect and one response, however often and in whatever form the request is sent."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections
from django.utils import timezone

from calls.actions import campaigns, quiescing
from calls.models import Call
from campaigns.models import Campaign, Contact, ContactImport, ContactList, DoNotCall
from providers.models import Assistant, PhoneNumber
from tenants.api import idempotency
from tenants.api.errors import Conflict
from tenants.models import ApiKey, Organization, StoredAnswer
from tests.conftest import ApiClient, KeyMaker, a_number, an_account, an_assistant
from tests.tenants.test_api_rules import CONTACTS, shape
from tests.waiting import PATIENCE

pytestmark = pytest.mark.django_db
BODY = {"phone": "+33612345678"}


def send(client: ApiClient, path: str = CONTACTS, body: Any = BODY, key: str = "k-1", **extra: Any) -> Any:
    return client.post(path, body, headers={"idempotency-key": key}, **extra)


def test_a_repeat_is_answered_as_the_first_time(api: ApiClient) -> None:
    first, second = send(api), send(api, body=b'{ "phone" : "+33612345678" }')
    assert (first.status_code, second.status_code) == (201, 201)
    assert second.content == first.content
    assert "Idempotent-Replayed" not in first
    assert second["Idempotent-Replayed"] == "true"
    for name in ("Content-Type", "Cache-Control"):
        assert second[name] == first[name]
    assert Contact.objects.count() == 1


def test_without_a_key_nothing_is_stored(api: ApiClient) -> None:
    assert api.post(CONTACTS, BODY).status_code == 201
    assert api.post(CONTACTS, BODY).status_code == 400
    assert not StoredAnswer.objects.exists()


@pytest.mark.parametrize(
    ("path", "body"),
    [(CONTACTS, {"phone": "+33612345679"}), (f"{CONTACTS}?x=1", BODY), ("/api/v1/contact-lists/", BODY)],
)
def test_the_key_of_another_request_is_a_422(api: ApiClient, path: str, body: Any) -> None:
    send(api)
    answer = send(api, path, body)
    assert answer.status_code == 422
    assert "another request" in shape(answer)["error"]
    assert Contact.objects.count() == 1


def test_a_refusal_is_an_answer_too(api: ApiClient) -> None:
    first = send(api, body={"phone": "x"})
    second = send(api, body={"phone": "x"})
    assert (first.status_code, second.status_code) == (400, 400)
    assert second.content == first.content
    assert second["Idempotent-Replayed"] == "true"
    assert send(api).status_code == 422


@pytest.mark.parametrize("key", ["", "x" * 256, "a\x01b", "a\tb", "a\x7f"])
def test_a_wrong_key_is_a_400(api: ApiClient, key: str) -> None:
    answer = send(api, key=key)
    assert answer.status_code == 400
    [fault] = shape(answer)["details"]
    assert fault["field"] == "Idempotency-Key"
    assert not Contact.objects.exists()


@pytest.mark.parametrize("key", ["x", "x" * 255, "ünïcode and spaces", '"quoted"'])
def test_any_printable_key_does(api: ApiClient, key: str) -> None:
    assert send(api, key=key).status_code == 201
    assert send(api, key=key)["Idempotent-Replayed"] == "true"


def test_a_key_counts_for_one_caller_and_one_organization(
    api: ApiClient, organization: Organization, sister: Organization, client_for: KeyMaker
) -> None:
    assert send(api).status_code == 201
    everywhere = client_for(tenant=organization.tenant)
    for home in (sister, organization):
        answer = everywhere.post(CONTACTS, BODY, headers={"idempotency-key": "k-1", "x-organization": str(home.uuid)})
        assert "Idempotent-Replayed" not in answer
    assert Contact.objects.count() == 2


def test_only_a_post_has_it(api: ApiClient, contact: Contact) -> None:
    for _ in range(2):
        answer = api.patch(f"{CONTACTS}{contact.uuid}/", {"name": "B"}, headers={"idempotency-key": "k"})
        assert (answer.status_code, "Idempotent-Replayed" in answer) == (200, False)
    assert not StoredAnswer.objects.exists()


def test_a_caller_without_the_scope_gets_no_stored_response(api: ApiClient) -> None:
    send(api)
    ApiKey.objects.update(scopes=["read"])
    assert send(api).status_code == 403
    ApiKey.objects.update(revoked_at=timezone.now())
    assert send(api).status_code == 401


# Time.


@pytest.mark.usefixtures("frozen")
def test_while_the_first_is_running_a_repeat_is_a_409_for_a_minute(api: ApiClient) -> None:
    send(api)
    Contact.objects.all().delete()
    StoredAnswer.objects.update(answer=None)
    answer = send(api)
    assert answer.status_code == 409
    assert "still running" in shape(answer)["error"]
    assert send(api, body={"phone": "+33612345679"}).status_code == 422
    StoredAnswer.objects.update(started_at=timezone.now() - timedelta(seconds=61))
    assert send(api).status_code == 201
    assert send(api)["Idempotent-Replayed"] == "true"


@pytest.mark.usefixtures("frozen")
def test_after_a_day_the_key_is_free_again_and_purged(api: ApiClient) -> None:
    send(api)
    StoredAnswer.objects.update(started_at=timezone.now() - timedelta(hours=23, minutes=59))
    assert idempotency.purge() == 0
    assert send(api)["Idempotent-Replayed"] == "true"
    StoredAnswer.objects.update(started_at=timezone.now() - timedelta(hours=24, minutes=1))
    assert send(api, body={"phone": "+33612345679"}).status_code == 201
    StoredAnswer.objects.update(started_at=timezone.now() - timedelta(hours=24, minutes=1))
    assert idempotency.purge() == 1


# Responses that are not stored.


def test_an_unexpected_error_takes_its_effect_back_and_is_not_kept(
    api: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    from campaigns.api import ContactViewSet

    real = ContactViewSet.perform_save

    def breaks(self: ContactViewSet, serializer: Any) -> None:
        real(self, serializer)
        raise RuntimeError("broken")

    monkeypatch.setattr(ContactViewSet, "perform_save", breaks)
    assert send(api).status_code == 500
    assert not Contact.objects.exists() and not StoredAnswer.objects.exists()
    monkeypatch.undo()
    assert send(api).status_code == 201


def test_an_answer_that_cannot_be_kept_takes_the_effect_back(api: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def overtaken(marker: StoredAnswer, response: Any) -> None:
        raise Conflict("overtaken")

    monkeypatch.setattr(idempotency, "store", overtaken)
    assert send(api).status_code == 409
    assert not Contact.objects.exists()


def test_a_request_that_was_overtaken_has_no_effect(api: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    from campaigns.api import ContactViewSet

    real = ContactViewSet.perform_save

    def slowly(self: ContactViewSet, serializer: Any) -> None:
        real(self, serializer)
        StoredAnswer.objects.update(run="somebody else's")

    monkeypatch.setattr(ContactViewSet, "perform_save", slowly)
    answer = send(api)
    assert (answer.status_code, "taken its place" in shape(answer)["error"]) == (409, True)
    assert not Contact.objects.exists()


def test_a_429_is_not_kept(api: ApiClient, settings: Any) -> None:
    settings.API_RATE, settings.API_BURST = 1, 1
    assert [send(api, key=f"k-{n}").status_code for n in range(2)] == [201, 429]
    settings.API_RATE = settings.API_BURST = 100_000
    assert send(api, key="k-1", body={"phone": "+33612345679"}).status_code == 201


# Each kind of POST.


def test_a_secret_is_kept_encrypted(api: ApiClient, organization: Organization) -> None:
    rotate = f"/api/v1/organizations/{organization.uuid}/rotate-webhook-secret/"
    first, second = send(api, rotate, {}), send(api, rotate, {})
    assert first.json() == second.json()
    made = send(api, "/api/v1/api-keys/", {"name": "N"}, key="k-2")
    assert send(api, "/api/v1/api-keys/", {"name": "N"}, key="k-2").json()["key"] == made.json()["key"]
    assert ApiKey.objects.count() == 2
    with connection.cursor() as cursor:
        cursor.execute("SELECT answer FROM tenants_storedanswer")
        stored = " ".join(row[0] for row in cursor.fetchall())
    for secret in (first.json()["webhook_secret"], made.json()["key"]):
        assert secret not in stored


def test_a_file_is_the_same_whatever_boundary_it_is_sent_with(api: ApiClient, organization: Organization) -> None:
    group = ContactList.objects.create(organization=organization, name="G")
    path = f"/api/v1/contact-lists/{group.uuid}/imports/"

    def upload(boundary: str, content: str) -> Any:
        body = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="x.csv"\r\n'
            f"Content-Type: text/csv\r\n\r\n{content}\r\n--{boundary}--\r\n"
        )
        return send(api, path, body.encode(), content_type=f"multipart/form-data; boundary={boundary}")

    first = upload("aaa", "phone\n+33612345678\n")
    second = upload("bbb", "phone\n+33612345678\n")
    assert (first.status_code, second.content) == (202, first.content)
    assert upload("ccc", "phone\n+33612345679\n").status_code == 422
    made = ContactImport.objects.get()
    with made.file.open() as stored:
        assert stored.read() == b"phone\n+33612345678\n"


def test_a_single_call_is_ordered_once(api: ApiClient, assistant: Assistant, phone_number: PhoneNumber) -> None:
    order = {
        "phoneNumber": "+33612345678",
        "assistantId": str(assistant.uuid),
        "phoneNumberId": str(phone_number.uuid),
    }
    first, second = send(api, "/api/outbound", order), send(api, "/api/outbound", order)
    assert (first.status_code, second.content) == (201, first.content)
    assert Call.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_what_waits_for_the_engine_is_held_by_no_transaction(
    api: ApiClient, organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Inside a transaction the engine could not see the change that the request waits for."""
    held: list[bool] = []
    for module in (campaigns, quiescing):
        monkeypatch.setattr(module, "wait_for_silence", lambda calls: held.append(connection.in_atomic_block))
    running = Campaign.objects.create(organization=organization, name="C", status=Campaign.Status.RUNNING)
    path = f"/api/v1/campaigns/{running.uuid}/"
    for n, (address, body) in enumerate(
        [(f"{path}pause/", {}), (f"{path}cancel/", {}), ("/api/v1/do-not-call/", {"phone": "+33612345678"})]
    ):
        first, second = (send(api, address, body, key=f"k-{n}") for _ in range(2))
        assert first.status_code in {200, 201} and second.content == first.content
        assert second["Idempotent-Replayed"] == "true"
    assert held == [False, False, False]
    assert DoNotCall.objects.count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("what", ["contact", "call"])
def test_twenty_at_once_have_one_effect(organization: Organization, client_for: KeyMaker, what: str) -> None:
    account = an_account(organization)
    assistant, number = an_assistant(account), a_number(account)
    path, body = CONTACTS, dict(BODY)
    if what == "call":
        path = "/api/outbound"
        body = {"phoneNumber": "+33612345678", "assistantId": str(assistant.uuid), "phoneNumberId": str(number.uuid)}
    client = client_for(organization)
    header = client.defaults["HTTP_AUTHORIZATION"]
    start, answers = threading.Barrier(20), []

    def one() -> None:
        try:
            mine = ApiClient(header.removeprefix("Bearer "))
            start.wait()
            answers.append(send(mine, path, body))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=one) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert len(answers) == 20
    done = [answer for answer in answers if answer.status_code == 201]
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.content for answer in done}) == 1
    assert sum("Idempotent-Replayed" not in answer for answer in done) == 1
    for answer in answers:
        if answer.status_code == 409:
            assert "still running" in answer.json()["error"]
    assert Contact.objects.count() == 1
    assert Call.objects.count() == (what == "call")
    assert send(client, path, body).content == done[0].content
