"""How the writers of a call ask and write: at once for a call alone, gathered for the calls of a batch.

The writers are the same functions for both. A `Gathered` call asks what its batch has loaded, and keeps what is to be
written until the batch writes it for all its calls in few statements. What a batch has not loaded is rare: the call is
set aside, nothing of it is written, and it is recorded alone afterwards.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from django.db import transaction

from calls.models import Call, CallEvent, StaffDecision, with_provider_id
from calls.outcomes import circuit_breaker
from calls.webhooks import outbox
from campaigns.models import Recipient
from providers.adapters.call_ids import same_call, spellings
from providers.models import ProviderAccount, SeenWord

Words = Collection[tuple[str, str]]  # (field, key)


class SetAside(Exception):
    """A call of a batch needs what the batch has not loaded."""


class Unit(Protocol):
    """What the writers of one locked call ask and write."""

    def may_fail(self) -> AbstractContextManager[Any]:
        """Return a context in which the database may refuse a write and nothing before it is lost."""

    def save(self, call: Call) -> None:
        """Store the call's fields."""

    def add_event(self, event: CallEvent) -> None:
        """Store an event of the call."""

    def details(self, call: Call, kinds: Sequence[str]) -> list[str]:
        """Return the details of the call's events of these kinds, oldest first."""

    def refresh(self, recipient: Recipient) -> None:
        """Lock the call's recipient and read anew what others may have written."""

    def save_recipient(self, recipient: Recipient, fields: Sequence[str]) -> None:
        """Store these fields of the call's recipient."""

    def holder_of(self, call: Call, provider_call_id: str) -> Call | None:
        """Return another call of the account that has this ID at the provider, or None."""

    def seen_words(self, account: ProviderAccount, keys: Collection[str]) -> Words:
        """Return which of these words of the provider were seen before."""

    def apply_decisions(self, call: Call) -> None:
        """Note that the decisions of team members about the call are carried out."""

    def add_callback(self, call: Call) -> None:
        """Add the row for the call's `callback_url`."""

    def publish(self, call: Call, before: outbox.Milestones) -> None:
        """Add the rows for the organization's endpoints."""

    def affect(self, call: Call, effect: circuit_breaker.Effect, now: datetime) -> None:
        """Tell the call's account, or its campaign, what an answer means for its other calls."""


class Alone:
    """A call alone in its transaction: everything is asked and written at once."""

    def may_fail(self) -> AbstractContextManager[Any]:
        return transaction.atomic()

    def save(self, call: Call) -> None:
        call.save()

    def add_event(self, event: CallEvent) -> None:
        event.save(force_insert=True)

    def details(self, call: Call, kinds: Sequence[str]) -> list[str]:
        return list(call.events.filter(type__in=kinds).values_list("detail", flat=True))

    def refresh(self, recipient: Recipient) -> None:
        locked = Recipient.objects.select_for_update(no_key=True)
        recipient.refresh_from_db(fields=["attempts", "status", "number_position"], from_queryset=locked)

    def save_recipient(self, recipient: Recipient, fields: Sequence[str]) -> None:
        recipient.save(update_fields=fields)

    def holder_of(self, call: Call, provider_call_id: str) -> Call | None:
        found = with_provider_id(call.account_id, provider_call_id)
        return next((other for other in found if other.pk != call.pk), None)

    def seen_words(self, account: ProviderAccount, keys: Collection[str]) -> Words:
        return set(SeenWord.objects.filter(account=account, key__in=keys).values_list("field", "key"))

    def apply_decisions(self, call: Call) -> None:
        StaffDecision.objects.filter(call=call, applied=False).update(applied=True)

    def add_callback(self, call: Call) -> None:
        outbox.add_callbacks([call])

    def publish(self, call: Call, before: outbox.Milestones) -> None:
        outbox.publish_call_changes([(call, before)])

    def affect(self, call: Call, effect: circuit_breaker.Effect, now: datetime) -> None:
        circuit_breaker.settle([(call, effect)], now)


class Known(Protocol):
    """What a batch has loaded for all its calls, by internal key."""

    @property
    def details(self) -> Mapping[int, Sequence[tuple[str, str]]]:
        """The events of the calls that the writers ask about: (kind, detail), oldest first."""

    @property
    def recipients(self) -> Mapping[int, Recipient]:
        """The recipients that are locked."""

    @property
    def holders(self) -> Mapping[tuple[int, str], Call]:
        """The calls that have an ID which is named in the batch, by account and ID in lower case."""

    @property
    def given(self) -> Mapping[tuple[int, str], int]:
        """The calls of the batch that have just got an ID, by account and ID in lower case."""

    @property
    def words(self) -> Mapping[int, Words]:
        """The words that were seen, by account."""


@dataclass
class Gathered:
    """A call of a batch, and what is to be written for it."""

    call: Call
    known: Known
    saved: bool = False
    events: list[CallEvent] = field(default_factory=list)
    recipient: Recipient | None = None
    recipient_fields: set[str] = field(default_factory=set)
    decided: bool = False
    callback: bool = False
    published: outbox.Milestones | None = None
    effects: list[circuit_breaker.Effect] = field(default_factory=list)

    def may_fail(self) -> AbstractContextManager[Any]:
        return nullcontext()  # a batch that is refused is split until the call is alone

    def save(self, call: Call) -> None:
        self.saved = True

    def add_event(self, event: CallEvent) -> None:
        self.events.append(event)

    def details(self, call: Call, kinds: Sequence[str]) -> list[str]:
        stored = [detail for kind, detail in self.known.details.get(call.pk, ()) if kind in kinds]
        return stored + [event.detail for event in self.events if event.type in kinds]

    def refresh(self, recipient: Recipient) -> None:
        if recipient.pk not in self.known.recipients:
            raise SetAside  # it was not locked, so it may be older than what is stored

    def save_recipient(self, recipient: Recipient, fields: Sequence[str]) -> None:
        self.refresh(recipient)
        self.recipient = recipient
        self.recipient_fields.update(fields)

    def holder_of(self, call: Call, provider_call_id: str) -> Call | None:
        for spelling in spellings(provider_call_id):
            if self.known.given.get((call.account_id, spelling), call.pk) != call.pk:
                raise SetAside  # another call of the batch has just got it, which is not stored yet
            other = self.known.holders.get((call.account_id, spelling))
            if other and other.pk != call.pk and same_call(other.provider_call_id, provider_call_id):
                return other
        return None

    def seen_words(self, account: ProviderAccount, keys: Collection[str]) -> Words:
        return self.known.words.get(account.pk, ())

    def apply_decisions(self, call: Call) -> None:
        self.decided = True

    def add_callback(self, call: Call) -> None:
        self.callback = True

    def publish(self, call: Call, before: outbox.Milestones) -> None:
        self.published = before

    def affect(self, call: Call, effect: circuit_breaker.Effect, now: datetime) -> None:
        self.effects.append(effect)
