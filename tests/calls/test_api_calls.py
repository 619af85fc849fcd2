"""`/api/v1/calls/`: single calls over the API."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from calls.models import Call, Status, WebhookDelivery
from calls.webhooks import outbox
from campaigns.models import Contact
from providers.models import Assistant, PhoneNumber, ProviderAccount
from tenants.models import Organization
from tests.conftest import ApiClient, KeyMaker, a_number, an_account, an_assistant
from tests.tables import cases, rolled_back

pytestmark = pytest.mark.django_db
NUMBER = "+33612345678"
FIELDS = [
    "id",
    "organization",
    "status",
    "overdue",
    "provider",
    "account",
    "assistant",
    "phone_number",
    "contact",
    "campaign",
    "recipient",
    "attempt",
    "campaign_version",
    "asked_for",
    "to_number",
    "from_number",
    "customer_name",
    "dynamic_variables",
    "metadata",
    "provider_call_id",
    "provider_status",
    "ended_reason",
    "answered_by",
    "error_code",
    "error_message",
    "result",
    "result_text",
    "result_status",
    "doubts",
    "created_at",
    "placed_at",
    "started_at",
    "answered_at",
    "ended_at",
    "duration_seconds",
    "billed_duration_seconds",
    "cost",
    "cost_price",
    "cost_estimate",
    "callback_url",
    "callback_status",
    "updated_at",
]


@pytest.fixture
def order(assistant: Assistant, phone_number: PhoneNumber) -> dict[str, Any]:
    return {"to_number": NUMBER, "assistant": str(assistant.uuid), "phone_number": str(phone_number.uuid)}


def a_call(assistant: Assistant, number: PhoneNumber, to_number: str, **fields: Any) -> Call:
    contact, _ = Contact.objects.get_or_create(organization=assistant.organization, phone=to_number)
    given: dict[str, Any] = {"status": Status.COMPLETED} | fields
    return Call.objects.create(
        organization=assistant.organization,
        contact=contact,
        account=assistant.account,
        assistant=assistant,
        phone_number=number,
        to_number=to_number,
        from_number=number.e164,
        **given,
    )


def test_an_order_answers_the_call_object(api: ApiClient, order: dict[str, Any], account: ProviderAccount) -> None:
    now = datetime.now(UTC)
    later: dict[str, Any] = {
        "not_before": (now + timedelta(hours=2)).isoformat(),
        "not_after": (now + timedelta(hours=3)).isoformat(),
        "customer_name": "Ada",
        "dynamic_variables": {"slot": "9:30"},
        "metadata": {"ticket": 7},
        "callback_url": "https://example.org/hook",
    }
    answer = api.post("/api/v1/calls/", order | later)
    assert answer.status_code == 201, answer.content
    found = answer.json()
    assert list(found) == FIELDS
    call = Call.objects.get()
    assert found["id"] == str(call.uuid)
    assert (found["status"], found["provider"], found["account"]) == ("queued", "allomia", str(account.uuid))
    assert (found["campaign"], found["recipient"], found["attempt"]) == (None, None, 1)
    assert (found["dynamic_variables"], found["metadata"]) == ({"slot": "9:30"}, {"ticket": 7})
    assert (found["callback_url"], found["callback_status"]) == ("https://example.org/hook", "pending")
    assert found["created_at"].endswith("Z")
    assert call.not_before == datetime.fromisoformat(later["not_before"])
    assert call.not_after == datetime.fromisoformat(later["not_after"])


def test_a_call_waits_an_hour_at_most_unless_told_otherwise(api: ApiClient, order: dict[str, Any]) -> None:
    api.post("/api/v1/calls/", order)
    call = Call.objects.get()
    assert call.not_after is not None
    assert timedelta(minutes=59) < call.not_after - datetime.now(UTC) <= timedelta(hours=1)


def test_the_single_read_has_the_events(api: ApiClient, order: dict[str, Any]) -> None:
    made = api.post("/api/v1/calls/", order).json()
    found = api.get(f"/api/v1/calls/{made['id']}/").json()
    assert list(found) == [*FIELDS, "events"]
    [event] = found["events"]
    assert set(event) == {"at", "type", "from", "to", "source", "detail"}
    assert (event["type"], event["from"], event["to"]) == ("queued", None, "queued")


def test_money_and_delivery_are_told(api: ApiClient, assistant: Assistant, phone_number: PhoneNumber) -> None:
    call = a_call(
        assistant,
        phone_number,
        NUMBER,
        cost_price=Decimal("0.412500"),
        cost_estimate=Decimal("0.3"),
        cost_currency="EUR",
        price_per_minute_currency="USD",
        callback_url="https://example.org/",
    )
    outbox.add_callbacks([call])
    WebhookDelivery.objects.update(status="delivered")
    silent = a_call(assistant, phone_number, "+33612345679")
    found = api.get(f"/api/v1/calls/{call.uuid}/").json()
    assert found["cost"] == found["cost_price"] == {"amount": "0.4125", "currency": "EUR"}
    assert found["cost_estimate"] == {"amount": "0.30", "currency": "USD"}, "in the currency of the price at the claim"
    assert found["callback_status"] == "delivered"
    found = api.get(f"/api/v1/calls/{silent.uuid}/").json()
    assert (found["cost"], found["callback_status"]) == (None, "none")
    Call.objects.filter(pk=silent.pk).update(cost_estimate=0)
    found = api.get(f"/api/v1/calls/{silent.uuid}/").json()
    assert found["cost"] == found["cost_estimate"] == {"amount": "0.00", "currency": "USD"}
    assert found["cost_price"] is None


@cases(
    ("change", "field", "code"),
    [
        ({"to_number": "12"}, "to_number", "invalid_phone"),
        ({"to_number": None}, "to_number", "invalid_type"),
        ({"assistant": None}, "assistant", "invalid_type"),
        ({"assistant": "6d9f7b0c-0000-4000-8000-000000000000"}, "assistant", "does_not_exist"),
        ({"assistant": 5}, "assistant", "invalid"),
        ({"dynamic_variables": {"a": 1}}, "dynamic_variables.a", "invalid_type"),
        ({"metadata": []}, "metadata", "invalid_type"),
        ({"callback_url": "https://localhost.localdomain/"}, "callback_url", "invalid_url"),
        ({"not_before": "2026-11-24T09:00:00"}, "not_before", "invalid"),
        ({"not_after": "2020-01-01T00:00:00Z"}, "not_after", "invalid"),
        (
            {"not_before": "2099-01-01T00:00:00Z", "not_after": "2099-01-01T00:00:00Z"},
            "not_after",
            "invalid",
        ),
        ({"status": "completed"}, "status", "unrecognized_keys"),
        ({"provider_call_id": "x"}, "provider_call_id", "unrecognized_keys"),
    ],
)
@rolled_back
def test_a_wrong_field_is_a_400_by_name(
    api: ApiClient, order: dict[str, Any], change: dict[str, Any], field: str, code: str
) -> None:
    answer = api.post("/api/v1/calls/", order | change)
    assert answer.status_code == 400
    assert [(fault["field"], fault["code"]) for fault in answer.json()["details"]] == [(field, code)]
    assert not Call.objects.exists()


def test_number_and_assistant_must_share_an_account(
    api: ApiClient, order: dict[str, Any], organization: Organization
) -> None:
    other = a_number(an_account(organization))
    answer = api.post("/api/v1/calls/", order | {"phone_number": str(other.uuid)})
    assert answer.status_code == 400
    assert answer.json()["details"][0]["field"] == "phone_number"


def test_refusals_name_the_fields_of_this_route(api: ApiClient, order: dict[str, Any], assistant: Assistant) -> None:
    assistant.variables = [{"name": "slot", "required": True}]
    assistant.save()
    answer = api.post("/api/v1/calls/", order)
    assert answer.status_code == 422
    assert answer.json()["details"][0]["field"] == "dynamic_variables.slot"
    answer = api.post("/api/v1/calls/", order | {"to_number": "+4930123456"})
    assert (answer.status_code, answer.json()["details"][0]["field"]) == (422, "to_number")
    full = order | {"dynamic_variables": {"slot": "9:30"}}
    assert api.post("/api/v1/calls/", full).status_code == 201
    assert api.post("/api/v1/calls/", full).status_code == 409


def test_only_a_queued_call_can_be_canceled(api: ApiClient, order: dict[str, Any]) -> None:
    made = api.post("/api/v1/calls/", order).json()
    answer = api.post(f"/api/v1/calls/{made['id']}/cancel/")
    assert answer.status_code == 200
    assert (answer.json()["status"], answer.json()["ended_reason"]) == ("canceled", "canceled_by_request")
    assert api.post(f"/api/v1/calls/{made['id']}/cancel/").status_code == 409


def test_calls_are_neither_changed_nor_deleted(api: ApiClient, order: dict[str, Any]) -> None:
    made = api.post("/api/v1/calls/", order).json()
    for method in (api.patch, api.delete, api.put):
        answer = method(f"/api/v1/calls/{made['id']}/")
        assert answer.status_code == 405
        assert set(answer.json()) == {"error"}


def test_filters_narrow_the_list(
    api: ApiClient, assistant: Assistant, phone_number: PhoneNumber, organization: Organization
) -> None:
    first = a_call(assistant, phone_number, "+33612345601", created_at=datetime(2026, 1, 1, tzinfo=UTC))
    second = a_call(assistant, phone_number, "+33612345602", status=Status.BUSY)
    other = an_account(organization)
    third = a_call(an_assistant(other), a_number(other), "+33612345603", status=Status.FAILED)

    def ids(**query: Any) -> set[str]:
        answer = api.get("/api/v1/calls/", query)
        assert answer.status_code == 200, answer.content
        return {found["id"] for found in answer.json()["results"]}

    assert ids() == {str(call.uuid) for call in (first, second, third)}
    assert ids(status="busy") == {str(second.uuid)}
    assert ids(status=["busy", "failed"]) == {str(second.uuid), str(third.uuid)}
    assert ids(account=other.uuid) == {str(third.uuid)}
    assert ids(contact=first.contact.uuid) == {str(first.uuid)}
    assert ids(campaign=other.uuid) == set()
    assert ids(to_number="+33612345602") == {str(second.uuid)}
    assert ids(to_number="0612345602") == {str(second.uuid)}
    assert ids(created_before="2026-02-01T00:00:00Z") == {str(first.uuid)}
    assert ids(created_after="2026-02-01T00:00:00Z") == {str(second.uuid), str(third.uuid)}


@pytest.mark.parametrize("query", ["status=nope", "account=5", "created_after=x", "to_number=1", "phone=1", "limit=0"])
def test_a_filter_that_means_nothing_is_a_400(api: ApiClient, query: str) -> None:
    answer = api.get(f"/api/v1/calls/?{query}")
    assert answer.status_code == 400
    assert answer.json()["details"][0]["field"] == query.split("=")[0]


def test_a_page_of_calls_costs_a_fixed_number_of_queries(
    api: ApiClient, assistant: Assistant, phone_number: PhoneNumber, django_assert_max_num_queries: Any
) -> None:
    for number in range(10):
        a_call(assistant, phone_number, f"+3361234560{number}", callback_url="https://example.org/")
    api.get("/api/v1/calls/")  # the key's last use is stored at most once a minute
    with django_assert_max_num_queries(2):
        assert len(api.get("/api/v1/calls/").json()["results"]) == 10


def test_a_tenant_level_key_orders_for_the_organization_of_the_objects(
    client_for: KeyMaker, order: dict[str, Any], organization: Organization, sister: Organization
) -> None:
    everywhere = client_for(tenant=organization.tenant)
    answer = everywhere.post("/api/v1/calls/", order | {"to_number": "0612345678"})
    assert answer.status_code == 201
    assert answer.json()["organization"] == str(organization.uuid)
    mixed = order | {"phone_number": str(a_number(an_account(sister)).uuid)}
    assert everywhere.post("/api/v1/calls/", mixed).status_code == 400


def test_an_inactive_organization_orders_nothing(
    api: ApiClient, order: dict[str, Any], organization: Organization
) -> None:
    Organization.objects.filter(pk=organization.pk).update(is_active=False)
    answer = api.post("/api/v1/calls/", order)
    assert (answer.status_code, answer.json()) == (403, {"error": "Organization is inactive"})
    assert not Call.objects.exists()
