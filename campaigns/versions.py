"""Versions of a campaign's rules: who changed what, and which rules applied when."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from campaigns.models import Campaign, CampaignVersion
from campaigns.rules.windows import DAYS, clock
from tenants.api.fields import money, utc_text

PLAIN = (
    "name",
    "assistant_weight",
    "number_choice",
    "variables",
    "placeholder_values",
    "ongoing",
    "timezone",
    "contact_zone_rule",
    "campaign_zone_countries",
    "campaign_zone_reason",
    "holidays",
    "max_attempts",
    "try_next_number",
    "min_gap_minutes",
    "max_open_calls",
    "calls_per_minute",
    "priority",
    "legal_override",
    "callback_url",
)
SETS = ("phone_numbers", "contact_lists", "segments")


def locked(pk: int) -> Campaign:
    """Return the campaign with its row locked, as placing locks it. Changes apply to every placing after the commit."""
    return Campaign.objects.select_for_update(no_key=True, of=("self",)).get(pk=pk)


def rules_of(campaign: Campaign) -> dict[str, Any]:
    """Return all rules as stored in the database, under the API's field names."""
    fresh = Campaign.objects.select_related("assistant").get(pk=campaign.pk)
    found: dict[str, Any] = {name: getattr(fresh, name) for name in PLAIN}
    for name in SETS:
        found[name] = sorted(str(uuid) for uuid in getattr(fresh, name).values_list("uuid", flat=True))
    return found | {
        "assistant": str(fresh.assistant.uuid) if fresh.assistant else None,
        "variants": [
            {"assistant": str(row.assistant.uuid), "weight": row.weight}
            for row in fresh.variants.select_related("assistant").order_by("pk")
        ],
        "windows": [
            {
                "days": [day for day in DAYS if day in row.days],
                "opens": clock(row.opens),
                "closes": clock(row.closes),
            }
            for row in fresh.windows.order_by("pk")
        ],
        "retry_rules": [
            {
                "outcome": rule.outcome,
                "wait_minutes": rule.wait_minutes,
                "multiplier": float(rule.multiplier),
                "max_wait_minutes": rule.max_wait_minutes,
                "other_time_of_day": rule.other_time_of_day,
                "max_attempts": rule.max_attempts,
            }
            for rule in fresh.retry_rules.order_by("pk")
        ],
        "budget": money(fresh.spending_limit),
        "starts_at": utc_text(fresh.starts_at),
        "ends_at": utc_text(fresh.ends_at),
    }


def changes(before: dict[str, Any], after: dict[str, Any]) -> dict[str, list[Any]]:
    """Return `{field: [before, after]}` for the fields that differ."""
    return {name: [before[name], after[name]] for name in after if before[name] != after[name]}


def begin(campaign: Campaign, *, actor: str) -> None:
    """Record the rules a campaign starts with. Does nothing if they are recorded already."""
    _write(campaign, campaign.version, {}, rules_of(campaign), actor)


def record(campaign: Campaign, before: dict[str, Any], after: dict[str, Any], *, actor: str) -> CampaignVersion | None:
    """Write the next version of a locked campaign, in the transaction of the change. Return None if nothing differs."""
    changed = changes(before, after)
    if not changed:
        return None
    if not campaign.versions.exists():  # started before versions were recorded
        _write(campaign, campaign.version, {}, before, "")
    campaign.version += 1
    Campaign.objects.filter(pk=campaign.pk).update(version=campaign.version)
    return _write(campaign, campaign.version, changed, after, actor)


def _write(
    campaign: Campaign, number: int, changed: dict[str, list[Any]], rules: dict[str, Any], actor: str
) -> CampaignVersion:
    found, _ = CampaignVersion.objects.get_or_create(
        campaign=campaign,
        number=number,
        defaults={"at": timezone.now(), "actor": actor, "changes": changed, "rules": rules},
    )
    return found
