"""Previews beside the fields of the wizard: number of contacts, variables, next openings, forecast.

A preview loads after its page, and again when the form changes. Nothing here is saved.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

from django.db.models import QuerySet
from django.http import QueryDict
from django.utils import timezone

from calls.admin.campaigns.button_effects import zone_choices
from calls.admin.campaigns.figures import FORECAST_AT_ONCE, forecast_warnings, placeholder_rows, previews_of
from calls.admin.campaigns.wizard_steps import (
    ASSISTANT,
    CONTACTS,
    LIMITS,
    REVIEW,
    SCHEDULE,
    WizardStep,
    with_links,
)
from calls.admin.setup.legal_hours import hours_text
from calls.forecast import forecast as forecasting
from calls.gate.selection import weighted_assistants
from calls.reports import audience
from calls.reports.never_open import CAUSES
from campaigns import list_sizes, segments
from campaigns.admin.segment import moment_shown
from campaigns.models import Campaign, Contact, ContactList, ContactListMember, Segment
from campaigns.phones import country_of, national
from campaigns.rules.windows import Hours, local_text
from campaigns.wording import counted
from tenants.backoffice.local_time import local_time
from tenants.models import Organization
from tenants.money import money_text

CHOSEN = 200  # lists, and segments
OPENINGS = 5
EXCLUDED = {
    "do_not_call": "on the do-not-call list",
    "country": "with a number in a country that may not be called",
    "hold": "on hold until a date",
    "on_hold": "on hold until the hold is lifted",
}


def contacts(query: QueryDict, organizations: QuerySet[Organization]) -> dict[str, Any]:
    """Return the number of contacts of the lists and segments in the query, and how many of them may be called.

    Only those of one organization count: that of the first list, or else segment, that the user may use.
    """
    lists = _chosen(ContactList, query.getlist("contact_lists"), organizations)
    within = _chosen(Segment, query.getlist("segments"), organizations)
    if not (lists or within):
        return {}
    home = (lists or within)[0].organization
    keys = [row.pk for row in lists if row.organization_id == home.pk]
    within = [row for row in within if row.organization_id == home.pk]
    seen = audience.audience_of(home, keys, timezone.now(), within)
    total = list_sizes.COUNTED + 1 if seen.too_many else seen.counted
    return {
        "chosen": len(keys) + len(within),
        "where": _where(len(keys), len(within)),
        "contacts": f"{list_sizes.written(total)} {'contact' if total == 1 else 'contacts'}",
        "entries": seen.too_many,
        "none": not seen.counted,
        "all": seen.all_looked_at,
        "looked_at": f"{seen.looked_at:,}",
        "callable": f"{seen.callable:,}",
        "all_callable": not seen.kept_back,
        "excluded": [f"{counted(n, 'contact')} {EXCLUDED[name]}" for name, n in seen.kept_back.most_common()],
    }


def _chosen(model: type[Any], given: Sequence[str], organizations: QuerySet[Organization]) -> list[Any]:
    ids = [int(text) for text in given[:CHOSEN] if text.isdecimal() and len(text) < 19]
    rows = model.objects.filter(pk__in=ids, organization__in=organizations).select_related("organization")
    return list(rows.order_by("pk")) if ids else []


def _where(lists: int, within: int) -> str:
    if lists + within == 1:
        return "on this list" if lists else "in this segment"
    found = [f"on {counted(lists, 'list')}"] if lists else []
    found += [f"in {counted(within, 'segment')}"] if within else []
    return " and ".join(found)


def preview(campaign: Campaign, form: Any, formsets: Sequence[Any]) -> dict[str, Any]:
    """Return the variables for the first contacts of the lists, with the values in the form."""
    errors = form.errors.get("variables", []) if form.is_bound else []  # this also writes valid input into `campaign`
    return {"errors": errors, "previews": [] if errors else previews_of(campaign)}


def openings(campaign: Campaign, form: Any, formsets: Sequence[Any]) -> dict[str, Any]:
    """Return how many contacts may be called from when, with the windows in the form."""
    if form.is_bound and not (form.is_valid() and all(rows.is_valid() for rows in formsets)):
        return {"invalid": True}
    now = timezone.now()
    start = max(now, campaign.starts_at or now)
    hours = Hours(_windows(campaign, form, formsets), frozenset(map(date.fromisoformat, campaign.holidays)))
    lists = list(campaign.contact_lists.values_list("pk", flat=True))
    sample = audience.sample_of(lists, list(campaign.segments.all()))
    rows = audience.openings(campaign, hours, sample, start) if hours.windows else []
    later = [row for row in rows if row.at]
    return {
        "no_contacts": not sample,
        "no_window": not hours.windows,
        "cut": f"{audience.LOOKED_AT:,}" if len(sample) >= audience.LOOKED_AT else "",
        "openings": [
            {
                "contacts": counted(row.people, "contact"),
                "at": local_text(row.at, row.zone, now) if row.at else "",
                "zone": row.zone,
                "now": row.at == now,
            }
            for row in later[:OPENINGS]
        ],
        "more": counted(sum(row.people for row in later[OPENINGS:]), "contact") if later[OPENINGS:] else "",
        "never": [
            {"contacts": counted(row.people, "contact"), "place": str(row.place), "words": CAUSES[row.place.cause]}
            for row in rows
            if row.place
        ][:OPENINGS],
    }


def _windows(campaign: Campaign, form: Any, formsets: Sequence[Any]) -> tuple[Any, ...]:
    if not form.is_bound:
        return tuple(row.as_window() for row in campaign.windows.all())
    [rows] = formsets
    kept = [row for row in rows.forms if row.has_changed() or row.instance.pk]
    return tuple(row.instance.as_window() for row in kept if not row.cleaned_data.get("DELETE"))


def forecast(campaign: Campaign, form: Any, formsets: Sequence[Any]) -> dict[str, Any]:
    """Return the forecast, for as many recipients as a page can wait for."""
    entries = ContactListMember.objects.filter(contact_list__campaigns=campaign).order_by()
    matching = Contact.objects.filter(segments.of_campaign(campaign)).order_by()
    if any(rows[: FORECAST_AT_ONCE + 1].count() > FORECAST_AT_ONCE for rows in (entries, matching)):
        return {"too_many": f"More than {FORECAST_AT_ONCE:,} contacts"}
    found = forecasting.forecast(campaign, timezone.now(), FORECAST_AT_ONCE)
    return {
        "recipients": f"{found.recipients:,}",
        "contacts": counted(found.recipients, "contact"),
        "none": not found.recipients,
        "unknown": found.callable_now is None,
        "at_once": f"{found.callable_now or 0:,}",
        "skipped": f"{sum(found.skipped.values()):,}" if found.skipped else "",
        "starts": local_time(found.starts_at, ""),
        "ends": local_time(found.finishes_at, ""),
        "calls": f"{found.calls:,}",
        "costs": money_text(found.cost_low) if found.cost_low else "",
        "at_most": money_text(found.cost_high) if found.cost_high else "",
        "warnings": with_links(campaign, forecast_warnings(found)),
        "placeholders": placeholder_rows(found),
    }


PARTS: Mapping[str, tuple[WizardStep, Callable[[Campaign, Any, Sequence[Any]], dict[str, Any]]]] = {
    "preview": (ASSISTANT, preview),
    "openings": (SCHEDULE, openings),
    "forecast": (REVIEW, forecast),
}


def summary(campaign: Campaign) -> list[dict[str, Any]]:
    """Return the settings of each step in a few lines."""
    assistants = weighted_assistants(campaign)
    shares = len(assistants) > 1
    hours = Hours(tuple(row.as_window() for row in campaign.windows.all()))
    retries = [
        f"After {rule.get_outcome_display().lower()}: retry in {rule.wait_minutes} minutes, "
        f"{counted(rule.max_attempts, 'attempt')} in all"
        for rule in campaign.retry_rules.all()
    ]
    pace, open_calls = campaign.calls_per_minute, campaign.max_open_calls
    lines = {
        CONTACTS: [
            *(row.name for row in campaign.contact_lists.all()),
            *(f"{row.name}: {segments.sentence_of(row, moment_shown)}" for row in campaign.segments.all()),
        ],
        ASSISTANT: [
            *(f"{one.name}, share {weight}" if shares else one.name for one, weight in assistants),
            ", ".join(f"{national(row.e164)} ({country_of(row.e164)})" for row in campaign.phone_numbers.all()),
            f"Variables: {', '.join(campaign.variables)}" if campaign.variables else "",
            f"Values that nobody means to speak: {campaign.get_placeholder_values_display().lower()}",
        ],
        SCHEDULE: [
            *hours_text(hours),
            f"Starts {local_time(campaign.starts_at)}" if campaign.starts_at else "Starts when you press Start",
            f"Ends {local_time(campaign.ends_at)}" if campaign.ends_at else "",
            f"No calls on {', '.join(campaign.holidays)}" if campaign.holidays else "",
            *zone_choices(campaign),
            f"Outside the legal hours: {campaign.legal_override}" if campaign.legal_override else "",
        ],
        LIMITS: [
            f"At most {counted(campaign.max_attempts, 'attempt')} per recipient",
            *(retries or ["No retries"]),
            "Then the contact's next number" if campaign.try_next_number else "",
            f"At most {counted(pace, 'call')} per minute" if pace else "",
            f"At most {counted(open_calls, 'call')} under way" if open_calls else "",
            f"Budget {money_text(campaign.spending_limit)}" if campaign.budget is not None else "No budget",
        ],
    }
    return [
        {
            "title": step.title,
            "url": step.url(campaign),
            "lines": [line for line in found if line] or ["Nothing chosen yet"],
        }
        for step, found in lines.items()
    ]
