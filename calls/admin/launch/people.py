"""Whom a single call is for: found by name or number, with the time where they are."""

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
from campaigns.rules.windows import whereabouts
from providers.models import Assistant
from tenants.backoffice.roles import Level, reach_of
from tenants.backoffice.scoped_admin import page_of
from tenants.models import Organization

FOUND = 8
AT_LEAST = 2  # letters or digits: fewer find half the world


def _callable_people(request: HttpRequest) -> QuerySet[Contact]:
    mine = reach_of(request).organizations(Level.OPERATOR)
    return Contact.objects.filter(organization__in=mine).select_related("organization")


def found(request: HttpRequest, sent: Mapping[str, Any]) -> dict[str, Any]:
    """The first people whose name or number begins so, in any spelling, as the list of contacts finds them."""
    text = str(sent.get("q") or "").strip()
    if len(text) < AT_LEAST:
        return {"q": text, "people": [], "asked": False}
    rows, _ = page_of(Contact).get_search_results(request, _callable_people(request), text)
    several = len(reach_of(request).levels) > 1
    kept = {"assistant": sent["assistant"]} if sent.get("assistant") else {}
    people = [
        {
            "name": row.name,
            "number": f"{national(row.phone)} ({country_of(row.phone)})",
            "organization": row.organization.name if several else "",
            "query": urlencode({"contact": row.pk, **kept}),
        }
        for row in rows.order_by("-pk")[:FOUND]
    ]
    return {"q": text, "people": people, "asked": True, "full": len(people) == FOUND}


def named(request: HttpRequest, sent: Mapping[str, Any]) -> Contact | None:
    """The person chosen, or the one to whom the number belongs that a link brought along."""
    key, number = str(sent.get("contact") or ""), str(sent.get("to_number") or "")
    people = _callable_people(request)
    if key.isdecimal() and len(key) < 19:
        contact = people.filter(pk=key).first()
        return contact if contact and number in {"", contact.phone} else None
    return people.filter(phone=number).first() if number.startswith("+") else None


def person(request: HttpRequest, assistant: Assistant | None, text: str) -> dict[str, Any]:
    """What is known of a number somebody wrote; empty without one."""
    home = assistant.organization if assistant else _only_home(request)
    if not text.strip() or home is None:
        return {}
    try:
        phone = normalise(text, home.default_region, home.callable_countries)
    except NotCallable as error:
        return {"fault": str(error)}
    contact = Contact.objects.filter(organization=home, phone=phone).first()
    place = whereabouts(contact.timezone if contact else "", phone, home.timezone)
    now = timezone.now()
    reason = place.reason
    if place.source == "default":
        reason = f"{reason.partition(';')[0]}; the organization's time zone is used."
    return {
        "phone": phone,
        "number": f"{national(phone)} ({country_of(phone)})",
        "known": contact,
        "known_url": page_of(Contact).url("change", contact.pk) if contact else "",
        "times": [(zone, f"{now.astimezone(ZoneInfo(zone)):%a %H:%M}") for zone in place.zones],
        "whence": reason,
    }


def _only_home(request: HttpRequest) -> Organization | None:
    rows = list(reach_of(request).organizations(Level.OPERATOR)[:2])
    return rows[0] if len(rows) == 1 else None
