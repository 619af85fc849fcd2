"""Everything about one person, over all campaigns."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from calls.actions import campaigns
from calls.admin.people.buttons import CONTACT_STEPS, ERASE, hold_words
from calls.admin.people.recipient import call_rows
from calls.admin.shared import labels
from calls.models import Call, CallBack, Status
from campaigns.admin.contact import ContactAdmin
from campaigns.models import Campaign, Contact, DoNotCall, Recipient
from campaigns.phones import country_of, national
from campaigns.rules.legal_hours import legal_hours
from campaigns.rules.windows import Whereabouts, closed_zone, is_open, local_text, next_opening, zone_named
from tenants.backoffice.local_time import local_minute, time_in
from tenants.backoffice.roles import Level

SHOWN = 25
LIVE = (Recipient.Status.PENDING, Recipient.Status.WAITING)

admin.site.unregister(Contact)


@admin.register(Contact)
class CalledContactAdmin(ContactAdmin):
    steps = (*CONTACT_STEPS, ERASE)

    def panel_context(self, request: HttpRequest, obj: Contact) -> dict[str, Any]:
        shown = super().panel_context(request, obj)
        now, entry, home = timezone.now(), shown["entry"], shown["whereabouts"]
        calls = list(Call.objects.filter(contact=obj).select_related("campaign")[:SHOWN])
        people = list(obj.recipients.select_related("campaign").order_by("-pk")[:SHOWN])
        promised = list(obj.call_backs.select_related("recipient__campaign")[:5])
        held = obj.held(now)
        if self.holds(request, Level.OPERATOR, obj):
            shown["links"] = _links(shown["do_not_call_url"], obj, entry)
        return shown | {
            "live": True,
            "hold": hold_words(obj) if held else "",
            "listed": _listed(entry) if entry else "",
            "entry_url": reverse("admin:campaigns_donotcall_change", args=[entry.pk]) if entry else "",
            "facts": _facts(obj, home, now),
            "consent": _consent(obj),
            "variables": list((obj.variables or {}).items()),
            "next_call": "" if held or entry else _next_call(calls, people, promised, home, now),
            "campaigns": [_of_campaign(person, silent=bool(held or entry)) for person in people],
            "call_backs": [_call_back(found) for found in promised],
            "calls": call_rows(calls),
            "panel_only": not self.has_change_permission(request, obj),
            "folded": "Change what is known" if self.has_change_permission(request, obj) else "",
            "more_calls": len(calls) == SHOWN,
            "calls_url": f"{reverse('admin:calls_call_changelist')}?contact__id__exact={obj.pk}",
        }

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and (obj is None or campaigns.may_delete(obj))


def _links(do_not_call_url: str, contact: Contact, entry: DoNotCall | None) -> list[dict[str, str]]:
    """What is done on another page."""
    if entry:
        return []
    prefilled = urlencode({"to_number": contact.phone, "customer_name": contact.name})
    launch = f"{reverse('admin:calls_call_launch')}?{prefilled}"
    return [
        {"url": launch, "label": "Call now", "icon": "add_call", "tone": "primary"},
        {"url": do_not_call_url, "label": "Do not call…", "icon": "phone_disabled", "tone": "default"},
    ]


def _listed(entry: DoNotCall) -> str:
    """Why, since when and by whom nobody may call."""
    until = f" until {local_minute(entry.expires_at)}" if entry.expires_at else ""
    why = f" Reason: {entry.reason.rstrip('.')}." if entry.reason else ""
    by = SOURCES.get(entry.source, entry.source)
    return f"Listed since {local_minute(entry.created_at)}{until}, entered by {by}.{why}"


SOURCES = {
    "api": "a program",
    "opt-out": "what the person said in a call",
    "erasure": "the erasure of the person",
    "staff": "staff",
    "import": "an import",
}


def _facts(contact: Contact, home: Whereabouts, now: datetime) -> list[tuple[str, Any]]:
    country = country_of(contact.phone)
    return [
        ("Name", contact.name or "-"),
        ("Number", f"{national(contact.phone)}{f' ({country})' if country else ''}, {contact.phone}"),
        ("Time there", f"{_there(home, now)}\n{home.reason}"),
        ("Legal calling hours", _legal(contact, home, now)),
        ("Language", contact.language or "-"),
        ("Your id", contact.external_id or "-"),
        ("Known since", local_minute(contact.created_at)),
        ("Our id", str(contact.uuid)),
    ]


def _there(home: Whereabouts, now: datetime) -> str:
    zones = [zone for zone in map(zone_named, home.zones) if zone]
    return " or ".join(dict.fromkeys(time_in(zone, now) for zone in zones)) or "not known"


def _legal(contact: Contact, home: Whereabouts, now: datetime) -> str:
    hours = [legal_hours(contact.phone)]
    if is_open(hours, home.zones, now):
        return "Open now"
    opening = next_opening(hours, home.zones, now)
    return f"Closed until {local_text(opening, closed_zone(hours, home.zones, now), now)}" if opening else "Closed"


def _consent(contact: Contact) -> list[tuple[str, str]]:
    """As it was recorded; empty when nothing was."""
    if not (contact.consent_basis or contact.consent_at or contact.consent_evidence):
        return []
    return [
        ("Basis", contact.consent_basis or "-"),
        ("Given", local_minute(contact.consent_at)),
        ("Evidence", contact.consent_evidence or "-"),
    ]


def _next_call(
    calls: list[Call], people: list[Recipient], promised: list[CallBack], home: Whereabouts, now: datetime
) -> str:
    """When something is due next, as far as it is known; a sentence."""
    if going := next((call for call in calls if call.is_open), None):
        return f"A call is under way: {Status(going.status).label.lower()}."
    due: list[tuple[datetime, str]] = []
    for call in calls:
        if call.status == Status.QUEUED and call.due_at:
            due.append((call.due_at, f"the queue{f' of {call.campaign.name}' if call.campaign else ', a single call'}"))
    for found in promised:
        if found.status == CallBack.Status.DUE:
            due.append((found.due_at, f"a call-back promised in {found.recipient.campaign.name}"))
    waiting = [
        person for person in people if person.status in LIVE and person.campaign.status == Campaign.Status.RUNNING
    ]
    due += [(person.next_attempt_at, person.campaign.name) for person in waiting if person.next_attempt_at]
    if due:
        when, what = min(due)
        zone = zone_named(home.zones[0]) if home.zones else None
        there = f" ({time_in(zone, when)} there)" if zone else ""
        return f"{f'Not before {local_minute(when)}{there}' if when > now else 'Due now'}: {what}."
    if waiting:
        return f"In its turn: {waiting[0].campaign.name}."
    return "No call is due."


def _of_campaign(person: Recipient, *, silent: bool) -> dict[str, Any]:
    going = person.campaign.status == Campaign.Status.RUNNING and person.status in LIVE
    why = ", ".join(part for part in (labels.reason(person.outcome), labels.reason(person.reason)) if part)
    return {
        "url": reverse("admin:campaigns_recipient_change", args=[person.pk]),
        "name": person.campaign.name,
        "campaign": person.campaign.get_status_display(),
        "label": person.get_status_display(),
        "colour": labels.RECIPIENT_COLOURS[Recipient.Status(person.status)],
        "why": why,
        "attempts": person.attempts,
        "next": local_minute(person.next_attempt_at) if going and not silent else "-",
    }


def _call_back(found: CallBack) -> dict[str, Any]:
    return {
        "url": reverse("admin:calls_callback_change", args=[found.pk]),
        "at": local_minute(found.due_at),
        "label": found.get_status_display(),
        "colour": {"due": "info", "kept": "success", "missed": "danger"}.get(found.status, "default"),
        "campaign": found.recipient.campaign.name,
        "note": found.note or found.reason or "-",
    }
