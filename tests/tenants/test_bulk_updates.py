"""An update of many rows stores what `save` would store, column by column."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, cast
from uuid import NAMESPACE_URL, uuid5

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from calls.models import CallEvent, Status
from campaigns.models import Contact
from providers.models import PhoneNumber
from tenants.db.bulk_updates import append_rows, insert_rows, update_rows
from tenants.models import Organization
from tests.calls import support

pytestmark = pytest.mark.django_db
HOSTILE = ["", "O'Neill", 'say "no"', "a\nb", "{1,2}", "NULL", "\\N", "%s", "😀", "‮abc", "0012", " "]
FIELDS = ["name", "variables", "consent_at", "consent_evidence", "timezone", "zone_fault", "updated_at"]


@pytest.fixture
def line(organization: Organization) -> PhoneNumber:
    return support.reach(organization, "http://127.0.0.1:9", "callingbox")


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


def test_any_json_is_stored_as_save_stores_it(organization: Organization) -> None:
    alike = [Contact(organization=organization, phone=f"+3361234570{n}", variables={"a": ["b"]}) for n in (1, 2)]
    insert_rows(alike, by="phone")  # one value for all rows is sent once
    assert list(Contact.objects.values_list("variables", flat=True)) == [{"a": ["b"]}] * 2
    Contact.objects.all().delete()
    values = [
        {"n": 1},
        {"n": True},
        {"n": 1.0},
        {"n": 10**30, "l": [0.1, -1e-7, None, {"é": '\\ " 𝄞'}]},
        {},
        {"n": "1"},
    ]
    made = [
        Contact(organization=organization, phone=f"+336123456{place:02}", variables=value)
        for place, value in enumerate(values)
    ]
    insert_rows(made, by="phone")
    inserted = [repr(each) for each in Contact.objects.order_by("phone").values_list("variables", flat=True)]
    for row, value in zip(made, reversed(values), strict=True):
        row.variables = value
    update_rows(made, ["variables"])
    updated = [repr(each) for each in Contact.objects.order_by("-phone").values_list("variables", flat=True)]
    for row, value in zip(made, values, strict=True):
        row.variables = value
        row.save()
    saved = [repr(each) for each in Contact.objects.order_by("phone").values_list("variables", flat=True)]
    assert inserted == updated == saved


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


def test_appended_rows_are_those_of_bulk_create(line: PhoneNumber) -> None:
    call = support.single(line, "+12125550001")
    raws = [b"", b"\x00\xff\\x41", bytes(range(256)), "😀".encode()]
    made: dict[str, list[dict[str, Any]]] = {}
    for how in ("append_rows", "bulk_create"):
        CallEvent.objects.all().delete()
        rows = [
            CallEvent(call=call, type="t", detail=text, raw=raws[number % 4], raw_size=number, source="read")
            for number, text in enumerate(HOSTILE)
        ]
        rows += [CallEvent(call=call, type="t", source="read")]
        if how == "append_rows":
            with CaptureQueriesContext(connection) as asked:
                append_rows(rows)
            assert len([each for each in asked if each["sql"].startswith("INSERT")]) == 1
        else:
            CallEvent.objects.bulk_create(rows)
        assert [CallEvent.objects.get(pk=row.pk).detail for row in rows] == [*HOSTILE, ""]
        assert [row._state.adding for row in rows] == [False] * len(rows)
        found: list[dict[str, Any]] = [dict(row) for row in CallEvent.objects.order_by("pk").values()]
        made[how] = [row | {"id": 0, "at": 0, "raw": bytes(row["raw"])} for row in found]
    assert made["append_rows"] == made["bulk_create"]
    append_rows(rows[:0])
    with pytest.raises(IntegrityError), transaction.atomic():
        append_rows([CallEvent(call_id=call.pk, type=cast(str, None), source="read")])


def test_rows_of_a_log_are_appended_as_save_inserts_them(organization: Organization) -> None:
    """Each column alike in all rows, or different in each; bytes too, which JSON cannot hold."""
    call = support.single(support.reach(organization, "https://provider.example", "allomia"), "+33612345601")
    at = datetime(2026, 3, 1, 9, 30, 1, 123456, tzinfo=UTC)
    names = [field.attname for field in CallEvent._meta.concrete_fields if field.attname != "id"]

    def events(blobs: bool) -> list[CallEvent]:
        return [
            CallEvent(
                call=call,
                at=at if number % 2 else at + timedelta(microseconds=number),
                type="placing",
                from_status=Status.QUEUED,
                source=CallEvent.Source.ENGINE,
                detail=text,
                raw=bytes(range(number)) if blobs else b"\x00\xff",
                raw_size=number,
            )
            for number, text in enumerate(HOSTILE)
        ]

    for rows in (events(blobs=False), events(blobs=True), events(blobs=False)[:1], [events(blobs=False)[3]] * 2, []):
        CallEvent.objects.all().delete()
        for row in rows:
            CallEvent(**{name: getattr(row, name) for name in names}).save()
        saved = sorted(CallEvent.objects.values_list(*names), key=repr)
        CallEvent.objects.all().delete()
        append_rows(rows)
        assert sorted(CallEvent.objects.values_list(*names), key=repr) == saved
