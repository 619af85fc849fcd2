"""Turns of a campaign's assistants and caller numbers, changed under the lock of its row."""

from __future__ import annotations

from datetime import datetime

from calls.dialing.campaign_locks import locked_campaign
from calls.gate.selection import Choices
from campaigns.models import Campaign, Recipient


def store(choices: Choices) -> None:
    """Store turns that were taken or given back."""
    if choices.turns.changed:
        Campaign.objects.filter(pk=choices.campaign.pk).update(rotation=choices.turns.stored())


def give_back(recipient: Recipient, phone: str, now: datetime) -> None:
    """Give back the turns of a recipient whose first call is not placed. It locks the campaign."""
    campaign = locked_campaign(recipient.campaign_id)
    if campaign.rotation:  # with one assistant and one caller number there are no turns
        choices = Choices(campaign, now)
        choices.give_back(recipient, phone)
        store(choices)
