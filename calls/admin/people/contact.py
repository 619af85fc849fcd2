"""The page of a contact: everything about it, over all campaigns."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from calls.actions import campaigns
from calls.admin.people.bulk import ADD_TAGS, ADD_TO_LIST, BULK_STEPS, REMOVE_FROM_LIST, REMOVE_TAGS
from calls.admin.people.buttons import CALLBACK_COLOURS, CONTACT_STEPS, ERASE, hold_text
from calls.admin.people.contact_columns import columns_of
from calls.admin.people.notes import NOTE, note_rows
from calls.admin.people.recipient import call_rows
from calls.admin.shared import outcomes
from calls.models import Call, CallBack, Status
from campaigns.admin.contact import ContactAdmin
from campaigns.admin.do_not_call import source_of
from campaigns.models import Campaign, Contact, DoNotCall, Recipient
from campaigns.phones import country_of, national
from campaigns.rules.legal_hours import legal_hours
from campaigns.rules.whereabouts import Whereabouts
from campaigns.rules.windows import closed_zone, is_open, local_text, next_opening, zone_named
from tenants.backoffice.bulk_pages import BulkStep
from tenants.backoffice.languages.written import as_written
from tenants.backoffice.local_time import local_time, time_in
from tenants.policy import Action

SHOWN = 25
LIVE = Recipient.WAITING_STATUSES

admin.site.unregister(Contact)


@admin.register(Contact)
class CalledContactAdmin(ContactAdmin):
    steps = (*CONTACT_STEPS, NOTE, ERASE)
    bulk_steps = BULK_STEPS
    bulk_related = ("organization",)

    def get_list_display(self, request: HttpRequest) -> Sequence[str]:
        """Return the columns of the page. The file keeps those of contacts alone, so that it can be read back."""
        if self.exporting(request):
            return self.list_display
        return ("number", "name", "callable", "tag_chips", "on_lists", "last_call", "next_call", "zone")

    def prepare_rows(self, request: HttpRequest, rows: Sequence[Any]) -> None:
        super().prepare_rows(request, rows)
        if self.exporting(request):
            return
        found = columns_of(rows)
        for row in rows:
            row.columns = found[row.pk]

    @admin.display(description="tags")
    def tag_chips(self, row: Any) -> Any:
        return row.columns.tags_shown

    @admin.display(description="lists")
    def on_lists(self, row: Any) -> str:
        return str(row.columns.lists_shown)

    @admin.display(description="last call")
    def last_call(self, row: Any) -> Any:
        return row.columns.last_shown

    @admin.display(description="next call")
    def next_call(self, row: Any) -> Any:
        now = timezone.now()
        if row.listed or row.held(now):
            return "-"
        return format_html('<span class="tl-nowrap">{}</span>', row.columns.next_shown(now))

    def panel_context(self, request: HttpRequest, obj: Contact) -> dict[str, Any]:
        shown = super().panel_context(request, obj)
        now, entry, home = timezone.now(), shown["entry"], shown["whereabouts"]
        calls = list(Call.objects.filter(contact=obj).select_related("campaign")[:SHOWN])
        recipients = list(obj.recipients.select_related("campaign").order_by("-pk")[:SHOWN])
        callbacks = list(obj.call_backs.select_related("recipient__campaign")[:5])
        held = obj.held(now)
        if self.holds(request, Action.LAUNCH_CALL, obj):
            shown["links"] = _links(shown["do_not_call_url"], obj, entry, held)
        return shown | {
            "live": True,
            "hold": hold_text(obj) if held else "",
            "listed": _listed(entry, obj) if entry else "",
            "list_steps": self._pair(request, obj, ADD_TO_LIST, REMOVE_FROM_LIST, bool(shown["lists"])),
            "tag_steps": self._pair(request, obj, ADD_TAGS, REMOVE_TAGS, bool(shown["tags"])),
            "entry_url": reverse("admin:campaigns_donotcall_change", args=[entry.pk]) if entry else "",
            "facts": _facts(obj, home, now),
            "consent": _consent(obj),
            "variables": list((obj.variables or {}).items()),
            "next_call": "" if held or entry else _next_call(calls, recipients, callbacks, home, now),
            "campaigns": [_campaign(row, blocked=bool(held or entry)) for row in recipients],
            "callbacks": [_callback(row) for row in callbacks],
            "calls": call_rows(calls),
            "notes": note_rows(obj),
            "panel_only": not self.has_change_permission(request, obj),
            "folded": "Edit contact" if self.has_change_permission(request, obj) else "",
            "cancel_url": self.url("change", obj.pk),
            "more_calls": len(calls) == SHOWN,
            "calls_url": f"{reverse('admin:calls_call_changelist')}?contact__id__exact={obj.pk}",
        }

    def technical_details(self, request: HttpRequest, obj: Contact) -> Sequence[tuple[str, Any]]:
        return [("Trunkline ID", str(obj.uuid))]

    def _pair(
        self, request: HttpRequest, obj: Contact, puts: BulkStep, takes: BulkStep, has_any: bool
    ) -> list[tuple[str, str]]:
        """Return the buttons that put the contact on a list, or a tag on it, and take it off: label and address."""
        steps = (puts, takes) if has_any else (puts,)
        return [(step.label, self.many_url(step, obj)) for step in steps if self.holds(request, step.action, obj)]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and (obj is None or campaigns.may_delete(obj))


def _links(do_not_call_url: str, contact: Contact, entry: DoNotCall | None, held: bool) -> list[dict[str, str]]:
    """Return the links to actions on other pages. A contact on hold is not called: lifting the hold comes first."""
    if entry:
        return []
    prefilled = urlencode({"to_number": contact.phone, "customer_name": contact.name})
    launch = f"{reverse('admin:calls_call_launch')}?{prefilled}"
    return [
        {"url": launch, "label": "Call now", "icon": "add_call", "tone": "default" if held else "primary"},
        {"url": do_not_call_url, "label": "Add to do-not-call list…", "icon": "phone_disabled", "tone": "default"},
    ]


def _listed(entry: DoNotCall, contact: Contact) -> str:
    """Return which of several numbers is on the do-not-call list, since when, by whom and why."""
    until = f" until {local_time(entry.expires_at)}" if entry.expires_at else ""
    why = f" Reason: {entry.reason.rstrip('.')}." if entry.reason else ""
    by = source_of(entry)
    number = f"{national(entry.phone)}. " if entry.phone and len(contact.numbers) > 1 else ""
    return f"{number}Since {local_time(entry.created_at)}{until}, added by {by}.{why}"


def _facts(contact: Contact, home: Whereabouts, now: datetime) -> list[tuple[str, Any]]:
    further = [_number(row.phone, row.get_kind_display()) for row in contact.further_numbers.all()]
    return [
        ("Name", contact.name or "-"),
        ("Phone number", _number(contact.phone, contact.get_phone_kind_display())),
        *([("Further numbers", "\n".join(further))] if further else []),
        ("Local time", f"{_there(home, now)}\n{home.reason}{_no_place(contact)}"),
        ("Legal calling hours", _legal(contact, home, now)),
        ("Language", contact.language or "-"),
        ("External ID", contact.external_id or "-"),
        ("Created", local_time(contact.created_at)),
    ]


def _number(phone: str, kind: str) -> str:
    """Return the number in both formats, with its country and kind as far as they are known."""
    about = ", ".join(filter(None, (country_of(phone), kind.lower())))
    return f"{national(phone)}{f' ({about})' if about else ''}, {phone}"


def _no_place(contact: Contact) -> str:
    if contact.zone_fault != Contact.ZoneFault.NO_PLACE:
        return ""
    return f" The stored time zone “{contact.timezone}” is no place and counts for nothing; enter a place."


def _there(home: Whereabouts, now: datetime) -> str:
    zones = [zone for zone in map(zone_named, home.zones) if zone]
    return " or ".join(dict.fromkeys(time_in(zone, now) for zone in zones)) or "unknown"


def _legal(contact: Contact, home: Whereabouts, now: datetime) -> str:
    hours = [legal_hours(contact.phone)]
    if is_open(hours, home.zones, now):
        return "Open now"
    opening = next_opening(hours, home.zones, now)
    return f"Closed until {local_text(opening, closed_zone(hours, home.zones, now), now)}" if opening else "Closed"


def _consent(contact: Contact) -> list[tuple[str, str]]:
    """Return the recorded consent, or an empty list."""
    if not (contact.consent_basis or contact.consent_at or contact.consent_evidence):
        return []
    return [
        ("Basis", contact.consent_basis or "-"),
        ("Given", local_time(contact.consent_at)),
        ("Evidence", as_written(contact.consent_evidence or "-")),
    ]


def _next_call(
    calls: list[Call], recipients: list[Recipient], callbacks: list[CallBack], home: Whereabouts, now: datetime
) -> str:
    """Return in a sentence when the next call to the contact is due, as far as that is known."""
    if open_call := next((call for call in calls if call.is_open), None):
        return f"A call is under way: {outcomes.of_call(open_call).label.lower()}."
    due: list[tuple[datetime, str]] = []
    for call in calls:
        if call.status == Status.QUEUED and call.due_at:
            due.append((call.due_at, f"the queue{f' of {call.campaign.name}' if call.campaign else ', a single call'}"))
    for callback in callbacks:
        if callback.status == CallBack.Status.DUE:
            due.append((callback.due_at, f"a callback scheduled in {callback.recipient.campaign.name}"))
    waiting = [row for row in recipients if row.status in LIVE and row.campaign.status == Campaign.Status.RUNNING]
    due += [(row.next_attempt_at, row.campaign.name) for row in waiting if row.next_attempt_at]
    if due:
        when, what = min(due)
        zone = zone_named(home.zones[0]) if home.zones else None
        there = f" ({time_in(zone, when)} there)" if zone else ""
        return f"{f'Not before {local_time(when)}{there}' if when > now else 'Due now'}: {what}."
    if waiting:
        return f"Waiting for its turn: {waiting[0].campaign.name}."
    return "No call is due."


def _campaign(row: Recipient, *, blocked: bool) -> dict[str, Any]:
    waiting = row.campaign.status == Campaign.Status.RUNNING and row.status in LIVE
    found = outcomes.of_recipient(row)
    done = row.status == Recipient.Status.DONE
    why = found.meaning if done else outcomes.before(row)
    return {
        "url": reverse("admin:campaigns_recipient_change", args=[row.pk]),
        "name": row.campaign.name,
        "campaign": row.campaign.get_status_display(),
        "label": found.label,
        "colour": found.colour,
        "why": why,
        "attempts": row.attempts,
        "next": local_time(row.next_attempt_at) if waiting and not blocked else "-",
    }


def _callback(row: CallBack) -> dict[str, Any]:
    return {
        "url": reverse("admin:calls_callback_change", args=[row.pk]),
        "at": local_time(row.due_at),
        "label": row.get_status_display(),
        "colour": CALLBACK_COLOURS[str(row.get_status_display())],
        "campaign": row.recipient.campaign.name,
        "note": row.note or row.reason or "-",
    }
