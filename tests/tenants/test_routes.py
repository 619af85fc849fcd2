"""Every route of the API and the back office: the role it needs, and its isolation from other organizations.

`test_policy` walks the tables below as every role.

A route that is in no table below (or, for the API, in `test_api_isolation`) fails the suite. To add one, put an API
route into the tables there, an admin page of a model into MODELS, a button into STEPS, any other page into PAGES.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import models
from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from tenants.backoffice.framed_pages import FramedPages
from tenants.backoffice.scoped_admin import ScopedAdmin
from tenants.models import Membership, Organization
from tests.conftest import undone
from tests.tenants.test_api_isolation import LISTS, OBJECTS, OTHERS, a_world
from tests.test_admin import pages_of, sign_in, world

__all__ = ["sign_in", "world"]  # fixtures
pytestmark = pytest.mark.django_db

VIEWER, OPERATOR, MANAGER, ADMIN, NOBODY = "viewer", "operator", "manager", "admin", "nobody"
ROLES = [VIEWER, OPERATOR, MANAGER, ADMIN]


@dataclass(frozen=True)
class Levels:
    """The lowest role for each action. NOBODY: only a superuser may do it, where it is possible at all."""

    view: str
    add: str
    change: str
    delete: str


MODELS = {
    "tenants_organization": Levels(VIEWER, NOBODY, MANAGER, NOBODY),
    "tenants_apikey": Levels(ADMIN, ADMIN, NOBODY, NOBODY),
    "tenants_auditentry": Levels(MANAGER, NOBODY, NOBODY, NOBODY),
    "providers_provideraccount": Levels(VIEWER, MANAGER, MANAGER, MANAGER),
    "providers_assistant": Levels(VIEWER, MANAGER, MANAGER, MANAGER),
    "providers_phonenumber": Levels(VIEWER, MANAGER, MANAGER, MANAGER),
    "campaigns_contact": Levels(VIEWER, MANAGER, MANAGER, MANAGER),
    "campaigns_contactlist": Levels(VIEWER, OPERATOR, OPERATOR, MANAGER),
    "campaigns_segment": Levels(VIEWER, OPERATOR, OPERATOR, MANAGER),
    "campaigns_tag": Levels(VIEWER, OPERATOR, OPERATOR, MANAGER),
    "campaigns_contactimport": Levels(VIEWER, NOBODY, NOBODY, NOBODY),
    "campaigns_importmapping": Levels(VIEWER, NOBODY, OPERATOR, OPERATOR),
    "campaigns_donotcall": Levels(VIEWER, OPERATOR, NOBODY, NOBODY),
    "campaigns_campaign": Levels(VIEWER, MANAGER, MANAGER, MANAGER),
    "campaigns_recipient": Levels(VIEWER, NOBODY, NOBODY, NOBODY),
    "calls_call": Levels(VIEWER, NOBODY, NOBODY, NOBODY),
    "calls_providercallback": Levels(MANAGER, NOBODY, NOBODY, NOBODY),
    "calls_webhookdelivery": Levels(MANAGER, NOBODY, NOBODY, NOBODY),
    "calls_callback": Levels(VIEWER, NOBODY, NOBODY, NOBODY),
    "tenants_alert": Levels(VIEWER, NOBODY, NOBODY, NOBODY),
    "tenants_webhookendpoint": Levels(MANAGER, ADMIN, ADMIN, NOBODY),
}
# Buttons on an object's page.
STEPS = {
    ("tenants_organization", "stop-calls"): OPERATOR,
    ("tenants_organization", "allow-calls"): MANAGER,
    ("tenants_organization", "rotate-webhook-secret"): ADMIN,
    ("tenants_organization", "reset-two-step"): ADMIN,
    ("tenants_apikey", "revoke"): ADMIN,
    ("tenants_apikey", "hand-over"): ADMIN,
    ("providers_provideraccount", "unblock"): MANAGER,
    ("providers_provideraccount", "check"): MANAGER,
    ("campaigns_contactimport", "cancel"): OPERATOR,
    ("campaigns_contactimport", "undo"): MANAGER,
    ("campaigns_donotcall", "remove"): MANAGER,
    ("campaigns_campaign", "start"): OPERATOR,
    ("campaigns_campaign", "pause"): OPERATOR,
    ("campaigns_campaign", "resume"): OPERATOR,
    ("campaigns_campaign", "reopen"): OPERATOR,
    ("campaigns_campaign", "cancel"): OPERATOR,
    ("campaigns_campaign", "refresh"): OPERATOR,
    ("campaigns_campaign", "copy"): MANAGER,
    ("campaigns_contact", "hold"): OPERATOR,
    ("campaigns_contact", "unhold"): OPERATOR,
    ("campaigns_contact", "note"): OPERATOR,
    ("calls_call", "note"): OPERATOR,
    ("campaigns_contact", "erase"): MANAGER,
    ("campaigns_campaign", "send-held"): OPERATOR,
    ("campaigns_campaign", "skip-held"): OPERATOR,
    ("campaigns_recipient", "send-as-is"): OPERATOR,
    ("campaigns_recipient", "skip"): OPERATOR,
    ("campaigns_recipient", "withdraw"): OPERATOR,
    ("campaigns_recipient", "hold"): OPERATOR,
    ("campaigns_recipient", "unhold"): OPERATOR,
    ("campaigns_recipient", "call-back"): OPERATOR,
    ("campaigns_recipient", "cancel-call-back"): OPERATOR,
    ("calls_callback", "cancel-call-back"): OPERATOR,
    ("calls_webhookdelivery", "replay"): MANAGER,
    ("tenants_webhookendpoint", "test"): MANAGER,
    ("tenants_webhookendpoint", "replay-held"): MANAGER,
    ("tenants_webhookendpoint", "rotate-secret"): ADMIN,
    ("tenants_webhookendpoint", "remove"): ADMIN,
    ("tenants_alert", "seen"): OPERATOR,
    ("calls_call", "confirm-placed"): OPERATOR,
    ("calls_call", "release"): OPERATOR,
    ("calls_call", "end"): OPERATOR,
    ("calls_call", "cancel"): OPERATOR,
}
# Other pages: the model of their object (empty: none), the lowest role.
PAGES = {
    "campaigns_contact_many": ("", OPERATOR),  # test_contacts_in_bulk
    "campaigns_tag_many": ("", MANAGER),  # test_tag_pages
    "campaigns_contactlist_counts": ("", VIEWER),
    "campaigns_segment_count": ("campaigns_segment", VIEWER),
    "campaigns_contactlist_import": ("campaigns_contactlist", OPERATOR),
    "campaigns_contactlist_import_new": ("", OPERATOR),
    "campaigns_donotcall_import": ("", OPERATOR),
    "campaigns_donotcall_unreadable": ("", OPERATOR),  # 404 without a token
    "campaigns_contactimport_rejected": ("campaigns_contactimport", VIEWER),
    "campaigns_campaign_results": ("campaigns_campaign", VIEWER),
    "campaigns_campaign_calls": ("campaigns_campaign", VIEWER),
    "campaigns_campaign_figures": ("campaigns_campaign", VIEWER),
    "campaigns_campaign_end": ("campaigns_campaign", VIEWER),
    "campaigns_campaign_listed": ("", MANAGER),
    **{
        f"campaigns_campaign_{page}": ("campaigns_campaign", MANAGER)
        for page in ("whom", "what", "when", "limits", "check")
    },
    **{
        f"campaigns_campaign_draft_{part}": ("campaigns_campaign", MANAGER)
        for part in ("fields", "preview", "openings", "forecast")
    },
    **{
        f"campaigns_campaign_{part}": ("campaigns_campaign", VIEWER)
        for part in (
            *("idle", "people", "forecast", "figures", "settings", "versions"),
            *("result_figures", "result_rows"),
        )
    },
    "campaigns_campaign_result_fields": ("campaigns_campaign", MANAGER),
    "campaigns_campaign_compare": ("", VIEWER),
    "campaigns_recipient_explain": ("campaigns_recipient", VIEWER),
    "calls_call_transcript": ("calls_call", VIEWER),
    "calls_call_launch": ("", OPERATOR),
    "calls_call_launch_fields": ("", OPERATOR),
    "calls_call_launch_people": ("", OPERATOR),
    "calls_call_launch_person": ("", OPERATOR),
    "calls_call_overview": ("", VIEWER),
    "calls_call_today": ("", VIEWER),
    "calls_call_sandbox": ("", MANAGER),
    "calls_call_legal_hours": ("", VIEWER),
}
# Pages about the installation: only superusers.
SUPERUSERS = {
    *("tenants_tenant", "auth_user", "auth_group", "calls_heartbeat"),
    *("django_q_success", "django_q_failure", "django_q_ormq"),
    *("axes_accessattempt", "axes_accessfailurelog", "axes_accesslog"),
}
# Without an organization's data, or with tests of their own below.
OPEN = {
    *("healthz", "home", "api-not-found", "index", "login", "logout", "jsi18n", "app_list"),
    *("password_change", "password_change_done", "auth_user_password_change"),
    *("search", "autocomplete", "view_on_site", "readyz", "metrics", "schema", "docs"),
    "calls_call_evidence",  # test_evidence_csv
    "my-settings",  # test_local_time
    "choose-organization",  # test_places
    "saved-views",  # test_saved_views
    "system",  # test_system_page
    "undo",  # test_undo
    *("manual", "manual-page"),  # test_manual
    # test_sign_in, test_two_step, test_sessions, test_passwords
    *("sign-in", "two-step-code", "two-step", "my-sessions", "session", "own-password"),
    *("password-reset", "password-reset-sent", "password-reset-new"),
    *("provider-sign-in", "provider-sign-in-done"),  # test_provider_sign_in
}
STANDARD = ("changelist", "add", "change", "delete", "history")


def routes(patterns: Any = None) -> Iterator[URLPattern]:
    for found in get_resolver().url_patterns if patterns is None else patterns:
        if isinstance(found, URLResolver):
            yield from routes(found.url_patterns)
        else:
            yield found


def names_of(model: str, kinds: tuple[str, ...]) -> set[str]:
    return {f"{model}_{kind}" for kind in kinds}


def test_every_route_is_classified() -> None:
    known = {*LISTS, *OBJECTS, *OTHERS, *OPEN, *PAGES}
    for model in MODELS:
        known |= names_of(model, (*STANDARD, "export", "panel", "step"))
    for model in SUPERUSERS:
        known |= names_of(model, (*STANDARD, "export"))
    named = {str(route.name) for route in routes() if route.name}
    assert named - known == set(), "classify these routes"
    assert known - named == set(), "these routes are gone"
    # Without a name: Django's redirect from an object to its form, and the admin's own 404.
    assert {str(route.pattern) for route in routes() if not route.name} <= {"<path:object_id>/", "(?P<url>.*)$"}


def test_every_button_is_classified() -> None:
    found = {
        (f"{model._meta.app_label}_{model._meta.model_name}", step.name)
        for model, page in admin.site._registry.items()
        if isinstance(page, ScopedAdmin)
        for step in page.steps
    }
    assert found == set(STEPS)


def row_of(world: dict[str, models.Model], model: str) -> models.Model:
    return world[model.partition("_")[2]]


def urls_of(world: dict[str, models.Model], model: str) -> Iterator[str]:
    """Return every address about one object of a model."""
    row = row_of(world, model)
    for kind in ("change", "delete", "history", "panel"):
        yield reverse(f"admin:{model}_{kind}", args=[row.pk])
    for owner, step in STEPS:
        if owner == model:
            yield reverse(f"admin:{model}_step", args=[row.pk, step])
    for name, (owner, _) in PAGES.items():
        if owner == model:
            yield reverse(f"admin:{name}", args=[row.pk])


def staff_of(organization: Organization, role: str) -> Client:
    user = User.objects.create(username=f"{role}-of-{organization.pk}", is_staff=True)
    Membership.objects.create(user=user, organization=organization, role=role)
    client = Client()
    client.force_login(user)
    return client


def demanded(model: str, url: str, method: str) -> str:
    if url.endswith("/delete/"):
        return MODELS[model].delete
    return MODELS[model].change if url.endswith("/change/") and method == "post" else MODELS[model].view


def test_another_organizations_object_has_no_page(
    world: dict[str, models.Model],
    stranger: Organization,
    sister: Organization,
    subtests: pytest.Subtests,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The status alone is asked for. Rendering a page takes ten times longer than finding that there is none."""
    monkeypatch.setattr(FramedPages, "page", lambda *_, status=200, **__: HttpResponse(status=status))
    strangers, sisters = staff_of(stranger, ADMIN), staff_of(sister, ADMIN)
    for model in MODELS:
        row = row_of(world, model)
        with subtests.test(model):
            for url in {*urls_of(world, model), *pages_of(row)}:
                absent = url.replace(f"/{row.pk}/", "/987654/")
                for method in ("get", "post"):
                    # An action that no role has is refused before any lookup.
                    expected = 403 if demanded(model, url, method) == NOBODY else 404
                    for client, address in ((strangers, url), (sisters, url), (strangers, absent)):
                        assert getattr(client, method)(address).status_code == expected, (method, address)
            assert type(row)._default_manager.filter(pk=row.pk).exists()


