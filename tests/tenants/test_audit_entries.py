"""Each kind of change leaves exactly one audit entry, with who, from where, and what was before and after."""

from __future__ import annotations

import getpass
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from calls.models import WebhookDelivery
from campaigns.models import Campaign, Contact, ContactList, DoNotCall
from providers.models import Assistant, PhoneNumber, ProviderAccount
from tenants import audit_log
from tenants.models import (
    ApiKey,
    AuditEntry,
    AuditPersonal,
    Authenticator,
    Membership,
    Organization,
    WebhookEndpoint,
)
from tenants.sign_in.provider_settings import ProviderSettings
from tests.conftest import ApiClient, undone
from tests.tenants.signing_in import OLGA, PASSWORD, a_user, sign_in

pytestmark = pytest.mark.django_db
V1 = "/api/v1"
SECRET = "sk-canary-7731"
NEW = "quiet-lantern-4417-orbit"


@pytest.fixture
def owner(organization: Organization) -> Client:
    user = User.objects.create(username="ana@example.org", is_staff=True)
    Membership.objects.create(user=user, organization=organization, role="admin")
    client = Client(REMOTE_ADDR="192.0.2.7")
    client.force_login(user)
    return client


@pytest.fixture
def things(organization: Organization, assistant: Assistant, phone_number: PhoneNumber, contact: Contact) -> Any:
    """One object of each kind."""
    people = ContactList.objects.create(organization=organization, name="People")
    draft = Campaign.objects.create(organization=organization, name="Draft", assistant=assistant)
    unused = PhoneNumber.objects.create(organization=organization, account=assistant.account, e164="+33142000009")
    listed = DoNotCall.objects.create(organization=organization, phone="+33612345699", phone_hash="x" * 64, source="a")
    hook = WebhookEndpoint.objects.create(organization=organization, url="https://example.org/hook")
    return {
        "provider-accounts": assistant.account,
        "assistants": assistant,
        "phone-numbers": phone_number,
        "contacts": contact,
        "contact-lists": people,
        "campaigns": draft,
        "unused": unused,
        "do-not-call": listed,
        "webhook-endpoints": hook,
        "organizations": organization,
    }


# What is done over the API, the entry's action, and the fields that differ.
OVER_THE_API: list[tuple[str, str, dict[str, Any] | None, str, set[str]]] = [
    ("patch", "provider-accounts", {"name": "Other"}, "account.changed", {"name"}),
    ("patch", "provider-accounts", {"credentials": {"api_key": SECRET}}, "account.changed", {"credentials"}),
    ("patch", "provider-accounts", {"words": {"reason": {"sighed": "hangup_callee"}}}, "account.words", set()),
    ("patch", "assistants", {"name": "Caller", "external_id": "as_2"}, "assistant.changed", {"name", "external_id"}),
    ("patch", "phone-numbers", {"label": "Desk"}, "phonenumber.changed", {"label"}),
    ("delete", "unused", None, "phonenumber.deleted", set()),
    ("patch", "contacts", {"name": "Grace"}, "contact.changed", set()),
    ("delete", "contacts", None, "contact.deleted", set()),
    ("patch", "contact-lists", {"name": "Others"}, "contactlist.changed", {"name"}),
    ("delete", "contact-lists", None, "contactlist.deleted", set()),
    ("patch", "campaigns", {"name": "Renamed"}, "campaign.changed", {"name"}),
    ("delete", "campaigns", None, "campaign.deleted", set()),
    ("patch", "do-not-call", {"reason": "asked"}, "do_not_call.changed", set()),
    ("delete", "do-not-call", None, "do_not_call.removed", set()),
    ("patch", "webhook-endpoints", {"description": "CRM"}, "webhook_endpoint.changed", {"description"}),
    ("delete", "webhook-endpoints", None, "webhook_endpoint.deleted", set()),
    ("patch", "organizations", {"name": "Acme SA"}, "organization.changed", {"name"}),
    ("patch", "organizations", {"is_active": False}, "organization.deactivate", set()),
]
CREATED: list[tuple[str, dict[str, Any], str]] = [
    ("contacts", {"phone": "+33612345600", "name": "Kay"}, "contact.added"),
    ("contact-lists", {"name": "New"}, "contactlist.added"),
    ("do-not-call", {"phone": "+33612345601", "reason": "asked"}, "do_not_call.added"),
    ("api-keys", {"name": "CRM"}, "api_key.create"),
    ("webhook-endpoints", {"url": "https://example.org/other"}, "webhook_endpoint.added"),
]


def the_only_entry() -> AuditEntry:
    (entry,) = AuditEntry.objects.all()
    return entry


