"""The do-not-call list: add, look up and remove numbers that an organization never calls."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import chain

from django.db import transaction

from campaigns.contact_locks import lock_everyone, lock_holders, lock_numbers
from campaigns.models import DoNotCall, UndoableChange
from campaigns.models.number_hash import number_hash, number_hashes
from campaigns.phones import old_forms
from campaigns.undoable import Undoable, moment, supersede
from providers.validators import check_e164
from tenants import audit_log
from tenants.journal.notes import note
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
    undoable: Undoable | None = None,
) -> tuple[DoNotCall, bool]:
    """Add an E.164 number. Return the entry, and whether it is new. Raises ValidationError if the number is not E.164.

    Locks all contacts that have the number first, and creates a contact if none has it. A transaction that is about to
    place a call to one of them has either committed before, or sees the entry. No contact may be locked before, unless
    all of these are.

    An existing entry stays: its last day can only be extended, and a new reason replaces the old one. The audit log
    keeps the previous reason and last day, changed by `actor` or else by `source`. `undoable` keeps a new entry.
    """
    check_e164(phone)
    lock_everyone(organization, [phone])
    hashed = number_hash(phone)
    given = DoNotCall(organization=organization, phone=phone, phone_hash=hashed, source=source, expires_at=expires_at)
    entry, created = _add(given, reason, actor or source)
    if created and undoable:
        undoable.keep(_undoable_changes([entry]))
    return entry, created


@transaction.atomic
def add_hash(
    organization: Organization, hashed: str, *, reason: str, source: str, expires_at: datetime | None
) -> tuple[DoNotCall, bool]:
    """Add a number that nobody has, by its hash, as `add` does."""
    given = DoNotCall(organization=organization, phone_hash=hashed, source=source, expires_at=expires_at)
    return _add(given, reason, actor=source)


def _add(given: DoNotCall, reason: str, actor: str) -> tuple[DoNotCall, bool]:
    entry, created = DoNotCall.objects.get_or_create(
        organization=given.organization,
        phone_hash=given.phone_hash,
        defaults={"phone": given.phone, "reason": reason, "source": given.source, "expires_at": given.expires_at},
    )
    if not created:
        audit_log.record_many(_prolong(entry, given.phone, reason, given.expires_at, actor))
        entry.save()
        supersede(about="entry", keys=[entry.pk])
    note_listed(entry)
    return entry, created


def note_changed(entry: DoNotCall) -> None:
    """Note in the dial journal that an entry was changed. An addition of a minute ago cannot be undone any more."""
    supersede(about="entry", keys=[entry.pk])
    note_listed(entry)


def note_listed(entry: DoNotCall) -> None:
    """Note an entry in the dial journal, new or changed."""
    _note_all(entry.organization, [entry])


def _note_all(organization: Organization, listed: Iterable[DoNotCall]) -> None:
    """Note what holds now, which is not what was asked for where a number was listed for longer before."""
    alike: defaultdict[tuple[str, str | None], list[str]] = defaultdict(list)
    for entry in listed:
        alike[entry.source, _moment(entry.expires_at)].append(entry.phone_hash)
    for (source, until), hashes in alike.items():
        note(organization, "listed", numbers=hashes, source=source, until=until)


def _moment(expires_at: datetime | None) -> str | None:
    return expires_at.isoformat() if expires_at else None


def _prolong(entry: DoNotCall, phone: str, reason: str, expires_at: datetime | None, actor: str) -> list[AuditEntry]:
    """Extend an existing entry. Return the audit entries to save, if anything changed."""
    before = audited_fields(entry)
    entry.phone = phone or entry.phone
    entry.reason = reason or entry.reason
    if entry.expires_at is not None and (expires_at is None or expires_at > entry.expires_at):
        entry.expires_at = expires_at
    return change_records(entry, before, actor)


def audited_fields(entry: DoNotCall) -> dict[str, str | None]:
    """Return the fields of an entry that the audit log keeps."""
    return {"reason": entry.reason, "expires_at": _moment(entry.expires_at)}


def change_records(entry: DoNotCall, before: Mapping[str, str | None], actor: str) -> list[AuditEntry]:
    """Return one unsaved audit entry if the fields differ from `before`, else none. It does not contain the number."""
    after = audited_fields(entry)
    if after == before:
        return []
    subject, detail = f"do-not-call entry {entry.uuid}", {**after, "before": before}
    return [
        audit_log.entry(
            entry.organization_id,
            actor=actor,
            action="do_not_call.changed",
            subject=subject,
            detail=detail,
        )
    ]


def record_added(entry: DoNotCall, actor: str) -> None:
    """Record that a team member or a program listed a number. The entry does not contain it."""
    audit_log.record(
        entry.organization_id,
        actor=actor,
        action="do_not_call.added",
        subject=f"do-not-call entry {entry.uuid}",
        detail={"reason": entry.reason},
    )


@transaction.atomic
def add_many(
    organization: Organization,
    phones: Collection[str],
    *,
    reason: str,
    source: str,
    expires_at: datetime | None = None,
    actor: str = "",
    undoable: Undoable | None = None,
) -> int:
    """Add some hundred E.164 numbers in one transaction, as `add` does. Return how many entries are new."""
    distinct = set(phones)
    lock_everyone(organization, distinct)
    return add_locked(
        organization, distinct, reason=reason, source=source, expires_at=expires_at, actor=actor, undoable=undoable
    )


def add_locked(
    organization: Organization,
    phones: Iterable[str],
    *,
    reason: str,
    source: str,
    expires_at: datetime | None = None,
    actor: str = "",
    undoable: Undoable | None = None,
) -> int:
    """Write the entries of E.164 numbers in the present transaction, as `add` does. Return how many are new.

    The caller has locked the numbers (`lock_numbers`), and then every contact that has one of them (`lock_holders`). So
    no other transaction lists the same numbers or gives one of them to a contact.
    """
    by_hash, actor = number_hashes(phones), actor or source
    known = list(DoNotCall.objects.filter(organization=organization, phone_hash__in=by_hash))
    changes = [_prolong(entry, by_hash[entry.phone_hash], reason, expires_at, actor) for entry in known]
    audit_log.record_many(chain.from_iterable(changes))
    DoNotCall.objects.bulk_update(known, ["phone", "reason", "expires_at"])
    if known:
        supersede(about="entry", keys=[entry.pk for entry in known])
    known_hashes = {entry.phone_hash for entry in known}
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
        if hashed not in known_hashes
    ]
    _note_all(organization, [*known, *fresh])
    DoNotCall.objects.bulk_create(fresh)
    if undoable:
        undoable.keep(_undoable_changes(fresh))
    return len(fresh)


def _undoable_changes(fresh: Iterable[DoNotCall]) -> list[UndoableChange]:
    return [
        UndoableChange(organization_id=entry.organization_id, entry=entry, after=_undoable_fields(entry))
        for entry in fresh
    ]


def _undoable_fields(entry: DoNotCall) -> dict[str, str | None]:
    return {"reason": entry.reason, "source": entry.source, "expires_at": moment(entry.expires_at)}


def listed(organization_id: int, phones: Iterable[str], now: datetime) -> set[str]:
    """Return the numbers that may not be called at this moment.

    An entry in a form that a number had before its numbering plan changed counts for the number.
    """
    forms: defaultdict[str, list[str]] = defaultdict(list)
    for phone in phones:
        for form in (phone, *old_forms(phone)):
            forms[form].append(phone)
    by_hash = number_hashes(forms)
    hashes = list(by_hash)
    found: set[str] = set()
    for start in range(0, len(hashes), AT_ONCE):
        entries = DoNotCall.objects.in_force(now).filter(
            organization_id=organization_id, phone_hash__in=hashes[start : start + AT_ONCE]
        )
        found.update(
            phone for hashed in entries.values_list("phone_hash", flat=True) for phone in forms[by_hash[hashed]]
        )
    return found


@transaction.atomic
def remove(entry: DoNotCall, actor: str, reason: str) -> None:
    """Take a number off the list. The audit log keeps the actor and the reason, but not the number."""
    _remove(entry.organization, [entry], actor, reason)


def undo_addition(keys: Collection[int], actor: str) -> int:
    """Take off the list what an addition put there, inside a transaction. Return how many entries.

    `keys`: changes of one organization. An entry that anybody changed or added again since stays, also when it is the
    same as before. The numbers are locked first, as for an addition, so that none comes between.
    """
    changes = UndoableChange.objects.filter(pk__in=keys)
    found = list(DoNotCall.objects.filter(pk__in=changes.values("entry")).select_related("organization"))
    if not found:
        return 0
    phones = [entry.phone for entry in found if entry.phone]
    lock_numbers(found[0].organization_id, phones)
    lock_holders(found[0].organization_id, phones)
    locked = DoNotCall.objects.select_for_update().in_bulk([entry.pk for entry in found])
    left = {change.entry_id: change.after for change in changes}  # read again under the locks
    undone = [entry for key, entry in sorted(locked.items()) if left.get(key) == _undoable_fields(entry)]
    _remove(found[0].organization, undone, actor, "The addition was undone.")
    return len(undone)


def _remove(organization: Organization, removed: Sequence[DoNotCall], actor: str, reason: str) -> None:
    if not removed:
        return
    audit_log.record_many(
        audit_log.entry(
            organization,
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
        for entry in removed
    )
    note(organization, "unlisted", numbers=[entry.phone_hash for entry in removed])
    DoNotCall.objects.filter(pk__in=[entry.pk for entry in removed]).delete()
