"""To whom an API key belongs, and what becomes of it when its maker may do less, or leaves."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from tenants.models import ApiKey, AuditEntry, Membership, Organization
from tests.conftest import ApiClient, KeyMaker
from tests.tenants.test_routes import staff_of

pytestmark = pytest.mark.django_db
KEYS, CONTACTS = "/api/v1/api-keys/", "/api/v1/contacts/"


@pytest.fixture
def maker(organization: Organization) -> User:
    user = User.objects.create(username="ann@example.org", is_staff=True)
    Membership.objects.create(user=user, organization=organization, role="admin")
    return user


def a_key(home: Organization, maker: User | None, owner: str = "maker", scope: str = "manage") -> tuple[ApiKey, Any]:
    row, key = ApiKey.issue(
        tenant=home.tenant, organization=home, name=f"{owner}'s", scopes=[scope], owner=owner, maker=maker
    )
    return row, ApiClient(key)


def can(client: Any) -> list[bool]:
    """Return whether the key reads contacts, adds one, and lists keys."""
    requests = [client.get(CONTACTS), client.post(CONTACTS, {}), client.get(KEYS)]
    return [answer.status_code not in {401, 403} for answer in requests]


def test_a_makers_key_may_do_what_its_maker_may_now(organization: Organization, maker: User) -> None:
    _, mine = a_key(organization, maker)
    _, ours = a_key(organization, maker, "organization")
    for role, expected in (
        ("admin", [True, True, True]),
        ("manager", [True, True, False]),
        ("viewer", [True, False, False]),
        ("admin", [True, True, True]),
    ):
        Membership.objects.update(role=role)
        assert (can(mine), can(ours)) == (expected, [True, True, True]), role


@pytest.mark.parametrize("how", ["removed", "inactive", "no team member", "deleted"])
def test_a_makers_key_stops_with_its_maker_and_the_organizations_stays(
    how: str, organization: Organization, maker: User
) -> None:
    """The change is made behind the back of every page. The next request finds out, and writes it down."""
    row, mine = a_key(organization, maker)
    _, ours = a_key(organization, maker, "organization")
    if how == "removed":
        Membership.objects.all().delete()
    elif how == "deleted":
        maker.delete()
    else:
        User.objects.update(**({"is_active": False} if how == "inactive" else {"is_staff": False}))
    assert (mine.get(CONTACTS).status_code, mine.get(CONTACTS).status_code) == (401, 401)
    assert ours.get(CONTACTS).status_code == 200
    row.refresh_from_db()
    assert row.revoked_at is not None
    entry = AuditEntry.objects.get(action="api_key.revoke")
    assert (entry.subject, entry.actor, entry.organization) == (str(row.uuid), "Trunkline", organization)


def test_a_key_that_stopped_does_not_start_again(organization: Organization, maker: User) -> None:
    _, mine = a_key(organization, maker)
    Membership.objects.all().delete()
    assert mine.get(CONTACTS).status_code == 401
    Membership.objects.create(user=maker, organization=organization, role="admin")
    assert mine.get(CONTACTS).status_code == 401


def test_superusers_keys_end_with_their_power(organization: Organization) -> None:
    root = User.objects.create(username="root", is_staff=True, is_superuser=True)
    _, key = a_key(organization, root)
    assert can(key) == [True, True, True]
    User.objects.update(is_superuser=False)
    assert key.get(CONTACTS).status_code == 401


def test_a_session_makes_its_own_key_unless_it_says_otherwise(organization: Organization, maker: User) -> None:
    client = Client()
    client.force_login(maker)
    made = client.post(KEYS, {"name": "N"}, content_type="application/json").json()
    assert (made["owner"], made["maker"]) == ("maker", "ann@example.org")
    ours = client.post(KEYS, {"name": "N", "owner": "organization"}, content_type="application/json").json()
    assert (ours["owner"], ours["maker"]) == ("organization", "ann@example.org")


def test_a_key_makes_keys_of_its_own_owner_alone(organization: Organization, maker: User, client_for: KeyMaker) -> None:
    row, mine = a_key(organization, maker)
    ours = client_for(organization)
    made = mine.post(KEYS, {"name": "N"}).json()
    assert (made["owner"], made["maker"]) == ("maker", "ann@example.org")
    assert mine.post(KEYS, {"name": "N", "owner": "organization"}).status_code == 400
    made = ours.post(KEYS, {"name": "N"}).json()
    assert (made["owner"], made["maker"]) == ("organization", None)
    assert ours.post(KEYS, {"name": "N", "owner": "maker"}).status_code == 400
    # Nor does it escape its maker later.
    path = f"{KEYS}{row.uuid}/"
    assert mine.patch(path, {"owner": "organization"}).status_code == 400
    assert ours.patch(path, {"owner": "organization"}).json()["owner"] == "organization"
    assert ours.patch(path, {"owner": "maker"}).status_code == 400
    assert AuditEntry.objects.get(action="api_key.hand_over").subject == str(row.uuid)


def test_a_makers_key_gives_no_other_key_more_or_longer_power(organization: Organization, maker: User) -> None:
    """Else whoever has it lets a key of the organization do what outlives the maker."""
    colleague = User.objects.create(username="bob@example.org", is_staff=True)
    Membership.objects.create(user=colleague, organization=organization, role="admin")
    _, mine = a_key(organization, maker)
    own, _ = a_key(organization, maker, scope="read")
    others = [a_key(organization, maker, "organization", "read")[0], a_key(organization, colleague, scope="read")[0]]
    for change in ({"scopes": ["manage"]}, {"expires_at": "2099-01-01T00:00:00Z"}):
        assert mine.patch(f"{KEYS}{own.uuid}/", change).status_code == 200
        for row in others:
            assert mine.patch(f"{KEYS}{row.uuid}/", change).status_code == 400, change
    assert mine.delete(f"{KEYS}{others[0].uuid}/").status_code == 204, "it may take power away"
    client = Client()
    client.force_login(maker)
    path = f"{KEYS}{others[1].uuid}/"
    assert client.patch(path, {"scopes": ["call"]}, content_type="application/json").status_code == 200


def test_a_customers_key_belongs_to_no_maker(organization: Organization, maker: User) -> None:
    fields: dict[str, Any] = {"tenant": organization.tenant, "name": "N", "scopes": ["read"], "owner": "maker"}
    for where, who in ((None, maker), (organization, None)):
        with pytest.raises(Exception, match="Only a team member's key"):
            ApiKey.issue(organization=where, maker=who, **fields)


# --- pages ------------------------------------------------------------------------------------------------------------


def removal(client: Client, home: Organization, gone: User, **given: str) -> str:
    """Remove a team member on the page of the organization. Return the text of the page that follows."""
    url = f"/admin/tenants/organization/{home.pk}/change/"
    page = client.get(url).content.decode()
    data = dict(re.findall(r'<input type="hidden" name="([\w-]+)" value="([^"]*)"', page))
    rows = list(Membership.objects.filter(organization=home).order_by("pk"))
    data |= {"memberships-TOTAL_FORMS": str(len(rows)), "memberships-INITIAL_FORMS": str(len(rows))}
    for number, row in enumerate(rows):
        data |= {f"memberships-{number}-id": str(row.pk), f"memberships-{number}-organization": str(home.pk)}
        data |= {f"memberships-{number}-role": row.role, f"memberships-{number}-keys": ""}
        if row.user_id == gone.pk:
            data |= {f"memberships-{number}-DELETE": "on"} | {f"memberships-{number}-{k}": v for k, v in given.items()}
    data |= {"name": home.name, "timezone": home.timezone, "default_region": home.default_region}
    data |= {"allowed_countries": "", "single_call_hours": "legal", "min_gap_minutes": "240", "is_active": "on"}
    data |= {"max_attempts_per_day": "3", "callbacks_hold_campaigns": "on", "daily_budget_currency": "USD"}
    return client.post(url, data, follow=True).content.decode()


def test_the_page_asks_what_becomes_of_the_keys_of_a_removed_member(organization: Organization, maker: User) -> None:
    row, mine = a_key(organization, maker)
    _, ours = a_key(organization, maker, "organization")
    expired, _ = a_key(organization, maker)
    ApiKey.objects.filter(pk=expired.pk).update(expires_at=timezone.now())
    other = staff_of(organization, "admin")
    assert "1 key: keep" in other.get(f"/admin/tenants/organization/{organization.pk}/change/").content.decode()
    text = removal(other, organization, maker)
    assert "ann@example.org has API keys here" in text
    assert row.prefix in text
    assert Membership.objects.filter(user=maker).exists()

    text = removal(other, organization, maker, keys="revoke")
    assert "they keep working" in text  # the organization's key that she knows
    assert not Membership.objects.filter(user=maker).exists()
    assert (mine.get(CONTACTS).status_code, ours.get(CONTACTS).status_code) == (401, 200)
    assert AuditEntry.objects.get(action="api_key.revoke").actor.startswith("admin-of-")


def test_the_organization_can_take_a_removed_members_key_over(organization: Organization, maker: User) -> None:
    _, mine = a_key(organization, maker)
    text = removal(staff_of(organization, "admin"), organization, maker, keys="hand-over")
    assert "they keep working" in text
    assert mine.get(CONTACTS).status_code == 200
    assert AuditEntry.objects.get(action="api_key.hand_over").detail["maker"] == "ann@example.org"


def test_the_page_of_users_stops_the_keys_of_a_user_who_is_switched_off(
    organization: Organization, maker: User
) -> None:
    row, _ = a_key(organization, maker)
    client = Client()
    client.force_login(User.objects.create(username="root", is_staff=True, is_superuser=True))
    data = {"username": maker.username, "is_staff": "on", "first_name": "", "last_name": "", "email": ""}
    client.post(f"/admin/auth/user/{maker.pk}/change/", data)
    row.refresh_from_db()
    assert row.revoked_at is not None
    assert AuditEntry.objects.get(action="api_key.revoke").actor == "root"


def test_the_page_of_a_key_shows_its_owner_and_gives_it_away(organization: Organization, maker: User) -> None:
    row, _ = a_key(organization, maker)
    client = staff_of(organization, "admin")
    assert "ann@example.org" in client.get("/admin/tenants/apikey/").content.decode()
    url = f"/admin/tenants/apikey/{row.pk}/"
    assert "ann@example.org" in client.get(f"{url}change/").content.decode()
    client.post(f"{url}do/hand-over/")
    row.refresh_from_db()
    assert row.owner == "organization"
    assert row.revoked_at is None
    ApiKey.objects.update(revoked_at=timezone.now())
    assert "hand-over" not in client.get(f"{url}change/").content.decode()
