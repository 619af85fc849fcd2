"""What the steps show beside their fields: how many people, what they are told, from when, what comes of it.

Each is a part of a page, fetched after it and again when the form changes. Nothing here is saved.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

from django.db.models import QuerySet
from django.http import QueryDict
from django.utils import timezone

from calls.admin.campaigns.figures import FORECAST_AT_ONCE, previews_of
from calls.admin.campaigns.wizard_steps import CHECK, LIMITS, WHAT, WHEN, WHOM, WizardStep, mended
from calls.admin.setup.legal_hours import written
from calls.admin.shared import labels
from calls.forecast import forecast as forecasting
from calls.gate.selection import weighted_assistants
from calls.reports import audience
from campaigns import list_sizes, wording
from campaigns.models import Campaign, ContactList, ContactListMember
from campaigns.phones import country_of, national
from campaigns.rules.windows import Hours, local_text
from tenants.backoffice.local_time import local_time
from tenants.models import Organization

LISTS = 200
OPENINGS = 5
KEPT_BACK = {
    "do_not_call": "on the do-not-call list",
    "country": "with numbers of countries that may not be called",
    "hold": "on hold until a day",
    "on_hold": "on hold until somebody lifts it",
}


def people(asked: QueryDict, organizations: QuerySet[Organization]) -> dict[str, Any]:
    """Of the lists named, as far as they are one organization's of these."""
    ids = [int(text) for text in asked.getlist("contact_lists")[:LISTS] if text.isdecimal() and len(text) < 19]
    lists = ContactList.objects.filter(pk__in=ids, organization__in=organizations).select_related("organization")
    found = list(lists.order_by("pk"))
    if not found:
        return {}
    home = found[0].organization
    mine = [row.pk for row in found if row.organization_id == home.pk]
    seen = audience.people(home, mine, timezone.now())
    counted = list_sizes.COUNTED + 1 if seen.too_many else seen.counted
    return {
        "lists": len(mine),
        "people": f"{list_sizes.written(counted)} {'contact' if counted == 1 else 'contacts'}",
        "entries": seen.too_many,
        "none": not seen.counted,
        "all": seen.all_looked_at,
        "looked_at": f"{seen.looked_at:,}",
        "callable": f"{seen.callable:,}",
        "everybody": not seen.kept_back,
        "kept_back": [f"{wording.contacts(n)} {KEPT_BACK[name]}" for name, n in seen.kept_back.most_common()],
    }


def preview(campaign: Campaign, form: Any, formsets: Sequence[Any]) -> dict[str, Any]:
    """What the first people of the lists are told, by the variables as they stand in the form."""
    faults = form.errors.get("variables", []) if form.is_bound else []  # asking writes what is valid into the campaign
    return {"faults": faults, "previews": [] if faults else previews_of(campaign)}


def openings(campaign: Campaign, form: Any, formsets: Sequence[Any]) -> dict[str, Any]:
    """From when how many of the people may be called, by the windows as they stand in the form."""
    if form.is_bound and not (form.is_valid() and all(rows.is_valid() for rows in formsets)):
        return {"faulty": True}
    now = timezone.now()
    begin = max(now, campaign.starts_at or now)
    hours = Hours(_windows(campaign, form, formsets), frozenset(map(date.fromisoformat, campaign.holidays)))
    contacts = audience.some_people(list(campaign.contact_lists.values_list("pk", flat=True)))
    rows = audience.openings(campaign, hours, contacts, begin) if hours.windows else []
    return {
        "no_people": not contacts,
        "no_window": not hours.windows,
        "cut": f"{audience.LOOKED_AT:,}" if len(contacts) >= audience.LOOKED_AT else "",
        "openings": [
            {
                "people": wording.contacts(row.people),
                "at": local_text(row.at, row.zone, now) if row.at else "",
                "zone": row.zone,
                "now": row.at == now,
            }
            for row in rows[:OPENINGS]
        ],
        "more": wording.contacts(sum(row.people for row in rows[OPENINGS:])) if rows[OPENINGS:] else "",
    }


