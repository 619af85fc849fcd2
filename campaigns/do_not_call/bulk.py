"""Add many numbers to the do-not-call list in small transactions, and count the results."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db import Error

from campaigns.do_not_call import entries
from campaigns.do_not_call.file import Numbers
from campaigns.rules.number_zones import number_zones
from campaigns.rules.windows import zone_named
from campaigns.undoable import Undoable
from tenants import audit_log
from tenants.clock_changes import start_of_day
from tenants.models import Organization

logger = logging.getLogger(__name__)

BATCH = 500


@dataclass
class Outcome:
    """The result for the numbers that could be read.

    `stopped_at` is the line from which on nothing is listed; 0 if all are.
    """

    created: int = 0
    known: int = 0
    listed: int = 0
    stopped_at: int = 0


def list_numbers(
    organization: Organization,
    numbers: Numbers,
    *,
    actor: str,
    file: str,
    reason: str,
    source: str,
    expires_at: datetime | None,
    undoable: Undoable | None = None,
) -> Outcome:
    """Add every number to the list.

    If the database fails in between, the numbers added before stay on the list, and `stopped_at` says where it stopped.
    """
    origin = {"file": file[:200], "reason": reason, "source": source}
    _audit(organization, actor, "import_begun", {**origin, "numbers": len(numbers.phones)})
    outcome = Outcome()
    for phones in _batches(list(numbers.phones)):
        try:
            created = entries.add_many(
                organization,
                phones,
                reason=reason,
                source=source,
                expires_at=expires_at,
                actor=actor,
                undoable=undoable,
            )
        except Error:
            logger.exception("An import into the do-not-call list of organization %s stopped.", organization.pk)
            outcome.stopped_at = numbers.phones[phones[0]]
            break
        outcome.created += created
        outcome.known += len(phones) - created
        outcome.listed += len(phones)
    _audit(
        organization,
        actor,
        "import_stopped" if outcome.stopped_at else "imported",
        {
            **origin,
            "added": outcome.created,
            "listed_already": outcome.known,
            "unreadable": len(numbers.unreadable),
            "repeated": numbers.repeated,
        },
    )
    return outcome


def end_of(day: date, organization: Organization, phones: Iterable[str]) -> datetime:
    """Return when a day is over for the organization and in every zone in which one of the numbers may be."""
    zones = {organization.timezone}.union(*map(number_zones, phones))
    return max(start_of_day(day + timedelta(days=1), zone) for zone in map(zone_named, zones) if zone)


def _batches(phones: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(phones), BATCH):
        yield phones[start : start + BATCH]


def _audit(organization: Organization, actor: str, action: str, detail: dict[str, object]) -> None:
    audit_log.record(
        organization, actor=actor, action=f"do_not_call.{action}", subject="do-not-call list", detail=detail
    )
