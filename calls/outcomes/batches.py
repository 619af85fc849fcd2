"""Record evidence about many calls in one transaction: locked together, folded in memory, written in few statements.

The functions that record one call record each of a batch; only what they ask and write goes through it (`units`).
A call that needs more than the batch has loaded is set aside and recorded alone afterwards. Where the database refuses
the batch, it is split in halves, down to one call, which is recorded alone: that is the slow road, and the reference.
A batch waits only briefly for a row that another connection holds. Then it is split as well, so that the others are
stored, and what is still held is given back.

Locks are taken in the order of a claim: accounts, calls, recipients, polling rows, each by key.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from django.db import DatabaseError, InterfaceError, OperationalError, connection, transaction

from calls.models import log_keys
from calls.outcomes.loading import Entry, Loaded
from calls.outcomes.opt_out import NeedsContactLock
from calls.outcomes.transitions import LockedCall
from calls.outcomes.units import Gathered, SetAside
from calls.outcomes.writing import as_stored, write
from calls.webhooks import outbox
from tenants import failpoints
from tenants.db.outage_log import REPEATS

logger = logging.getLogger(__name__)
T = TypeVar("T")
HELD = "55P03"  # lock timeout
CONFLICTS = frozenset({"40001", "40P01", HELD})  # serialization failure, deadlock, lock timeout


@dataclass
class _Waits:
    """How long the parts of a batch wait for rows that others hold: once for a while, then hardly, and not often."""

    timeouts: int = 0

    FIRST, FURTHER = 2000, 50  # milliseconds
    MOST = 40  # timeouts. One row that is held in a batch of 500 costs ten

    @property
    def milliseconds(self) -> int:
        return self.FURTHER if self.timeouts else self.FIRST

    @property
    def are_over(self) -> bool:
        return self.timeouts >= self.MOST


def record_all(items: Sequence[T], entry: Callable[[T], Entry], alone: Callable[[T], object], now: datetime) -> list[T]:
    """Record all items, and return those that could not be stored.

    `entry`: how an item is recorded in a batch. `alone`: record an item in a transaction of its own.
    """
    left: list[T] = []
    for batch in _without_repetitions([(item, entry(item)) for item in items]):
        left += _record(batch, alone, now, _Waits())
    return left


def _without_repetitions(items: Iterable[tuple[T, Entry]]) -> list[list[tuple[T, Entry]]]:
    """Return the items in batches in which no call occurs twice, in their order for each call."""
    batches: list[list[tuple[T, Entry]]] = []
    times: Counter[int] = Counter()
    for item, entry in items:
        place = times[entry.call_id]
        times[entry.call_id] += 1
        if place == len(batches):
            batches.append([])
        batches[place].append((item, entry))
    return batches


def _record(batch: Sequence[tuple[T, Entry]], alone: Callable[[T], object], now: datetime, waits: _Waits) -> list[T]:
    if waits.are_over:
        return [item for item, _ in batch]
    try:
        aside = _record_together([entry for _, entry in batch], now, waits)
    except Exception as error:
        if _is_an_outage(error):
            logger.exception("The database failed; %s answers are not stored yet", len(batch), extra=REPEATS)
            return [item for item, _ in batch]
        held = _state(error) == HELD
        waits.timeouts += held
        if len(batch) > 1:
            logger.warning("A batch of %s answers could not be stored and is split", len(batch), exc_info=True)
            half = len(batch) // 2
            return _record(batch[:half], alone, now, waits) + _record(batch[half:], alone, now, waits)
        if held:
            return [item for item, _ in batch]
        aside = {entry.call_id for _, entry in batch}
    return [item for item, entry in batch if entry.call_id in aside and not _is_stored(item, alone)]


def _is_stored(item: T, alone: Callable[[T], object]) -> bool:
    """Record one item alone. Return False when that fails, so that it harms no other."""
    try:
        alone(item)
    except Exception:
        logger.exception("An answer could not be stored")
        return False
    return True


def _is_an_outage(error: Exception) -> bool:
    """Return whether the connection is lost, so that no other answer can be stored now either."""
    if isinstance(error, InterfaceError):
        return True
    refused = isinstance(error, OperationalError) and connection.vendor == "postgresql"
    return refused and _state(error) not in CONFLICTS


def _state(error: Exception) -> str | None:
    return getattr(error.__cause__, "sqlstate", None)


def _record_together(entries: Sequence[Entry], now: datetime, waits: _Waits) -> set[int]:
    """Record the calls in one transaction. Return the keys of those that are set aside: nothing of them is written."""
    with transaction.atomic():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL lock_timeout = {waits.milliseconds}")
        loaded = Loaded(entries)
        was = {pk: as_stored(call) for pk, call in loaded.calls.items()}
        gathered = list(_concluded(entries, loaded))
        missed = write(gathered, was, now)
        failpoints.reach("outcomes.writing")
    if connection.connection is None:
        # A connection that closes within a transaction rolls it back without an error.
        raise OperationalError("The connection was closed before the answers were committed.")
    failpoints.reach("outcomes.written")
    return {entry.call_id for entry in entries} - {each.call.pk for each in gathered} | missed


def _concluded(entries: Sequence[Entry], loaded: Loaded) -> Iterator[Gathered]:
    """Yield what is to be written for each call, in the order of the entries, without those that are set aside."""
    with loaded.answering():
        for entry in entries:
            call = loaded.calls.get(entry.call_id)
            if call is None:
                continue
            gathered = Gathered(call, loaded)
            before = call.provider_call_id
            try:
                entry.conclude(LockedCall(call, outbox.Milestones.of(call), unit=gathered))
            except (DatabaseError, InterfaceError):
                raise
            except Exception as error:
                transaction.set_rollback(False)  # the statement that was refused never reached the database
                if not isinstance(error, SetAside | NeedsContactLock):
                    logger.exception(
                        "Call %s: its answer could not be recorded in a batch", call.pk, extra=log_keys(call)
                    )
                continue
            if call.provider_call_id != before:
                loaded.given[call.account_id, call.provider_call_id.lower()] = call.pk
            yield gathered
