"""The audit log is append-only and chained: whatever is changed, missing, added or moved is found."""

from __future__ import annotations

import hashlib
import hmac
import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from tenants import audit_chain, audit_log
from tenants.db import append_only
from tenants.models import AuditEntry, AuditPersonal, AuditSeal, Organization
from tests.conftest import undone, unguard_the_audit_log

ENTRIES = 12  # of each chain
LATER = timedelta(hours=2)


@pytest.fixture
def sealed(organization: Organization) -> Organization:
    """Two chains, whose entries alternate, all sealed in several turns."""
    for number in range(ENTRIES):
        for home in (organization, None):
            audit_log.record(
                home,
                actor="ada@example.org",
                action="contact.changed",
                subject=f"{number}",
                detail={"n": number, "text": "été", "rate": 0.1},
                personal={"name": f"Person {number}"} if number % 3 == 0 else None,
            )
        if number % 5 == 4:
            audit_chain.seal(timezone.now() + LATER)
    audit_chain.seal(timezone.now() + LATER)
    return organization


@contextmanager
def an_intruder() -> Iterator[None]:
    """Somebody who may change the schema removes the triggers. All is undone afterwards."""
    with undone():
        unguard_the_audit_log()
        yield


def faults() -> list[Any]:
    return [fault for chain in audit_chain.chains() if (fault := audit_chain.verify(chain))]