def test_each_change_over_the_api_leaves_one_entry(api: ApiClient, things: dict[str, Any], subtests: Any) -> None:
    for verb, kind, body, action, fields in OVER_THE_API:
        with subtests.test(f"{verb} {kind} {sorted(body or ())}"), undone():
            path = f"{V1}/{'phone-numbers' if kind == 'unused' else kind}/{things[kind].uuid}/"
            answer = getattr(api, verb)(path, *([body] if body else []))
            assert answer.status_code in (200, 204), answer.content
            entry = the_only_entry()
            assert (entry.action, entry.channel, entry.address) == (action, "api", "127.0.0.1")
            assert entry.actor.startswith("key tl_") and str(things[kind].uuid) in entry.subject
            changes = entry.detail.get("changes", {})
            assert set(changes) == fields
            for name in fields - {"credentials"}:
                assert changes[name][1] == (body or {})[name] and changes[name][0] != changes[name][1]


def test_each_new_object_leaves_one_entry(api: ApiClient, things: dict[str, Any], subtests: Any) -> None:
    for kind, body, action in CREATED:
        with subtests.test(kind), undone():
            answer = api.post(f"{V1}/{kind}/", body)
            assert answer.status_code == 201, answer.content
            assert (the_only_entry().action, the_only_entry().channel) == (action, "api")


def test_what_changes_nothing_leaves_no_entry(api: ApiClient, things: dict[str, Any]) -> None:
    for kind in ("provider-accounts", "assistants", "contacts", "campaigns", "organizations"):
        path = f"{V1}/{kind}/{things[kind].uuid}/"
        assert api.patch(path, api.get(path).json()).status_code == 200
    assert api.patch(f"{V1}/contacts/{things['contacts'].uuid}/", {"phone": "nonsense"}).status_code == 400
    assert not AuditEntry.objects.exists()


def test_a_secret_is_a_hash_and_a_person_a_commitment(api: ApiClient, things: dict[str, Any]) -> None:
    account, contact = things["provider-accounts"], things["contacts"]
    for key in (SECRET, "other", SECRET):
        api.patch(f"{V1}/provider-accounts/{account.uuid}/", {"credentials": {"api_key": key}})
    first, second, third = (entry.detail["changes"]["credentials"] for entry in AuditEntry.objects.order_by("pk"))
    assert first[1] == second[0] == third[1] != third[0]
    assert len(first[1]["api_key"]) == 8 and int(first[1]["api_key"], 16) >= 0
    api.patch(f"{V1}/contacts/{contact.uuid}/", {"name": "Grace", "phone": "+33612345000"})
    entry = AuditEntry.objects.get(action="contact.changed")
    assert {each.name: each.value for each in entry.personal.all()} == {
        "name": ["Ada", "Grace"],
        "phone": ["+33612345678", "+33612345000"],
    }
    held = json.dumps(list(AuditEntry.objects.values("detail", "subject", "commitments")))
    assert not [word for word in (SECRET, "Ada", "Grace", "33612345") if word in held]
    api.delete(f"{V1}/contacts/{contact.uuid}/")
    assert not AuditPersonal.objects.exists()


def test_each_change_on_a_page_leaves_one_entry(owner: Client, things: dict[str, Any], subtests: Any) -> None:
    steps: dict[str, tuple[Callable[[], Any], set[str]]] = {
        "contactlist.changed": (
            lambda: owner.post(
                f"/admin/campaigns/contactlist/{things['contact-lists'].pk}/change/", {"name": "Others"}
            ),
            {"name"},
        ),
        "contactlist.deleted": (
            lambda: owner.post(f"/admin/campaigns/contactlist/{things['contact-lists'].pk}/delete/", {"post": "yes"}),
            set(),
        ),
        "phonenumber.deleted": (
            lambda: owner.post(f"/admin/providers/phonenumber/{things['unused'].pk}/delete/", {"post": "yes"}),
            set(),
        ),
        "contactlist.exported": (
            lambda: b"".join(owner.get("/admin/campaigns/contactlist/export.csv").streaming_content),  # type: ignore[attr-defined]
            set(),
        ),
    }
    for action, (step, fields) in steps.items():
        with subtests.test(action), undone():
            step()
            entry = the_only_entry()
            found = (entry.action, entry.actor, entry.channel, entry.address)
            assert found == (action, "ana@example.org", "page", "192.0.2.7")
            assert set(entry.detail.get("changes", {})) == fields


def test_signing_in_and_failing_to_are_recorded(client: Client) -> None:
    a_user()
    for password in ("wrong", PASSWORD):
        sign_in(client, password)
    sign_in(Client(), "x", name="hunter2-typed-here@example.org")
    client.post("/admin/my-sessions/")
    names = ("action", "actor", "channel", "address", "organization")
    found: list[Any] = list(AuditEntry.objects.order_by("pk").values_list(*names))
    assert found[:3] == [
        ("user.sign_in_failed", OLGA, "page", "192.0.2.1", None),
        ("user.signed_in", OLGA, "page", "192.0.2.1", None),
        ("user.sign_in_failed", "unknown user", "page", "192.0.2.1", None),
    ]
    assert "hunter2" not in json.dumps(list(AuditEntry.objects.values("actor", "subject", "detail")))


