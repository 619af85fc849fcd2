"""Find calls by their ID at a provider, in whatever spelling. A query narrows, `same_call` decides."""

from __future__ import annotations

from django.db.models import Q
from django.db.models.lookups import In

from calls.models.call import ID_IN_LOWER_CASE, Call
from providers.adapters.call_ids import same_call, spellings

READ_AT_ONCE = 1000  # calls of an account that are compared one by one


def with_provider_id(account_id: int, provider_call_id: str) -> list[Call]:
    """Return the account's calls that have this ID at the provider. One query by index.

    A stored ID with a prefix that this one lacks is not found: `still_read_with_id` looks for it.
    """
    if not provider_call_id:
        return []
    found = Call.objects.filter(account=account_id).filter(stored_as(provider_call_id)).order_by()
    return [call for call in found if same_call(call.provider_call_id, provider_call_id)]


def still_read_with_id(account_id: int, provider_call_id: str) -> list[Call]:
    """Return those calls of the account with this ID that are read until their end, compared one by one."""
    reading = Call.objects.filter(account=account_id, polling__isnull=False).order_by()
    some = reading.exclude(provider_call_id="")[:READ_AT_ONCE]
    return [call for call in some if same_call(call.provider_call_id, provider_call_id)]


def stored_as(provider_call_id: str) -> Q:
    """Return the condition for calls that may have this ID. Name the account too: the index begins with it."""
    return Q(In(ID_IN_LOWER_CASE, spellings(provider_call_id)))
