"""The lower parts of a campaign's page: forecast, comparison of assistants and variables."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone

from calls.admin.campaigns.charts import charts_of
from calls.forecast import estimated_finish
from calls.forecast import forecast as forecasting
from calls.gate.selection import Choices, weighted_assistants
from calls.models import Call
from calls.reports import unfed_rules
from calls.reports.figures.conditions import percent
from calls.reports.problem import Problem
from calls.reports.variant_comparison import Variant, compare, sample_of
from campaigns import segments
from campaigns.models import Campaign, Contact, ContactListMember, Recipient
from campaigns.models.recipient import load_numbers
from campaigns.phones import national
from campaigns.rules.placeholders import NAME, Kind, kind_of, shown
from campaigns.rules.spoken import REASON as PLACEHOLDERS
from campaigns.rules.spoken import Rule, preview
from campaigns.wording import counted
from tenants.backoffice.local_time import local_time
from tenants.money import money_text

S = Campaign.Status
FORECAST_AT_ONCE = 1_000  # recipients; a forecast for more takes too long for a page, so it has a button
FORECAST_ASKED_FOR = 20_000  # recipients; for more, only the API gives a forecast
SAMPLE = 1_000  # with more calls, the figures use a sample
PREVIEWED = 3  # contacts
SOURCES = {"campaign": "", "contact": "from the contact", "default": "default", "": ""}


def figures_of(campaign: Campaign, zone: ZoneInfo) -> dict[str, Any]:
    """Return the figures of the campaign's calls, on the clock of a zone. They load after the page: they are slow."""
    calls, every = sample_of(campaign, SAMPLE)
    return {
        "zone": zone.key,
        "every": every if every > 1 else None,
        "comparison": _comparison(campaign, calls),
        "voicemails_of": _without_voicemail(campaign),
        **charts_of(calls, zone),
    }


def settings_of(campaign: Campaign) -> dict[str, Any]:
    """Return the rules that have no effect, and previews of the variables."""
    assistants = [assistant for assistant, _ in weighted_assistants(campaign)]
    started = campaign.editable and campaign.status != S.DRAFT  # a draft's are among what prevents its start
    return {
        "unfed": unfed_rules.problems(campaign, assistants) if started else [],
        "previews": previews_of(campaign),
    }


def forecast_of(campaign: Campaign, asked_for: bool) -> dict[str, Any]:
    return {"forecast": _forecast(campaign, FORECAST_ASKED_FOR if asked_for else FORECAST_AT_ONCE)}


def _forecast(campaign: Campaign, at_most: int) -> dict[str, Any] | None:
    """Return the forecast for the page, or None if nothing is left to forecast."""
    if not campaign.editable:
        return None
    now = timezone.now()
    found = forecasting.forecast(campaign, now, at_most, FORECAST_ASKED_FOR + 1)
    if campaign.status == S.RUNNING and not found.too_many:
        estimated_finish.keep(campaign, found, now)
    says_something = found.finishes_at or found.too_many or found.skipped or found.without_end
    if not found.recipients or not says_something:
        return None
    when = {S.PAUSED: "If it is resumed now", S.DRAFT: "If it starts now"}.get(S(campaign.status), "")
    return {
        "too_many": _recipients(found.recipients) if found.too_many else "",
        "may_ask": at_most < found.recipients <= FORECAST_ASKED_FOR,
        "condition": "" if campaign.starts_at and campaign.starts_at > now else when,
        "ends": str(local_time(found.finishes_at, "")),  # within a sentence
        "calls": f"{found.calls:,} more call{'' if found.calls == 1 else 's'}",
        "costs": money_text(found.cost_low) if found.cost_low else "",
        "at_most": money_text(found.cost_high) if found.cost_high else "",
        "placeholders": placeholder_rows(found),
        "warnings": [] if found.too_many else [problem.message for problem in forecast_warnings(found)],
    }


def _recipients(n: int) -> str:
    more = n > FORECAST_ASKED_FOR
    return f"More than {FORECAST_ASKED_FOR:,} recipients" if more else counted(n, "recipient")