def test_a_list_shows_nothing_of_another_organization(
    world: dict[str, models.Model], stranger: Organization, subtests: pytest.Subtests
) -> None:
    client = staff_of(stranger, ADMIN)
    for model in MODELS:
        row = row_of(world, model)
        own = model == "tenants_organization"  # the list of organizations has a row of its own
        for query in ("", f"?q={row}", f"?id__exact={row.pk}"):
            with subtests.test(model, query=query), undone():  # an export leaves an entry of the audit log
                page = client.get(reverse(f"admin:{model}_changelist") + query, follow=True)
                assert reverse(f"admin:{model}_change", args=[row.pk]) not in page.content.decode()
                file = client.get(reverse(f"admin:{model}_export") + query, follow=True)
                assert not file.streaming or len(file.getvalue().splitlines()) <= 1 + own, file.getvalue()


def test_neither_search_nor_autocomplete_nor_a_shortcut_finds_another_organizations_object(
    world: dict[str, models.Model], stranger: Organization
) -> None:
    client = staff_of(stranger, ADMIN)
    words = ("Reminders", "Winter patients", "Our own sign-in", "612345678", "a.csv", "Acme")
    for model in admin.site._registry:
        for field in model._meta.fields:
            if not field.is_relation:
                continue
            label, name = model._meta.label_lower.split(".")
            query = {"app_label": label, "model_name": name, "field_name": field.name}
            answer = client.get(reverse("admin:autocomplete"), query)
            assert answer.status_code in {200, 403, 404}
            theirs = {str(row.pk) for row in world.values() if type(row) is field.related_model}
            if answer.status_code == 200:
                assert not theirs & {found["id"] for found in answer.json()["results"]}
    for word in words:
        found = client.get(reverse("admin:search"), {"s": word})
        assert found.status_code == 200
        assert not any(f"/{row.pk}/change" in found.content.decode() for row in world.values())
    for row in world.values():
        from django.contrib.contenttypes.models import ContentType

        kind = ContentType.objects.get_for_model(row)
        assert client.get(reverse("admin:view_on_site", args=[kind.pk, row.pk])).status_code == 404


