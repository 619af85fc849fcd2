"""The audit entry of a change of a provider account's own words: it decides how the ends of calls are read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from providers.models import ProviderAccount
from tenants import audit_log

Words = Mapping[str, Mapping[str, str]]


def audit_words(account: ProviderAccount, before: Words, actor: str) -> None:
    """Record the words whose meaning changed, with both meanings. Nothing is recorded if none did."""
    old, new = _flat(before), _flat(account.words)
    changed = sorted(word for word in old.keys() | new.keys() if old.get(word) != new.get(word))
    if not changed:
        return
    detail: dict[str, Any] = {
        "before": {word: old[word] for word in changed if word in old},
        "after": {word: new[word] for word in changed if word in new},
    }
    audit_log.record(
        account.organization_id, actor=actor, action="account.words", subject=str(account.uuid), detail=detail
    )


def _flat(table: Words) -> dict[str, str]:
    return {f"{field}: {word}": meaning for field, words in table.items() for word, meaning in words.items()}
