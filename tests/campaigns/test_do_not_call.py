from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from campaigns.do_not_call import entries
from campaigns.models import Contact, DoNotCall
from tenants.models import AuditEntry, Organization

pytestmark = pytest.mark.django_db
A, B = "+33612345678", "+33612345679"
HOUR = timedelta(hours=1)


def test_adding_makes_the_contact_whose_row_is_the_lock(organization: Organization) -> None:
    entry, created = entries.add(organization, A, reason="asked", source="staff")
    assert created
    assert entry.phone_hash
    assert A not in entry.phone_hash
    assert Contact.objects.filter(organization=organization, phone=A).count() == 1


def test_the_contact_is_locked_before_the_entry_is_written(organization: Organization) -> None:
    with CaptureQueriesContext(
        connection,
    ) as queries:
        entries.add(organization, A, source="staff")
    words = [query["sql"] for query in queries]
    locks = [n for n, sql in enumerate(words) if sql.startswith("SELECT") and 'FROM "campaigns_contact"' in sql]
    writes = [n for n, sql in enumerate(words) if sql.startswith("INSERT") and "donotcall" in sql]
    assert locks[0] < writes[0]
    if connection.vendor == "postgresql":
        assert "FOR NO KEY UPDATE" in words[locks[0]]


def test_adding_twice_keeps_one_entry_that_lasts_longer_and_takes_a_reason(organization: Organization) -> None:
    now = timezone.now()
    first, _ = entries.add(organization, A, reason="asked", source="staff", expires_at=now + HOUR)
    second, created = entries.add(organization, A, source="api", expires_at=now + 2 * HOUR)
    assert (second.pk, created) == (first.pk, False)
    assert (second.expires_at, second.reason, second.source) == (now + 2 * HOUR, "asked", "staff")
    sooner, _ = entries.add(organization, A, source="api", reason="again", expires_at=now + HOUR)
    assert (sooner.expires_at, sooner.reason) == (now + 2 * HOUR, "again")
    for_ever, _ = entries.add(organization, A, source="api")
    assert for_ever.expires_at is None
    still, _ = entries.add(organization, A, source="api", expires_at=now + HOUR)
    still.refresh_from_db()
    assert still.expires_at is None
    assert DoNotCall.objects.count() == 1


def test_only_e164_numbers_can_be_listed(organization: Organization) -> None:
    with pytest.raises(ValidationError):
        entries.add(organization, "0612345678", source="staff")
    assert not DoNotCall.objects.exists()


def test_a_replaced_reason_stays_in_the_audit_log(organization: Organization) -> None:
    for reason in ("asked us", "asked us", "", "moved away"):
        entries.add(organization, A, reason=reason, source="staff", actor="ada@example.org")
    entries.add_many(organization, [A, B], reason="a list of 2026", source="import")
    found = AuditEntry.objects.filter(action="do_not_call.changed").order_by("pk")
    assert [(each.actor, each.detail["before"]["reason"], each.detail["reason"]) for each in found] == [
        ("ada@example.org", "asked us", "moved away"),
        ("import", "moved away", "a list of 2026"),
    ]


def test_listed_numbers_are_those_in_force_of_this_organization(organization: Organization) -> None:
    now = timezone.now()
    other = Organization.objects.create(tenant=organization.tenant, name="Other")
    entries.add(organization, A, source="staff")
    entries.add(organization, B, source="staff", expires_at=now + HOUR)
    assert entries.listed(organization.pk, [A, B, "+33612345670"], now) == {A, B}
    assert entries.listed(organization.pk, [A, B], now + HOUR) == {A}
    assert entries.listed(other.pk, [A, B], now) == set()
    assert entries.listed(organization.pk, [], now) == set()


def test_the_entry_survives_the_erasure_of_the_number(organization: Organization) -> None:
    entry, _ = entries.add(organization, A, source="staff")
    DoNotCall.objects.filter(pk=entry.pk).update(phone="")
    Contact.objects.all().delete()
    assert entries.listed(organization.pk, [A], timezone.now()) == {A}


def test_many_numbers_are_looked_up_at_once(organization: Organization) -> None:
    entries.add(organization, A, source="staff")
    phones = [f"+3361{number:07d}" for number in range(12_000)]
    with CaptureQueriesContext(connection) as queries:
        assert entries.listed(organization.pk, [*phones, A], timezone.now()) == {A}
    assert len(queries) <= 4


def test_removing_is_audited_without_the_number(organization: Organization) -> None:
    entry, _ = entries.add(organization, A, reason="asked", source="staff")
    entries.remove(entry, "ada@example.org", "consent given on paper")
    assert entries.listed(organization.pk, [A], timezone.now()) == set()
    audit = AuditEntry.objects.get(organization=organization)
    assert (audit.actor, audit.action) == ("ada@example.org", "do_not_call.removed")
    assert audit.detail["reason"] == "consent given on paper"
    assert A not in f"{audit.subject}{audit.detail}"
