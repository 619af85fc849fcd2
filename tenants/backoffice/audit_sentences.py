"""Audit entries in words: one sentence for the list, and what was before and after for the page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from tenants.backoffice.local_time import local_time
from tenants.models import ApiKey, AuditEntry

KEY = "key"  # before the prefix of an API key, as an actor (tenants/api/access.py)
# Kind in an action -> words, and the model whose pages show the object. Older entries have other names of some kinds.
KINDS: dict[str, tuple[str, str]] = {
    "account": ("provider account", "providers.provideraccount"),
    "api_key": ("API key", "tenants.apikey"),
    "apikey": ("API key", "tenants.apikey"),
    "assistant": ("assistant", "providers.assistant"),
    "auditentry": ("audit log", ""),
    "call": ("call", "calls.call"),
    "call_back": ("scheduled callback", "calls.callback"),
    "callback": ("scheduled callback", "calls.callback"),
    "campaign": ("campaign", "campaigns.campaign"),
    "contact": ("contact", "campaigns.contact"),
    "contactimport": ("import", "campaigns.contactimport"),
    "contactlist": ("contact list", "campaigns.contactlist"),
    "dial_journal": ("dial journal", ""),
    "do_not_call": ("do-not-call list", "campaigns.donotcall"),
    "donotcall": ("do-not-call entry", "campaigns.donotcall"),
    "evidence": ("evidence about a number", ""),
    "field_keys": ("stored secrets", ""),
    "group": ("group", ""),
    "importmapping": ("saved mapping", ""),
    "organization": ("organization", "tenants.organization"),
    "phonenumber": ("caller number", "providers.phonenumber"),
    "provideraccount": ("provider account", "providers.provideraccount"),
    "recipient": ("recipient", "campaigns.recipient"),
    "segment": ("segment", "campaigns.segment"),
    "tag": ("tag", "campaigns.tag"),
    "tenant": ("customer", ""),
    "user": ("team member", ""),
    "webhook_endpoint": ("webhook endpoint", "tenants.webhookendpoint"),
    "webhookdelivery": ("webhook delivery", "calls.webhookdelivery"),
    "webhookendpoint": ("webhook endpoint", "tenants.webhookendpoint"),
}
# What the filter offers: the kinds with the same words are one.
FILTERED = {
    words: [kind for kind, (same, _) in KINDS.items() if same == words] for words, _ in sorted(set(KINDS.values()))
}

# Verbs of any kind of object. `{}` is the object.
VERBS = {
    "added": "added {}",
    "allow_calls": "allowed calls of {} again",
    "cancel": "canceled {}",
    "canceled": "canceled {}",
    "contacts_added": "added contacts to {}",
    "contacts_removed": "removed contacts from {}",
    "addition_undone": "undid the addition of contacts to {}",
    "removal_undone": "undid the removal of contacts from {}",
    "campaign_zone": "chose the time zone of whole countries for {}",
    "finished": "finished {}",
    "held_send": "let held values be sent: {}",
    "held_skip": "skipped held values: {}",
    "legal_override": "lifted the legal calling hours of {}",
    "scheduled": "scheduled {}",
    "changed": "changed {}",
    "change": "changed {}",
    "create": "created {}",
    "deactivate": "deactivated {}",
    "activate": "activated {}",
    "deleted": "deleted {}",
    "end": "said that {} is over",
    "erase": "erased {}",
    "exported": "exported from {}",
    "hand_over": "gave {} to the organization",
    "hold": "put {} on hold",
    "hold_undone": "undid the hold of {}",
    "import_started": "started an import into {}",
    "merged": "merged {} into another",
    "note_added": "wrote a note about {}",
    "note_deleted": "deleted a note about {}",
    "ordered": "ordered {}",
    "paused": "paused {}",
    "result_fields": "chose how the results of {} are shown",
    "refresh": "added new contacts to {}",
    "release": "said that {} was not placed",
    "confirm_placed": "said that {} was placed",
    "removed": "took a number off {}",
    "replayed": "sent again: {}",
    "replayed_held": "sent what was held for {}",
    "revoke": "revoked {}",
    "running": "started {}",
    "saved": "saved {}",
    "secret_rotated": "replaced the secret of {}",
    "rotate_webhook_secret": "replaced the webhook secret of {}",  # of older entries
    "webhook_secret_rotated": "replaced the webhook secret of {}",
    "stop_calls": "stopped all calls of {}",
    "tested": "sent a test to {}",
    "transcript_seen": "looked at the transcript of {}",
    "unblock": "unblocked {}",  # of older entries
    "unblocked": "unblocked {}",
    "undo": "undid {}",
    "unhold": "took {} off hold",
    "withdraw": "withdrew {}",
    "words": "changed the meaning of words of {}",
}
SENTENCES = {
    "call_back.promise": "scheduled a callback",
    "do_not_call.added": "added a number to the do-not-call list",
    "do_not_call.numbers_added": "added numbers of contacts to the do-not-call list",
    "do_not_call.changed": "changed an entry of the do-not-call list",
    "do_not_call.imported": "imported numbers into the do-not-call list",
    "do_not_call.import_begun": "began an import into the do-not-call list",
    "do_not_call.import_stopped": "did not finish an import into the do-not-call list",
    "do_not_call.opt_out": "put a number on the do-not-call list after a call",
    "do_not_call.rebuilt": "rebuilt the do-not-call list under a new key",
    "dial_journal.reconcile": "compared the database with the dial journal after a restore",
    "field_keys.rotate": "encrypted all stored secrets with the newest key",
    "do_not_call.deleted": "removed an entry of the do-not-call list",
    "evidence.exported": "exported the evidence about a number",
    "api_key.left_behind": "removed the maker of {}, which keeps working",
    "organization.last_admin_kept": "kept the last admin of {}, whose role the sign-in provider would take",
    "organization.people_changed": "changed the team members of {}",
    "organization.two_step_reset": "reset two-step sign-in of a team member of {}",
    "user.code_refused": "entered a wrong code",
    "user.old_password_refused": "entered a wrong old password",
    "user.provider_linked": "linked an account of the sign-in provider with {}",
    "user.provider_roles_missing": "signed in without the claim of their roles, which stay",
    "user.provider_sign_in_failed": "failed to sign in through the sign-in provider",
    "user.provider_unlinked": "unlinked the sign-in provider from {}",
    "user.recovery_codes_replaced": "replaced their recovery codes",
    "user.password_changed": "changed the password of {}",
    "user.password_reset": "set a new password with a link",
    "user.settings_changed": "changed their settings",
    "user.sessions_ended": "ended sessions of their own",
    "user.sign_in_failed": "failed to sign in",
    "user.signed_in": "signed in",
    "user.two_step_removed": "turned two-step sign-in off",
    "user.two_step_reset": "reset two-step sign-in of {}",
    "user.two_step_set_up": "set up two-step sign-in",
}


def sentence(entry: AuditEntry) -> str:
    """Return who did what, such as `Ana changed the caller number “Desk”`."""
    kind, _, verb = entry.action.partition(".")
    words = KINDS.get(kind, (kind.replace("_", " "), ""))[0]
    name = entry.detail.get("object") or (entry.subject if kind == "user" else "")
    pattern = SENTENCES.get(entry.action) or VERBS.get(verb) or f"{verb.replace('_', ' ')}: {{}}"
    return f"{who(entry)} {pattern.format(f'the {words} “{name}”' if name else f'the {words}')}"


def who(entry: AuditEntry) -> str:
    """Return who did it: a team member, an API key by its name, or Trunkline itself."""
    if not entry.actor:
        return "Trunkline"
    kind, _, prefix = entry.actor.partition(" ")
    if kind != KEY or not prefix:
        return entry.actor
    name = vars(entry).get("key_name", "")
    return f"The API key “{name}” ({prefix}…)" if name else f"The API key {prefix}…"


def name_keys(entries: Iterable[AuditEntry]) -> None:
    """Look up the names of the API keys among the actors, with one query."""
    keyed = {entry.actor.removeprefix(f"{KEY} "): entry for entry in entries if entry.actor.startswith(f"{KEY} ")}
    names = dict(ApiKey.objects.filter(prefix__in=keyed).values_list("prefix", "name")) if keyed else {}
    for entry in entries:
        vars(entry)["key_name"] = names.get(entry.actor.removeprefix(f"{KEY} "), "")


def details(entry: AuditEntry) -> Iterator[tuple[str, str]]:
    """Yield what the entry says besides, with the fields before and after. Erased values are said to be erased."""
    detail = dict(entry.detail)
    kept = {each.name: each.value for each in entry.personal.all()}
    changes = dict(detail.pop("changes", {}))
    for name in entry.commitments:
        value = kept.get(name)
        if isinstance(value, list) and len(value) == 2:
            changes[name] = value
        else:
            yield _label(name), "erased" if value is None else _words(value)
    for name, value in detail.items():
        yield _label(name), _words(value)
    for name, (before, after) in sorted(changes.items()):
        yield _label(name), f"{_quoted(before)} → {_quoted(after)}"


def _label(name: Any) -> str:
    return str(name).replace("_", " ").capitalize()


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_words(each)}" for name, each in value.items())
    if isinstance(value, list):
        return ", ".join(map(_words, value))
    return local_time(moment) if (moment := _moment(value)) else str(value)


def _moment(value: Any) -> datetime | None:
    """Return a time that an entry holds as ISO 8601 with its zone, or None for other values."""
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) and "T" in value else None
    except ValueError:
        return None
    return found if found and found.tzinfo else None


def _quoted(value: Any) -> str:
    return "nothing" if value in (None, "", [], {}) else f"“{_words(value)}”"
