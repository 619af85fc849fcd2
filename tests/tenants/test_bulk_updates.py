"""An update of many rows stores what `save` would store, column by column."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from campaigns.models import Contact
from tenants.db.bulk_updates import insert_rows, update_rows
from tenants.models import Organization

pytestmark = pytest.mark.django_db
HOSTILE = ["", "O'Neill", 'say "no"', "a\nb", "{1,2}", "NULL", "\\N", "%s", "😀", "‮abc", "0012", " "]
FIELDS = ["name", "variables", "consent_at", "consent_evidence", "timezone", "zone_fault", "updated_at"]


def stored(contact: Contact) -> dict[str, Any]:
    return dict(Contact.objects.filter(pk=contact.pk).values(*FIELDS)[0].items())


def test_values_are_stored_as_save_stores_them(organization: Organization) -> None:
    at = datetime(2026, 3, 1, 9, 30, 1, 123456, tzinfo=UTC)
    rows = [
        Contact.objects.create(organization=organization, phone=f"+336123456{number:02}", timezone="Asia/Tokyo")
        for number in range(len(HOSTILE))
    ]
    for number, (row, text) in enumerate(zip(rows, HOSTILE, strict=True)):
        row.name, row.consent_evidence, row.variables = text, text * 3, {"a": text, "b": "x" * 10_000}
        row.consent_at = at if number % 2 else None
        row.timezone = "" if number % 3 else "Asia/Tokyo"
    before = rows[0].updated_at
    with CaptureQueriesContext(connection) as asked:
        update_rows(rows, FIELDS)
    assert len(asked) == 1
    found = [stored(row) for row in rows]
    for row in rows:
        row.save()
    for row, values in zip(rows, found, strict=True):
        assert values | {"updated_at": None} == stored(row) | {"updated_at": None}
        assert values["updated_at"] > before


def test_other_rows_and_columns_stay(organization: Organization) -> None:
    one, _two = (Contact.objects.create(organization=organization, phone=f"+3361234560{n}", name="A") for n in range(2))
    one.name, one.language = "B", "fr"
    update_rows([one], ["name"])
    update_rows([], ["name"])
    assert set(Contact.objects.values_list("name", "language")) == {("B", ""), ("A", "")}


def test_only_rows_with_the_expected_values_are_written_and_named(organization: Organization) -> None:
    rows = [
        Contact.objects.create(organization=organization, phone=f"+3361234560{n}", name="A", language="fr" * (n % 2))
        for n in range(4)
    ]
    for row in rows:
        row.name, row.variables, row.consent_at = f"B{row.pk}", {}, None
    gone = Contact(pk=rows[-1].pk + 1, organization=organization, phone="+33612345609", name="B")
    with CaptureQueriesContext(connection) as asked:
        written = update_rows([*rows, gone], ["name", "variables", "consent_at"], where={"language": "fr", "name": "A"})
    assert len(asked) == 1
    assert written == {rows[1].pk, rows[3].pk}
    expected = {row.pk: f"B{row.pk}" if row.pk in written else "A" for row in rows}
    assert dict(Contact.objects.values_list("pk", "name")) == expected
    assert update_rows(rows[:1], ["name"]) == {rows[0].pk}
    assert update_rows([], ["name"]) == set()


def test_a_row_whose_guarded_value_changed_is_not_written(organization: Organization) -> None:
    """And the caller learns which rows were: another worker wrote the second one meanwhile."""
    rows = [Contact.objects.create(organization=organization, phone=f"+3361234560{n}", name=f"A{n}") for n in range(3)]
    Contact.objects.filter(pk=rows[1].pk).update(name="C")
    names = [row.name for row in rows]
    for row in rows:
        row.name, row.language = "B", "fr"
    written = update_rows(rows, ["name", "language"], guard={"name": names})
    assert written == {rows[0].pk, rows[2].pk}
    assert list(Contact.objects.order_by("pk").values_list("name", "language")) == [("B", "fr"), ("C", ""), ("B", "fr")]


def test_amounts_are_not_rounded(organization: Organization) -> None:
    organization.daily_budget = Decimal("12345678.6543")
    update_rows([organization], ["daily_budget"])
    assert Organization.objects.get(pk=organization.pk).daily_budget == Decimal("12345678.6543")
    organization.daily_budget = None
    update_rows([organization], ["daily_budget"])
    assert Organization.objects.get(pk=organization.pk).daily_budget is None


def test_rows_are_inserted_as_save_inserts_them(organization: Organization) -> None:
    at = datetime(2026, 3, 1, 9, 30, 1, 123456, tzinfo=UTC)
    made: dict[str, list[dict[str, Any]]] = {}
    for how in ("insert_rows", "save"):
        rows = [
            Contact(
                organization=organization,
                phone=f"+336123456{number:02}",
                name=text,
                variables={"a": text},
                consent_at=at if number % 2 else None,
                consent_evidence=text * 3,
            )
            for number, text in enumerate(HOSTILE)
        ]
        for row in rows:
            row.uuid = uuid5(NAMESPACE_URL, row.phone)
        if how == "save":
            for row in rows:
                row.save()
        else:
            with CaptureQueriesContext(connection) as asked:
                assert insert_rows(rows, by="uuid") == {row.uuid for row in rows}
            assert len(asked) == 1
        assert all(Contact.objects.get(uuid=row.uuid).pk == row.pk for row in rows)
        assert [row.pk for row in rows] == sorted(row.pk for row in rows)
        ignored = {"id", "created_at", "updated_at"}
        found = Contact.objects.order_by("phone").values()
        made[how] = [{name: value for name, value in row.items() if name not in ignored} for row in found]
        Contact.objects.all().delete()
    assert made["insert_rows"] == made["save"]


def test_a_row_that_a_constraint_refuses_costs_no_other(organization: Organization) -> None:
    phones = [f"+3361234560{n}" for n in range(4)]
    there = Contact.objects.create(organization=organization, phone=phones[2], name="first")
    rows = [Contact(organization=organization, phone=phone, name="new") for phone in phones]
    assert insert_rows(rows, by="uuid") == {row.uuid for row in rows if row.phone != there.phone}
    assert [row.pk is None for row in rows] == [False, False, True, False]
    assert Contact.objects.get(phone=there.phone).name == "first" and Contact.objects.count() == 4
    assert insert_rows([], by="uuid") == set()
    alone = Contact(organization=organization, phone="+33612345699")
    assert insert_rows([alone], by="uuid") == {alone.uuid} and Contact.objects.get(phone=alone.phone).pk == alone.pk
