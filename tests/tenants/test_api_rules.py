"""What holds on every route: keys, scopes, the error shape, strictness, pages, request ids."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import timezone

from campaigns.models import Contact, ContactList
from tenants.models import ApiKey, AuditEntry, Membership, Organization
from tests.conftest import ApiClient, KeyMaker
from tests.tables import cases, rolled_back
from tests.tenants.test_api_isolation import LISTS

pytestmark = pytest.mark.django_db
CONTACTS = "/api/v1/contacts/"


def shape(answer: Any) -> dict[str, Any]:
    """Return the body of an error after checking its shape."""
    assert answer["Content-Type"] == "application/json"
    body: dict[str, Any] = answer.json()
    assert set(body) <= {"error", "details"}
    assert isinstance(body["error"], str) and body["error"]
    for fault in body.get("details", []):
        assert set(fault) == {"field", "message", "code"} and fault["field"]
    return body


# Authentication.


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer a b", "Basic abc", "Bearer tl_nope", "Bearer é"])
def test_without_a_good_key_it_is_a_401(db: None, header: str | None) -> None:
    answer = Client(headers={"authorization": header} if header is not None else {}).get(CONTACTS)
    assert (answer.status_code, shape(answer)) == (401, {"error": "Invalid or missing API key"})
    assert answer["WWW-Authenticate"] == 'Bearer realm="api"'


@pytest.mark.parametrize("change", [{"revoked_at": timezone.now()}, {"expires_at": timezone.now()}])
def test_a_key_that_is_revoked_or_over_is_a_401(api: ApiClient, change: dict[str, Any]) -> None:
    assert api.get(CONTACTS).status_code == 200
    ApiKey.objects.update(**change)
    assert api.get(CONTACTS).status_code == 401


@pytest.mark.usefixtures("frozen")
def test_the_use_of_a_key_is_noted_once_a_minute(api: ApiClient, django_assert_num_queries: Any) -> None:
    api.get(CONTACTS)
    assert ApiKey.objects.get().last_used_at is not None
    with django_assert_num_queries(2):
        api.get(CONTACTS)
    ApiKey.objects.update(last_used_at=timezone.now() - timedelta(minutes=2))
    with django_assert_num_queries(3):
        api.get(CONTACTS)


def test_an_inactive_organization_reads_but_does_not_write(
    api: ApiClient, organization: Organization, contact: Contact
) -> None:
    path = f"/api/v1/organizations/{organization.uuid}/"
    assert api.patch(path, {"is_active": False}).status_code == 200
    assert api.get(CONTACTS).status_code == 200
    for answer in (api.post(CONTACTS, {"phone": "0612345600"}), api.delete(f"{CONTACTS}{contact.uuid}/")):
        assert (answer.status_code, shape(answer)) == (403, {"error": "Organization is inactive"})
    assert api.patch(path, {"is_active": True}).json()["is_active"] is True
    actions = list(AuditEntry.objects.order_by("id").values_list("action", flat=True))
    assert actions == ["organization.deactivate", "organization.activate"]


# Tenant-level keys.


def test_a_tenant_level_key_spans_its_organizations_or_one_of_them(
    client_for: KeyMaker, organization: Organization, sister: Organization, stranger: Organization
) -> None:
    for home in (organization, sister, stranger):
        Contact.objects.create(organization=home, phone="+33612345678")
    everywhere = client_for(tenant=organization.tenant)
    here = client_for(tenant=organization.tenant, choose=sister)
    homes = {found["organization"] for found in everywhere.get(CONTACTS).json()["results"]}
    assert homes == {str(organization.uuid), str(sister.uuid)}
    assert [found["organization"] for found in here.get(CONTACTS).json()["results"]] == [str(sister.uuid)]
    theirs = client_for(tenant=organization.tenant, choose=stranger).get(CONTACTS)
    assert (theirs.status_code, shape(theirs)) == (404, {"error": "Organization not found"})
    for nothing in ("nonsense", "", " "):
        assert everywhere.get(CONTACTS, headers={"x-organization": nothing}).status_code == 404


def test_a_create_that_names_no_organization_is_a_400_for_a_tenant_level_key(
    client_for: KeyMaker, organization: Organization
) -> None:
    everywhere = client_for(tenant=organization.tenant)  # a tenant of one organization: still no guess
    answer = everywhere.post(CONTACTS, {"phone": "+33612345678"})
    assert answer.status_code == 400
    assert shape(answer)["details"][0]["field"] == "organization"
    named = everywhere.post(CONTACTS, {"phone": "0612345678", "organization": str(organization.uuid)})
    assert (named.status_code, named.json()["phone"]) == (201, "+33612345678")
    chosen = client_for(tenant=organization.tenant, choose=organization)
    assert chosen.post(CONTACTS, {"phone": "0612345679"}).status_code == 201


def test_another_organization_in_a_body_does_not_exist(api: ApiClient, stranger: Organization) -> None:
    answer = api.post(CONTACTS, {"phone": "+33612345678", "organization": str(stranger.uuid)})
    assert answer.status_code == 400
    assert shape(answer)["details"] == [
        {"field": "organization", "message": "There is no such object.", "code": "does_not_exist"}
    ]


# Staff.


@pytest.fixture
def staff(organization: Organization, stranger: Organization) -> Any:
    def sign_in(role: str, *, superuser: bool = False) -> Client:
        user = get_user_model().objects.create(username=f"{role}@example.org", is_superuser=superuser, is_staff=True)
        if not superuser:
            Membership.objects.create(user=user, organization=organization, role=role)
        client = ApiClient()
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        return client

    return sign_in


@pytest.mark.parametrize(("role", "may_write"), [("viewer", 403), ("operator", 403), ("manager", 201), ("admin", 201)])
def test_staff_use_the_api_as_their_role_allows(staff: Any, role: str, may_write: int) -> None:
    client = staff(role)
    assert client.get(CONTACTS).status_code == 200
    assert client.post(CONTACTS, {"phone": "+33612345678"}).status_code == may_write


def test_staff_see_their_own_organizations(staff: Any, organization: Organization, stranger: Organization) -> None:
    Contact.objects.create(organization=stranger, phone="+33612345678")
    assert staff("admin").get(CONTACTS).json()["results"] == []
    assert len(staff("root", superuser=True).get(CONTACTS).json()["results"]) == 1


def test_a_session_without_a_csrf_token_writes_nothing(staff: Any) -> None:
    client = staff("admin")
    client.handler.enforce_csrf_checks = True
    answer = client.post(CONTACTS, {"phone": "+33612345678"})
    assert answer.status_code == 403
    shape(answer)
    assert not Contact.objects.exists()


# Bodies.


@cases(
    ("body", "word"),
    [
        (b"{", "readable"),
        (b"[]", "object"),
        (b'"x"', "object"),
        (b'{"phone": NaN}', "NaN"),
        (b'{"phone": 1e999}', "range"),
        (b'{"phone": "a", "phone": "b"}', "duplicate"),
        (b'{"phone": "\xff"}', "UTF-8"),
        (b'{"phone": "\\ud800"}', "UTF-8"),
        (b'{"variables": ' + b'{"a":' * 40 + b"1" + b"}" * 40 + b"}", "deep"),
        (b"[" * 200_000, "deep"),
    ],
)
@rolled_back
def test_an_unreadable_body_is_a_400(api: ApiClient, body: bytes, word: str) -> None:
    answer = api.post(CONTACTS, body)
    assert answer.status_code == 400
    assert word in shape(answer)["error"]


def test_a_nul_character_is_named_where_it_stands(api: ApiClient) -> None:
    answer = api.post(CONTACTS, {"phone": "+33612345678", "variables": {"a": "x\x00"}})
    assert answer.status_code == 400
    assert shape(answer)["details"][0]["field"] == "variables.a"
    fine = api.post(CONTACTS, b'{"phone": "+33612345678", "name": "back\\\\u0000slash"}')
    assert (fine.status_code, fine.json()["name"]) == (201, "back\\u0000slash")


def test_every_unknown_field_is_named(api: ApiClient) -> None:
    answer = api.post(CONTACTS, {"phone": "x", "Phone": 1, "e": None})
    found = {(fault["field"], fault["code"]) for fault in shape(answer)["details"]}
    assert found == {("phone", "invalid_phone"), ("Phone", "unrecognized_keys"), ("e", "unrecognized_keys")}


def test_a_body_over_1_mb_is_a_413(api: ApiClient) -> None:
    body = json.dumps({"phone": "+33612345678", "name": "x" * 1024 * 1024}).encode()
    answer = api.post(CONTACTS, body)
    assert answer.status_code == 413
    shape(answer)


def test_read_only_fields_are_ignored(api: ApiClient, contact: Contact) -> None:
    path = f"{CONTACTS}{contact.uuid}/"
    found = api.get(path).json()
    other = {"id": "6d9f7b0c-0000-4000-8000-000000000000", "created_at": "2020-01-01T00:00:00Z"}
    answer = api.patch(path, found | other)
    assert answer.status_code == 200
    assert answer.json() | {"updated_at": ""} == found | {"updated_at": ""}


# Methods, media types, addresses.


def test_a_method_that_is_not_there_is_a_405(api: ApiClient, contact: Contact) -> None:
    for answer in (
        api.put(f"{CONTACTS}{contact.uuid}/", {}),
        api.delete(CONTACTS),
        api.post("/api/v1/organizations/", {}),
        api.get("/api/outbound"),
    ):
        assert answer.status_code == 405
        assert answer["Allow"]
        shape(answer)


def test_a_body_that_is_not_json_is_a_415(api: ApiClient) -> None:
    answer = api.post(CONTACTS, b"phone=1", content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 415
    shape(answer)


def test_an_answer_that_is_not_json_is_a_406(api: ApiClient) -> None:
    answer = api.get(CONTACTS, headers={"accept": "text/html"})
    assert answer.status_code == 406
    shape(answer)


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize("path", ["/api/", "/api/v1/", "/api/v1/nope/", "/api/v1/contacts", "/api/v2/", "/hooks/x"])
def test_an_address_that_is_not_there_is_a_404(api: ApiClient, settings: Any, path: str, debug: bool) -> None:
    settings.DEBUG = debug
    api.handler.enforce_csrf_checks = True
    for answer in (api.get(path), api.post(path, {})):
        assert (answer.status_code, shape(answer)) == (404, {"error": "Not found"})
        assert answer["X-Request-Id"]


@pytest.mark.parametrize("name", ["nonsense", "1", "6d9f7b0c-0000-4000-8000-000000000000", "%00"])
def test_an_id_that_is_not_there_is_a_404(api: ApiClient, name: str) -> None:
    for answer in (api.get(f"{CONTACTS}{name}/"), api.patch(f"{CONTACTS}{name}/", {"nope": 1})):
        assert (answer.status_code, shape(answer)) == (404, {"error": "Not found"})


def test_head_and_options_are_answered(api: ApiClient, contact: Contact) -> None:
    for path in (CONTACTS, f"{CONTACTS}{contact.uuid}/", "/api/v1/campaigns/", "/api/v1/provider-accounts/"):
        head = api.head(path)
        assert (head.status_code, head.content) == (200, b"")
        assert api.options(path).status_code == 200


def test_the_process_is_alive_without_a_key_or_a_database(django_assert_num_queries: Any, db: None) -> None:
    with django_assert_num_queries(0):
        assert Client().get("/healthz").status_code == 200


# Request ids.


@pytest.mark.parametrize("path", [CONTACTS, "/api/v1/nope/", "/healthz"])
def test_a_request_id_is_taken_over_where_it_is_harmless(api: ApiClient, path: str) -> None:
    assert api.get(path, headers={"x-request-id": "abc.DEF-1_2"})["X-Request-Id"] == "abc.DEF-1_2"
    for wrong in ("a b", "x" * 129, "é", ""):
        found = api.get(path, headers={"x-request-id": wrong})["X-Request-Id"]
        assert found != wrong and len(found) == 32


# Pages.


@pytest.fixture
def many(organization: Organization) -> list[str]:
    """Newest first."""
    rows = [Contact.objects.create(organization=organization, phone=f"+3361234560{n}") for n in range(7)]
    return [str(row.uuid) for row in reversed(rows)]


def test_pages_follow_one_another_without_gap_or_repeat(api: ApiClient, many: list[str]) -> None:
    seen: list[str] = []
    url, pages = f"{CONTACTS}?limit=3", []
    while url:
        page = api.get(url).json()
        assert set(page) == {"next", "previous", "results"}
        pages.append(page)
        seen += [found["id"] for found in page["results"]]
        url = page["next"]
    assert seen == many
    assert [len(page["results"]) for page in pages] == [3, 3, 1]
    assert pages[0]["previous"] is None
    back = api.get(pages[1]["previous"]).json()
    assert [found["id"] for found in back["results"]] == many[:3]


def test_the_order_can_be_turned(api: ApiClient, many: list[str]) -> None:
    found = [row["id"] for row in api.get(f"{CONTACTS}?ordering=created_at").json()["results"]]
    assert found == many[::-1]
    assert api.get(f"{CONTACTS}?ordering=name").status_code == 400


@cases("limit", ["0", "201", "-1", "x", "", "1.5", "9" * 30, "٣"])
@rolled_back
def test_a_limit_out_of_range_is_a_400(api: ApiClient, limit: str) -> None:
    answer = api.get(CONTACTS, {"limit": limit})
    assert answer.status_code == 400
    assert shape(answer)["details"][0]["field"] == "limit"


@pytest.mark.parametrize("cursor", ["x", "cD1h", "cD05OTk5OTk5OTk5OTk5OTk5OTk5OTk5OQ==", "bz1h", "\x00"])
def test_a_mangled_cursor_is_a_400(api: ApiClient, many: list[str], cursor: str) -> None:
    answer = api.get(CONTACTS, {"cursor": cursor})
    assert answer.status_code == 400
    assert shape(answer)["details"][0]["field"] == "cursor"


def test_fifty_are_a_page_and_two_hundred_the_most(api: ApiClient, organization: Organization) -> None:
    Contact.objects.bulk_create(Contact(organization=organization, phone=f"+336123{n:05}") for n in range(201))
    assert len(api.get(CONTACTS).json()["results"]) == 50
    assert len(api.get(f"{CONTACTS}?limit=200").json()["results"]) == 200


def test_an_unknown_filter_is_a_400_on_every_list(api: ApiClient) -> None:
    lists = [name for name, _ in LISTS.values()]
    assert len(lists) == 17
    for name in lists:
        answer = api.get(f"/api/v1/{name}?colour=red")
        assert (answer.status_code, shape(answer)["details"][0]["field"]) == (400, "colour")


def test_a_filter_without_a_value_is_a_400(api: ApiClient) -> None:
    for query in ("campaign=", "status=", "status=busy&status=", "cursor="):
        answer = api.get(f"/api/v1/calls/?{query}")
        assert (answer.status_code, shape(answer)["details"][0]["code"]) == (400, "too_small")


# Organizations.


def test_every_field_of_an_organization_is_given_back(api: ApiClient, organization: Organization) -> None:
    path = f"/api/v1/organizations/{organization.uuid}/"
    given = {
        "name": "Renamed",
        "timezone": "America/New_York",
        "default_region": "US",
        "allowed_countries": ["US", "CA"],
        "is_active": True,
        "calls_stopped": False,
        "single_call_hours": "legal",
        "min_gap_minutes": 60,
        "max_attempts_per_day": 2,
        "max_attempts_per_30_days": 10,
        "callbacks_hold_campaigns": False,
        "daily_budget": {"amount": "12.50", "currency": "EUR"},
    }
    answer = api.patch(path, given)
    assert answer.status_code == 200, answer.content
    expected = given | {"id": str(organization.uuid), "tenant": str(organization.tenant.uuid)}
    assert answer.json() == expected
    assert api.get(path).json() == expected
    assert api.get("/api/v1/organizations/").json()["results"] == [expected]
    assert api.patch(path, {"daily_budget": None}).json()["daily_budget"] is None


@cases(
    "change",
    [
        {"timezone": "Nowhere"},
        {"timezone": ""},
        {"default_region": "fr"},
        {"default_region": "ZZ"},  # two capitals are not yet a country
        {"default_region": "UK"},
        {"default_region": 33},
        {"allowed_countries": ["FR", "EU"]},
        {"allowed_countries": ["AN"]},  # of former times
        {"allowed_countries": "FR"},
        {"allowed_countries": [1]},
        {"single_call_hours": "night"},
        {"is_active": 0},
        {"is_active": None},
        {"name": ""},
    ],
)
@rolled_back
def test_a_wrong_field_of_an_organization_is_named(
    api: ApiClient, organization: Organization, change: dict[str, Any]
) -> None:
    answer = api.patch(f"/api/v1/organizations/{organization.uuid}/", change)
    assert answer.status_code == 400
    assert [fault["field"] for fault in shape(answer)["details"]] == list(change)


def test_a_code_that_is_often_mistaken_is_put_right(api: ApiClient, organization: Organization) -> None:
    path = f"/api/v1/organizations/{organization.uuid}/"
    for code, meant in (("UK", "GB"), ("EL", "GR"), ("QQ", "FR")):
        answer = api.patch(path, {"allowed_countries": ["FR", code]})
        assert answer.status_code == 400 and f"such as {meant}." in answer.content.decode(), code
    Organization.objects.update(allowed_countries=["FR", "QQ"], default_region="QQ")  # stored before they were refused
    assert api.patch(path, {"allowed_countries": ["QQ"], "default_region": "QQ"}).status_code == 200


def test_a_new_webhook_secret_is_shown_once(api: ApiClient, organization: Organization) -> None:
    path = f"/api/v1/organizations/{organization.uuid}/"
    answer = api.post(f"{path}rotate-webhook-secret/")
    secret = answer.json()["webhook_secret"]
    assert (answer.status_code, secret.startswith("whsec_"), answer["Cache-Control"]) == (200, True, "no-store")
    organization.refresh_from_db()
    assert organization.webhook_secret == secret
    assert secret not in api.get(path).content.decode()
    assert AuditEntry.objects.get().action == "organization.webhook_secret_rotated"


def test_a_role_counts_in_its_own_organization_alone(
    staff: Any, organization: Organization, sister: Organization
) -> None:
    client = staff("viewer")
    Membership.objects.create(user=get_user_model().objects.get(), organization=sister, role="manager")
    here, there = ({"phone": "+33612345678", "organization": str(home.uuid)} for home in (organization, sister))
    assert client.post(CONTACTS, there).status_code == 201
    assert client.post(CONTACTS, here).status_code == 403
    mine = Contact.objects.create(organization=organization, phone="+33612345677")
    assert client.get(f"{CONTACTS}{mine.uuid}/").status_code == 200
    assert client.delete(f"{CONTACTS}{mine.uuid}/").status_code == 403


def test_the_next_page_is_at_the_public_address_whatever_a_proxy_leaves_out(
    organization: Organization, client_for: KeyMaker, settings: Any
) -> None:
    """`proxy_set_header Host $host` of nginx drops the port (its documentation, ngx_http_core_module, `$host`)."""
    settings.PUBLIC_BASE_URL = "https://calls.example.org:8443"
    settings.ALLOWED_HOSTS = ["calls.example.org", "inner.example.org"]
    for number in (1, 2):
        ContactList.objects.create(organization=organization, name=f"List {number}")
    client = client_for(organization)
    asked = "/api/v1/contact-lists/?limit=1"
    for host, begins in (
        ("calls.example.org", "https://calls.example.org:8443/api/v1/contact-lists/?"),
        ("calls.example.org:8443", "https://calls.example.org:8443/api/v1/contact-lists/?"),
        ("inner.example.org:8000", "http://inner.example.org:8000/api/v1/contact-lists/?"),
    ):
        assert client.get(asked, headers={"host": host}).json()["next"].startswith(begins)
