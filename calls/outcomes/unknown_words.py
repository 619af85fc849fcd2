"""Keep the words of a provider that have no meaning, once each, and tell the team members about each once."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from uuid import UUID

from calls.models import Call
from calls.outcomes.units import Unit
from providers.adapters.words import TITLES, UnknownWord
from providers.models import ProviderAccount, SeenWord
from tenants import alerts
from tenants.models import Alert

MOST = 200  # words without a meaning that are kept for an account
ERASED = "A word of the provider has no meaning. The contact of the call is erased."


def remember(unit: Unit, call: Call, unknown: Sequence[UnknownWord]) -> None:
    """Keep the words that were not seen before. Needs `call.account` loaded.

    Call it as the last step of a transaction: a worker that records the same word at once then waits for this one and
    for nothing else. All workers take the words in one order.
    """
    if not unknown:
        return
    account = call.account
    by_key = {(each.field, each.key): each for each in unknown}
    new = sorted(by_key.keys() - set(unit.seen_words(account, [key for _, key in by_key])))
    if not new:
        return
    room = MOST - sum(not each.is_known(account.words) for each in SeenWord.objects.filter(account=account))
    for field, key in new[: max(0, room)]:
        _keep(call, by_key[field, key])
    if room < len(new):
        message = (
            f"“{account.name}” has {MOST} words without a meaning; further ones are not listed. Give the listed ones a "
            "meaning on the page of the provider account."
        )
        alerts.tell(account.organization, f"account.unknown_words:{account.uuid}:full", message, str(account.uuid))


def _keep(call: Call, unknown: UnknownWord) -> None:
    account = call.account
    seen = {"word": unknown.word, "call": call.uuid}
    SeenWord.objects.get_or_create(account=account, field=unknown.field, key=unknown.key, defaults=seen)
    message = (
        f"Provider account “{account.name}”: the provider used a word that Trunkline does not know. "
        f"{TITLES[unknown.field]}: “{unknown.word}” (first in call {call.uuid}). Choose its meaning on the page of the "
        "provider account, under “Words”."
    )
    alerts.tell(account.organization, _alert(account, unknown.field, unknown.key), message, str(account.uuid))


def _alert(account: ProviderAccount, field: str, key: str) -> str:
    return f"account.unknown_word:{account.uuid}:{field}:{hashlib.sha256(key.encode()).hexdigest()[:16]}"


def forget(calls: Collection[UUID]) -> None:
    """Delete the words first seen in these calls, and erase them from their alerts: a word may name a contact."""
    for seen in SeenWord.objects.filter(call__in=calls).select_related("account"):
        key = _alert(seen.account, seen.field, seen.key)
        Alert.objects.filter(organization=seen.account.organization_id, key=key).update(message=ERASED)
        seen.delete()
