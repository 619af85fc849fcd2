"""Put several contacts' numbers on the do-not-call list at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction

from calls.actions.quiescing import silence_numbers
from campaigns.do_not_call import entries
from campaigns.do_not_call.bulk import BATCH
from campaigns.undoable import Undoable
from tenants import audit_log
from tenants.models import Organization


@dataclass(frozen=True)
class Barred:
    """How many numbers are new on the list, how many were on it before, and how many calls to them are under way."""

    new: int
    known: int
    under_way: int


def bar(
    organization: Organization, phones: Sequence[str], *, reason: str, actor: str, undoable: Undoable | None = None
) -> Barred:
    """List E.164 numbers without an end, some hundred in a transaction. Return when no call to them can be placed.

    An entry that is there stays, without an end and with this reason. The contacts that have the numbers are locked, as
    in `entries.add`.
    """
    distinct, new = list(dict.fromkeys(phones)), 0
    for start in range(0, len(distinct), BATCH):
        some = distinct[start : start + BATCH]
        with transaction.atomic():
            source = actor[:64]
            added = entries.add_many(organization, some, reason=reason, source=source, actor=actor, undoable=undoable)
            audit_log.record(
                organization,
                actor=actor,
                action="do_not_call.numbers_added",
                subject="do-not-call list",
                detail={"reason": reason, "added": added, "listed_already": len(some) - added},
            )
        new += added
    return Barred(new, len(distinct) - new, silence_numbers(organization.pk, distinct).count())
