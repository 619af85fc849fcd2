"""The history of a campaign in words: who started and stopped it, and the versions of its settings."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from campaigns.models import Campaign, ContactList, RetryRule, Segment
from campaigns.rules.number_zones import country_name
from providers.models import Assistant, PhoneNumber
from tenants.backoffice.local_time import local_time
from tenants.models import AuditEntry
from tenants.money import Money, money_text

SHOWN = 20
LABELS = {
    "assistant_weight": "share of the assistant",
    "variants": "other assistants",
    "phone_numbers": "caller numbers",
    "number_choice": "choice of caller number",
    "contact_lists": "lists",
    "segments": "segments",
    "placeholder_values": "values that nobody means to speak",
    "windows": "calling windows",
    "retry_rules": "retries",
    "max_attempts": "maximum attempts per recipient",
    "min_gap_minutes": "minimum minutes between calls",
    "try_next_number": "try the next number",
    "ongoing": "adds new contacts",
    "max_open_calls": "maximum calls under way",
    "calls_per_minute": "maximum calls per minute",
    "timezone": "campaign's time zone",
    "contact_zone_rule": "if a contact's time zone is none of its number's",
    "campaign_zone_countries": "countries called by the campaign's time zone",
    "campaign_zone_reason": "reason for the campaign's time zone",
    "legal_override": "reason to call outside the legal hours",
    "callback_url": "webhook address",
}
S = Campaign.Status
MOVES = {f"campaign.{status}": status for status in (S.SCHEDULED, S.RUNNING, S.PAUSED, S.CANCELED, S.FINISHED)}
NAMED = ("assistant", "phone_numbers", "contact_lists", "segments", "variants")


def course_of(campaign: Campaign) -> list[dict[str, Any]]:
    """Return the latest changes of status that the audit log has, newest first: what, when, by whom, and why."""
    entries = AuditEntry.objects.filter(
        organization=campaign.organization_id, subject=str(campaign.uuid), action__in=MOVES
    ).order_by("-pk")[: SHOWN + 1]
    found = []
    before = None
    for entry in reversed(entries):
        status = MOVES[entry.action]
        found.append(
            {
                "what": _move(status, before),
                "at": local_time(entry.at),
                "actor": entry.actor,
                "reason": entry.detail.get("reason", ""),
            }
        )
        before = status
    return found[::-1][:SHOWN]


def _move(status: Campaign.Status, before: Campaign.Status | None) -> str:
    """Return what a change of status is called. What the engine pauses leaves no entry, so one may be missing."""
    if status != S.RUNNING:
        return str(status.label)
    if before in {None, S.SCHEDULED}:
        return "Started"
    return "Resumed" if before in {S.RUNNING, S.PAUSED} else "Reopened"


def history_of(campaign: Campaign) -> list[dict[str, Any]]:
    """Return the latest versions, newest first: number, time, actor, and one line for each change."""
    versions = list(campaign.versions.all()[:SHOWN])
    names = _names(campaign, versions)
    return [
        {
            "number": version.number,
            "at": local_time(version.at),
            "actor": version.actor,
            "lines": [_line(field, pair, names) for field, pair in version.changes.items()]
            or ["Settings at the start."],
        }
        for version in versions
    ]


def _names(campaign: Campaign, versions: list[Any]) -> dict[str, str]:
    """Return the names of the objects whose ids occur in the changes, by id."""
    ids = {
        item["assistant"] if isinstance(item, dict) else item
        for version in versions
        for field, pair in version.changes.items()
        if field in NAMED
        for side in pair
        for item in (side if isinstance(side, list) else [side])
        if item
    }
    models: tuple[Any, ...] = (Assistant, PhoneNumber, ContactList, Segment)
    found = [model.objects.filter(organization=campaign.organization_id, uuid__in=ids) for model in models]
    return {str(row.uuid): str(row) for rows in found if ids for row in rows}


def _line(field: str, pair: list[Any], names: dict[str, str]) -> str:
    before, after = pair
    label = LABELS.get(field, field.replace("_", " ")).capitalize()
    return f"{label}: {_value(field, before, names)} → {_value(field, after, names)}"


def _value(field: str, value: Any, names: dict[str, str]) -> str:
    if value in (None, "", [], {}):
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if field == "contact_zone_rule":
        return str(Campaign.ContactZoneRule(value).label)
    if field == "placeholder_values":
        return str(Campaign.PlaceholderValues(value).label)
    if isinstance(value, list):
        return "; ".join(_item(field, item, names) for item in value)
    if field == "budget":
        return money_text(Money(Decimal(value["amount"]), value["currency"]))
    if isinstance(value, dict):
        return ", ".join(f"{name}: {text}" for name, text in value.items())
    return names.get(str(value), str(value))


def _item(field: str, item: Any, names: dict[str, str]) -> str:
    if field == "campaign_zone_countries":
        return country_name(str(item))
    if field == "windows":
        return f"{' '.join(item['days'])} {item['opens']}-{item['closes']}"
    if field == "retry_rules":
        outcome = RetryRule.Outcome(item["outcome"]).label.lower()
        return f"{outcome} after {item['wait_minutes']} minutes, {item['max_attempts']} attempts in all"
    if field == "variants":
        return f"{names.get(item['assistant'], item['assistant'])} ({item['weight']})"
    return names.get(str(item), str(item))
