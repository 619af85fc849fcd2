"""Find calls by their ID at a provider, in whatever spelling. A query narrows, `same_call` decides."""

from __future__ import annotations

from django.db.models import Q
from django.db.models.functions import Lower
from django.db.models.lookups import In

from calls.models.call import Call
from providers.adapters.call_ids import same_call, spellings

READ_AT_ONCE = 1000  # calls of an account that are compared one by one


def with_provider_id(account_id: int, provider_call_id: str) -> list[Call]:
    """Return the account's calls that have this ID at the provider. Reads by index.

    An ID that came without the prefix of the stored one is found among the calls that are still read.
    """
    if not provider_call_id:
        return []
    calls = Call.objects.filter(account=account_id).exclude(provider_call_id="").order_by()
    found = list(calls.filter(stored_as(provider_call_id)))
    if not found:
        found = list(calls.filter(next_read_at__isnull=False)[:READ_AT_ONCE])
    return [call for call in found if same_call(call.provider_call_id, provider_call_id)]


def stored_as(provider_call_id: str) -> Q:
    """Return the condition for calls that may have this ID. Name the account too: the index begins with it."""
    return ~Q(provider_call_id="") & Q(In(Lower("provider_call_id"), spellings(provider_call_id)))
