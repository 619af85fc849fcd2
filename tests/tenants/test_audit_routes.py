"""Every route and method, every button and command: the audit entry that it leaves, or why it leaves none.

A new one fails here until it is in a table. What the tables say is tried where a request can succeed in the world
below; `test_audit_entries` and the tests of each area try the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.db import models
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from campaigns.models import Contact, ContactImport
from providers.models import ProviderAccount
from tenants import audit_changes
from tenants.backoffice.audit_sentences import KINDS
from tenants.models import AuditEntry, Organization
from tenants.policy import COMMANDS
from tests.conftest import KeyMaker, undone
from tests.tenants.test_api_isolation import LISTS, OBJECTS, OTHERS, World, a_world
from tests.tenants.test_routes import MODELS, NOBODY, OPEN, PAGES, STEPS, SUPERUSERS
from tests.test_admin import SignIn, sign_in, world

__all__ = ["sign_in", "world"]  # fixtures
pytestmark = pytest.mark.django_db

LOOK = "a look: it changes nothing and gives out no file"
ENGINE = "the work of a provider or the engine: it is in the timeline of the call"


class Not(str):
    """Why there is no entry."""


# API: (route, method) -> the action of the entry. Every `get` that is not here is a look.
API: dict[tuple[str, str], str] = {
    ("provider-account-list", "post"): "account.added",
    ("provider-account-detail", "patch"): "account.changed",
    ("provider-account-detail", "delete"): "account.deleted",
    ("provider-account-check", "post"): Not("one harmless read, which changes nothing"),
    ("provider-account-unblock", "post"): "account.unblocked",
    ("assistant-list", "post"): "assistant.added",
    ("assistant-detail", "patch"): "assistant.changed",
    ("assistant-detail", "delete"): "assistant.deleted",
    ("phone-number-list", "post"): "phonenumber.added",
    ("phone-number-detail", "patch"): "phonenumber.changed",
    ("phone-number-detail", "delete"): "phonenumber.deleted",
    ("contact-list", "post"): "contact.added",
    ("contact-detail", "patch"): "contact.changed",
    ("contact-detail", "delete"): "contact.deleted",
    ("contact-hold", "post"): "contact.hold",
    ("contact-unhold", "post"): "contact.unhold",
    ("contact-note-list", "post"): "contact.note_added",
    ("contact-note-detail", "delete"): "contact.note_deleted",
    ("contact-list-list", "post"): "contactlist.added",
    ("contact-list-detail", "patch"): "contactlist.changed",
    ("contact-list-detail", "delete"): "contactlist.deleted",
    ("contact-list-contacts", "post"): "contact.changed",
    ("contact-list-add", "post"): "contactlist.contacts_added",
    ("contact-list-remove", "post"): "contactlist.contacts_removed",
    ("contact-list-remove-contact", "delete"): "contactlist.contacts_removed",
    ("contact-list-imports", "post"): "contactlist.import_started",
    ("contact-list-preview-import", "post"): Not("it reads the caller's own file and stores nothing"),
    ("segment-list", "post"): "segment.added",
    ("segment-detail", "patch"): "segment.changed",
    ("segment-detail", "delete"): "segment.deleted",
    ("import-cancel", "post"): "contactimport.canceled",
    ("import-undo", "post"): "contactimport.undo",
    ("import-errors", "get"): "contactimport.exported",
    ("do-not-call-list", "post"): "do_not_call.added",
    ("do-not-call-detail", "patch"): "do_not_call.changed",
    ("do-not-call-detail", "delete"): "do_not_call.removed",
    ("campaign-list", "post"): "campaign.added",
    ("campaign-detail", "patch"): "campaign.changed",
    ("campaign-detail", "delete"): "campaign.deleted",
    ("campaign-start", "post"): "campaign.running",
    ("campaign-pause", "post"): "campaign.paused",
    ("campaign-resume", "post"): "campaign.running",
    ("campaign-reopen", "post"): "campaign.running",
    ("campaign-cancel", "post"): "campaign.canceled",
    ("campaign-refresh", "post"): "campaign.refresh",
    ("campaign-held-send", "post"): "campaign.held_send",
    ("campaign-held-skip", "post"): "campaign.held_skip",
    ("campaign-result-fields", "patch"): "campaign.result_fields",
    ("campaign-results", "get"): "campaign.exported",
    ("campaign-calls", "get"): "campaign.exported",
    ("recipient-withdraw", "post"): "recipient.withdraw",
    ("recipient-hold", "post"): "contact.hold",
    ("recipient-unhold", "post"): "contact.unhold",
    ("recipient-call-back", "post"): "call_back.promise",
    ("recipient-cancel-call-back", "post"): "call_back.cancel",
    ("recipient-send-as-is", "post"): "recipient.held_send",
    ("recipient-skip", "post"): "recipient.held_skip",
    ("call-list", "post"): "call.ordered",
    ("call-transcript", "get"): "call.transcript_seen",
    ("call-cancel", "post"): "call.cancel",
    ("call-end", "post"): "call.end",
    ("alert-seen", "post"): Not("the alert itself keeps who saw it, and when"),
    ("api-key-list", "post"): "api_key.create",
    ("api-key-detail", "patch"): "api_key.change",
    ("api-key-detail", "delete"): "api_key.revoke",
    ("organization-detail", "patch"): "organization.changed",
    ("organization-rotate-webhook-secret", "post"): "organization.webhook_secret_rotated",
    ("webhook-endpoint-list", "post"): "webhook_endpoint.added",
    ("webhook-endpoint-detail", "patch"): "webhook_endpoint.changed",
    ("webhook-endpoint-detail", "delete"): "webhook_endpoint.deleted",
    ("webhook-endpoint-rotate-secret", "post"): "webhook_endpoint.secret_rotated",
    ("webhook-endpoint-test", "post"): "webhook_endpoint.tested",
    ("webhook-endpoint-replay-held", "post"): "webhook_endpoint.replayed_held",
    ("webhook-delivery-replay", "post"): "webhookdelivery.replayed",
    # OTHERS
    ("campaign-compare", "get"): Not(LOOK),
    ("webhook-delivery-replay-range", "post"): "webhookdelivery.replayed",
    ("outbound", "post"): "call.ordered",
    ("outbound-status", "get"): Not(LOOK),
    ("evidence", "get"): "evidence.exported",
    ("hook", "post"): Not(ENGINE),
    ("account-hook", "post"): Not(ENGINE),
}
# What is refused in the world of the test, and why. Everything else of the tables must be tried.
IN_USE, DRAFT, BODY = "others refer to the row", "the campaign is a draft", "it needs more than the bodies below have"
NOT_HERE: dict[tuple[str, str], str] = {
    **{(f"{name}-detail", "delete"): IN_USE for name in ("provider-account", "assistant", "phone-number", "contact")},
    ("campaign-detail", "delete"): IN_USE,
    **{
        (f"campaign-{step}", "post"): DRAFT
        for step in ("pause", "resume", "reopen", "refresh", "held-send", "held-skip")
    },
    **{(f"recipient-{step}", "post"): DRAFT for step in ("send-as-is", "skip")},
    ("campaign-start", "post"): "the campaign is not complete",
    **dict.fromkeys((("call-list", "post"), ("call-end", "post"), ("recipient-call-back", "post")), BODY),
    ("contact-list-imports", "post"): "it takes a file",
    ("import-undo", "post"): "the import runs",
    ("call-cancel", "post"): "the call is not queued",
    ("call-transcript", "get"): "it sends a request",
    **dict.fromkeys((("outbound", "post"), ("webhook-delivery-replay-range", "post")), "of no list and no object"),
}
NOT_ON_PAGES: dict[tuple[str, str], str] = {
    **{(f"providers_{name}", "delete"): IN_USE for name in ("provideraccount", "assistant", "phonenumber")},
    **{(f"campaigns_{name}", "delete"): IN_USE for name in ("contact", "contactlist", "campaign")},
    **{
        ("campaigns_campaign", step): DRAFT
        for step in ("pause", "resume", "reopen", "refresh", "send-held", "skip-held")
    },
    **{("campaigns_recipient", step): DRAFT for step in ("send-as-is", "skip")},
    ("campaigns_recipient", "call-back"): "more must be typed",
    ("campaigns_recipient", "unhold"): "nobody holds the contact",
    ("campaigns_contact", "unhold"): "nobody holds the contact",
    ("campaigns_contact", "erase"): "a call with the contact is open",
    ("campaigns_contactimport", "undo"): "the import runs",
    ("calls_call", "cancel"): "the call is not queued",
    ("calls_call", "confirm-placed"): "the provider's ID must be typed",
    ("providers_provideraccount", "unblock"): "the account is not blocked",
    ("tenants_apikey", "hand-over"): "the key is the organization's",
    ("tenants_organization", "allow-calls"): "calls are allowed",
    ("tenants_organization", "reset-two-step"): "no team member has an app",
    ("tenants_webhookendpoint", "replay-held"): "nothing is held",
}
BODIES: dict[str, dict[str, Any]] = {
    "provider-account-list": {"provider": "allomia", "name": "N", "credentials": {"api_key": "x"}},
    "provider-account-detail": {"name": "Other"},
    "assistant-list": {"name": "N", "external_id": "as_9", "account": "{account.uuid}"},
    "assistant-detail": {"name": "Other"},
    "phone-number-list": {"e164": "+33142000123", "external_id": "n9", "account": "{account.uuid}"},
    "phone-number-detail": {"label": "Other"},
    "contact-list": {"phone": "+33612345600"},
    "contact-detail": {"name": "Other"},
    "contact-hold": {"reason": "asked"},
    "contact-note-list": {"contact": "{contact.uuid}", "text": "asked for Grace"},
    "contact-list-list": {"name": "N"},
    "contact-list-contacts": {"phone": "{contact.phone}", "name": "Other"},
    "contact-list-add": {"contacts": ["{newcomer.uuid}"]},
    "contact-list-remove": {"contacts": ["{contact.uuid}"]},
    "contact-list-detail": {"name": "Other"},
    "segment-list": {"name": "N", "conditions": [{"field": "last_call", "is": "never"}]},
    "segment-detail": {"name": "Other"},
    "do-not-call-list": {"phone": "+33612345601"},
    "do-not-call-detail": {"reason": "other"},
    "campaign-list": {"name": "N"},
    "campaign-detail": {"name": "Other"},
    "campaign-result-fields": {"fields": [{"name": "confirmed"}]},
    "recipient-hold": {"reason": "asked"},
    "api-key-list": {"name": "N", "scopes": ["read"]},
    "api-key-detail": {"name": "Other"},
    "organization-detail": {"name": "Other"},
    "webhook-endpoint-list": {"url": "https://example.org/other"},
    "webhook-endpoint-detail": {"description": "Other"},
}
# Buttons: (model, step) -> the action of the entry.
BUTTONS: dict[tuple[str, str], str] = {
    ("tenants_organization", "stop-calls"): "organization.stop_calls",
    ("tenants_organization", "allow-calls"): "organization.allow_calls",
    ("tenants_organization", "rotate-webhook-secret"): "organization.webhook_secret_rotated",
    ("tenants_organization", "reset-two-step"): "organization.two_step_reset",
    ("tenants_apikey", "revoke"): "api_key.revoke",
    ("tenants_apikey", "hand-over"): "api_key.hand_over",
    ("providers_provideraccount", "unblock"): "account.unblocked",
    ("providers_provideraccount", "check"): Not("one harmless read, which changes nothing"),
    ("campaigns_contactimport", "cancel"): "contactimport.canceled",
    ("campaigns_contactimport", "undo"): "contactimport.undo",
    ("campaigns_donotcall", "remove"): "do_not_call.removed",
    ("campaigns_campaign", "start"): "campaign.running",
    ("campaigns_campaign", "pause"): "campaign.paused",
    ("campaigns_campaign", "resume"): "campaign.running",
    ("campaigns_campaign", "reopen"): "campaign.running",
    ("campaigns_campaign", "cancel"): "campaign.canceled",
    ("campaigns_campaign", "refresh"): "campaign.refresh",
    ("campaigns_campaign", "copy"): "campaign.added",
    ("campaigns_campaign", "send-held"): "campaign.held_send",
    ("campaigns_campaign", "skip-held"): "campaign.held_skip",
    ("campaigns_contact", "hold"): "contact.hold",
    ("campaigns_contact", "unhold"): "contact.unhold",
    ("campaigns_contact", "note"): "contact.note_added",
    ("calls_call", "note"): "contact.note_added",
    ("campaigns_contact", "erase"): "contact.erase",
    ("campaigns_recipient", "send-as-is"): "recipient.held_send",
    ("campaigns_recipient", "skip"): "recipient.held_skip",
    ("campaigns_recipient", "withdraw"): "recipient.withdraw",
    ("campaigns_recipient", "hold"): "contact.hold",
    ("campaigns_recipient", "unhold"): "contact.unhold",
    ("campaigns_recipient", "call-back"): "call_back.promise",
    ("campaigns_recipient", "cancel-call-back"): "call_back.cancel",
    ("calls_callback", "cancel-call-back"): "call_back.cancel",
    ("calls_webhookdelivery", "replay"): "webhookdelivery.replayed",
    ("tenants_webhookendpoint", "test"): "webhook_endpoint.tested",
    ("tenants_webhookendpoint", "replay-held"): "webhook_endpoint.replayed_held",
    ("tenants_webhookendpoint", "rotate-secret"): "webhook_endpoint.secret_rotated",
    ("tenants_webhookendpoint", "remove"): "webhook_endpoint.deleted",
    ("tenants_alert", "seen"): Not("the alert itself keeps who saw it, and when"),
    ("calls_call", "confirm-placed"): "call.confirm_placed",
    ("calls_call", "release"): "call.release",
    ("calls_call", "end"): "call.end",
    ("calls_call", "cancel"): "call.cancel",
}
TYPED = {"reason": "They asked for it.", "text": "Speaks French.", "until": "", "at": ""}
# Pages of their own that give out a file or take a change.
OWN_PAGES: dict[str, str] = {
    **dict.fromkeys(PAGES, Not(LOOK)),
    "campaigns_contact_many": "contactlist.contacts_added",  # and others: test_contacts_in_bulk
    "campaigns_tag_many": "tag.merged",  # test_tag_pages
    "campaigns_campaign_result_fields": "campaign.result_fields",  # test_result_pages
    "campaigns_contactlist_import": "contactlist.import_started",
    "campaigns_contactlist_import_new": "contactlist.import_started",
    "campaigns_donotcall_import": "do_not_call.imported",
    "campaigns_donotcall_unreadable": "do_not_call.exported",
    "campaigns_contactimport_rejected": "contactimport.exported",
    "campaigns_campaign_results": "campaign.exported",
    "campaigns_campaign_calls": "campaign.exported",
    **dict.fromkeys((f"campaigns_campaign_{page}" for page in ("whom", "what", "when", "limits")), "campaign.changed"),
    "campaigns_campaign_check": "campaign.running",
    "campaigns_campaign_settings": "campaign.changed",
    "calls_call_transcript": "call.transcript_seen",
    "calls_call_launch": "call.ordered",
    "calls_call_sandbox": "account.added",
}
OPEN_PAGES: dict[str, str] = {
    **dict.fromkeys(
        ("healthz", "home", "api-not-found", "index", "jsi18n", "app_list", "password_change_done", "search"), Not(LOOK)
    ),
    **dict.fromkeys(("autocomplete", "view_on_site", "readyz", "metrics", "schema", "docs", "system"), Not(LOOK)),
    **dict.fromkeys(("manual", "manual-page"), Not(LOOK)),
    **dict.fromkeys(("login", "password_change"), Not("a page of ours stands before it")),
    "logout": Not("it ends the session, and reveals nothing"),
    "sign-in": "user.signed_in",
    "provider-sign-in": Not("it sends the browser to the provider; the way back is recorded"),
    "provider-sign-in-done": "user.signed_in",
    "two-step-code": "user.signed_in",
    "two-step": "user.two_step_set_up",
    "session": Not("it tells a page whether its own session is in force"),
    "my-sessions": "user.sessions_ended",
    "my-settings": "user.settings_changed",
    "saved-views": Not("it keeps a user's own filters of a list"),
    "undo": "do_not_call.removed",  # and others: test_undo
    "choose-organization": Not("it changes what the user's own pages show, in this session"),
    "own-password": "user.password_changed",
    "auth_user_password_change": "user.password_changed",
    "password-reset": Not("anybody may ask for a link; using it is recorded"),
    "password-reset-sent": Not(LOOK),
    "password-reset-new": "user.password_reset",
    "calls_call_evidence": "evidence.exported",
}
FOLLOWS = {"recipient.withdraw": ["call_back.cancel"]}  # what an action does to another object has its own entry
COMMAND_ENTRIES: dict[str, str] = {
    "create_organization": "organization.added",
    "create_user": "user.create",
    "create_api_key": "api_key.create",
    "reset_two_step": "user.two_step_reset",
    "link_sign_in": "user.provider_linked",
    "reconcile_journal": "dial_journal.reconcile",
    "rebuild_do_not_call": "do_not_call.rebuilt",
    "import_contacts": "contactlist.import_started",
    "changepassword": "user.password_changed",
    "createsuperuser": "user.added",
    "rotate_field_keys": "field_keys.rotate",
    "demo": Not("it makes an installation to try out"),
    **dict.fromkeys(("check_zones", "settings", "verify_audit"), Not(LOOK)),
    **dict.fromkeys(("qcluster", "worker", "sandbox"), Not("it starts processes; what they do is theirs")),
}


def test_every_route_button_and_command_is_in_a_table() -> None:
    api = {(name, method) for name, (*_, methods) in [*LISTS.items(), *OBJECTS.items()] for method in methods}
    writes = {pair for pair in api if pair[1] != "get"}
    assert writes <= API.keys(), "say which entry these leave"
    assert {pair for pair in API if pair[0] not in OTHERS} <= api and {name for name, _ in API} >= OTHERS
    assert BUTTONS.keys() == STEPS.keys()
    assert OWN_PAGES.keys() == PAGES.keys()
    assert OPEN_PAGES.keys() == OPEN
    assert COMMAND_ENTRIES.keys() == COMMANDS.keys()
    for action in [
        *(*API.values(), *BUTTONS.values(), *OWN_PAGES.values(), *OPEN_PAGES.values(), *COMMAND_ENTRIES.values())
    ]:
        assert isinstance(action, Not) or action.partition(".")[0] in KINDS


def _requests(there: World) -> Iterator[tuple[str, str, str]]:
    for name, (path, methods) in LISTS.items():
        yield from ((name, method, path) for method in methods)
    for name, (kind, path, methods) in OBJECTS.items():
        found = path.format(getattr(there, kind).uuid, world=there)
        yield from ((name, method, found) for method in methods)
    yield "evidence", "get", f"calls/evidence.csv?to_number=%2B{there.contact.phone[1:]}"


def test_the_api_leaves_the_entry_of_the_table_and_no_other(organization: Organization, client_for: KeyMaker) -> None:
    client, there = client_for(organization), a_world(organization)
    there.file.rejected_file.save("rejected.csv", ContentFile(b"phone,line,reason\n1,2,x\n"))
    ContactImport.objects.update(rejected=1)
    ProviderAccount.objects.update(blocked_at=timezone.now(), blocked_code="misconfigured")
    Contact.objects.update(on_hold=True)
    tried, wrong = set(), {}
    for name, method, path in _requests(there):
        if name in ("provider-account-check", "call-transcript"):  # they send a request
            continue
        with undone():
            before = AuditEntry.objects.count()
            body = {key: _filled(value, there) for key, value in BODIES.get(name, {}).items()}
            answer = getattr(client, method)(f"/api/v1/{path}", *([body] if method in ("post", "patch") else []))
            if answer.streaming:
                b"".join(answer.streaming_content)
            made = [entry.action for entry in AuditEntry.objects.order_by("pk")[before:]]
        expected = API.get((name, method), Not(LOOK))
        if answer.status_code < 300 and not isinstance(expected, Not):
            tried.add((name, method))
        refused = isinstance(expected, Not) or answer.status_code >= 300
        wanted = [] if refused else [expected, *FOLLOWS.get(expected, [])]
        if made != wanted:
            wrong[name, method] = (answer.status_code, made, wanted)
    assert wrong == {}
    leaving = {pair for pair, action in API.items() if not isinstance(action, Not)}
    assert leaving - tried == NOT_HERE.keys()


def _filled(value: Any, there: World) -> Any:
    if isinstance(value, list):
        return [_filled(each, there) for each in value]
    return value.format(**vars(there)) if isinstance(value, str) else value


def test_pages_leave_the_entry_of_the_table_and_no_other(world: dict[str, models.Model], sign_in: SignIn) -> None:
    client, wrong, tried = sign_in(), {}, set()
    upload: Any = world["contactimport"]
    upload.rejected_file.save("rejected.csv", ContentFile(b"phone,line,reason\n1,2,x\n"))
    for (model, step), expected in BUTTONS.items():
        row: Any = world[model.partition("_")[2]]
        if step != "check":  # it sends a request
            made = _made(client, reverse(f"admin:{model}_step", args=[row.pk, step]), TYPED)
            tried |= {(model, step)} if made else set()
            if made not in ([], [expected, *FOLLOWS.get(expected, [])]):
                wrong[model, step] = made
    for model in [*MODELS, *SUPERUSERS]:
        kind = audit_changes.KINDS.get(model.partition("_")[2], model.partition("_")[2])
        made = _made(client, reverse(f"admin:{model}_export"))
        if made not in ([], [f"{kind}.exported"]) and set(made) != {f"{kind}.exported"}:
            wrong[model, "export"] = made
        tried |= {(model, "export")} if made else set()
        if (row := world.get(model.partition("_")[2])) is not None:
            made = _made(client, reverse(f"admin:{model}_delete", args=[row.pk]), {"post": "yes"})
            tried |= {(model, "delete")} if made else set()
            if made not in ([], [f"{kind}.deleted"]):
                wrong[model, "delete"] = made
    files = {"campaigns_contactimport_rejected": upload}
    files |= dict.fromkeys(("campaigns_campaign_results", "campaigns_campaign_calls"), world["campaign"])
    for name, row in files.items():
        assert _made(client, reverse(f"admin:{name}", args=[row.pk])) == [OWN_PAGES[name]]
    evidence = f"{reverse('admin:calls_call_evidence')}?contact={world['contact'].pk}"
    assert _made(client, evidence) == ["evidence.exported"]
    assert _made(client, reverse("my-settings"), {"timezone": "Europe/Paris"}) == ["user.settings_changed"]
    assert _made(client, reverse("my-settings"), {"timezone": ""}) == []  # as before
    assert wrong == {}
    leaving = {pair for pair, action in BUTTONS.items() if not isinstance(action, Not)}
    leaving |= {(model, "export") for model in MODELS}
    leaving |= {(model, "delete") for model, levels in MODELS.items() if levels.delete != NOBODY}
    assert leaving - tried == NOT_ON_PAGES.keys()


def _made(client: Client, url: str, sent: dict[str, str] | None = None) -> list[str]:
    """Return the actions of the entries that a request leaves."""
    with undone():
        before = set(AuditEntry.objects.values_list("pk", flat=True))
        moment = f"{timezone.now() + timedelta(days=1):%Y-%m-%dT%H:%M}"
        answer: Any = (
            client.get(url) if sent is None else client.post(url, {**sent, **({"at": moment} if "at" in sent else {})})
        )
        assert answer.status_code < 500, url
        if answer.streaming:
            b"".join(answer.streaming_content)
        return list(AuditEntry.objects.exclude(pk__in=before).order_by("pk").values_list("action", flat=True))
