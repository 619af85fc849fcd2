"""Members of an organization: who is removed, who stays the last admin, and what two pages at once may do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test import Client

from tenants import members
from tenants.models import AuditEntry, Membership, Organization
from tests.calls.test_interleavings import Beside
from tests.tenants.test_routes import staff_of

pytestmark = pytest.mark.django_db
ON_POSTGRESQL = pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite runs one writer at a time")
LAST_ADMIN = "An organization keeps an admin who can sign in."
BOTH = "A team member is removed in one row and added in another."


def a_member(home: Organization, name: str, role: str, **fields: Any) -> Membership:
    user = User.objects.create(username=name, **({"is_staff": True} | fields))
    return Membership.objects.create(user=user, organization=home, role=role)


def shown(client: Client, home: Organization) -> dict[str, str]:
    """Return what a browser sends when the page of an organization is saved as it was shown."""
    page = client.get(f"/admin/tenants/organization/{home.pk}/change/").content.decode()
    rows = list(Membership.objects.filter(organization=home).order_by("pk"))
    data = dict(re.findall(r'<input type="hidden" name="([\w-]+)" value="([^"]*)"', page))
    data |= {"memberships-TOTAL_FORMS": str(len(rows)), "memberships-INITIAL_FORMS": str(len(rows))}
    for number, row in enumerate(rows):
        name = f"memberships-{number}"
        data |= {f"{name}-id": str(row.pk), f"{name}-organization": str(home.pk), f"{name}-keys": ""}
        data |= {f"{name}-role": row.role, f"initial-{name}-role": row.role}
        assert f'name="initial-{name}-role" value="{row.role}"' in page
    data |= {"name": home.name, "timezone": home.timezone, "default_region": home.default_region}
    data |= {"allowed_countries": "", "single_call_hours": "legal", "min_gap_minutes": "240", "is_active": "on"}
    return data | {"max_attempts_per_day": "3", "callbacks_hold_campaigns": "on", "daily_budget_currency": "USD"}


def with_rows(data: dict[str, str], home: Organization, *added: tuple[str, str], **roles: str) -> dict[str, str]:
    """Return the data with other roles by the name of the member ("gone" removes one), and with rows added."""
    data = dict(data)
    for number, row in enumerate(Membership.objects.filter(organization=home).order_by("pk")):
        if (role := roles.get(row.user.username)) == "gone":
            data[f"memberships-{number}-DELETE"] = "on"
        elif role:
            data[f"memberships-{number}-role"] = role
    for number, (name, role) in enumerate(added, int(data["memberships-INITIAL_FORMS"])):
        data |= {f"memberships-{number}-organization": str(home.pk), f"memberships-{number}-username": name}
        data |= {f"memberships-{number}-role": role, f"initial-memberships-{number}-role": "viewer"}
    return data | {"memberships-TOTAL_FORMS": str(int(data["memberships-INITIAL_FORMS"]) + len(added))}


def save(client: Client, home: Organization, data: Mapping[str, str]) -> str:
    """Save the page. Return "" or the text of the page that refuses."""
    answer = client.post(f"/admin/tenants/organization/{home.pk}/change/", data)
    assert answer.status_code in (200, 302)
    return answer.content.decode() if answer.status_code == 200 else ""


def roles(home: Organization) -> dict[str, str]:
    return dict(Membership.objects.filter(organization=home).values_list("user__username", "role"))


def a_superuser() -> Client:
    client = Client()
    client.force_login(User.objects.create(username="root", is_staff=True, is_superuser=True))
    return client


def test_a_member_who_is_back_is_not_removed_with_the_row_from_before(organization: Organization) -> None:
    gone = a_member(organization, "ann", "operator")
    read = Membership.objects.get(pk=gone.pk)
    gone.delete()
    back = Membership.objects.create(user=read.user, organization=organization, role="viewer")
    with transaction.atomic():
        members.remove(read, actor="root", keys=members.Keys.LEAVE)
    assert list(Membership.objects.filter(organization=organization)) == [back]


def test_a_page_that_removes_and_adds_one_user_is_refused(organization: Organization) -> None:
    a_member(organization, "ann", "operator")
    client = staff_of(organization, "admin")
    data = with_rows(shown(client, organization), organization, ("ann", "viewer"), ann="gone")
    assert BOTH in save(client, organization, data)
    assert roles(organization)["ann"] == "operator"
    a_member(organization, "bob", "viewer")
    User.objects.create(username="cid", is_staff=True)
    data = with_rows(shown(client, organization), organization, ("cid", "manager"), ann="gone", bob="operator")
    assert save(client, organization, data) == ""
    left = roles(organization)
    assert "ann" not in left and (left["bob"], left["cid"]) == ("operator", "manager")


# What the page is asked, of an organization with the admins ann and, switched off, eve -> whether it is refused.
ASKED: list[tuple[dict[str, str], list[tuple[str, str]], bool]] = [
    ({"ann": "viewer"}, [], True),
    ({"ann": "gone"}, [], True),
    ({"ann": "manager", "bob": "manager"}, [], True),
    ({"ann": "gone"}, [("cid", "manager")], True),
    ({"ann": "gone", "bob": "admin"}, [], False),
    ({"ann": "viewer"}, [("cid", "admin")], False),
    ({"eve": "gone"}, [], False),
    ({"bob": "operator"}, [], False),
]


@pytest.mark.parametrize(("changed", "added", "refused"), ASKED)
def test_the_page_never_takes_the_last_admin(
    organization: Organization, changed: dict[str, str], added: list[tuple[str, str]], refused: bool
) -> None:
    a_member(organization, "ann", "admin")
    a_member(organization, "bob", "viewer")
    a_member(organization, "eve", "admin", is_active=False)
    User.objects.create(username="cid", is_staff=True)
    before, client = roles(organization), a_superuser()
    text = save(client, organization, with_rows(shown(client, organization), organization, *added, **changed))
    assert (LAST_ADMIN in text) is refused
    expected = {name: role for name, role in {**before, **changed, **dict(added)}.items() if role != "gone"}
    assert roles(organization) == (before if refused else expected)


def test_an_organization_that_has_no_admin_may_go_on_without(organization: Organization) -> None:
    a_member(organization, "bob", "viewer")
    client = a_superuser()
    assert save(client, organization, with_rows(shown(client, organization), organization, bob="gone")) == ""
    assert roles(organization) == {}


def test_a_role_that_was_not_chosen_anew_stays_as_somebody_else_set_it(organization: Organization) -> None:
    """A page that was open meanwhile gives nobody a role back."""
    a_member(organization, "ann", "admin")
    a_member(organization, "bob", "viewer")
    client = staff_of(organization, "admin")
    data = with_rows(shown(client, organization), organization, bob="operator")
    Membership.objects.filter(user__username="ann").update(role="viewer")
    assert save(client, organization, data) == ""
    assert roles(organization) | {"ann": "viewer", "bob": "operator"} == roles(organization)
    entry = AuditEntry.objects.get(action="organization.people_changed")
    assert {name: role for name, role in entry.detail.items() if name in ("ann", "bob")} == {"bob": "operator"}


@ON_POSTGRESQL
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("how", ["viewer", "gone"])
def test_two_pages_at_once_do_not_take_both_admins(organization: Organization, how: str) -> None:
    first = a_member(organization, "ann", "admin")
    a_member(organization, "bob", "admin")
    client = a_superuser()
    data = with_rows(shown(client, organization), organization, bob=how)
    with transaction.atomic():
        held = members.lock_with_admins(organization, [first.user])
        assert not members.takes_last_admin(held, {first.user: "viewer"})
        Membership.objects.filter(pk=first.pk).update(role="viewer")
        page = Beside(lambda: save(client, organization, data))
        assert page.waits_for_a_lock()
    assert LAST_ADMIN in page.join()
    assert roles(organization) == {"ann": "viewer", "bob": "admin"}


@ON_POSTGRESQL
@pytest.mark.django_db(transaction=True)
def test_a_page_does_not_bring_back_who_was_removed_at_the_same_moment(organization: Organization) -> None:
    a_member(organization, "ann", "admin")
    gone = a_member(organization, "bob", "viewer")
    client = a_superuser()
    data = with_rows(shown(client, organization), organization, bob="manager")
    with transaction.atomic():
        Membership.objects.select_for_update().get(pk=gone.pk)
        page = Beside(lambda: save(client, organization, data))
        assert page.waits_for_a_lock()
        gone.delete()
    assert "have changed meanwhile" in page.join()
    assert roles(organization) == {"ann": "admin"}
