"""The commands that create the first organization, API key and user."""

from __future__ import annotations

import io
import uuid
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command

from tenants.models import ApiKey, Membership, Organization, Tenant
from tests.conftest import ApiClient

pytestmark = pytest.mark.django_db


def run(*words: str) -> str:
    """Return the last line that a command prints."""
    out = io.StringIO()
    call_command(*words, stdout=out)
    return out.getvalue().rstrip("\n").rpartition("\n")[2]


def test_an_organization_is_made_and_its_id_printed() -> None:
    printed = run(
        "create_organization", "Acme", "--timezone", "Europe/Paris", "--region", "fr", "--countries", "fr, be"
    )
    found = Organization.objects.get(uuid=uuid.UUID(printed))
    assert (found.name, found.tenant.name, found.timezone) == ("Acme", "Acme", "Europe/Paris")
    assert (found.default_region, found.allowed_countries) == ("FR", ["FR", "BE"])


def test_organizations_share_a_tenant_by_name() -> None:
    run("create_organization", "One", "--tenant", "Group")
    run("create_organization", "Two", "--tenant", "Group")
    assert Tenant.objects.get().organizations.count() == 2


@pytest.mark.parametrize(
    "wrong",
    [
        ["--timezone", "Mars"],
        ["--region", "France"],
        ["--countries", "FR,33"],
        ["--region", "UK"],
        ["--countries", "FR,ZZ"],
    ],
)
def test_a_wrong_setting_makes_nothing(wrong: list[str]) -> None:
    with pytest.raises(CommandError):
        run("create_organization", "Acme", *wrong)
    assert not Tenant.objects.exists()


def test_a_printed_key_opens_the_api(organization: Organization) -> None:
    key = run("create_api_key", "--organization", str(organization.uuid), "--scopes", "manage", "--name", "CRM")
    assert ApiClient(key).get("/api/v1/contacts/").status_code == 200
    assert key not in str(list(ApiKey.objects.values()))


def test_a_tenants_key_opens_all_its_organizations(organization: Organization, sister: Organization) -> None:
    key = run("create_api_key", "--tenant", str(organization.tenant.uuid), "--scopes", "read", "--name", "BI")
    assert len(ApiClient(key).get("/api/v1/organizations/").json()["results"]) == 2


@pytest.mark.parametrize(
    "words",
    [
        ["--organization", "nobody", "--scopes", "manage", "--name", "x"],
        ["--organization", "{}", "--scopes", "rule", "--name", "x"],
        ["--organization", "{}", "--scopes", "", "--name", "x"],
        ["--organization", "{}", "--scopes", "read"],
        ["--scopes", "read", "--name", "x"],
    ],
)
def test_a_wrong_key_is_not_made(organization: Organization, words: list[str]) -> None:
    with pytest.raises(CommandError):
        run("create_api_key", *[word.format(organization.uuid) for word in words])
    assert not ApiKey.objects.exists()


def test_a_member_of_staff_signs_in_with_the_printed_password(organization: Organization) -> None:
    password = run("create_user", "Ada@Example.org", "--organization", str(organization.uuid), "--role", "operator")
    users: Any = get_user_model()
    user = users.objects.get(username="ada@example.org")
    assert user.check_password(password) and user.is_staff and not user.is_superuser
    assert Membership.objects.get().role == "operator"


@pytest.mark.parametrize(
    "words", [["nonsense", "--role", "viewer"], ["a@example.org", "--role", "owner"], ["b@example.org"]]
)
def test_a_wrong_user_is_not_made(organization: Organization, words: list[str]) -> None:
    with pytest.raises(CommandError):
        run("create_user", *words, "--organization", str(organization.uuid))
    assert not get_user_model().objects.exists()


def test_a_user_is_made_once(organization: Organization) -> None:
    words = ["create_user", "a@example.org", "--organization", str(organization.uuid), "--role", "viewer"]
    run(*words)
    with pytest.raises(CommandError, match="already"):
        run(*words)
