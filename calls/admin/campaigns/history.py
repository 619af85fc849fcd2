"""The history of a campaign's settings in words."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from campaigns.models import Campaign, ContactList, RetryRule
from campaigns.rules.number_zones import country_name
from providers.models import Assistant, PhoneNumber
from tenants.backoffice.local_time import local_time
from tenants.money import Money, money_text

SHOWN = 20
LABELS = {
    "assistant_weight": "share of the assistant",
    "variants": "other assistants",
    "phone_numbers": "caller numbers",
    "number_choice": "choice of caller number",
    "contact_lists": "lists",
    "placeholder_values": "values that nobody means to speak",
    "windows": "calling windows",
    "retry_rules": "retries",
    "max_attempts": "maximum attempts per recipient",
    "min_gap_minutes": "minimum minutes between calls",
    "try_next_number": "try the next number",
    "ongoing": "takes new contacts",
    "max_open_calls": "maximum calls under way",
    "calls_per_minute": "maximum calls per minute",
    "timezone": "campaign's time zone",
    "contact_zone_rule": "if a contact's time zone is none of its number's",
    "campaign_zone_countries": "countries called by the campaign's time zone",
    "campaign_zone_reason": "reason for the campaign's time zone",
    "legal_override": "reason to call outside the legal hours",
    "callback_url": "webhook address",
}
NAMED = ("assistant", "phone_numbers", "contact_lists", "variants")


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
    models: tuple[Any, ...] = (Assistant, PhoneNumber, ContactList)
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
