"""Numbers that nobody of an organization may ring."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from itertools import chain

from django.db import transaction

from campaigns.contact_locks import lock_people, lock_person, make_people
from campaigns.models import DoNotCall
from campaigns.models.number_hash import number_hash, number_hashes
from providers.models import check_e164
from tenants import audit_log
from tenants.models import AuditEntry, Organization

AT_ONCE = 5_000


@transaction.atomic
def add(
    organization: Organization,
    phone: str,
    *,
    reason: str = "",
    source: str,
    expires_at: datetime | None = None,
    actor: str = "",
) -> tuple[DoNotCall, bool]:
    """List an E.164 number; True when it was not listed yet. Raises ValidationError when it is not E.164.

    The contact's row, made if need be, is locked first: whoever is about to ring this person has either committed
    before, or sees the entry. An entry that exists is kept: it can only last longer, and take a reason. What it said
    before, which may have been another's words, is then on record as changed by `actor`, or else by `source`.
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
        AuditEntry.objects.bulk_create(_prolong(entry, phone, reason, expires_at, actor or source))
        entry.save()
    return entry, created


def _prolong(entry: DoNotCall, phone: str, reason: str, expires_at: datetime | None, actor: str) -> list[AuditEntry]:
    """Answers what is to be put on record, if anything."""
    before = words(entry)
    entry.phone = phone
    entry.reason = reason or entry.reason
    if entry.expires_at is not None and (expires_at is None or expires_at > entry.expires_at):
        entry.expires_at = expires_at
    return changed(entry, before, actor)


def words(entry: DoNotCall) -> dict[str, str | None]:
    """What somebody said of the number, as it is kept on record."""
    return {"reason": entry.reason, "expires_at": entry.expires_at.isoformat() if entry.expires_at else None}


def changed(entry: DoNotCall, before: Mapping[str, str | None], actor: str) -> list[AuditEntry]:
    """One entry, still to be saved, where the words differ from those before; the number itself is not in it."""
    after = words(entry)
    if after == before:
        return []
    subject, detail = f"do-not-call entry {entry.uuid}", {**after, "before": before}
    return [
        AuditEntry(
            organization_id=entry.organization_id,
            actor=actor,
            action="do_not_call.changed",
            subject=subject,
            detail=detail,
        )
    ]


def add_many(
    organization: Organization,
    phones: Collection[str],
    *,
    reason: str,
    source: str,
    expires_at: datetime | None = None,
    actor: str = "",
) -> int:
    """As `add`, for some hundred numbers in E.164 in one transaction; how many were not listed yet."""
    by_hash = number_hashes(phones)
    while True:
        make_people(organization, by_hash.values())
        with transaction.atomic():
            if lock_people(organization, by_hash.values()):  # else somebody was deleted meanwhile
                return _list(organization, by_hash, reason, source, expires_at, actor or source)


def _list(
    organization: Organization,
    by_hash: Mapping[str, str],
    reason: str,
    source: str,
    expires_at: datetime | None,
    actor: str,
) -> int:
    """The people are locked: nobody else lists them."""
    known = list(DoNotCall.objects.filter(organization=organization, phone_hash__in=by_hash))
    changes = [_prolong(entry, by_hash[entry.phone_hash], reason, expires_at, actor) for entry in known]
    AuditEntry.objects.bulk_create(chain.from_iterable(changes))
    DoNotCall.objects.bulk_update(known, ["phone", "reason", "expires_at"])
    there = {entry.phone_hash for entry in known}
    fresh = [
        DoNotCall(
            organization=organization,
            phone=phone,
            phone_hash=hashed,
            reason=reason,
            source=source,
            expires_at=expires_at,
        )
        for hashed, phone in by_hash.items()
        if hashed not in there
    ]
    return len(DoNotCall.objects.bulk_create(fresh))


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
    audit_log.record(
        entry.organization,
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
