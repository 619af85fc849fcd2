"""`/api/v1/do-not-call/` and "Stop all calls": no call is placed after the response."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from calls.models import Call, Status
from campaigns.models import DoNotCall
from providers.models import Assistant, PhoneNumber
from tenants.models import AuditEntry, Organization
from tests.calls.support import change
from tests.calls.test_api_calls import a_call
from tests.conftest import ApiClient

pytestmark = pytest.mark.django_db
NUMBER = "+33612345678"
LIST = "/api/v1/do-not-call/"


def test_adding_a_number_is_idempotent(api: ApiClient) -> None:
    first = api.post(LIST, {"phone": "06 12 34 56 78", "reason": "asked us"})
    assert first.status_code == 201
    found = first.json()
    assert set(found) == {
        "id",
        "organization",
        "phone",
        "reason",
        "source",
        "expires_at",
        "created_at",
        "open_calls",
    }
    assert (found["phone"], found["reason"], found["source"]) == (NUMBER, "asked us", "api")
    assert (found["expires_at"], found["open_calls"]) == (None, [])
    again = api.post(LIST, {"phone": NUMBER})
    assert (again.status_code, again.json()["id"]) == (200, found["id"])
    assert DoNotCall.objects.count() == 1
    assert not AuditEntry.objects.filter(action="do_not_call.changed").exists()


def test_another_reason_for_a_listed_number_is_on_record(api: ApiClient) -> None:
    for reason in ("asked us", "asked us", "moved away"):
        found = api.post(LIST, {"phone": NUMBER, "reason": reason}).json()
    entry = AuditEntry.objects.get(action="do_not_call.changed")
    said = {"reason": "asked us", "expires_at": None}
    assert entry.subject == f"do-not-call entry {found['id']}"
    assert entry.detail == {"reason": "moved away", "expires_at": None, "before": said}
    assert entry.actor.startswith("key ")


def test_a_number_of_any_country_can_be_listed(api: ApiClient) -> None:
    assert api.post(LIST, {"phone": "+4930123456"}).status_code == 201


def test_the_answer_names_the_open_calls(api: ApiClient, assistant: Assistant, phone_number: PhoneNumber) -> None:
    open_call = a_call(
        assistant, phone_number, NUMBER, status=Status.RINGING, next_read_at=datetime.now(UTC) + timedelta(minutes=1)
    )
    a_call(assistant, phone_number, NUMBER, status=Status.COMPLETED)
    answer = api.post(LIST, {"phone": NUMBER})
    assert answer.json()["open_calls"] == [{"id": str(open_call.uuid), "status": "ringing", "to_number": NUMBER}]


def test_an_entry_keeps_its_number(api: ApiClient) -> None:
    made = api.post(LIST, {"phone": NUMBER}).json()
    answer = api.patch(f"{LIST}{made['id']}/", {"phone": "+33612345679"})
    assert (answer.status_code, answer.json()["details"][0]["field"]) == (400, "phone")
    until = "2099-01-01T00:00:00Z"
    answer = api.patch(f"{LIST}{made['id']}/", {"reason": "for a while", "expires_at": until})
    assert (answer.status_code, answer.json()["expires_at"]) == (200, until)
    entry = AuditEntry.objects.get(action="do_not_call.changed")
    assert entry.detail["reason"] == "for a while" and entry.detail["before"] == {"reason": "", "expires_at": None}


def test_removing_an_entry_is_written_down(api: ApiClient) -> None:
    made = api.post(LIST, {"phone": NUMBER}).json()
    assert api.delete(f"{LIST}{made['id']}/").status_code == 204
    assert not DoNotCall.objects.exists()
    found = AuditEntry.objects.order_by("id")
    assert [(entry.action, entry.actor[:7]) for entry in found] == [
        ("do_not_call.added", "key tl_"),
        ("do_not_call.removed", "key tl_"),
    ]
    assert api.get(f"{LIST}{made['id']}/").status_code == 404


def test_an_entry_does_not_end_in_the_past(api: ApiClient) -> None:
    answer = api.post(LIST, {"phone": NUMBER, "expires_at": "2020-01-01T00:00:00Z"})
    assert (answer.status_code, answer.json()["details"][0]["field"]) == (400, "expires_at")


@pytest.mark.parametrize("phone", ["", "123", "abc", 33612345678, None])
def test_what_is_no_number_is_a_400(api: ApiClient, phone: object) -> None:
    answer = api.post(LIST, {"phone": phone})
    assert (answer.status_code, answer.json()["details"][0]["field"]) == (400, "phone")


def test_the_kill_switch_stops_and_allows(api: ApiClient, organization: Organization) -> None:
    path = f"/api/v1/organizations/{organization.uuid}/"
    answer = api.patch(path, {"calls_stopped": True, "name": "Stopped"})
    assert (answer.status_code, answer.json()["calls_stopped"], answer.json()["name"]) == (200, True, "Stopped")
    organization.refresh_from_db()
    assert organization.calls_stopped
    assert api.patch(path, {"calls_stopped": None}).status_code == 400
    assert api.patch(path, {"calls_stopped": False}).json()["calls_stopped"] is False
    actions = list(AuditEntry.objects.order_by("id").values_list("action", flat=True))
    assert actions == ["organization.changed", "organization.stop_calls", "organization.allow_calls"]


def test_the_kill_switch_answers_only_when_nothing_can_be_placed(
    api: ApiClient,
    organization: Organization,
    assistant: Assistant,
    phone_number: PhoneNumber,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = datetime.now(UTC)
    a_call(assistant, phone_number, NUMBER, status=Status.PLACING, lease_until=now, dialed_at=now)
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        change(Call.objects.all(), status=Status.UNCONFIRMED, next_read_at=now)

    monkeypatch.setattr("calls.actions.quiescing.time.sleep", wait)
    api.patch(f"/api/v1/organizations/{organization.uuid}/", {"calls_stopped": True})
    assert waits
