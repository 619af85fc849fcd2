"""The contact of a single call: found by name or phone number, with the time in the contact's time zone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from campaigns.models import Contact
from campaigns.phones import NotCallable, country_of, national, normalise
from campaigns.rules.whereabouts import ZoneRule, whereabouts
from providers.models import Assistant
from tenants.backoffice.roles import reach_of
from tenants.backoffice.scoped_admin import page_of
from tenants.models import Organization
from tenants.policy import Action

FOUND = 8
AT_LEAST = 2  # characters: fewer find too many contacts


def number_shown(phone: str) -> str:
    return f"{national(phone)} ({country_of(phone)})"


def _contacts(request: HttpRequest) -> QuerySet[Contact]:
    mine = reach_of(request).organizations(Action.LAUNCH_CALL)
    return Contact.objects.filter(organization__in=mine).select_related("organization")


def found(request: HttpRequest, sent: Mapping[str, Any]) -> dict[str, Any]:
    """Return the first contacts that the list of contacts finds for the text, and the number that the text is."""
    text = str(sent.get("q") or "").strip()
    if len(text) < AT_LEAST:
        return {"q": text, "contacts": [], "searched": False}
    rows, _ = page_of(Contact).get_search_results(request, _contacts(request), text)
    several = len(reach_of(request).grants) > 1
    kept = {"assistant": sent["assistant"]} if sent.get("assistant") else {}
    contacts = [
        {
            "name": row.name,
            "number": number_shown(row.phone),
            "organization": row.organization.name if several else "",
            "query": urlencode({"contact": row.pk, **kept}),
        }
        for row in rows.order_by("-pk")[:FOUND]
    ]
    return {
        "q": text,
        "contacts": contacts,
        "number": _number(request, text, kept) if len(contacts) != 1 else None,
        "searched": True,
        "full": len(contacts) == FOUND,
        "several": several and not kept,
    }


def _number(request: HttpRequest, text: str, kept: Mapping[str, str]) -> dict[str, str] | None:
    """Return the callable number that the text is, with the query that chooses it. None: it is none."""
    homes = reach_of(request).organizations(Action.LAUNCH_CALL)
    chosen = homes.filter(assistants__pk=kept["assistant"]).first() if kept.get("assistant", "").isdecimal() else None
    home = chosen or _only_organization(request)
    if home is None:
        return None
    try:
        phone = normalise(text, home.default_region, home.callable_countries)
    except NotCallable:
        return None
    query = urlencode({"to_number": phone, **kept})
    return {"shown": number_shown(phone), "query": query}


def chosen(request: HttpRequest, sent: Mapping[str, Any]) -> Contact | None:
    """Return the chosen contact, or the contact with the number in a link to this page."""
    key, number = str(sent.get("contact") or ""), str(sent.get("to_number") or "")
    contacts = _contacts(request)
    if key.isdecimal() and len(key) < 19:
        contact = contacts.filter(pk=key).first()
        return contact if contact and number in {"", contact.phone} else None
    return contacts.filter(phone=number).first() if number.startswith("+") else None


def number_info(request: HttpRequest, assistant: Assistant | None, text: str) -> dict[str, Any]:
    """Return what is known about the entered number, or an empty dict without one. `error`: it is not callable."""
    home = assistant.organization if assistant else _only_organization(request)
    if not text.strip() or home is None:
        return {}
    try:
        phone = normalise(text, home.default_region, home.callable_countries)
    except NotCallable as error:
        return {"error": str(error)}
    contact = Contact.objects.filter(organization=home, phone=phone).first()
    place = whereabouts(contact.timezone if contact else "", phone, ZoneRule(home.timezone))
    now = timezone.now()
    reason = place.reason
    if place.source == "default":
        reason = f"{reason.partition(';')[0]}; the organization's time zone is used."
    return {
        "phone": phone,
        "number": number_shown(phone),
        "known": contact,
        "known_url": page_of(Contact).url("change", contact.pk) if contact else "",
        "times": [(zone, f"{now.astimezone(ZoneInfo(zone)):%a %H:%M}") for zone in place.zones],
        "reason": reason,
    }


def _only_organization(request: HttpRequest) -> Organization | None:
    rows = list(reach_of(request).organizations(Action.LAUNCH_CALL)[:2])
    return rows[0] if len(rows) == 1 else None
