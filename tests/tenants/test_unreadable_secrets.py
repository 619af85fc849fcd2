"""FIELD_KEYS are lost or wrong: pages and the API open, name the secret, and let a person enter it again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import models
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from calls.following import status_callbacks
from calls.models import ProviderCallback
from campaigns.models import Contact, DoNotCall
from campaigns.models.number_hash import InstallationKey, forget_hash_key
from providers.models import ProviderAccount
from tenants.db.encrypted_fields import EncryptedJSONField
from tenants.models import Authenticator, KeyCanary, Organization, StoredAnswer, WebhookEndpoint
from tenants.sign_in import second_factor
from tests.conftest import ApiClient, KeyMaker, undone
from tests.tenants.signing_in import a_user
from tests.tenants.signing_in import sign_in as type_password
from tests.tenants.test_api_isolation import LISTS, OBJECTS, World, a_world
from tests.test_admin import OWN_PAGES, SignIn, lists, pages_of, sign_in, world

__all__ = ["sign_in", "world"]  # fixtures
pytestmark = pytest.mark.django_db

# What cannot be done without the key of the do-not-call list answers 503. Nothing else does.
ASKS_THE_LIST = {
    ("post", "do-not-call-list"),
    ("get", "recipient-explain"),
    ("get", "segment-contacts"),
    *((method, "contact-detail") for method in ("get", "patch")),
    *((method, "contact-list") for method in ("get", "post")),
    *(("post", f"contact-{verb}") for verb in ("hold", "unhold")),
}
SECRETS = {
    (ProviderAccount, "credentials"),
    (Organization, "webhook_secret"),
    (Organization, "old_webhook_secret"),
    (WebhookEndpoint, "secret"),
    (WebhookEndpoint, "old_secret"),
    (StoredAnswer, "answer"),
    (Authenticator, "secret"),
    (InstallationKey, "value"),
    (KeyCanary, "value"),
}


@contextmanager
def keys_lost(settings: Any) -> Iterator[None]:
    kept, settings.FIELD_KEYS = settings.FIELD_KEYS, (Fernet.generate_key().decode(),)
    forget_hash_key()
    try:
        yield
    finally:
        settings.FIELD_KEYS = kept


def test_each_secret_is_looked_at_here() -> None:
    found = {
        (model, column.name)
        for model in apps.get_models()
        for column in model._meta.fields
        if isinstance(column, EncryptedJSONField)
    }
    assert found == SECRETS


@pytest.mark.parametrize("share", [4, pytest.param(1, marks=pytest.mark.long)], ids=["a quarter", "all"])
def test_every_page_opens(world: dict[str, models.Model], sign_in: SignIn, settings: Any, share: int) -> None:
    """Of the accounts, whose secrets cannot be read, all pages; of the others a share."""
    client = sign_in()
    urls = [*lists(), *map(reverse, OWN_PAGES), *(page for row in world.values() for page in pages_of(row))]
    for model in admin.site._registry:
        urls.append(reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_add"))
        urls.append(reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_export"))
    urls = [url for place, url in enumerate(urls) if place % share == 0 or "/provideraccount/" in url]
    before = {url: _status(client, url) for url in urls}
    with keys_lost(settings):
        after = {url: _status(client, url) for url in urls}
    assert {url: status for url, status in after.items() if status != before[url]} == {}
    assert list(before.values()).count(200) > 80 / share


def _status(client: Client, url: str) -> int:
    answer = client.get(url)
    if answer.streaming:
        b"".join(answer.streaming_content)  # type: ignore[attr-defined]
    return answer.status_code


def test_every_api_route_answers(organization: Organization, client_for: KeyMaker, settings: Any) -> None:
    client, there = client_for(organization), a_world(organization)
    client.raise_request_exception = False
    wrong = {}
    requests = list(_requests(there))
    before = {(method, name): _answer(client, method, path) for method, name, path in requests}
    with keys_lost(settings):
        for method, name, path in requests:
            status = _answer(client, method, path)
            if status not in (before[method, name], 503 if (method, name) in ASKS_THE_LIST else None):
                wrong[method, name] = (before[method, name], status)
    assert wrong == {}


def _requests(there: World) -> Iterator[tuple[str, str, str]]:
    for name, (path, methods) in LISTS.items():
        for method in methods:
            yield method, name, path
    for name, (kind, path, methods) in OBJECTS.items():
        for method in methods:
            if not name.endswith(("-check", "transcript")):  # these send a request
                yield method, name, path.format(getattr(there, kind).uuid, world=there)


def _answer(client: ApiClient, method: str, path: str) -> int:
    with undone():
        body = {"phone": "+33612345000"} if method == "post" and path == "do-not-call/" else {}
        body |= {"name": "N"} if method == "patch" and path.startswith(("provider", "contacts", "assist")) else {}
        answer = getattr(client, method)(f"/api/v1/{path}", *([] if method in ("get", "delete") else [body]))
        if answer.streaming:
            b"".join(answer.streaming_content)
        return int(answer.status_code)


def test_an_account_says_so_and_takes_the_secret_again(
    organization: Organization, account: ProviderAccount, sign_in: SignIn, client_for: KeyMaker, settings: Any
) -> None:
    page = reverse("admin:providers_provideraccount_change", args=[account.pk])
    client, api, path = sign_in(), client_for(organization), f"/api/v1/provider-accounts/{account.uuid}/"
    with keys_lost(settings):
        assert "credentials cannot be read" in client.get(page).content.decode()
        shown = api.get(path).json()
        assert (shown["credentials_hint"], shown["credentials_readable"]) == ({}, False)
        assert api.post(f"{path}check/").json()["ok"] is False
        form = client.get(page).context["adminform"].form
        shown = {name: form[name].value() for name in form.fields}
        sent = {name: str(value) for name, value in shown.items() if value and not isinstance(value, dict | list)}
        refused = client.post(page, sent | {"name": "Other"})
        assert "api_key: This credential is required." in refused.content.decode()
        with undone():
            assert client.post(page, sent | {"secret_api_key": "typed-again-1234"}).status_code == 302
            account.refresh_from_db()
            assert account.credentials == {"api_key": "typed-again-1234"}
        answer = api.patch(path, {"credentials": {"api_key": "sent-again-123456"}})
        assert answer.json()["credentials_hint"] == {"api_key": "••••3456"} and answer.json()["credentials_readable"]


def test_webhook_secrets_are_named_and_made_anew(
    organization: Organization, sign_in: SignIn, client_for: KeyMaker, settings: Any
) -> None:
    endpoint = WebhookEndpoint.objects.create(organization=organization, url="https://example.org/hook")
    client, api = sign_in(), client_for(organization)
    with keys_lost(settings):
        home = client.get(reverse("admin:tenants_organization_change", args=[organization.pk])).content.decode()
        assert "Webhook secret not readable" in home
        there = client.get(reverse("admin:tenants_webhookendpoint_change", args=[endpoint.pk])).content.decode()
        assert "Cannot be read: none of FIELD_KEYS" in there
        for path in (
            f"organizations/{organization.uuid}/rotate-webhook-secret/",
            f"webhook-endpoints/{endpoint.uuid}/rotate-secret/",
        ):
            assert api.post(f"/api/v1/{path}").status_code == 200
        for row, now in ((organization, "webhook_secrets"), (endpoint, "secrets")):
            row.refresh_from_db()
            assert len(getattr(row, now)(timezone.now())) == 1  # the lost one signs no more


def test_a_repeat_whose_answer_cannot_be_read_does_nothing_again(
    organization: Organization, client_for: KeyMaker, settings: Any
) -> None:
    api, body = client_for(organization), {"phone": "+33612345000", "name": "Ada"}
    assert api.post("/api/v1/contacts/", body, headers={"idempotency-key": "k"}).status_code == 201
    Contact.objects.all().delete()
    with keys_lost(settings):
        again = api.post("/api/v1/contacts/", body, headers={"idempotency-key": "k"})
    assert (again.status_code, Contact.objects.count()) == (503, 0)
    assert "cannot be read: none of FIELD_KEYS" in again.json()["error"]


def test_a_recovery_code_replaces_an_app_whose_secret_cannot_be_read(client: Client, settings: Any) -> None:
    user = a_user()
    codes = second_factor.confirm(user.pk, "JBSWY3DPEHPK3PXP", 0, None)
    with keys_lost(settings):
        type_password(client)
        page = client.post("/admin/login/code/", {"code": "123456"}, follow=True)
        assert "secret of your authenticator app cannot be read" in page.content.decode()
        client.post("/admin/login/code/", {"code": codes[0]})
        assert client.get(reverse("my-settings")).status_code == 200


def test_a_callback_that_cannot_be_checked_is_kept_as_a_hint(world: dict[str, Any], settings: Any) -> None:
    call, account = world["call"], world["provideraccount"]
    ProviderCallback.objects.all().delete()
    ProviderAccount.objects.update(provider="callingbox")
    account.refresh_from_db()
    with keys_lost(settings):
        assert status_callbacks.receive("callingbox", call.callback_token, {}, b"{}") == 200
        assert status_callbacks.receive("callingbox", account.hook_token, {}, b"{}", account_wide=True) == 503
    assert [row.verification for row in ProviderCallback.objects.all()] == ["unsigned"]


def test_a_page_that_needs_the_list_says_what_is_missing(
    organization: Organization, contact: Contact, sign_in: SignIn, settings: Any
) -> None:
    client = sign_in()
    DoNotCall.objects.create(organization=organization, phone="+33612345699", source="staff")
    with keys_lost(settings):
        page = client.get(reverse("admin:campaigns_contact_change", args=[contact.pk])).content.decode()
        assert "Not known whether the number is on the do-not-call list" in page
        add = reverse("admin:campaigns_donotcall_add") + f"?organization={organization.pk}"
        answer = client.post(add, {"numbers": "+33612345698", "phone": "+33612345698", "reason": "asked"})
        assert answer.status_code == 503 and "key of the do-not-call list" in answer.content.decode()
    assert User.objects.exists()
