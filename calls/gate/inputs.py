"""What the gate's decisions depend on and many calls share, as digests: a digest that differs tells of an edit.

Every column counts, so that a new rule is seen without a word here; the columns that the engine itself writes do not,
nor do names. What belongs to one contact is not here: `calls/triggers.py` records its changes.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Iterable

from django.db.models import Model

from campaigns.models import CallingWindow, Campaign, CampaignVariant, RetryRule
from providers.models import Assistant, PhoneNumber, ProviderAccount
from tenants.models import Organization

# Blocks are not edits: no recipient is deferred for a blocked account, and its calls are placed when the block ends.
ENGINE = {
    Organization: {"inputs_digest", "webhook_secret", "old_webhook_secret", "old_webhook_secret_until"},
    ProviderAccount: {
        *("credentials", "hook_token", "failures_in_a_row"),
        *("blocked_at", "blocked_until", "blocked_code", "blocked_reason"),
        *("place_tokens", "place_tokens_at"),
        *("words", "time_zone"),  # how answers are read: they change no decision about a call that waits
    },
    Campaign: {
        *("status", "status_reason", "started_at", "finished_at", "drafted_through", "version", "inputs_digest"),
        "ongoing",  # whether there will be more recipients; it changes no decision about those there are
        *("next_call_at", "share_used", "launched_through", "matched_through", "launched_at", "rotation"),
        *("look_again_after", "look_again_until"),
    },
}
# The columns that are read of rows which a claim or an enqueueing step loads by the hundred. Any other column would
# cost a query for each row. Of a contact it is what the gate reads and what a call says: triggers record changes of it.
CONTACT = ("phone", "name", "external_id", "language", "timezone", "variables", "on_hold", "hold_until")
RECIPIENT = (
    *("campaign", "contact", "status", "reason", "waits_in", "next_attempt_at", "attempts", "number_position"),
    *("assistant", "phone_number", "values_approved"),
)
# What the gate reads of a queued call, what a claim changes, and the order for the provider.
CALL = (
    *("organization", "account", "assistant", "phone_number", "campaign", "recipient", "contact"),
    *("to_number", "asked_for", "not_before", "not_after", "attempt", "status", "status_reason", "due_at"),
    *("placing_attempts", "reference", "from_number", "customer_name", "dynamic_variables", "callback_token"),
    "uuid",  # for the dial journal
)
# `priority` changes whose turn it is, not what a call may do.
WITHOUT_EFFECT = {"uuid", "name", "label", "created_at", "priority", "two_step_required"}
OF_ORGANIZATION: tuple[type[Model], ...] = (ProviderAccount, Assistant, PhoneNumber)
OF_CAMPAIGN: tuple[type[Model], ...] = (
    CallingWindow,
    RetryRule,
    CampaignVariant,
    Campaign.phone_numbers.through,
)


def columns(model: type[Model]) -> list[str]:
    """Return the columns of a table that count as inputs."""
    ignored = WITHOUT_EFFECT | ENGINE.get(model, set())
    return [field.attname for field in model._meta.concrete_fields if field.name not in ignored]


def of_organizations(keys: Collection[int]) -> dict[int, str]:
    """Return the digest of what all calls of each organization share, by internal key."""
    found = _Rows()
    found.add(Organization, "id", keys)
    for model in OF_ORGANIZATION:
        found.add(model, "organization_id", keys)
    return found.digests()


def of_campaigns(keys: Collection[int]) -> dict[int, str]:
    """Return the digest of the rules of each campaign, by internal key."""
    found = _Rows()
    found.add(Campaign, "id", keys)
    for model in OF_CAMPAIGN:
        found.add(model, "campaign_id", keys)
    return found.digests()


class _Rows:
    def __init__(self) -> None:
        self._by_owner: defaultdict[int, list[str]] = defaultdict(list)

    def add(self, model: type[Model], owner: str, keys: Iterable[int]) -> None:
        names = columns(model)
        rows = model._default_manager.filter(**{f"{owner}__in": list(keys)}).order_by("pk")
        for row in rows.values_list(owner, *names):
            line = json.dumps([model._meta.label, *row[1:]], default=str, sort_keys=True)
            self._by_owner[row[0]].append(line)

    def digests(self) -> dict[int, str]:
        return {
            owner: hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32] for owner, lines in self._by_owner.items()
        }
