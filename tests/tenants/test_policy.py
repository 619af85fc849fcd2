"""Who may do what: every page, button, menu link, API route and method, as every role and with every kind of key.

The lowest roles and scopes are written by hand in `test_routes`, `test_api_isolation` and below. The walk compares what
the program does with them in both directions, and with the rows of `tenants.policy`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.core.management import get_commands
from django.db import models, transaction
from django.test import Client
from django.urls import reverse

from campaigns.models import ContactImport
from config.admin_site import GROUPS
from tenants import policy
from tenants.backoffice.scoped_admin import ScopedAdmin
from tenants.models import ApiKey, Membership, Organization
from tenants.policy import Action
from tests.conftest import ApiClient
from tests.tenants.test_api_isolation import LISTS, OBJECTS, a_world, all_routes
from tests.tenants.test_routes import (
    ADMIN,
    MANAGER,
    MODELS,
    NOBODY,
    OPERATOR,
    PAGES,
    ROLES,
    STEPS,
    SUPERUSERS,
    VIEWER,
    Levels,
    row_of,
    staff_of,
)
from tests.test_admin import sign_in, world

__all__ = ["sign_in", "world"]  # fixtures
pytestmark = pytest.mark.django_db
ROOT = Path(__file__).parents[2]
SUPERUSER = "superuser"
EVERYBODY = [*ROLES, SUPERUSER]
SCOPES = ["read", "call", "manage"]

# The lowest role of an API route where it is not the one with the scope's powers: viewer, operator or manager.
ROLE_OF_SCOPE = {"read": VIEWER, "call": OPERATOR, "manage": MANAGER}
OTHER_ROLES = {
    ("organization-detail", "patch"): OPERATOR,  # to stop all calls; other fields need more, see below
    ("organization-rotate-webhook-secret", "post"): ADMIN,
    ("contact-list-list", "post"): OPERATOR,
    ("contact-list-detail", "patch"): OPERATOR,
    ("contact-list-imports", "post"): OPERATOR,
    **{(f"contact-list-{name}", "post"): OPERATOR for name in ("contacts", "add", "remove")},
    ("contact-list-remove-contact", "delete"): OPERATOR,
    ("contact-list-preview-import", "post"): OPERATOR,
    ("segment-list", "post"): OPERATOR,
    ("segment-detail", "patch"): OPERATOR,
    ("import-cancel", "post"): OPERATOR,
    ("do-not-call-list", "post"): OPERATOR,
    **{("api-key-list", method): ADMIN for method in ("get", "post")},
    **{("api-key-detail", method): ADMIN for method in ("get", "patch", "delete")},
    ("webhook-endpoint-list", "get"): MANAGER,
    ("webhook-endpoint-list", "post"): ADMIN,
    ("webhook-endpoint-detail", "get"): MANAGER,
    **{("webhook-endpoint-detail", method): ADMIN for method in ("patch", "delete")},
    ("webhook-endpoint-rotate-secret", "post"): ADMIN,
    ("webhook-delivery-list", "get"): MANAGER,
    ("webhook-delivery-detail", "get"): MANAGER,
    ("webhook-delivery-replay-range", "post"): MANAGER,
}
# Who sends a request: the role of a person or of a key's maker, and the scope of a key.
CALLERS: list[tuple[str, str, str]] = [
    *((f"session of {role}", role, "") for role in EVERYBODY),
    *((f"organization's {scope} key", ADMIN, scope) for scope in SCOPES),
    *((f"customer's {scope} key", ADMIN, scope) for scope in SCOPES),
    *((f"{role}'s {scope} key", role, scope) for role in EVERYBODY for scope in SCOPES),
]
# `make test` asks at the border of each action: the lowest role that may and the highest that may not.
EACH = pytest.mark.parametrize(
    "everybody", [False, pytest.param(True, marks=pytest.mark.proof)], ids=["borders", "everybody"]
)
# What these objects of the tests do not have.
ABSENT = {"call-transcript", "import-errors"}


def allowed(role: str, least: str) -> bool:
    if role == SUPERUSER:
        return True
    return least in ROLES and ROLES.index(role) >= ROLES.index(least)


def near(role: str, least: str) -> bool:
    """Return whether the role is the lowest that may, or the highest that may not."""
    above = EVERYBODY.index(role) - EVERYBODY.index(SUPERUSER if least == NOBODY else least)
    return above in (0, -1)


def a_person(home: Organization, role: str) -> Client:
    if role != SUPERUSER:
        return staff_of(home, role)
    client = Client()
    client.force_login(User.objects.create(username="root", is_staff=True, is_superuser=True))
    return client


def status_of(client: Any, method: str, url: str, **kwargs: Any) -> int:
    """Send a request, and undo what it did."""
    with transaction.atomic():
        found: int = getattr(client, method)(url, **kwargs).status_code
        transaction.set_rollback(True)
    return found


# --- pages ------------------------------------------------------------------------------------------------------------


def pages(rows: dict[str, models.Model]) -> Iterator[tuple[str, str, str]]:
    """Yield method, address and lowest role of every page about organizations."""
    for model, levels in MODELS.items():
        pk = row_of(rows, model).pk
        yield "get", reverse(f"admin:{model}_changelist"), levels.view
        yield "get", reverse(f"admin:{model}_export"), levels.view
        for kind in ("change", "panel", "history"):
            yield "get", reverse(f"admin:{model}_{kind}", args=[pk]), levels.view
        yield "get", reverse(f"admin:{model}_add"), levels.add
        yield "post", reverse(f"admin:{model}_add"), levels.add
        yield "post", reverse(f"admin:{model}_change", args=[pk]), levels.change
    for (model, step), least in STEPS.items():
        yield "get", reverse(f"admin:{model}_step", args=[row_of(rows, model).pk, step]), least
    for name, (owner, least) in PAGES.items():
        yield "get", reverse(f"admin:{name}", args=[row_of(rows, owner).pk] if owner else []), least
    for model in SUPERUSERS:
        yield "get", reverse(f"admin:{model}_changelist"), SUPERUSER
        yield "get", reverse(f"admin:{model}_export"), SUPERUSER


@EACH
def test_every_page_and_button_is_for_its_roles_and_no_others(
    everybody: bool, world: dict[str, models.Model], organization: Organization
) -> None:
    ContactImport.objects.update(rejected=0)
    wrong = []
    for role in EVERYBODY:
        client = a_person(organization, role)
        for method, url, least in pages(world):
            if not (everybody or near(role, least)):
                continue
            found = status_of(client, method, url)
            nobody = least == NOBODY and role == SUPERUSER  # the program alone does it, or a superuser
            fine = {200, 302} if allowed(role, least) else {403, 404}
            if url.endswith("/rejected.csv") or "unreadable" in url:
                fine = {404} if allowed(role, least) else {403, 404}  # there is no such file here
            if found not in fine and not nobody:
                wrong.append((role, method, url, found))
        for (model, step), least in STEPS.items():
            url = reverse(f"admin:{model}_step", args=[row_of(world, model).pk, step])
            asked = (everybody or near(role, least)) and not allowed(role, least)
            if asked and status_of(client, "post", url) not in {403, 404}:
                wrong.append((role, "post", url, 0))
        for model, levels in MODELS.items():
            url = reverse(f"admin:{model}_delete", args=[row_of(world, model).pk])
            # Whether a permitted delete succeeds depends also on what refers to the object.
            asked = (everybody or near(role, levels.delete)) and not allowed(role, levels.delete)
            if asked and status_of(client, "post", url, data={"post": "yes"}) not in {403, 404}:
                wrong.append((role, "post", url, 0))
    assert wrong == []


def role_of(action: Action | None) -> str:
    return NOBODY if action in (None, Action.CREATE_ORGANIZATION) else str(action.role.name).lower() if action else ""


def test_the_pages_ask_for_the_actions_of_these_roles() -> None:
    for model, page in admin.site._registry.items():
        name = f"{model._meta.app_label}_{model._meta.model_name}"
        if isinstance(page, ScopedAdmin):
            asked = (page.view_action, page.add_action, page.change_action, page.delete_action)
            assert Levels(*map(role_of, asked)) == MODELS[name], name
            for step in page.steps:
                assert role_of(step.action) == STEPS[name, step.name], (name, step.name)


def test_the_menu_offers_what_can_be_opened_and_nothing_else(organization: Organization) -> None:
    links = [link for _, group in GROUPS for link in group]
    for role in EVERYBODY:
        client = a_person(organization, role)
        text = client.get(reverse("admin:index")).content.decode()
        for link in links:
            if not near(role, link.action.role.name.lower()):
                continue
            opens = client.get(link.url).status_code == 200
            assert (f'href="{link.url}"' in text) == opens, (role, link.title)


# --- API --------------------------------------------------------------------------------------------------------------


def api_requests(found: Any) -> Iterator[tuple[str, str, str, str]]:
    """Yield name, method, address and lowest scope of every request to the API."""
    for name, (path, methods) in LISTS.items():
        for method, scope in methods.items():
            yield name, method, f"/api/v1/{path}", scope
    for name, (kind, path, methods) in OBJECTS.items():
        for method, scope in methods.items():
            yield name, method, f"/api/v1/{path.format(getattr(found, kind).uuid, world=found)}", scope
    yield "outbound", "post", "/api/outbound", "call"
    yield "outbound-status", "get", f"/api/outbound/{found.call.uuid}/status", "read"
    yield "evidence", "get", "/api/v1/calls/evidence.csv?to_number=%2B33612345699", "read"
    yield "webhook-delivery-replay-range", "post", "/api/v1/webhook-deliveries/replay/", "manage"


def a_caller(home: Organization, name: str, role: str, scope: str) -> Any:
    if not scope:
        return a_person(home, role)
    given: dict[str, Any] = {"owner": ApiKey.Owner.ORGANIZATION}
    where = None if name.startswith("customer's") else home  # None: for all organizations of the customer
    if name.startswith(f"{role}'s"):
        maker = User.objects.create(username=name, is_staff=True, is_superuser=role == SUPERUSER)
        if role != SUPERUSER:
            Membership.objects.create(user=maker, organization=home, role=role)
        given = {"owner": ApiKey.Owner.MAKER, "maker": maker}
    return ApiClient(ApiKey.issue(tenant=home.tenant, organization=where, name=name, scopes=[scope], **given)[1])


def least_role(name: str, method: str, scope: str) -> str:
    return OTHER_ROLES.get((name, method), ROLE_OF_SCOPE[scope])


def at_border(caller: str, role: str, scope: str, least: str, least_scope: str) -> bool:
    if caller.startswith(("organization's", "customer's")):
        return SCOPES.index(scope) - SCOPES.index(least_scope) in (0, -1)
    return near(role, least) and scope in ("", "manage", *(["read"] if least_scope == "read" else []))


@EACH
def test_every_api_request_is_for_its_roles_and_scopes_and_no_others(
    everybody: bool, organization: Organization
) -> None:
    found = a_world(organization)
    callers = [(name, role, scope, a_caller(organization, name, role, scope)) for name, role, scope in CALLERS]
    wrong = []
    for route, method, url, least in api_requests(found):
        for caller, role, scope, client in callers:
            role_needed = least_role(route, method, least)
            if not (everybody or at_border(caller, role, scope, role_needed, least)):
                continue
            may = allowed(role, role_needed)
            may = may and (not scope or SCOPES.index(scope) >= SCOPES.index(least))
            status = status_of(client, method, url, content_type="application/json")
            refused = status in {401, 403, 404} and not (status == 404 and route in ABSENT)
            if refused == may or status >= 500:
                wrong.append((caller, route, method, status))
        assert status_of(ApiClient(), method, url) == 401, url
    assert wrong == []


def test_the_api_asks_for_the_actions_of_these_roles_and_scopes(organization: Organization) -> None:
    routes = {str(route.name): route.callback for route in all_routes()}
    for name, method, _, scope in api_requests(a_world(organization)):
        view: Any = routes[name]
        handler = getattr(view, "actions", {}).get(method, method)
        action = view.cls.needs[handler]
        assert (action.role.name.lower(), action.scope.name.lower()) == (least_role(name, method, scope), scope), name


def test_each_field_of_an_organization_is_for_its_roles(organization: Organization) -> None:
    url = f"/api/v1/organizations/{organization.uuid}/"
    for body, least in (
        ({"calls_stopped": True}, OPERATOR),
        ({"calls_stopped": False}, MANAGER),
        ({"min_gap_minutes": 1}, MANAGER),
        ({"calls_stopped": True, "name": "Other"}, MANAGER),
        ({"is_active": False}, ADMIN),
        ({"is_active": False, "calls_stopped": True}, ADMIN),
    ):
        for role in ROLES:
            User.objects.all().delete()
            client = staff_of(organization, role)
            status = status_of(client, "patch", url, data=body, content_type="application/json")
            assert status == (200 if allowed(role, least) else 403), (body, role)


def test_a_role_counts_in_its_own_organization_alone(organization: Organization, sister: Organization) -> None:
    """An admin of one organization who is a viewer of another sees no API keys and no webhooks of the other."""
    mine, theirs = a_world(organization), a_world(sister)
    client = staff_of(organization, ADMIN)
    Membership.objects.create(user=User.objects.get(), organization=sister, role=VIEWER)
    for kind, path, page in (
        ("key", "api-keys", "tenants_apikey"),
        ("endpoint", "webhook-endpoints", "tenants_webhookendpoint"),
        ("delivery", "webhook-deliveries", "calls_webhookdelivery"),
    ):
        ids = {row["id"] for row in client.get(f"/api/v1/{path}/").json()["results"]}
        assert ids == {str(getattr(mine, kind).uuid)}
        other = getattr(theirs, kind)
        assert client.get(f"/api/v1/{path}/{other.uuid}/").status_code == 404
        text = client.get(reverse(f"admin:{page}_changelist")).content.decode()
        assert reverse(f"admin:{page}_change", args=[getattr(mine, kind).pk]) in text
        assert reverse(f"admin:{page}_change", args=[other.pk]) not in text
        assert client.get(reverse(f"admin:{page}_change", args=[other.pk])).status_code == 404


# --- the table --------------------------------------------------------------------------------------------------------


def test_the_documentation_shows_the_table() -> None:
    text = (ROOT / "docs" / "roles.md").read_text()
    assert "\n".join(policy.table()) in text, "write the lines of tenants.policy.table() into docs/roles.md"


def test_every_command_is_classified() -> None:
    rooms = ("tenants", "providers", "campaigns", "calls", "config")
    found = {name for name, app in get_commands().items() if app in rooms}
    assert found == set(policy.COMMANDS)
    lines = [f"| `{name}` | {action.words} |" for name, action in policy.COMMANDS.items()]
    assert "\n".join(lines) in (ROOT / "docs" / "roles.md").read_text()


def sources() -> Iterator[tuple[str, str]]:
    for room in ("tenants", "providers", "campaigns", "calls", "config"):
        for path in sorted((ROOT / room).rglob("*.py")):
            if "migrations" not in path.parts:
                yield str(path.relative_to(ROOT)), path.read_text()


# Where roles and scopes are turned into grants. Everything else names an action.
TURNED = {
    *("tenants/policy.py", "tenants/members.py", "tenants/models/members.py", "tenants/models/api_key.py"),
    "tenants/backoffice/roles.py",
}
COMPARED = re.compile(
    r"\.is_superuser|\bLevel\.[A-Z]|\bKeyScope\.|Scope\.(CALL|MANAGE)\b|Role\.(OPERATOR|MANAGER|ADMIN)\b"
)


def test_nothing_but_the_policy_compares_roles_and_every_action_is_asked_for() -> None:
    text = dict(sources())
    found = {path for path, source in text.items() if path not in TURNED and COMPARED.search(source)}
    # They ask whether another user is a superuser; the demo makes an admin.
    others = {"tenants/admin/staff_users.py", "tenants/admin/two_step_resets.py", "tenants/sign_in/invitations.py"}
    assert found == others | {"config/management/commands/demo.py"}
    asked = "".join(source for path, source in text.items() if path != "tenants/policy.py")
    assert [action.name for action in Action if not re.search(rf"\bAction\.{action.name}\b", asked)] == []