def test_the_digest_is_the_one_that_others_compute(sealed: Organization) -> None:
    """Written out by hand after the documentation: SHA-256 of the digest before and the entry's canonical JSON."""
    digest = ""
    for place, entry in enumerate(AuditEntry.objects.filter(organization=sealed).order_by("pk"), 1):
        held = {
            "action": "contact.changed",
            "actor": "ada@example.org",
            "address": "",
            "at": entry.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f+00:00").replace(".000000", ""),
            "channel": "system",
            "commitments": entry.commitments,
            "detail": {"n": place - 1, "text": "été", "rate": 0.1},
            "id": entry.pk,
            "organization": sealed.pk,
            "sequence": place,
            "subject": str(place - 1),
        }
        text = digest + json.dumps(held, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        digest = hashlib.sha256(text.encode("utf-8")).hexdigest()
        assert AuditSeal.objects.get(chain=sealed.pk, sequence=place).digest == digest
    assert not faults()


@pytest.mark.parametrize("model", [AuditEntry, AuditSeal, AuditPersonal])
def test_the_database_refuses_to_change_the_log(sealed: Organization, model: Any) -> None:
    table = model._meta.db_table
    statements = [f"UPDATE {table} SET id = id + 1000"]  # noqa: S608
    if model is not AuditPersonal:  # erasing a person deletes these
        statements.append(f"DELETE FROM {table} WHERE id = (SELECT max(id) FROM {table})")  # noqa: S608
    if connection.vendor == "postgresql":
        statements.append(f"SET CONSTRAINTS ALL IMMEDIATE; TRUNCATE {table} CASCADE")
    for statement in statements:
        with (
            pytest.raises(IntegrityError, match=append_only.MESSAGE),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)
    assert not faults()


CHANGES = {
    "actor": "eve",
    "action": "contact.erased",
    "subject": "x",
    "address": "192.0.2.1",
    "channel": "api",
    "at": timezone.now() - timedelta(days=3),
    "detail": {"n": -1},
    "commitments": {"name": "0" * 64},
    "organization": None,
}


OTHER_SEALS: list[dict[str, Any]] = [{"digest": "0" * 64}, {"chain": 987}, {"entry": -1}]
WRONG: list[tuple[str, dict[str, Any]]] = [
    *(("changed", {name: value}) for name, value in CHANGES.items()),
    *(("resealed", values) for values in OTHER_SEALS),
    *(("personal", values) for values in ({"value": "Somebody else"}, {"salt": "00" * 16})),
    *((kind, {}) for kind in ("missing", "replaced", "added", "reordered", "unsealed")),
]


def test_one_wrong_row_is_always_found(sealed: Organization, subtests: pytest.Subtests) -> None:
    entries = list(AuditEntry.objects.order_by("pk"))
    for kind, values in WRONG:
        chosen = random.choice([entry for entry in entries[:-1] if entry.organization_id or kind != "changed"])
        with subtests.test(kind, values=values, entry=chosen.pk):
            with an_intruder():
                tamper(kind, values, chosen, entries)
                assert faults()
                audit_chain.seal(timezone.now() + LATER)  # and it is not mended by what comes later
                assert faults()
                with pytest.raises(CommandError):
                    call_command("verify_audit", stdout=StringIO(), stderr=StringIO())
            assert not faults()


def tamper(kind: str, values: dict[str, Any], chosen: AuditEntry, entries: list[AuditEntry]) -> None:
    rows, seals = AuditEntry.objects.filter(pk=chosen.pk), AuditSeal.objects.filter(entry=chosen.pk)
    if kind == "changed":
        rows.update(**values)
    elif kind == "resealed":
        seals.update(**values)
    elif kind == "unsealed":
        seals.delete()
    elif kind == "personal":
        AuditPersonal.objects.filter(pk=AuditPersonal.objects.earliest("pk").pk).update(**values)
    elif kind == "added":  # among older entries, in the place of none
        AuditEntry.objects.create(pk=-chosen.pk, organization=chosen.organization, actor="eve", action="x", subject="")
    elif kind == "reordered":
        other = next(each for each in entries if each.organization_id == chosen.organization_id and each != chosen)
        for pk, to in ((chosen.pk, -1), (other.pk, chosen.pk), (-1, other.pk)):
            AuditSeal.objects.filter(entry=pk).update(entry=to)
    else:
        AuditPersonal.objects.filter(entry=chosen).delete()
        rows._raw_delete(rows.db)
        if kind == "replaced":
            again = {"pk": chosen.pk, "organization": chosen.organization, "subject": chosen.subject}
            AuditEntry.objects.create(**again, actor="eve", action=chosen.action)


def test_the_first_wrong_entry_is_named(sealed: Organization) -> None:
    pks = sorted(AuditEntry.objects.filter(organization=sealed).values_list("pk", flat=True))
    with an_intruder():
        AuditEntry.objects.filter(pk__in=[pks[4], pks[7]]).update(actor="eve")
        said = StringIO()
        with pytest.raises(CommandError):
            call_command("verify_audit", organization=sealed.name, stdout=StringIO(), stderr=said)
    assert f"Entry {pks[4]} " in said.getvalue() and str(pks[7]) not in said.getvalue()


def test_a_log_that_is_replaced_whole_is_seen_by_a_seal_that_was_kept(sealed: Organization) -> None:
    said = StringIO()
    call_command("verify_audit", organization=sealed.name, stdout=said)
    kept = said.getvalue().split()[-1]
    call_command("verify_audit", seal=[kept], stdout=StringIO())
    with an_intruder():
        AuditEntry.objects.filter(organization=sealed).update(actor="eve")
        AuditSeal.objects.all().delete()
        audit_chain.seal(timezone.now() + LATER)
        assert not faults()  # the new chain is sound
        with pytest.raises(CommandError):
            call_command("verify_audit", seal=[kept], stdout=StringIO(), stderr=StringIO())


def test_an_erased_person_leaves_the_chain_valid(sealed: Organization) -> None:
    entry = AuditEntry.objects.get(organization=sealed, subject="3")
    value = entry.personal.get()
    by_hand = hmac.new(bytes.fromhex(value.salt), b'"Person 3"', "sha256").hexdigest()
    assert entry.commitments == {"name": by_hand}
    audit_log.forget(sealed, ["3"])
    assert not entry.personal.exists() and not faults()
    assert AuditPersonal.objects.filter(entry__subject="3").count() == 1  # of the installation's chain


def test_entries_are_sealed_when_slow_transactions_are_over(organization: Organization) -> None:
    now = timezone.now()
    old, slow, new = (audit_log.record(organization, actor="a", action="b.c", subject=str(n)) for n in range(3))
    with an_intruder():
        AuditEntry.objects.filter(pk__in=[old.pk, new.pk]).update(at=now - LATER)
        audit_chain.seal(now)  # not beyond the one that is recent, whatever the time of those after it
        assert set(AuditSeal.objects.values_list("entry", flat=True)) == {old.pk}
        AuditEntry.objects.filter(pk=slow.pk).update(at=now + timedelta(days=9))
        audit_chain.seal(now)  # a time in the future does not hold up the chain
        assert AuditSeal.objects.count() == 3 and not faults()