def _comparison(campaign: Campaign, calls: QuerySet[Call]) -> dict[str, Any] | None:
    """Return the comparison of the assistants, or None if the campaign has only one."""
    if not campaign.variants.exists():
        return None
    found = compare(campaign, calls)
    return {"rows": [_variant(row) for row in found.variants], "statement": found.statement}


def _without_voicemail(campaign: Campaign) -> str:
    """Return the providers of the campaign whose voicemails count as reached, because they do not report them."""
    accounts = [assistant.account for assistant, _ in weighted_assistants(campaign)]
    names = dict.fromkeys(row.adapter_class.name for row in accounts if "voicemail" in row.merged_outcomes)
    return " and ".join(names)


def _variant(row: Variant) -> dict[str, str]:
    return {
        "name": row.name,
        "recipients": f"{row.people:,}",
        "calls": f"{row.calls:,}",
        "reached": f"{row.completed:,}",
        "rate": "-" if row.rate is None else percent(row.rate),
        "range": "-" if row.rate is None else f"{percent(row.low)} to {percent(row.high)}",
        "cost": money_text(row.cost) + (" (estimate)" if row.is_estimate else ""),
        "cost_each": money_text(row.cost_per_completed),
    }


def previews_of(campaign: Campaign) -> list[dict[str, Any]]:
    """Return the variables of the calls to the first contacts of the lists, computed as for the calls themselves.

    Contacts not called yet are shown with the assistants that would call them if they were called now, in this order.
    """
    if not campaign.editable:
        return []
    contacts = first_contacts(campaign)
    kept = {row.contact_id: row for row in campaign.recipients.filter(contact__in=contacts).select_related("contact")}
    load_numbers(kept.values())
    choices = Choices(campaign, timezone.now(), include_unusable=True)
    several = len(choices.all) > 1
    previews = []
    for contact in contacts:
        recipient = kept.get(contact.pk) or Recipient(campaign=campaign, contact=contact)
        selection = choices.select(recipient, recipient.number)
        if selection:
            choices.take(selection)
        assistant = selection.choice.assistant if selection else campaign.assistant
        rule = Rule.SEND if recipient.values_approved else Rule(campaign.placeholder_values)
        rows = preview(campaign.variables, assistant.variables if assistant else [], contact, rule)
        if rows:
            previews.append(
                {
                    "name": contact.name,
                    "name_kind": kind_of(contact.name, NAME),
                    "number": national(contact.phone),
                    "assistant": assistant.name if assistant and several else "",
                    "rows": [
                        {"name": r.name, "value": r.value, "source": SOURCES[r.source], "kind": Kind.of(r.placeholder)}
                        for r in rows
                    ],
                    "missing": [r.name for r in rows if r.missing],
                }
            )
    return previews


def forecast_warnings(found: forecasting.Forecast) -> list[Problem]:
    """Return the warnings of a forecast for a page that shows its `placeholder_rows`: one for all of these."""
    others = [problem for problem in forecasting.warnings(found) if problem.code != PLACEHOLDERS]
    return [*found.placeholders.summary(), *others]


def placeholder_rows(found: forecasting.Forecast) -> list[dict[str, Any]]:
    """Return which values nobody means to speak, with some of the contacts that have them."""
    return [
        {
            "variable": shown([variable]),
            "why": kind.words,
            "recipients": counted(n, "recipient"),
            "examples": [
                {
                    "name": str(each.contact),
                    "url": reverse("admin:campaigns_contact_change", args=[each.contact.pk]),
                    "value": each.value,
                }
                for each in examples
            ],
        }
        for variable, kind, n, examples in found.placeholders.examples()
    ]


def first_contacts(campaign: Campaign) -> list[Contact]:
    """Return the first contacts on the campaign's lists, or else in its segments, each once.

    It reads four times as many rows as it needs, because a contact may be on several lists.
    """
    lists = list(campaign.contact_lists.values_list("pk", flat=True))
    members = ContactListMember.objects.filter(contact_list__in=lists).select_related("contact")
    rows = members.order_by("contact_list", "contact")[: PREVIEWED * 4]
    found = list({row.contact_id: row.contact for row in rows}.values())[:PREVIEWED]
    return found or list(Contact.objects.filter(segments.of_campaign(campaign)).order_by("pk")[:PREVIEWED])
