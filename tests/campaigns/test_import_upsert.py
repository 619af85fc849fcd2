"""What rows change in contacts: further numbers, consent, do-not-call, and the values that they overwrite."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from campaigns.do_not_call import entries
from campaigns.imports import dry_run, job, upload
from campaigns.imports.columns import ColumnMapping
from campaigns.imports.merging import Person, as_json, joined
from campaigns.imports.rows import ContactRow, FurtherNumber
from campaigns.imports.upsert import Upsert, Written
from campaigns.models import Contact, ContactImport, ContactList, ContactNumber, DoNotCall, ImportOverwrite
from tenants.models import Organization
from tests.waiting import PATIENCE

A, B, C, D, E, F = (f"+3361234567{number}" for number in range(6))
COLUMNS = ColumnMapping.of(["phone"], {"phone": "phone"})


def a_row(phone: str, *further: str | FurtherNumber, line: int = 2, **fields: Any) -> ContactRow:
    fields = {"name": "", "external_id": "", "language": "", "timezone": "", "variables": {}, **fields}
    numbers = tuple(each if isinstance(each, FurtherNumber) else FurtherNumber(each) for each in further)
    return ContactRow(line=line, phone=phone, further_numbers=numbers, **fields)


@pytest.fixture
def imp(contact_list: ContactList) -> ContactImport:
    return ContactImport.objects.create(
        organization=contact_list.organization, contact_list=contact_list, filename="crm.csv", file="x"
    )


def write(imp: ContactImport, *rows: ContactRow) -> Written:
    with transaction.atomic():
        return Upsert(imp, COLUMNS).write(rows)


def numbers(phone: str) -> list[tuple[int, str, str]]:
    found = ContactNumber.objects.filter(contact__phone=phone).order_by("position")
    return list(found.values_list("position", "phone", "kind"))


def people() -> set[tuple[str, str]]:
    return set(Contact.objects.values_list("phone", "name"))


pytestmark = pytest.mark.django_db


def test_a_new_contact_has_all_numbers_of_its_row_and_its_consent(imp: ContactImport) -> None:
    at = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
    row = a_row(
        A,
        FurtherNumber(B, "home"),
        C,
        phone_kind="mobile",
        consent_basis="contract",
        consent_at=at,
        consent_evidence="Form 7",
    )
    assert write(imp, row).counts["created"] == 1
    contact = Contact.objects.get()
    assert (contact.phone, contact.phone_kind) == (A, "mobile")
    assert (contact.consent_basis, contact.consent_at, contact.consent_evidence) == ("contract", at, "Form 7")
    assert numbers(A) == [(1, B, "home"), (2, C, "")]
    assert not ImportOverwrite.objects.exists(), "a contact of this import is deleted by the undo, not restored"


def test_an_update_adds_numbers_after_those_that_are_there_up_to_five(imp: ContactImport) -> None:
    write(imp, a_row(A, B))
    written = write(imp, a_row(A, D, C, E, F, FurtherNumber(B, "work"), phone_kind="mobile"))
    assert numbers(A) == [(1, B, "work"), (2, D, ""), (3, C, ""), (4, E, "")]
    assert (written.counts["updated"], written.counts["numbers_left_out"]) == (1, 1)
    assert Contact.objects.get().phone_kind == "mobile"


def test_a_row_without_a_kind_or_a_consent_leaves_what_is_there(imp: ContactImport) -> None:
    at = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
    write(imp, a_row(A, FurtherNumber(B, "home"), phone_kind="mobile", consent_at=at, consent_basis="x"))
    write(imp, a_row(A, B))
    contact = Contact.objects.get()
    assert (contact.phone_kind, contact.consent_at, contact.consent_basis) == ("mobile", at, "x")
    assert numbers(A) == [(1, B, "home")]


def test_the_same_person_with_swapped_columns_is_found(imp: ContactImport) -> None:
    write(imp, a_row(A, FurtherNumber(B, "home"), name="Zoé Martin"))
    written = write(imp, a_row(B, FurtherNumber(A, "mobile"), C, name="Martin, Zoé"))
    assert written.counts["updated"] == 1
    assert Contact.objects.get().phone == A, "the number that is called first does not change"
    assert Contact.objects.get().phone_kind == "mobile"
    assert numbers(A) == [(1, B, "home"), (2, C, "")]


def test_the_same_person_with_swapped_columns_is_found_within_one_batch(imp: ContactImport) -> None:
    write(imp, a_row(A, B, name="Zoé"), a_row(B, A, line=3, name="Zoé"))
    assert people() == {(A, "Zoé")}
    assert numbers(A) == [(1, B, "")]


@pytest.mark.parametrize(
    ("known", "row"),
    [
        ({"name": "Zoé Martin"}, {"name": "Paul Martin"}),
        ({"external_id": "7"}, {"external_id": "8"}),
        ({"name": "Zoé", "external_id": "7"}, {"name": "Zoé", "external_id": "8"}),
    ],
)
def test_members_of_a_household_stay_apart(imp: ContactImport, known: dict[str, Any], row: dict[str, Any]) -> None:
    write(imp, a_row(A, **known))
    write(imp, a_row(B, A, **row))
    assert Contact.objects.count() == 2
    assert numbers(B) == [(1, A, "")], "two contacts share the number"
    assert Contact.objects.get(phone=A).name == known.get("name", "")


def test_a_number_that_is_only_a_further_one_of_somebody_makes_a_contact_of_its_own(imp: ContactImport) -> None:
    write(imp, a_row(A, B, name="Zoé"))
    write(imp, a_row(B, name="Zoé"))
    assert people() == {(A, "Zoé"), (B, "Zoé")}


def test_a_row_whose_numbers_are_first_numbers_of_two_contacts_makes_a_third(imp: ContactImport) -> None:
    write(imp, a_row(A), a_row(B, line=3))
    write(imp, a_row(C, A, B))
    assert Contact.objects.count() == 3
    assert numbers(C) == [(1, A, ""), (2, B, "")]


def test_contacts_of_another_organization_are_neither_found_nor_changed(imp: ContactImport) -> None:
    other = Organization.objects.create(tenant=imp.organization.tenant, name="Other")
    theirs = Contact.objects.create(organization=other, phone=A, name="Theirs")
    write(imp, a_row(B, A, name="Ours", do_not_call=True))
    assert Contact.objects.get(organization=imp.organization).phone == B
    theirs.refresh_from_db()
    assert theirs.name == "Theirs"
    assert entries.listed(other.pk, [A, B], timezone.now()) == set()


@pytest.mark.parametrize("mode", ["update", "skip"])
def test_all_numbers_of_a_marked_row_go_on_the_list_whatever_happens_to_the_contact(
    imp: ContactImport, mode: str
) -> None:
    imp.on_duplicate = mode
    Contact.objects.create(organization=imp.organization, phone=A, name="Old")
    entries.add(imp.organization, C, source="staff", reason="asked")
    written = write(imp, a_row(A, B, C, name="New", do_not_call=True), a_row(D, line=3))
    assert entries.listed(imp.organization_id, [A, B, C, D], timezone.now()) == {A, B, C}
    assert written.counts["listed"] == 2, "one was listed before"
    entry = DoNotCall.objects.get(phone=B)
    assert (entry.source, "crm.csv" in entry.reason) == ("import", True)
    assert Contact.objects.get(phone=A).name == ("New" if mode == "update" else "Old")


def test_numbers_of_a_marked_row_over_the_limit_are_listed_too(imp: ContactImport) -> None:
    written = write(imp, a_row(A, B, do_not_call=True, beyond=(C, D)))
    assert entries.listed(imp.organization_id, [A, B, C, D], timezone.now()) == {A, B, C, D}
    assert (written.counts["listed"], written.counts["numbers_left_out"]) == (4, 2)


def test_a_marked_row_that_is_refused_for_its_variables_still_lists_its_numbers(imp: ContactImport) -> None:
    Contact.objects.create(organization=imp.organization, phone=A, variables={f"v{n}": "x" for n in range(64)})
    written = write(imp, a_row(A, B, do_not_call=True, variables={"new": "x"}))
    assert list(written.refused) == [2]
    assert entries.listed(imp.organization_id, [A, B], timezone.now()) == {A, B}


def test_a_refused_row_changes_nothing_in_its_contact(imp: ContactImport) -> None:
    Contact.objects.create(organization=imp.organization, phone=A, variables={f"v{n}": "x" for n in range(64)})
    write(imp, a_row(A, B, name="New", variables={"new": "x"}))
    assert people() == {(A, "")} and numbers(A) == []


def test_skip_leaves_the_numbers_of_a_contact_alone(imp: ContactImport) -> None:
    imp.on_duplicate = "skip"
    Contact.objects.create(organization=imp.organization, phone=A, name="Old")
    assert write(imp, a_row(A, B, name="New")).counts["skipped"] == 1
    assert people() == {(A, "Old")} and numbers(A) == []
    assert not ImportOverwrite.objects.exists()


def test_only_what_changes_is_kept_and_the_first_value_is(imp: ContactImport) -> None:
    contact = Contact.objects.create(
        organization=imp.organization, phone=A, name="Old", language="fr", variables={"city": "Lyon", "age": "7"}
    )
    write(imp, a_row(A, B, name="New", language="fr", variables={"city": "Nice"}))
    write(imp, a_row(A, C, name="Newer", external_id="9"))
    kept = ImportOverwrite.objects.get()
    assert kept.contact == contact
    assert kept.before == {
        "name": "Old",
        "external_id": None,
        "variables.city": "Lyon",
        f"numbers.{B}": None,
        f"numbers.{C}": None,
    }
    assert kept.after == {
        "name": "Newer",
        "external_id": "9",
        "variables.city": "Nice",
        f"numbers.{B}": "",
        f"numbers.{C}": "",
    }


def test_a_row_that_changes_nothing_writes_no_contact(imp: ContactImport) -> None:
    write(imp, a_row(A, B, name="Old", variables={"city": "Lyon"}))
    before = Contact.objects.get().updated_at
    ids = set(ContactNumber.objects.values_list("pk"))
    write(imp, a_row(A, B, name="Old", variables={"city": "Lyon"}))
    assert (Contact.objects.get().updated_at, set(ContactNumber.objects.values_list("pk"))) == (before, ids)


def test_a_batch_takes_a_bounded_number_of_statements(imp: ContactImport) -> None:
    """However many rows: each has two numbers, is marked, and changes an existing contact."""

    def batch(size: int, start: int) -> int:
        rows = [
            a_row(f"+3361{start + n:07d}", f"+3362{start + n:07d}", line=n, name="Old", do_not_call=True)
            for n in range(size)
        ]
        write(imp, *rows[: size // 2])
        Contact.objects.update(created_by_import=None, name="Older")
        with CaptureQueriesContext(connection) as queries:
            write(imp, *rows)
        return len([each for each in queries if "advisory" not in each["sql"]])

    assert batch(10, 0) == batch(40, 1000) <= 25  # savepoints are four of them


KEYS = st.sampled_from(["name", "language", "variables.a", "variables.b", f"numbers.{B}", "tags.3", "tags.4"])
VALUES = st.dictionaries(KEYS, st.sampled_from(["", "x", "y"]))


@pytest.fixture
def particular(db: None) -> None:
    """The database refuses contacts of a name that the import knows nothing about."""
    refuses = "BEGIN SELECT RAISE(ABORT, 'no'); END"
    if connection.vendor == "postgresql":
        refuses = "EXECUTE FUNCTION refuse()"
        raising = "BEGIN RAISE check_violation; END"
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"CREATE FUNCTION refuse() RETURNS trigger AS $$ {raising} $$ LANGUAGE plpgsql")
        for event in ("INSERT", "UPDATE"):
            cursor.execute(
                f"CREATE TRIGGER refuse_{event} BEFORE {event} ON campaigns_contact FOR EACH ROW "
                f"WHEN (NEW.name = 'Refused') {refuses}"
            )


def test_a_row_that_the_database_refuses_takes_no_other_row_with_it(imp: ContactImport, particular: None) -> None:
    old = [f"+3361234567{n}" for n in range(4)]
    write(imp, *(a_row(phone, line=n, name="Old") for n, phone in enumerate(old, 2)))
    rows = [a_row(f"+336222222{n:02}", line=n, name=f"N {n}") for n in range(2, 30)]
    rows[3] = a_row("+33622222205", line=5, name="Refused", do_not_call=True)
    rows[4] = a_row(old[0], line=6, name="Refused")  # an update
    rows[7] = a_row(old[1], line=9, name="New name")
    rows[27] = a_row("+33622222229", line=29, name="Refused")

    found = write(imp, *rows)

    assert sorted(found.refused) == [5, 6, 29]
    assert all("refuses this row" in reason for reason in found.refused.values())
    assert (found.counts["created"], found.counts["updated"], found.counts["listed"]) == (24, 1, 1)
    assert DoNotCall.objects.get().phone == "+33622222205", "the wish of a refused row counts"
    assert not Contact.objects.filter(phone__in=["+33622222205", "+33622222229"]).exists()
    assert list(Contact.objects.filter(phone__in=old).order_by("phone").values_list("name", flat=True)) == [
        "Old", "New name", "Old", "Old",
    ]  # fmt: skip
    assert imp.contact_list.members.count() == 28
    assert Contact.objects.count() == 28


def a_person(values: dict[str, str]) -> Person:
    """Return a person that has these values."""
    contact = Contact(phone=A, name=values.get("name", ""), language=values.get("language", ""))
    contact.variables = {key[10:]: value for key, value in values.items() if key.startswith("variables.")}
    numbers = {key[8:]: value for key, value in values.items() if key.startswith("numbers.")}
    return Person(contact, numbers, {key[5:]: key[5:] for key in values if key.startswith("tags.")})


def changed(before: dict[str, Any], after: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    keys = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    return {key: before.get(key) for key in keys}, {key: after.get(key) for key in keys}


@given(st.lists(VALUES, min_size=2, max_size=4))
def test_two_changes_joined_are_undone_like_one(states: list[dict[str, str]]) -> None:
    found = [as_json(*a_person(state).state()) for state in states]
    change = changed(found[0], found[1])
    for before, after in pairwise(found[1:]):
        change = joined(change, changed(before, after))
    person = a_person(states[-1])
    person.restore(*change)
    assert as_json(*a_person(states[0]).state()) == as_json(*person.state())


@given(VALUES, VALUES, VALUES)
def test_what_was_edited_since_stays(before: dict[str, str], after: dict[str, str], edited: dict[str, str]) -> None:
    was, left, now = (as_json(*a_person(state).state()) for state in (before, after, edited))
    person = a_person(edited)
    person.restore(*changed(was, left))
    restored = as_json(*person.state())
    for key in {**was, **left, **now}:
        untouched = now.get(key) != left.get(key) or was.get(key) == left.get(key)
        assert restored.get(key) == (now.get(key) if untouched else was.get(key))


def test_a_row_that_is_rejected_still_says_who_must_not_be_called(contact_list: ContactList) -> None:
    """The contact exists, and a running campaign would go on to call it."""
    organization = contact_list.organization
    Contact.objects.create(organization=organization, phone=A)
    text = f"Phone,Home phone,Name,DNC,Time zone\n{A},{B},{'x' * 201},yes,\n{C},,Zoé,yes,UTC+1\n{D},,{'x' * 201},no,\n"
    imp = upload.start_import(contact_list, io.BytesIO(text.encode()), "crm.csv")
    assert job.run_step(imp.pk, PATIENCE)
    imp.refresh_from_db()
    assert (imp.created, imp.updated, imp.rejected, imp.listed) == (0, 0, 3, 3)
    assert entries.listed(organization.pk, [A, B, C, D], timezone.now()) == {A, B, C}


MANY = ", ".join(f"+336999999{number}" for number in range(10, 35))
MARKED_AND_REJECTED = {
    "a long cell": f"phone,Do not call,notes\n{A},yes,{'x' * 10_001}\n",
    "a NUL byte": f"phone,Do not call,notes\n{A},yes,a\0b\n",
    "too many cells": f"phone,Do not call,notes\n{A},yes,Muller, Jr\n",
    "another encoding": f"phone,Do not call,notes\n{A},yes,\\udce9t\udce9\n{B},no,caf\u00e9\n",
    "an open quote": f'phone,Do not call,notes\n{A},yes,"abc\n',
    "a wish beside the number": f"phone,Do not call\n{A} do not call,no\n",
    "a wish among other values": f"phone,status\n{A},Do not call\n",
    "another column is unclear": f"phone,Do not call,Opted out\n{A},yes,perhaps\n",
    "more numbers than a cell may have": f'phone,Do not call\n"{A}, {MANY}",x\n',
    "a country that is not called": f"phone,Do not call\n{A},yes\n+4915112345678,yes\n",
}


@pytest.mark.parametrize("text", MARKED_AND_REJECTED.values(), ids=MARKED_AND_REJECTED.keys())
def test_who_asks_not_to_be_called_is_listed_whatever_is_wrong_with_the_row(
    contact_list: ContactList, organization: Organization, text: str
) -> None:
    """The contact may be there already, from another file."""
    imp = upload.start_import(contact_list, io.BytesIO(text.encode(errors="surrogateescape")), "list.csv")
    assert job.run_step(imp.pk, PATIENCE)
    imp.refresh_from_db()
    assert imp.rejected == 1
    assert A in entries.listed(organization.pk, [A, B], timezone.now())
    assert B not in entries.listed(organization.pk, [A, B], timezone.now())
    assert "list.csv" in DoNotCall.objects.filter(organization=organization)[0].reason


def test_both_readings_of_a_marked_number_are_listed(contact_list: ContactList, organization: Organization) -> None:
    organization.default_region, organization.allowed_countries = "DE", ["DE"]
    organization.save()
    both, mobile = {"+4915123436445", "+494915123436445"}, "+491701234567"
    for text in ("phone,dnc\n4915123436445,yes\n", f"phone,phone 2,dnc\n{mobile},4915123436445,yes\n"):
        foreseen = dry_run.of_upload(organization, SimpleUploadedFile("list.csv", text.encode()), "list.csv")
        imp = upload.start_import(contact_list, io.BytesIO(text.encode()), "list.csv")
        assert job.run_step(imp.pk, PATIENCE)
        imp.refresh_from_db()
        assert both <= entries.listed(organization.pk, [*both, mobile], timezone.now())
        assert foreseen.listed == imp.listed
    assert mobile in entries.listed(organization.pk, [mobile], timezone.now())
