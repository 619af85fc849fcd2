"""Seal the entries of the audit log into chains of hashes, and find the first entry that is not what it was.

A seal gives an entry its place in the chain of its organization. Its digest covers the digest before, so that a change
anywhere changes every digest after it. Entries are sealed in the order of their keys, when they are an hour old: a
transaction that was slow to commit is over by then. So an entry without a seal below the last sealed one was added
later. An entry that is not sealed yet is protected by the database's triggers alone.

Somebody who can change everything in the database can compute the chain anew. A digest kept elsewhere shows it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain as flattened
from itertools import groupby

from django.db import transaction
from django.db.models import Exists, Max, Min, OuterRef
from django.utils import timezone

from tenants.audit_log import canonical, commitment
from tenants.db.reading import by_key
from tenants.models import AuditEntry, AuditSeal

INSTALLATION = 0  # the chain of entries without an organization
SETTLED_AFTER = timedelta(hours=1)
AT_ONCE = 2_000


@dataclass(frozen=True)
class Fault:
    """The first place in a chain that is not what it was."""

    chain: int
    entry: int
    what: str

    def __str__(self) -> str:
        return f"Entry {self.entry} {self.what}."


def digest_of(previous: str, sequence: int, entry: AuditEntry) -> str:
    """Return the digest of an entry at its place in a chain, after the digest `previous`."""
    held = {
        "sequence": sequence,
        "id": entry.pk,
        "at": entry.at.astimezone(UTC).isoformat(),
        "organization": entry.organization_id,
        "actor": entry.actor,
        "action": entry.action,
        "subject": entry.subject,
        "detail": entry.detail,
        "channel": entry.channel,
        "address": entry.address,
        "commitments": entry.commitments,
    }
    return hashlib.sha256((previous + canonical(held)).encode()).hexdigest()


def last_seal(chain: int) -> AuditSeal | None:
    """Return the last seal of a chain."""
    return AuditSeal.objects.filter(chain=chain).order_by("-sequence").first()


def seal(now: datetime | None = None) -> bool:
    """Seal entries that have settled, AT_ONCE at most. Return whether more may wait.

    Two that seal at once would give the same places: the constraint refuses one of them.
    """
    now = now or timezone.now()
    with transaction.atomic():
        above = AuditEntry.objects.filter(pk__gt=_last_sealed())
        # A time in the future is no reason to wait: it would hold up the chain for as long as it says.
        recent = above.filter(at__gt=now - SETTLED_AFTER, at__lte=now + SETTLED_AFTER).aggregate(pk=Min("pk"))["pk"]
        settled = above if recent is None else above.filter(pk__lt=recent)
        found = list(settled.order_by("pk")[:AT_ONCE])
        made: list[AuditSeal] = []
        by_chain = sorted(found, key=lambda entry: (_chain_of(entry), entry.pk))
        for chain, entries in groupby(by_chain, key=_chain_of):
            last = last_seal(chain)
            sequence, digest = (last.sequence, last.digest) if last else (0, "")
            for entry in entries:
                sequence, digest = sequence + 1, digest_of(digest, sequence + 1, entry)
                made.append(AuditSeal(chain=chain, sequence=sequence, entry=entry.pk, digest=digest))
        AuditSeal.objects.bulk_create(made)
    return len(found) == AT_ONCE


def chains() -> list[int]:
    """Return the chains that have seals or entries."""
    organizations = AuditEntry.objects.order_by().values_list("organization_id", flat=True).distinct()
    sealed = AuditSeal.objects.order_by().values_list("chain", flat=True).distinct()
    return sorted({key or INSTALLATION for key in organizations} | set(sealed))


def verify(chain: int) -> Fault | None:
    """Return the first fault of a chain, or None if it is as it was written."""
    return next(_faults(chain), None)


def _faults(chain: int) -> Iterator[Fault]:
    sequence, digest, last_entry = 0, "", 0
    while seals := list(AuditSeal.objects.filter(chain=chain, sequence__gt=sequence).order_by("sequence")[:AT_ONCE]):
        entries = AuditEntry.objects.prefetch_related("personal").in_bulk([each.entry for each in seals])
        for each in seals:
            entry = entries.get(each.entry)
            if each.sequence != sequence + 1:
                yield Fault(chain, each.entry, f"has place {each.sequence}, and the place before is missing")
            if entry is None:
                yield Fault(chain, each.entry, "is missing")
                return
            if each.entry <= last_entry:
                yield Fault(chain, each.entry, "is out of order")
            sequence, digest, last_entry = each.sequence, digest_of(digest, each.sequence, entry), each.entry
            if digest != each.digest or _chain_of(entry) != chain:
                yield Fault(chain, entry.pk, "was changed, or an entry before it was moved")
            yield from _personal_faults(chain, entry)
    yield from _unsealed_faults(chain)


def _unsealed_faults(chain: int) -> Iterator[Fault]:
    sealed = Exists(AuditSeal.objects.filter(entry=OuterRef("pk")))
    mine = AuditEntry.objects.filter(~sealed, organization=chain or None).prefetch_related("personal")
    last = _last_sealed()
    for entry in flattened.from_iterable(by_key(mine, AT_ONCE)):
        if entry.pk <= last:
            yield Fault(chain, entry.pk, "was added after later entries were sealed")
        yield from _personal_faults(chain, entry)


def _personal_faults(chain: int, entry: AuditEntry) -> Iterator[Fault]:
    """Compare the personal values that are still there. Erased ones leave their commitments."""
    for value in entry.personal.all():
        if entry.commitments.get(value.name) != commitment(value.salt, value.value):
            yield Fault(chain, entry.pk, f"has another value of '{value.name}' than it was written with")


def _last_sealed() -> int:
    return AuditSeal.objects.aggregate(last=Max("entry"))["last"] or 0


def _chain_of(entry: AuditEntry) -> int:
    return entry.organization_id or INSTALLATION