def _windows(campaign: Campaign, form: Any, formsets: Sequence[Any]) -> tuple[Any, ...]:
    if not form.is_bound:
        return tuple(row.as_window() for row in campaign.windows.all())
    [rows] = formsets
    kept = [row for row in rows.forms if row.has_changed() or row.instance.pk]
    return tuple(row.instance.as_window() for row in kept if not row.cleaned_data.get("DELETE"))


def forecast(campaign: Campaign, form: Any, formsets: Sequence[Any]) -> dict[str, Any]:
    """What would come of it, for as many people as a page can wait for."""
    entries = ContactListMember.objects.filter(contact_list__campaigns=campaign).order_by()
    if entries[: FORECAST_AT_ONCE + 1].count() > FORECAST_AT_ONCE:
        return {"too_many": f"More than {FORECAST_AT_ONCE:,} contacts"}
    found = forecasting.forecast(campaign, timezone.now(), FORECAST_AT_ONCE)
    return {
        "recipients": f"{found.recipients:,}",
        "people": wording.recipients(found.recipients),
        "none": not found.recipients,
        "unknown": found.callable_now is None,
        "at_once": f"{found.callable_now or 0:,}",
        "skipped": f"{sum(found.skipped.values()):,}" if found.skipped else "",
        "starts": local_time(found.starts_at, ""),
        "ends": local_time(found.finishes_at, ""),
        "calls": f"{found.calls:,}",
        "costs": labels.money(found.cost_low, found.currency) if found.cost_low is not None else "",
        "at_most": labels.money(found.cost_high, found.currency) if found.cost_high is not None else "",
        "warnings": mended(campaign, forecasting.warnings(found)),
    }


PARTS: Mapping[str, tuple[WizardStep, Callable[[Campaign, Any, Sequence[Any]], dict[str, Any]]]] = {
    "preview": (WHAT, preview),
    "openings": (WHEN, openings),
    "forecast": (CHECK, forecast),
}


def summary(campaign: Campaign) -> list[dict[str, Any]]:
    """What each step says, in a line or two."""
    assistants = weighted_assistants(campaign)
    shares = len(assistants) > 1
    hours = Hours(tuple(row.as_window() for row in campaign.windows.all()))
    again = [
        f"After {rule.get_outcome_display().lower()}: again in {rule.wait_minutes} minutes, "
        f"{rule.max_attempts} calls in all"
        for rule in campaign.retry_rules.all()
    ]
    budget = labels.money(campaign.budget, campaign.budget_currency)
    lines = {
        WHOM: [row.name for row in campaign.contact_lists.all()],
        WHAT: [
            *(f"{one.name}, share {weight}" if shares else one.name for one, weight in assistants),
            ", ".join(f"{national(row.e164)} ({country_of(row.e164)})" for row in campaign.phone_numbers.all()),
            f"Told: {', '.join(campaign.variables)}" if campaign.variables else "",
        ],
        WHEN: [
            *written(hours),
            f"Starts at {local_time(campaign.starts_at)}" if campaign.starts_at else "Starts as soon as you start it",
            f"Ends at {local_time(campaign.ends_at)}" if campaign.ends_at else "",
            f"Not on {', '.join(campaign.holidays)}" if campaign.holidays else "",
            f"Outside the legal hours: {campaign.legal_override}" if campaign.legal_override else "",
        ],
        LIMITS: [
            f"{campaign.max_attempts} calls to one person at most",
            *(again or ["Nobody is called again after no answer or busy"]),
            f"{campaign.calls_per_minute} calls per minute at most" if campaign.calls_per_minute else "",
            f"{campaign.max_open_calls} calls under way at most" if campaign.max_open_calls else "",
            f"Budget {budget}" if campaign.budget is not None else "No budget",
        ],
    }
    return [
        {"title": step.title, "url": step.url(campaign), "lines": [line for line in found if line] or ["Nothing yet"]}
        for step, found in lines.items()
    ]
