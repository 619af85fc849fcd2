"""Lock and load what the writers of a batch of calls ask: each kind in one statement, however many calls there are.

While the calls are concluded no other statement runs. Whatever a writer asks beyond what is loaded is rare, and sets
its call aside.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.db import connection

from calls.models import Call, CallEvent, Polling, with_any_provider_id
from calls.models.sharing import share_related
from calls.outcomes import circuit_breaker
from calls.outcomes.remarks import CONFLICT, DOUBT, TOLERATED
from calls.outcomes.transitions import LockedCall
from calls.outcomes.units import SetAside, Words
from campaigns.models import Campaign, Recipient
from providers.adapters.call_ids import spellings
from providers.models import SeenWord

ASKED_FOR = (TOLERATED, DOUBT, CONFLICT, "unrecognised")  # kinds of events that the writers look for


@dataclass(frozen=True)
class Entry:
    """What to record for one call of a batch."""

    call_id: int
    conclude: Callable[[LockedCall], object]
    account_id: int | None = None  # to lock, because the evidence may block the account
    names: str = ""  # the ID at the provider that the evidence names, if the call has none yet
    recipient: bool = False  # whether the recipient may move on


class Loaded:
    """The calls of some entries, locked until the end of the transaction, and what the writers ask about them."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._answering = False
        self.given: dict[tuple[int, str], int] = {}
        if accounts := {entry.account_id for entry in entries if entry.account_id}:
            circuit_breaker.lock(accounts)
        locked = Call.objects.select_for_update(no_key=True).filter(pk__in=[entry.call_id for entry in entries])
        self.calls = {call.pk: call for call in locked.defer("decision").order_by("pk")}
        self.accounts = share_related(self.calls.values())
        self._load_polling()
        self.recipients = self._lock_recipients([entry.call_id for entry in entries if entry.recipient])
        named = [(self.calls[entry.call_id].account_id, entry.names) for entry in entries if self._lacks_id(entry)]
        self.holders = _holders(named)

    def _lacks_id(self, entry: Entry) -> bool:
        call = self.calls.get(entry.call_id)
        return bool(entry.names and call and not call.provider_call_id)

    def _load_polling(self) -> None:
        """In a later statement than the locks: a row joined to a locked one may be older than it."""
        found = Polling.objects.in_bulk([call.polling_id for call in self.calls.values() if call.polling_id])
        for call in self.calls.values():
            if call.polling_id:
                call.polling = found[call.polling_id]

    def _lock_recipients(self, moving: Collection[int]) -> Mapping[int, Recipient]:
        found = [self.calls[pk] for pk in moving if pk in self.calls]
        calls = [(call, call.recipient_id) for call in found if call.recipient_id]
        if not calls:
            return {}
        rows = Recipient.objects.select_for_update(no_key=True).filter(pk__in=[pk for _, pk in calls])
        recipients = {row.pk: row for row in rows.order_by("pk")}
        wanted = {call.campaign_id for call, _ in calls if call.campaign_id}
        campaigns = Campaign.objects.prefetch_related("retry_rules").in_bulk(wanted)
        for call, pk in calls:
            call.recipient = recipients[pk]
            if call.campaign_id:
                call.campaign = campaigns[call.campaign_id]
                call.campaign.organization = call.organization
        return recipients

    @cached_property
    def details(self) -> Mapping[int, Sequence[tuple[str, str]]]:
        """The details of the calls' events, by internal key, as (kind, detail)."""
        found: defaultdict[int, list[tuple[str, str]]] = defaultdict(list)
        events = CallEvent.objects.filter(call__in=list(self.calls), type__in=ASKED_FOR).order_by("pk")
        with self._loading():
            for pk, kind, detail in events.values_list("call_id", "type", "detail"):
                found[pk].append((kind, detail))
        return found

    @cached_property
    def words(self) -> Mapping[int, Words]:
        """The words of the providers that were seen, by account."""
        found: defaultdict[int, set[tuple[str, str]]] = defaultdict(set)
        with self._loading():
            seen = SeenWord.objects.filter(account__in=list(self.accounts)).order_by()
            for account_id, kind, key in seen.values_list("account_id", "field", "key"):
                found[account_id].add((kind, key))
        return found

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Refuse statements: what was not loaded sets the call aside."""
        self._answering = True
        try:
            with connection.execute_wrapper(self._refuse):
                yield
        finally:
            self._answering = False

    def _refuse(self, execute: Callable[..., Any], *args: Any) -> Any:
        if self._answering:
            raise SetAside
        return execute(*args)

    @contextmanager
    def _loading(self) -> Iterator[None]:
        before, self._answering = self._answering, False
        try:
            yield
        finally:
            self._answering = before


def _holders(named: Sequence[tuple[int, str]]) -> Mapping[tuple[int, str], Call]:
    """Return the calls that have one of these IDs of their accounts, by account and ID in lower case."""
    if not named:
        return {}
    wanted = {spelling for _, name in named for spelling in spellings(name)}
    found = with_any_provider_id({account_id for account_id, _ in named}, wanted)
    return {(call.account_id, call.provider_call_id.lower()): call for call in found}
