"""No route shows one organization's data to another, and none does more than the key's scope allows.

Every route of the resolver is classified below; a new one that is not fails the suite.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.urls import URLPattern, URLResolver
from django.utils import timezone

from calls.models import Call, CallBack, ContactNote, WebhookDelivery
from campaigns.do_not_call import entries
from campaigns.models import Campaign, Contact, ContactImport, ContactList, ContactListMember, Recipient, Segment
from config import api as routes
from providers.models import ProviderAccount
from tenants.models import Alert, ApiKey, Organization, WebhookEndpoint
from tests.calls.test_api_calls import a_call
from tests.conftest import ApiClient, KeyMaker, a_number, an_account, an_assistant, undone

pytestmark = pytest.mark.django_db

READ, CALL, MANAGE = "read", "call", "manage"
RANKS = [READ, CALL, MANAGE]

# Name of the route -> lowest scope of a key by method, as `test_policy` asks. `{}` is the id of the object whose kind
# begins the name.
LISTS: dict[str, tuple[str, dict[str, str]]] = {
    "organization-list": ("organizations/", {"get": READ}),
    "provider-account-list": ("provider-accounts/", {"get": READ, "post": MANAGE}),
    "assistant-list": ("assistants/", {"get": READ, "post": MANAGE}),
    "phone-number-list": ("phone-numbers/", {"get": READ, "post": MANAGE}),
    "contact-list": ("contacts/", {"get": READ, "post": MANAGE}),
    "contact-list-list": ("contact-lists/", {"get": READ, "post": MANAGE}),
    "contact-note-list": ("contact-notes/", {"get": READ, "post": CALL}),
    "segment-list": ("segments/", {"get": READ, "post": MANAGE}),
    "import-list": ("imports/", {"get": READ}),
    "do-not-call-list": ("do-not-call/", {"get": READ, "post": MANAGE}),
    "campaign-list": ("campaigns/", {"get": READ, "post": MANAGE}),
    "call-back-list": ("call-backs/", {"get": READ}),
    "call-list": ("calls/", {"get": READ, "post": CALL}),
    "alert-list": ("alerts/", {"get": READ}),
    "api-key-list": ("api-keys/", {"get": READ, "post": MANAGE}),
    "webhook-endpoint-list": ("webhook-endpoints/", {"get": READ, "post": MANAGE}),
    "webhook-delivery-list": ("webhook-deliveries/", {"get": READ}),
}
ALL = {"get": READ, "patch": MANAGE, "delete": MANAGE}
OBJECTS: dict[str, tuple[str, str, dict[str, str]]] = {
    "organization-detail": ("organization", "organizations/{}/", {"get": READ, "patch": MANAGE}),
    "organization-rotate-webhook-secret": (
        "organization",
        "organizations/{}/rotate-webhook-secret/",
        {"post": MANAGE},
    ),
    "provider-account-detail": ("account", "provider-accounts/{}/", ALL),
    "provider-account-check": ("account", "provider-accounts/{}/check/", {"post": MANAGE}),
    "provider-account-unblock": ("account", "provider-accounts/{}/unblock/", {"post": MANAGE}),
    "assistant-detail": ("assistant", "assistants/{}/", ALL),
    "phone-number-detail": ("number", "phone-numbers/{}/", ALL),
    "contact-detail": ("contact", "contacts/{}/", ALL),
    "contact-hold": ("contact", "contacts/{}/hold/", {"post": CALL}),
    "contact-unhold": ("contact", "contacts/{}/unhold/", {"post": CALL}),
    "contact-note-detail": ("note", "contact-notes/{}/", {"get": READ, "delete": MANAGE}),
    "contact-list-detail": ("group", "contact-lists/{}/", ALL),
    "contact-list-contacts": ("group", "contact-lists/{}/contacts/", {"post": MANAGE}),
    "contact-list-add": ("group", "contact-lists/{}/add/", {"post": MANAGE}),
    "contact-list-remove": ("group", "contact-lists/{}/remove/", {"post": MANAGE}),
    "contact-list-remove-contact": (
        "group",
        "contact-lists/{}/contacts/{world.contact.uuid}/",
        {"delete": MANAGE},
    ),
    "contact-list-imports": ("group", "contact-lists/{}/imports/", {"post": MANAGE}),
    "contact-list-preview-import": ("group", "contact-lists/{}/imports/preview/", {"post": MANAGE}),
    "segment-detail": ("segment", "segments/{}/", ALL),
    "segment-contacts": ("segment", "segments/{}/contacts/", {"get": READ}),
    "import-detail": ("file", "imports/{}/", {"get": READ}),
    "import-cancel": ("file", "imports/{}/cancel/", {"post": MANAGE}),
    "import-undo": ("file", "imports/{}/undo/", {"post": MANAGE}),
    "import-errors": ("file", "imports/{}/errors.csv", {"get": READ}),
    "do-not-call-detail": ("entry", "do-not-call/{}/", ALL),
    "campaign-detail": ("campaign", "campaigns/{}/", ALL),
    "campaign-start": ("campaign", "campaigns/{}/start/", {"post": CALL}),
    "campaign-pause": ("campaign", "campaigns/{}/pause/", {"post": CALL}),
    "campaign-resume": ("campaign", "campaigns/{}/resume/", {"post": CALL}),
    "campaign-held-send": ("campaign", "campaigns/{}/held/send/", {"post": CALL}),
    "campaign-held-skip": ("campaign", "campaigns/{}/held/skip/", {"post": CALL}),
    "campaign-reopen": ("campaign", "campaigns/{}/reopen/", {"post": CALL}),
    "campaign-cancel": ("campaign", "campaigns/{}/cancel/", {"post": CALL}),
    "campaign-refresh": ("campaign", "campaigns/{}/refresh/", {"post": CALL}),
    "campaign-version-list": ("campaign", "campaigns/{}/versions/", {"get": READ}),
    "campaign-preflight": ("campaign", "campaigns/{}/preflight/", {"get": READ}),
    "campaign-progress": ("campaign", "campaigns/{}/progress/", {"get": READ}),
    "campaign-preview": ("campaign", "campaigns/{}/preview/", {"get": READ}),
    "campaign-variants": ("campaign", "campaigns/{}/variants/", {"get": READ}),
    "campaign-result-fields": ("campaign", "campaigns/{}/result-fields/", {"get": READ, "patch": MANAGE}),
    "campaign-results-summary": ("campaign", "campaigns/{}/results-summary/", {"get": READ}),
    "campaign-calls": ("campaign", "campaigns/{}/calls.csv", {"get": READ}),
    "campaign-results": ("campaign", "campaigns/{}/results.csv", {"get": READ}),
    "recipient-list": ("campaign", "campaigns/{}/recipients/", {"get": READ}),
    "recipient-explain": ("recipient", "campaigns/{world.campaign.uuid}/recipients/{0}/explain/", {"get": READ}),
    **{
        f"recipient-{name}": (
            "recipient",
            f"campaigns/{{world.campaign.uuid}}/recipients/{{0}}/{name}/",
            {"post": CALL},
        )
        for name in ("withdraw", "hold", "unhold", "call-back", "cancel-call-back", "send-as-is", "skip")
    },
    "call-back-detail": ("call_back", "call-backs/{}/", {"get": READ}),
    "call-detail": ("call", "calls/{}/", {"get": READ}),
    "call-transcript": ("call", "calls/{}/transcript/", {"get": READ}),
    "call-cancel": ("call", "calls/{}/cancel/", {"post": CALL}),
    "call-end": ("call", "calls/{}/end/", {"post": CALL}),
    "alert-detail": ("alert", "alerts/{}/", {"get": READ}),
    "alert-seen": ("alert", "alerts/{}/seen/", {"post": CALL}),
    "api-key-detail": ("key", "api-keys/{}/", ALL),
    "webhook-endpoint-detail": ("endpoint", "webhook-endpoints/{}/", ALL),
    "webhook-endpoint-rotate-secret": ("endpoint", "webhook-endpoints/{}/rotate-secret/", {"post": MANAGE}),
    "webhook-endpoint-test": ("endpoint", "webhook-endpoints/{}/test/", {"post": MANAGE}),
    "webhook-endpoint-replay-held": ("endpoint", "webhook-endpoints/{}/replay-held/", {"post": MANAGE}),
    "webhook-delivery-detail": ("delivery", "webhook-deliveries/{}/", {"get": READ}),
    "webhook-delivery-replay": ("delivery", "webhook-deliveries/{}/replay/", {"post": MANAGE}),
}
# Their own tests are `test_api_outbound`, `test_api_hooks`, `test_evidence_csv`, `test_api_webhooks` and
# `test_campaign_comparison`.
OTHERS = {
    *("outbound", "outbound-status", "hook", "account-hook", "evidence", "webhook-delivery-replay-range"),
    "campaign-compare",
}


def all_routes(patterns: Any = routes.urlpatterns) -> Iterator[URLPattern]:
    for found in patterns:
        if isinstance(found, URLResolver):
            yield from all_routes(found.url_patterns)
        else:
            yield found


def methods_of(route: URLPattern) -> set[str]:
    actions = getattr(route.callback, "actions", {})
    return set(actions) - {"head", "options"}


def test_every_route_is_classified_with_every_method() -> None:
    named = {str(route.name): methods_of(route) for route in all_routes()}
    known = {name: set(methods) for name, (_, methods) in LISTS.items()}
    known |= {name: set(methods) for name, (_, _, methods) in OBJECTS.items()}
    assert {name: methods for name, methods in named.items() if name not in OTHERS} == known
    assert set(named) >= OTHERS


@dataclass
class World:
    """Create one object of each kind in one organization."""

    organization: Organization
    account: ProviderAccount
    assistant: Any
    number: Any
    contact: Contact
    newcomer: Contact  # on no list
    note: ContactNote
    group: ContactList
    segment: Segment
    file: ContactImport
    entry: Any
    campaign: Campaign
    recipient: Recipient
    call_back: CallBack
    call: Call
    alert: Alert
    key: ApiKey
    endpoint: WebhookEndpoint
    delivery: WebhookDelivery


def a_world(home: Organization) -> World:
    account = an_account(home)
    assistant, number = an_assistant(account), a_number(account)
    group = ContactList.objects.create(organization=home, name="G")
    campaign = Campaign.objects.create(organization=home, name="C", assistant=assistant)
    contact = Contact.objects.create(organization=home, phone="+33612345699")
    ContactListMember.objects.create(contact_list=group, contact=contact)
    recipient = Recipient.objects.create(campaign=campaign, contact=contact)
    call = a_call(assistant, number, contact.phone, campaign=campaign, recipient=recipient)
    endpoint = WebhookEndpoint.objects.create(organization=home, url="https://example.org/hook")
    entry, _ = entries.add(home, "+33612345698", reason="", source="staff", expires_at=None)
    return World(
        organization=home,
        account=account,
        assistant=assistant,
        number=number,
        contact=contact,
        newcomer=Contact.objects.create(organization=home, phone="+33612345697"),
        note=ContactNote.objects.create(organization=home, contact=contact, text="asked for Grace", author="ada"),
        group=group,
        segment=Segment.objects.create(organization=home, name="S", conditions=[{"field": "last_call", "is": "never"}]),
        file=ContactImport.objects.create(organization=home, contact_list=group, filename="x.csv"),
        entry=entry,
        campaign=campaign,
        recipient=recipient,
        call_back=CallBack.objects.create(
            organization=home,
            contact=contact,
            recipient=recipient,
            due_at=timezone.now() + timedelta(hours=1),
            latest_at=timezone.now() + timedelta(hours=2),
        ),
        call=call,
        alert=Alert.objects.create(organization=home, key="account.blocked", message="Blocked."),
        key=ApiKey.issue(tenant=home.tenant, organization=home, name="K", scopes=["manage"])[0],
        endpoint=endpoint,
        delivery=WebhookDelivery.objects.create(
            organization=home, endpoint=endpoint, call=call, url=endpoint.url, host="example.org"
        ),
    )


def send(client: ApiClient, method: str, path: str) -> Any:
    return getattr(client, method)(f"/api/v1/{path}")


def test_another_organizations_object_does_not_exist(
    api: ApiClient, stranger: Organization, client_for: KeyMaker, sister: Organization, subtests: pytest.Subtests
) -> None:
    theirs, neighbours = a_world(stranger), a_world(sister)
    elsewhere = client_for(tenant=sister.tenant, choose=api_home(api))
    for name, (kind, path, methods) in OBJECTS.items():
        for world, client in ((theirs, api), (neighbours, api), (neighbours, elsewhere)):
            for method in methods:
                with subtests.test(name, method=method, of=world.organization.name), undone():
                    answer = send(client, method, path.format(getattr(world, kind).uuid, world=world))
                    absent = send(client, method, path.format("6d9f7b0c-0000-4000-8000-000000000000", world=world))
                    assert (answer.status_code, answer.json()) == (404, {"error": "Not found"})
                    assert absent.content == answer.content


def api_home(api: ApiClient) -> Organization:
    [found] = api.get("/api/v1/organizations/").json()["results"]
    return Organization.objects.get(uuid=found["id"])


def test_a_list_holds_nothing_of_another_organization(
    api: ApiClient,
    stranger: Organization,
    sister: Organization,
    organization: Organization,
    subtests: pytest.Subtests,
) -> None:
    a_world(stranger)
    a_world(sister)
    mine = a_world(organization)
    ids = {str(found.uuid) for found in vars(mine).values()}
    for model in (Contact, ApiKey):
        ids |= {str(found.uuid) for found in model.objects.filter(organization=organization)}
    for name, (path, _) in LISTS.items():
        with subtests.test(name):
            rows = api.get(f"/api/v1/{path}").json()["results"]
            assert rows
            assert {row["id"] for row in rows} <= ids


FOREIGN_BODIES = [
    ("assistants/", {"name": "A", "external_id": "x"}, "account", "account"),
    ("phone-numbers/", {"e164": "+33142000009", "external_id": "x"}, "account", "account"),
    ("campaigns/", {"name": "C"}, "assistant", "assistant"),
    ("contacts/", {"phone": "+33612345600"}, "organization", "organization"),
]


@pytest.mark.parametrize(("path", "body", "field", "kind"), FOREIGN_BODIES)
def test_another_organizations_object_in_a_body_does_not_exist(
    path: str, body: dict[str, Any], field: str, kind: str, api: ApiClient, stranger: Organization
) -> None:
    theirs = a_world(stranger)
    answer = api.post(f"/api/v1/{path}", body | {field: str(getattr(theirs, kind).uuid)})
    assert answer.status_code == 400
    assert {"field": field, "message": "There is no such object.", "code": "does_not_exist"} in answer.json()["details"]


def test_another_organizations_objects_in_lists_of_a_body_do_not_exist(api: ApiClient, stranger: Organization) -> None:
    theirs = a_world(stranger)
    body = {"name": "C", "phone_numbers": [str(theirs.number.uuid)], "contact_lists": [str(theirs.group.uuid)]}
    answer = api.post("/api/v1/campaigns/", body)
    assert answer.status_code == 400
    assert {fault["field"] for fault in answer.json()["details"]} == {"phone_numbers", "contact_lists"}


def test_filters_reach_into_no_other_organization(
    api: ApiClient, stranger: Organization, organization: Organization
) -> None:
    theirs, _ = a_world(stranger), a_world(organization)
    for query in (
        f"contacts/?list={theirs.group.uuid}",
        f"calls/?campaign={theirs.campaign.uuid}",
        f"calls/?contact={theirs.contact.uuid}",
        f"calls/?account={theirs.account.uuid}",
    ):
        assert api.get(f"/api/v1/{query}").json()["results"] == []


NONSENSE: list[Any] = [
    None,
    True,
    0,
    -1,
    1.5,
    2**70,
    "",
    "x",
    "é" * 3000,
    "2026-13-45T99:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    [],
    [None],
    [[1]],
    [{"a": []}],
    {},
    {"a": None},
    {"generation": ["x"], "environment": {}, "prompt": 5, "returns": {"a": []}, "application_id": []},
    {"amount": "1e9"},
    {"amount": "1", "currency": []},
]


CREATES = [(name, "allomia") for name, (_, methods) in LISTS.items() if "post" in methods]
# Options are read by each provider's own adapter.
CREATES += [(f"{kind}-list", slug) for kind in ("provider-account", "assistant") for slug in ("polyai", "plumvoice")]
CREATES += [(f"{kind}-list", "callingbox") for kind in ("provider-account", "assistant")]


@pytest.mark.parametrize(
    "share",
    [24, pytest.param(8, marks=pytest.mark.long), pytest.param(1, marks=pytest.mark.proof)],
    ids=["a 24th", "an eighth", "all"],
)
@pytest.mark.parametrize(("name", "provider"), CREATES)
def test_no_nonsense_in_a_field_is_a_500(
    name: str, provider: str, share: int, api: ApiClient, organization: Organization
) -> None:
    """Each value is sent in a share of the fields, and each field gets a share of the values."""
    world = a_world(organization)
    ProviderAccount.objects.update(provider=provider)
    path = f"/api/v1/{LISTS[name][0]}"
    given: dict[str, Any] = {
        "provider": provider,
        "name": "N",
        "account": str(world.account.uuid),
        "assistant": str(world.assistant.uuid),
        "phone_number": str(world.number.uuid),
        "phone": "+33612345601",
        "to_number": "+33612345601",
        "e164": "+33142000009",
        "credentials": {"api_key": "x"},
    }
    fields = set(api.get(path).json()["results"][0]) | set(given)
    for number, field in enumerate(sorted(fields)):
        for value in NONSENSE[number % share :: share]:
            sent = {key: one for key, one in given.items() if key in fields} | {field: value}
            assert api.post(path, sent).status_code < 500, (field, value)
