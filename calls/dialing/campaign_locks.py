"""The lock of a campaign's row: who deals out its calls holds it. Locks are taken in the order of a claim:
calls, campaign, recipients.
"""

from __future__ import annotations

from django.db.models import QuerySet

from campaigns.models import Campaign


def campaigns_with_rules() -> QuerySet[Campaign]:
    """Return all campaigns, loaded with what deciding about their recipients reads."""
    related = ("organization", "assistant__account")
    return Campaign.objects.select_related(*related).prefetch_related("windows").order_by("pk")


def locked_campaign(pk: int) -> Campaign:
    """Lock a campaign, then read it: what it is read with can have changed while the lock was waited for."""
    list(Campaign.objects.select_for_update(no_key=True).filter(pk=pk).values_list("pk"))
    return campaigns_with_rules().get(pk=pk)
