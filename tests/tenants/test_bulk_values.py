"""Rows written from one JSON parameter are stored as `save` stores them, column by column."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from campaigns.models import Contact, ContactNumber
from tenants.db.among import Among
from tenants.db.bulk_values import insert_values, update_values
from tenants.models import Organization

pytestmark = pytest.mark.django_db
HOSTILE = ["", "O'Neill", 'say "no"', "a\nb", "{1,2}", "NULL", "\\N", "%s", "😀", "‮abc", "0012", " ", "1e5", "true"]
AT = datetime(2026, 3, 1, 9, 30, 1, 123456, tzinfo=UTC)
FIELDS = ("name", "variables", "consent_at", "consent_evidence", "timezone", "on_hold", "external_id")


def phone(number: int) -> str:
    return f"+336123456{number:02}"


def values(number: int) -> dict[str, Any]:
    text = HOSTILE[number]
    return {
        "phone": phone(number),
        "name": text,
        "consent_evidence": text * 3,
        "variables": {"b": text, "a": "x" * 10_000, text.strip() or "empty": "é"},
        "consent_at": AT if number % 2 else None,
        "timezone": "" if number % 3 else "Asia/Tokyo",
        "on_hold": number % 2 == 0,
    }


# What `save` alone computes. An import gives it with the other values.
ALONE = {"zone_fault": "", "name_key": ""}


def same_of(organization: Organization) -> dict[str, Any]:
    return {"organization_id": organization.pk, "updated_at": AT}


def stored() -> dict[str, dict[str, Any]]:
    keys = {"id", "uuid", "created_at", "updated_at"}
    rows = Contact.objects.order_by("id").values()
    return {row["phone"]: {name: value for name, value in row.items() if name not in keys} for row in rows}


def test_inserted_rows_are_stored_as_save_stores_them(organization: Organization) -> None:
    rows = [values(number) for number in range(len(HOSTILE))]
    with CaptureQueriesContext(connection) as asked:
        made = insert_values(Contact, rows, same_of(organization), returning=("phone", "id"))
    assert len(asked) == 1
    assert [number for number, _ in made] == [row["phone"] for row in rows]
    assert dict(made) == dict(Contact.objects.values_list("phone", "id"))
    found, ids = stored(), set(Contact.objects.values_list("uuid", flat=True))
    assert len(ids) == len(rows)
    assert {each.version for each in ids} == {4}
    Contact.objects.all().delete()
    for row in rows:
        Contact.objects.create(organization=organization, **row)
    for number, row in stored().items():
        assert found[number] | ALONE == row | ALONE
        assert list(found[number]["variables"]) == list(row["variables"]) or connection.vendor == "postgresql"


def test_updated_rows_are_stored_as_save_stores_them_and_others_stay(organization: Organization) -> None:
    rows = [Contact.objects.create(organization=organization, phone=phone(n), name="A") for n in range(len(HOSTILE))]
    other = Contact.objects.create(organization=organization, phone="+33612345699", name="A")
    changed = [{"pk": row.pk, "external_id": HOSTILE[n], **values(n)} for n, row in enumerate(rows)]
    with CaptureQueriesContext(connection) as asked:
        update_values(Contact, changed, FIELDS, {"updated_at": AT})
        update_values(Contact, [], FIELDS)
    assert len(asked) == 1
    found = stored()
    assert set(Contact.objects.exclude(pk=other.pk).values_list("updated_at", flat=True)) == {AT}
    for row, new in zip(rows, changed, strict=True):
        for name in FIELDS:
            setattr(row, name, new[name])
        row.save()
    for number, saved in stored().items():
        assert found[number] | ALONE == saved | ALONE
    assert found[other.phone]["name"] == "A"


def test_a_conflict_is_passed_over_or_is_an_error(organization: Organization) -> None:
    Contact.objects.create(organization=organization, phone=phone(1), name="A")
    rows = [{"phone": phone(number), "name": "B"} for number in (0, 1, 2)]
    same = same_of(organization)
    with pytest.raises(IntegrityError), transaction.atomic():
        insert_values(Contact, rows, same)
    made = insert_values(Contact, rows, same, on_conflict="DO NOTHING", returning=("phone",))
    assert made == [(phone(0),), (phone(2),)]
    assert set(Contact.objects.values_list("name", flat=True)) == {"A", "B"}
    assert insert_values(Contact, [], same, returning=("phone",)) == []


def test_among_finds_keys_and_texts(organization: Organization) -> None:
    rows = [Contact.objects.create(organization=organization, phone=phone(number)) for number in range(3)]
    for row in rows:
        ContactNumber.objects.create(organization=organization, contact=row, phone=HOSTILE[row.pk % 2], position=1)
    assert set(Contact.objects.filter(Among("pk", [rows[0].pk, rows[2].pk, 0]))) == {rows[0], rows[2]}
    assert set(Contact.objects.filter(Among("phone", {phone(1), "x"}))) == {rows[1]}
    assert set(ContactNumber.objects.filter(Among("phone", HOSTILE))) == set(ContactNumber.objects.all())
    assert not Contact.objects.filter(Among("pk", []), Among("phone", []))
    assert not Contact.objects.filter(Among("phone", ["'; --"]))
