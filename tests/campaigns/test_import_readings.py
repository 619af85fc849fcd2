"""How an import decides about columns of digits that fit two numbers: once for each column, for the whole file."""

from __future__ import annotations

import io
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from campaigns.imports import dry_run, job, phone_columns, rows, upload
from campaigns.imports.upsert import Upsert
from campaigns.models import Contact, ContactImport, ContactList
from campaigns.phones import Reading, TwoReadings
from tests.waiting import PATIENCE

pytestmark = pytest.mark.django_db
AMBIGUOUS = "336123456"  # any digits: what they could be is decided by the stand-in below


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Stand in for the rules of numbers, and count how often a column is read."""
    read: list[int] = []

    def normalise(text: str, region: str, allowed: Any, reading: Reading = Reading.UNDECIDED) -> str:
        if not text.startswith(AMBIGUOUS):
            return text
        if reading is Reading.UNDECIDED:
            raise TwoReadings(text, f"+{text}", f"+33{text}")
        return f"+{text}" if reading is Reading.PLUS_LOST else f"+33{text}"

    def column_reading(cells: Iterable[str], region: str) -> Reading:
        found = list(cells)
        read.append(len(found))
        return Reading.PLUS_LOST if any(cell.startswith("+44") for cell in found) else Reading.UNDECIDED

    monkeypatch.setattr(rows, "normalise", normalise)
    monkeypatch.setattr(phone_columns, "column_reading", column_reading)
    return read


def a_file(last: str, count: int = 60) -> str:
    return "phone,name\n" + "".join(f"{AMBIGUOUS}{number:02},N\n" for number in range(count)) + f"{last},N\n"


def started(contact_list: ContactList, text: str) -> ContactImport:
    return upload.start_import(contact_list, io.BytesIO(text.encode()), "list.csv")


class Death(BaseException):
    """The process dies here."""


def test_the_last_row_decides_about_the_first_and_a_crash_changes_nothing(
    contact_list: ContactList, asked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "BATCH", 20)
    imp = started(contact_list, a_file("+4412345678"))
    real = Upsert.write

    def dying(self: Any, *batch: Any) -> Any:
        raise Death

    monkeypatch.setattr(Upsert, "write", dying)
    with pytest.raises(Death):
        job.run_step(imp.pk, PATIENCE)
    imp.refresh_from_db()
    assert (imp.phone_readings, imp.rows_read) == ({"phone": "plus_lost"}, 0), "kept before the first batch"
    monkeypatch.setattr(Upsert, "write", real)
    ContactImport.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    while not job.run_step(imp.pk, 0):
        pass
    assert asked == [61], "the column is read once, whatever the number of rows, steps and crashes"
    phones = set(Contact.objects.values_list("phone", flat=True))
    assert phones == {f"+{AMBIGUOUS}{number:02}" for number in range(60)} | {"+4412345678"}


def test_a_column_that_does_not_decide_rejects_such_rows(contact_list: ContactList, asked: list[int]) -> None:
    imp = started(contact_list, a_file("+33612345678"))
    assert job.run_step(imp.pk, PATIENCE)
    imp.refresh_from_db()
    assert (imp.created, imp.rejected, imp.phone_readings) == (1, 60, {"phone": "undecided"})
    assert asked == [61]


def test_a_file_without_such_digits_is_read_once(contact_list: ContactList, asked: list[int]) -> None:
    imp = started(contact_list, "phone\n+33612345678\n")
    assert job.run_step(imp.pk, PATIENCE)
    imp.refresh_from_db()
    assert (imp.created, imp.phone_readings, asked) == (1, {}, [])


def test_a_worker_that_lost_the_import_while_it_read_the_column_writes_nothing(
    contact_list: ContactList, asked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    imp = started(contact_list, a_file("+4412345678"))
    real: Any = vars(phone_columns)["column_reading"]

    def slow(cells: Iterable[str], region: str) -> Reading:
        ContactImport.objects.update(lease_until=timezone.now() + timedelta(seconds=60))  # taken over
        found: Reading = real(cells, region)
        return found

    monkeypatch.setattr(phone_columns, "column_reading", slow)
    assert not job.run_step(imp.pk, PATIENCE)
    imp.refresh_from_db()
    assert (imp.phone_readings, imp.rows_read, Contact.objects.count()) == ({}, 0, 0)


def test_the_lease_is_renewed_while_a_long_column_is_read(
    contact_list: ContactList, asked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    imp = started(contact_list, a_file("+4412345678"))
    real: Any = vars(phone_columns)["column_reading"]
    leases: list[Any] = []

    def slow(cells: Iterable[str], region: str) -> Reading:
        monkeypatch.setattr(job, "LEASE", timedelta(days=1))  # as if half of the lease were over
        found: Reading = real(cells, region)
        leases.append(ContactImport.objects.get().lease_until)
        return found

    monkeypatch.setattr(phone_columns, "column_reading", slow)
    assert job.run_step(imp.pk, PATIENCE)
    assert leases[0] > timezone.now() + timedelta(hours=23)
    imp.refresh_from_db()
    assert (imp.status, imp.created) == ("completed", 61)


def test_a_preview_decides_like_the_import_and_says_why(contact_list: ContactList, asked: list[int]) -> None:
    text = a_file("+4412345678").encode()
    found = dry_run.of_upload(contact_list.organization, io.BytesIO(text), "list.csv")
    assert (found.created, found.survey.refused, found.readings) == (61, 0, {"phone": "plus_lost"})
    assert found.sentences[0].startswith("The plus was lost in “phone”")


def test_the_preview_of_a_large_file_decides_by_its_first_rows(
    contact_list: ContactList, asked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dry_run, "WHOLE_COLUMN", 100)
    monkeypatch.setattr(dry_run, "SENT_ROWS", 10)
    text = a_file("+4412345678").encode()
    found = dry_run.of_upload(contact_list.organization, io.BytesIO(text), "list.csv")
    assert (asked, found.readings) == ([10], {"phone": "undecided"})
    assert "The import decides by the whole column" in found.sentences[-1]


def test_a_new_default_country_changes_nothing_in_an_import_that_runs(
    contact_list: ContactList, monkeypatch: pytest.MonkeyPatch
) -> None:
    """0151… is a mobile of Germany, and a landline beside Paris' in France."""
    monkeypatch.setattr(job, "BATCH", 1)
    organization = contact_list.organization
    organization.default_region, organization.allowed_countries = "DE", ["DE", "FR"]
    organization.save()
    text = "phone\n030 1234567\n030 7654321\n0151 23456789\n"
    imp = upload.start_import(contact_list, io.BytesIO(text.encode()), "list.csv")
    assert not job.run_step(imp.pk, 0)
    organization.default_region = "FR"
    organization.save()
    for _ in range(5):
        job.run_step(imp.pk, 0)
    assert set(contact_list.contacts.values_list("phone", flat=True)) == {
        "+49301234567",
        "+49307654321",
        "+4915123456789",
    }
