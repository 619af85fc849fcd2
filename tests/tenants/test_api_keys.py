"""API keys over the API."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from tenants.models import ApiKey, AuditEntry, Organization
from tests.conftest import ApiClient, KeyMaker
from tests.tables import cases, rolled_back
from tests.tenants.test_api_rules import CONTACTS, shape

pytestmark = pytest.mark.django_db
KEYS = "/api/v1/api-keys/"


def fault(answer: Any) -> tuple[int, str]:
    return answer.status_code, shape(answer)["details"][0]["field"]


def test_a_key_is_shown_once_and_works(api: ApiClient, organization: Organization) -> None:
    answer = api.post(KEYS, {"name": "CRM", "scopes": ["call", "read"], "expires_at": "2099-01-01T00:00:00Z"})
    made = answer.json()
    assert answer.status_code == 201
    assert made | {"id": "", "key": "", "prefix": ""} == {
        "id": "",
        "organization": str(organization.uuid),
        "name": "CRM",
        "scopes": ["read", "call"],
        "expires_at": "2099-01-01T00:00:00Z",
        "owner": "organization",
        "maker": None,
        "prefix": "",
        "key": "",
        "last_used_at": None,
    }
    assert made["key"].startswith(made["prefix"]) and len(made["prefix"]) < 12
    path = f"{KEYS}{made['id']}/"
    held = {name: value for name, value in made.items() if name != "key"}
    assert api.get(path).json() == held
    assert made["key"] not in api.get(KEYS).content.decode()
    assert api.patch(path, made).json() == held, "read-only fields are ignored, including the key"
    program = ApiClient(made["key"])
    assert program.get(CONTACTS).status_code == 200
    assert program.post(KEYS, {"name": "more"}).status_code == 403
    assert api.get(path).json()["last_used_at"]
    entry = AuditEntry.objects.get(action="api_key.create")
    assert (entry.organization, entry.subject) == (organization, made["id"])
    assert made["key"] not in str(entry.detail)


def test_only_the_digest_of_a_key_is_stored(api: ApiClient) -> None:
    key = api.post(KEYS, {"name": "CRM"}).json()["key"]
    rows = repr([list(model.objects.values()) for model in (ApiKey, AuditEntry)])
    assert hashlib.sha256(key.encode()).hexdigest() in rows
    assert key[len("tl_123456") :] not in rows


def test_a_key_needs_only_a_name_and_then_gets_the_lowest_scope(api: ApiClient) -> None:
    made = api.post(KEYS, {"name": "N", "scopes": None, "expires_at": None}).json()
    assert (made["scopes"], made["expires_at"]) == (["read"], None)
    assert fault(api.post(KEYS, {})) == (400, "name")


@cases(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"scopes": []}, "scopes"),
        ({"scopes": "read"}, "scopes"),
        ({"scopes": ["everything"]}, "scopes.0"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"revoked_at": None}, "revoked_at"),
    ],
)
@rolled_back
def test_a_wrong_field_is_named(api: ApiClient, change: dict[str, Any], field: str) -> None:
    assert fault(api.post(KEYS, {"name": "N"} | change)) == (400, field)


def test_deleting_revokes_at_once(api: ApiClient) -> None:
    made = api.post(KEYS, {"name": "N"}).json()
    program, path = ApiClient(made["key"]), f"{KEYS}{made['id']}/"
    assert program.get(CONTACTS).status_code == 200
    assert api.delete(path).status_code == 204
    assert program.get(CONTACTS).status_code == 401
    assert api.get(path).status_code == api.delete(path).status_code == 404
    assert made["id"] not in api.get(KEYS).content.decode()
    assert ApiKey.objects.get(uuid=made["id"]).revoked_at
    assert AuditEntry.objects.filter(action="api_key.revoke", subject=made["id"]).count() == 1


def test_a_key_changes(api: ApiClient) -> None:
    made = api.post(KEYS, {"name": "N"}).json()
    path = f"{KEYS}{made['id']}/"
    given = {"name": "M", "scopes": ["manage"], "expires_at": "2099-01-01T00:00:00Z"}
    assert api.patch(path, given).json() | given == api.get(path).json()
    assert ApiClient(made["key"]).post(KEYS, {"name": "more"}).status_code == 201
    assert AuditEntry.objects.get(action="api_key.change").detail == given
    assert fault(api.patch(path, {"expires_at": "2020-01-01T00:00:00Z"})) == (400, "expires_at")


def test_a_key_that_ends_makes_none_that_outlives_it(api: ApiClient, organization: Organization) -> None:
    lasting = api.post(KEYS, {"name": "lasting"}).json()
    end = timezone.now() + timedelta(days=1)
    ending = api.post(KEYS, {"name": "ending", "scopes": ["manage"], "expires_at": end.isoformat()}).json()
    program = ApiClient(ending["key"])
    assert program.post(KEYS, {"name": "N"}).json()["expires_at"] == ending["expires_at"]
    later = (end + timedelta(seconds=1)).isoformat()
    assert fault(program.post(KEYS, {"name": "N", "expires_at": later})) == (400, "expires_at")
    sooner = program.post(KEYS, {"name": "N", "expires_at": (end - timedelta(hours=1)).isoformat()})
    assert sooner.status_code == 201
    mine, other = f"{KEYS}{ending['id']}/", f"{KEYS}{lasting['id']}/"
    for path, change in ((mine, {"expires_at": None}), (mine, {"expires_at": later}), (other, {"scopes": ["manage"]})):
        assert fault(program.patch(path, change)) == (400, "expires_at")
    assert program.patch(other, {"name": "renamed"}).status_code == 200


def test_a_tenant_level_key_makes_keys_for_one_organization(
    organization: Organization, sister: Organization, stranger: Organization, client_for: KeyMaker
) -> None:
    everywhere, here = client_for(tenant=organization.tenant), client_for(sister)
    assert fault(everywhere.post(KEYS, {"name": "N"})) == (400, "organization")
    assert fault(everywhere.post(KEYS, {"name": "N", "organization": str(stranger.uuid)})) == (400, "organization")
    made = everywhere.post(KEYS, {"name": "N", "organization": str(sister.uuid), "scopes": ["manage"]})
    assert (made.status_code, made.json()["organization"]) == (201, str(sister.uuid))
    assert fault(here.post(KEYS, {"name": "N", "organization": str(organization.uuid)})) == (400, "organization")


def test_only_tenant_level_keys_see_tenant_level_keys(
    organization: Organization, stranger: Organization, client_for: KeyMaker
) -> None:
    everywhere = client_for(tenant=organization.tenant)
    wide = ApiKey.objects.get(organization=None)
    path = f"{KEYS}{wide.uuid}/"
    assert everywhere.get(path).json()["organization"] is None
    narrowed = client_for(tenant=organization.tenant, choose=organization)
    for client in (client_for(organization), client_for(tenant=stranger.tenant), narrowed):
        assert client.get(path).status_code == client.patch(path, {"name": "x"}).status_code == 404
        assert client.delete(path).status_code == 404
        assert str(wide.uuid) not in client.get(KEYS).content.decode()
    assert everywhere.patch(path, {"name": "renamed"}).json()["name"] == "renamed"
    assert everywhere.delete(path).status_code == 204
    assert everywhere.get(path).status_code == 401


def test_a_reader_changes_no_tenant_level_key(organization: Organization, client_for: KeyMaker) -> None:
    reader = client_for(tenant=organization.tenant, scope="read")
    path = f"{KEYS}{ApiKey.objects.get().uuid}/"
    assert reader.get(path).status_code == 200
    assert reader.patch(path, {"name": "x"}).status_code == reader.delete(path).status_code == 403
