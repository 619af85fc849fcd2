"""Numbers that nobody of an organization may ring."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction

from campaigns.models import DoNotCall
from campaigns.people import lock_person
from campaigns.phones import number_hash, number_hashes
from providers.models import check_e164
from tenants.models import AuditEntry, Organization

AT_ONCE = 5_000


@transaction.atomic
def add(
    organization: Organization, phone: str, *, reason: str = "", source: str, expires_at: datetime | None = None
) -> tuple[DoNotCall, bool]:
    """List an E.164 number; True when it was not listed yet. Raises ValidationError when it is not E.164.

    The contact's row, made if need be, is locked first: whoever is about to ring this person has either committed
    before, or sees the entry. An entry that exists is kept: it can only last longer, and take a reason.
    """
    check_e164(phone)
    lock_person(organization, phone)
    hashed = number_hash(phone)
    entry, created = DoNotCall.objects.get_or_create(
        organization=organization,
        phone_hash=hashed,
        defaults={"phone": phone, "reason": reason, "source": source, "expires_at": expires_at},
    )
    if not created:
        entry.phone = phone
        entry.reason = reason or entry.reason
        if entry.expires_at is not None and (expires_at is None or expires_at > entry.expires_at):
            entry.expires_at = expires_at
        entry.save()
    return entry, created


def listed(organization_id: int, phones: Iterable[str], now: datetime) -> set[str]:
    """Those of the numbers that may not be rung at this moment."""
    by_hash = number_hashes(phones)
    hashes = list(by_hash)
    found: set[str] = set()
    for start in range(0, len(hashes), AT_ONCE):
        entries = DoNotCall.objects.in_force(now).filter(
            organization_id=organization_id, phone_hash__in=hashes[start : start + AT_ONCE]
        )
        found.update(by_hash[hashed] for hashed in entries.values_list("phone_hash", flat=True))
    return found


@transaction.atomic
def remove(entry: DoNotCall, actor: str, reason: str) -> None:
    """Let a number be called again. Who did it and why is kept, the number itself is not."""
    AuditEntry.objects.create(
        organization=entry.organization,
        actor=actor,
        action="do_not_call.removed",
        subject=f"do-not-call entry {entry.uuid}",
        detail={
            "reason": reason,
            "phone_hash": entry.phone_hash,
            "listed_because": entry.reason,
            "source": entry.source,
            "listed_at": entry.created_at.isoformat(),
        },
    )
    entry.delete()
