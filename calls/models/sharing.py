"""What many calls have in common, loaded once: one object for all of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from calls.models.call import Call
from providers.models import Assistant, ProviderAccount
from tenants.db.loaded import relate


def share_related(calls: Collection[Call]) -> Mapping[int, ProviderAccount]:
    """Give calls their accounts, assistants and organizations. Return the accounts by internal key."""
    related = ProviderAccount.objects.select_related("organization")
    accounts = related.in_bulk({call.account_id for call in calls})
    assistants = Assistant.objects.in_bulk({call.assistant_id for call in calls})
    for call in calls:
        account = accounts[call.account_id]
        relate(call, account=account, assistant=assistants[call.assistant_id], organization=account.organization)
    return accounts