def test_each_command_leaves_one_entry(
    organization: Organization, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any, subtests: Any
) -> None:
    file = tmp_path / "people.csv"
    file.write_text("phone,name\n" + "".join(f"+336123456{n:02},N{n}\n" for n in range(30)))
    home = str(organization.uuid)
    a_user()
    settings.SIGN_IN_PROVIDER = ProviderSettings("https://id.example.org", "trunkline")
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", NEW)
    monkeypatch.setattr(getpass, "getpass", lambda prompt="": NEW)
    Authenticator.objects.create(
        user=a_user("otto@example.org"), secret="JBSWY3DPEHPK3PXP", confirmed_at=timezone.now()
    )
    commands: list[tuple[list[str], str]] = [
        (["import_contacts", str(file), "--organization", home, "--list", "People"], "contactlist.import_started"),
        (["create_organization", "Beta"], "organization.added"),
        (["create_user", "eva@example.org", "--organization", home, "--role", "viewer"], "user.create"),
        (["create_api_key", "--organization", home, "--scopes", "read", "--name", "CRM"], "api_key.create"),
        (["createsuperuser", "--username", "root", "--email", "root@example.org", "--noinput"], "user.added"),
        (["changepassword", OLGA], "user.password_changed"),
        (["reset_two_step", "otto@example.org"], "user.two_step_reset"),
        (["link_sign_in", OLGA, "--subject", "1"], "user.provider_linked"),
        (["rotate_field_keys"], "field_keys.rotate"),
    ]
    for (name, *words), action in commands:
        with subtests.test(name), undone():
            call_command(name, *words, stdout=io.StringIO())
            entry = the_only_entry()
            assert (entry.action, entry.actor, entry.channel) == (action, "command line", "command")
    # A refused entry leaves nothing of the change.
    monkeypatch.setattr(audit_log, "record", refuse)
    for (name, *words), _ in commands[3:7]:
        with subtests.test(f"{name}, not recorded"), undone():
            before = list(User.objects.order_by("pk").values_list("username", "password"))
            with pytest.raises(Refused):
                call_command(name, *words, stdout=io.StringIO())
            assert list(User.objects.order_by("pk").values_list("username", "password")) == before
            assert not ApiKey.objects.exists()


class Refused(Exception):
    pass


def refuse(*_: Any, **__: Any) -> None:
    raise Refused


def test_a_button_whose_entry_fails_does_nothing(
    things: dict[str, Any], monkeypatch: pytest.MonkeyPatch, subtests: Any
) -> None:
    root = Client()
    root.force_login(User.objects.create_superuser("root"))
    hook, account, user = things["webhook-endpoints"], things["provider-accounts"], a_user()
    ProviderAccount.objects.filter(pk=account.pk).update(blocked_at=timezone.now(), blocked_code="x")
    held = WebhookDelivery.objects.create(
        organization=hook.organization, endpoint=hook, url=hook.url, host="example.org", event="e", status="held"
    )
    monkeypatch.setattr(audit_log, "record", refuse)
    two = {"password1": NEW, "password2": NEW, "usable_password": "true"}
    for path, sent in {
        f"tenants/organization/{things['organizations'].pk}/do/rotate-webhook-secret/": {},
        f"tenants/webhookendpoint/{hook.pk}/do/replay-held/": {},
        f"calls/webhookdelivery/{held.pk}/do/replay/": {},
        f"providers/provideraccount/{account.pk}/do/unblock/": {},
        f"campaigns/campaign/{things['campaigns'].pk}/do/copy/": {},
        f"auth/user/{user.pk}/password/": two,
    }.items():
        with subtests.test(path), undone():
            rows = [*(things[name] for name in ("organizations", "provider-accounts")), held, user]
            before = [type(row).objects.filter(pk=row.pk).values().get() for row in rows]
            with pytest.raises(Refused):
                root.post(f"/admin/{path}", sent)
            assert [type(row).objects.filter(pk=row.pk).values().get() for row in rows] == before
            assert Campaign.objects.count() == 1


def test_pages_and_the_api_name_an_action_alike(owner: Client, things: dict[str, Any]) -> None:
    owner.post("/admin/tenants/apikey/add/", {"name": "CRM", "scope": "read", "owner": "maker"})
    b"".join(owner.get("/admin/tenants/webhookendpoint/export.csv").streaming_content)  # type: ignore[attr-defined]
    found = list(AuditEntry.objects.order_by("pk").values_list("action", flat=True))
    assert found == ["api_key.create", "webhook_endpoint.exported"]


def test_long_texts_are_cut(organization: Organization) -> None:
    entry = audit_log.record(organization, actor="a", action="b.c", subject="d", detail={"list": ["x" * 9_000]})
    assert len(entry.detail["list"][0]) == audit_log.LONGEST
