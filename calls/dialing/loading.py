"""Load the calls of a claim: what many of them share is read once and is one object for all."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from django.db.models import Model

from calls.models import Call, Status
from campaigns.models import Campaign, CampaignVariant
from providers.models import Assistant, PhoneNumber, ProviderAccount
from tenants.db.among import Among

RELATIONS: dict[str, Any] = {
    name: Call._meta.get_field(name) for name in ("organization", "account", "assistant", "phone_number", "campaign")
}
Pair = tuple[int | None, int]  # internal keys of a campaign and an assistant


def still_queued(batch: Sequence[Call], account: ProviderAccount) -> list[Call]:
    """Return the calls of a batch that are queued still, in their order, with their relations.

    The account, with its organization, and the campaigns are locked, so what is read now holds until the commit.
    """
    found = Call.objects.select_related("contact", "recipient").filter(Among("pk", (call.pk for call in batch)))
    calls = list(found.filter(status=Status.QUEUED).order_by("-priority", "due_at", "pk"))
    assistants = Assistant.objects.in_bulk({call.assistant_id for call in calls})
    numbers = PhoneNumber.objects.in_bulk({call.phone_number_id for call in calls})
    keys = {call.campaign_id for call in calls if call.campaign_id}
    campaigns = Campaign.objects.prefetch_related("windows", "retry_rules").in_bulk(keys)
    for assistant in assistants.values():
        assistant.account = account
    for number in numbers.values():
        number.account = account
    for campaign in campaigns.values():
        campaign.organization = account.organization
    for call in calls:
        share(call, organization=account.organization, account=account)
        share(call, assistant=assistants[call.assistant_id], phone_number=numbers[call.phone_number_id])
        if call.campaign_id:
            share(call, campaign=campaigns[call.campaign_id])
        if call.recipient:
            call.recipient.contact = call.contact
    return calls


def share(call: Call, **related: Model) -> None:
    """Give a call the objects of its keys. Setting the attributes would check and set each key again."""
    for name, row in related.items():
        RELATIONS[name].set_cached_value(call, row)


def weightless(calls: Collection[Call]) -> set[Pair]:
    """Return the pairs of a campaign of these calls and an assistant that has weight 0 in it."""
    campaigns = {call.campaign_id: call.campaign for call in calls if call.campaign}
    if not campaigns:
        return set()
    variants = CampaignVariant.objects.filter(campaign__in=campaigns, weight=0)
    found: set[Pair] = set(variants.values_list("campaign_id", "assistant_id"))
    own = (each for each in campaigns.values() if each.assistant_weight == 0 and each.assistant_id)
    return found | {(each.pk, each.assistant_id) for each in own if each.assistant_id}
