"""Load the calls of a claim: what many of them share is read once and is one object for all."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from calls.gate import inputs
from calls.models import Call
from campaigns.models import Campaign, CampaignVariant, Recipient
from providers.models import Assistant, PhoneNumber, ProviderAccount
from tenants.db.among import Among
from tenants.db.loaded import relate

Pair = tuple[int | None, int]  # internal keys of a campaign and an assistant


def with_relations(calls: Sequence[Call], account: ProviderAccount) -> list[Call]:
    """Give the calls of a claim, which have their contacts, what else the gate and the request need of their relations.

    The account, with its organization, and the campaigns are locked, so what is read now holds until the commit.
    """
    assistants = Assistant.objects.in_bulk({call.assistant_id for call in calls})
    numbers = PhoneNumber.objects.in_bulk({call.phone_number_id for call in calls})
    keys = {call.campaign_id for call in calls if call.campaign_id}
    campaigns = Campaign.objects.prefetch_related("windows", "retry_rules").in_bulk(keys)
    called = Recipient.objects.only(*inputs.RECIPIENT)
    recipients = called.filter(Among("pk", (call.recipient_id for call in calls if call.recipient_id)))
    by_key = {recipient.pk: recipient for recipient in recipients.order_by()} if calls else {}
    for assistant in assistants.values():
        assistant.account = account
    for number in numbers.values():
        number.account = account
    for campaign in campaigns.values():
        campaign.organization = account.organization
    for call in calls:
        relate(call, organization=account.organization, account=account)
        relate(call, assistant=assistants[call.assistant_id], phone_number=numbers[call.phone_number_id])
        if call.campaign_id:
            relate(call, campaign=campaigns[call.campaign_id])
        if call.recipient_id:
            relate(call, recipient=by_key[call.recipient_id])
            relate(by_key[call.recipient_id], contact=call.contact)
    return list(calls)


def weightless(calls: Collection[Call]) -> set[Pair]:
    """Return the pairs of a campaign of these calls and an assistant that has weight 0 in it."""
    campaigns = {call.campaign_id: call.campaign for call in calls if call.campaign}
    if not campaigns:
        return set()
    variants = CampaignVariant.objects.filter(campaign__in=campaigns, weight=0)
    found: set[Pair] = set(variants.values_list("campaign_id", "assistant_id"))
    own = (each for each in campaigns.values() if each.assistant_weight == 0 and each.assistant_id)
    return found | {(each.pk, each.assistant_id) for each in own if each.assistant_id}