def test_nobody_sees_anything_unless_signed_in(world: dict[str, models.Model]) -> None:
    client = Client()
    for model in MODELS:
        lists = [reverse(f"admin:{model}_{kind}") for kind in ("changelist", "export", "add")]
        for url in (*urls_of(world, model), *lists):
            answer: Any = client.get(url)
            assert (answer.status_code, answer["Location"].partition("?")[0]) == (302, "/admin/login/"), url


@pytest.mark.long
def test_the_address_of_every_form_can_be_opened_after_a_sign_in(
    world: dict[str, models.Model], organization: Organization
) -> None:
    """A form that was sent without a session leads to the sign-in page, and from there to its own address."""
    client = staff_of(organization, ADMIN)
    urls = [url for model in MODELS for url in urls_of(world, model)]
    urls += [reverse(f"admin:{name}") for name, (owner, _) in PAGES.items() if not owner]
    urls += [reverse(name) for name in ("saved-views", "choose-organization", "my-settings", "my-sessions", "two-step")]
    refused = {url: answer.status_code for url in urls if (answer := client.get(url)).status_code in {400, 405, 500}}
    assert refused == {}


def test_another_organizations_user_gets_404_for_every_object_and_no_row(
    organization: Organization, stranger: Organization, sister: Organization
) -> None:
    found = a_world(organization)
    for home in (stranger, sister):
        client = staff_of(home, ADMIN)
        for kind, path, methods in OBJECTS.values():
            url = f"/api/v1/{path.format(getattr(found, kind).uuid, world=found)}"
            for method in methods:
                answer = getattr(client, method)(url, content_type="application/json")
                assert (answer.status_code, answer.json()) == (404, {"error": "Not found"}), url
        for path, _ in LISTS.values():
            rows = client.get(f"/api/v1/{path}").json()["results"]
            assert [row["id"] for row in rows] == ([str(home.uuid)] if path == "organizations/" else [])
        answer = client.get(f"/api/outbound/{found.call.uuid}/status")
        assert (answer.status_code, answer.json()) == (404, {"error": "Outbound call not found"})
