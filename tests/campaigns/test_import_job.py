from __future__ import annotations

import csv
import hashlib
import io
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from campaigns.imports import growing_files, job, persons
from campaigns.imports import upload as uploads
from campaigns.imports.columns import UnreadableFile
from campaigns.imports.job import cancel, due, run_step
from campaigns.imports.upload import FileTooLarge, start_import
from campaigns.imports.upsert import Upsert
from campaigns.models import Contact, ContactImport, ContactList, ContactListMember
from tenants.models import Organization
from tests.waiting import PATIENCE

pytestmark = pytest.mark.django_db
A, B, C = "+33612345678", "+33612345679", "+33612345670"


def many(rows: int, bad_every: int = 10) -> bytes:
    """Return a file of `rows` rows: every tenth is bad, and every seventh repeats the previous one."""
    lines = ["phone,name,city"]
    for number in range(rows):
        shown = number - 1 if number % 7 == 6 else number
        lines.append(f"{'0612' if number % bad_every == 3 else f'+3361{shown:07d}'},Name {number},City {number % 5}")
    return ("\n".join(lines) + "\n").encode()


def take(contact_list: ContactList, data: bytes | str, **fields: Any) -> ContactImport:
    raw = data.encode() if isinstance(data, str) else data
    return start_import(contact_list, io.BytesIO(raw), "list.csv", **fields)


def run(imp: ContactImport) -> ContactImport:
    for _ in range(1000):
        if run_step(imp.pk, 0):
            break
    imp.refresh_from_db()
    return imp


def counts(imp: ContactImport) -> tuple[int, int, int, int, int]:
    return imp.rows_read, imp.created, imp.updated, imp.skipped, imp.rejected


def rejected(imp: ContactImport, root: Path) -> list[list[str]]:
    data = (root / str(imp.rejected_file.name)).read_bytes()
    assert len(data) == imp.rejected_bytes
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))


def test_good_rows_become_contacts_on_the_list_and_bad_ones_a_file(contact_list: ContactList, settings: Any) -> None:
    imp = run(take(contact_list, f"phone,name,id,city\n{A},Zoé,7,Lyon\n0612,Ada,8,=1+1\n{B},,,\n"))
    assert imp.status == "completed"
    assert counts(imp) == (3, 2, 0, 0, 1)
    assert imp.bytes_read == imp.bytes_total
    assert imp.lines_read == 4
    zoe = Contact.objects.get(phone=A)
    assert (zoe.name, zoe.external_id, zoe.variables) == ("Zoé", "7", {"city": "Lyon"})
    assert zoe.created_by_import_id == imp.pk
    assert set(contact_list.contacts.values_list("phone", flat=True)) == {A, B}
    assert rejected(imp, settings.MEDIA_ROOT) == [
        ["phone", "name", "id", "city", "line", "reason"],
        ["0612", "Ada", "8", "'=1+1", "3", "'0612' is not a phone number in FR; write it like +33123456789."],
    ]


class Death(BaseException):
    """The process dies here."""


def dies(real: Any, at: int, before: bool) -> Any:
    """Return `real`, but the process dies at the `at`-th call."""
    calls = 0

    def call(*args: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == at and before:
            raise Death
        result = real(*args)
        if calls == at:
            raise Death
        return result

    return call


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "BATCH", 50)


@pytest.mark.parametrize("point", ["before the contacts", "after the contacts", "after the rejected file"])
def test_an_interrupted_import_goes_on_without_duplicates_and_counts_exactly(
    contact_list: ContactList, settings: Any, monkeypatch: pytest.MonkeyPatch, small_batches: None, point: str
) -> None:
    whole = run(take(ContactList.objects.create(organization=contact_list.organization, name="other"), many(600)))
    wanted, file = counts(whole), rejected(whole, settings.MEDIA_ROOT)
    assert wanted[1] > 400
    Contact.objects.update(created_by_import=None)
    ContactListMember.objects.all().delete()
    ContactImport.objects.all().delete()
    Contact.objects.all().delete()

    imp = take(contact_list, many(600))
    upsert, write_at = Upsert.write, growing_files.write_at
    deaths = 0
    for dying in (1, 3, 2, 5, 1, 1):
        if point == "after the rejected file":
            monkeypatch.setattr(growing_files, "write_at", dies(write_at, dying, before=False))
        else:
            monkeypatch.setattr(Upsert, "write", dies(upsert, dying, before=point.startswith("before")))
        try:
            run_step(imp.pk, PATIENCE)
        except Death:
            deaths += 1
            assert not run_step(imp.pk, PATIENCE)  # the lease is still valid: no other worker may continue
            ContactImport.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    monkeypatch.setattr(Upsert, "write", upsert)
    monkeypatch.setattr(growing_files, "write_at", write_at)
    assert deaths >= 4
    imp = run(imp)
    assert counts(imp) == wanted
    assert rejected(imp, settings.MEDIA_ROOT) == file
    assert Contact.objects.count() == wanted[1] == contact_list.contacts.count()
    assert sum(wanted[1:]) == wanted[0] == 600


def test_what_a_dead_worker_left_in_the_file_of_rejected_rows_is_cut_off(
    contact_list: ContactList, settings: Any, small_batches: None
) -> None:
    imp = take(contact_list, many(200))
    run_step(imp.pk, 0)
    imp.refresh_from_db()
    with (settings.MEDIA_ROOT / str(imp.rejected_file.name)).open("ab") as file:
        file.write(b"half a row" * 10_000)
    rows = rejected(run(imp), settings.MEDIA_ROOT)
    assert len(rows) == 1 + 20
    assert all(len(row) == 5 for row in rows)


def test_a_number_repeated_in_one_file_counts_as_updated(contact_list: ContactList) -> None:
    imp = run(take(contact_list, f"phone,name,city\n{A},Zoé,Lyon\n06 12 34 56 78,,Paris\n{A},Zoë,\n"))
    assert counts(imp) == (3, 1, 2, 0, 0)
    contact = Contact.objects.get()
    assert (contact.name, contact.variables) == ("Zoë", {"city": "Paris"})


def test_a_number_repeated_in_one_file_counts_as_skipped_when_contacts_stay_as_they_are(
    contact_list: ContactList,
) -> None:
    imp = run(take(contact_list, f"phone,name\n{A},Zoé\n{A},Ada\n", on_duplicate="skip"))
    assert counts(imp) == (2, 1, 0, 1, 0)
    assert Contact.objects.get().name == "Zoé"


def test_an_update_overwrites_only_what_the_file_says_and_merges_variables(
    organization: Organization, contact_list: ContactList
) -> None:
    Contact.objects.create(
        organization=organization, phone=A, name="Old", external_id="7", language="fr", variables={"a": "1", "b": "2"}
    )
    imp = run(take(contact_list, f"phone,name,id,b,c\n{A},New,,3,\n{B},Ada,9,,\n"))
    assert counts(imp) == (2, 1, 1, 0, 0)
    contact = Contact.objects.get(phone=A)
    assert (contact.name, contact.external_id, contact.language) == ("New", "7", "fr")
    assert contact.variables == {"a": "1", "b": "3"}
    assert contact.created_by_import is None
    assert contact_list.contacts.count() == 2


def test_skip_leaves_the_contact_alone_and_still_puts_it_on_the_list(
    organization: Organization, contact_list: ContactList
) -> None:
    Contact.objects.create(organization=organization, phone=A, name="Old")
    imp = run(take(contact_list, f"phone,name\n{A},New\n", on_duplicate="skip"))
    assert counts(imp) == (1, 0, 0, 1, 0)
    assert Contact.objects.get().name == "Old"
    assert contact_list.contacts.count() == 1


def test_contacts_of_another_organization_are_not_touched(
    organization: Organization, contact_list: ContactList
) -> None:
    other = Organization.objects.create(tenant=organization.tenant, name="Other")
    theirs = Contact.objects.create(organization=other, phone=A, name="Theirs")
    imp = run(take(contact_list, f"phone,name\n{A},Ours\n"))
    assert counts(imp) == (1, 1, 0, 0, 0)
    theirs.refresh_from_db()
    assert theirs.name == "Theirs"


def test_a_number_inserted_by_somebody_else_meanwhile_is_updated_and_not_created(
    organization: Organization, contact_list: ContactList, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = persons.create

    def after_somebody_else(imp: ContactImport, new: Any) -> Any:
        Contact.objects.create(organization=organization, phone=A, name="Theirs", language="fr")
        return real(imp, new)

    monkeypatch.setattr(persons, "create", after_somebody_else)
    imp = run(take(contact_list, f"phone,name\n{A},Ours\n"))
    assert counts(imp) == (1, 0, 1, 0, 0)
    contact = Contact.objects.get()
    assert (contact.name, contact.language) == ("Ours", "fr")


def test_variables_that_would_grow_too_many_are_rejected_with_their_line(
    organization: Organization, contact_list: ContactList
) -> None:
    Contact.objects.create(organization=organization, phone=A, variables={f"v{n}": "x" for n in range(64)})
    imp = run(take(contact_list, f"phone,new\n{A},x\n{B},y\n"))
    assert counts(imp) == (2, 1, 0, 0, 1)
    assert len(Contact.objects.get(phone=A).variables) == 64


def test_the_same_file_again_is_imported_and_said_so(contact_list: ContactList) -> None:
    assert run(take(contact_list, f"phone\n{A}\n")).note == ""
    again = run(take(contact_list, f"phone\n{A}\n"))
    assert "imported into this list before" in again.note
    assert counts(again) == (1, 0, 1, 0, 0)


def test_when_all_rows_are_rejected_the_note_says_so(contact_list: ContactList) -> None:
    imp = run(take(contact_list, "phone\n0612\n0613\n"))
    assert imp.status == "completed"
    assert "All 2 rows were rejected" in imp.note


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"phone,name\n", "no rows"),
        (b"phone,name\n\n,,\n", "no rows"),
        (b"who,when\nZoe,9:30\n", "No column holds the phone number"),
        (b"PK\x03\x04rest", "spreadsheet"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_at_once_and_nothing_is_kept(
    contact_list: ContactList, settings: Any, data: bytes, words: str
) -> None:
    with pytest.raises(UnreadableFile, match=words):
        take(contact_list, data)
    assert not ContactImport.objects.exists()
    assert not [path for path in Path(settings.MEDIA_ROOT).rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    "fields",
    [
        {"mapping": {"phone": "nickname"}},
        {"mapping": ["phone"]},
        {"delimiter": "x"},
        {"encoding": "klingon"},
        {"default_region": "ZZ"},
        {"default_region": "france"},
        {"on_duplicate": "explode"},
    ],
)
def test_an_invalid_option_is_refused_at_once(contact_list: ContactList, fields: dict[str, Any]) -> None:
    with pytest.raises(UnreadableFile):
        take(contact_list, f"phone\n{A}\n", **fields)


def test_a_file_of_blank_rows_is_refused_without_reading_them_all(
    contact_list: ContactList, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "BLANK_ROWS", 10)
    with pytest.raises(UnreadableFile, match="The first 10 rows below the header are empty"):
        take(contact_list, b"phone\n" + b" ,\n" * 10 + b"+33612345678\n")
    assert take(contact_list, b"phone\n" + b" \n" * 9 + b"+33612345678\n").pk
    assert ContactImport.objects.count() == 1


def test_a_file_that_is_too_large_is_refused_and_not_kept(contact_list: ContactList, settings: Any) -> None:
    settings.IMPORT_MAX_BYTES = 300_000
    with pytest.raises(FileTooLarge, match="split it"):
        take(contact_list, many(20_000))
    assert not ContactImport.objects.exists()
    assert not [path for path in Path(settings.MEDIA_ROOT).rglob("*") if path.is_file()]


def test_the_file_is_stored_under_a_name_of_ours_with_its_digest(contact_list: ContactList) -> None:
    data = many(3)
    upload = SimpleUploadedFile("../../etc/pass\x07wd.csv", data)
    imp = start_import(contact_list, upload, "..\\..\\etc\\pass\x07wd.csv")
    assert imp.filename == "passwd.csv"
    assert "passwd" not in str(imp.file.name)
    assert imp.sha256 == hashlib.sha256(data).hexdigest()
    assert imp.bytes_total == len(data)
    assert imp.status == "pending"
    with imp.file.open() as stored:
        assert stored.read() == data


def test_the_region_of_the_import_goes_before_the_organizations(contact_list: ContactList) -> None:
    imp = run(take(contact_list, "phone\n0470123456\n", default_region="BE"))
    assert Contact.objects.get().phone == "+32470123456"
    assert imp.rejected == 0


def test_an_accent_after_the_sample_decides_the_encoding(contact_list: ContactList) -> None:
    plain = "".join(f"+3361{number:07d},Name\n" for number in range(14_000))
    imp = take(contact_list, f"phone,name\n{plain}{A},Zoé élève\n".encode("cp1252"))
    assert imp.encoding == "cp1252"
    run_step(imp.pk, PATIENCE)
    assert Contact.objects.get(phone=A).name == "Zoé élève"


def test_a_canceled_import_stops_and_keeps_what_it_brought(contact_list: ContactList, small_batches: None) -> None:
    imp = take(contact_list, many(200))
    assert not run_step(imp.pk, 0)
    assert cancel(imp, "olga")
    assert not cancel(imp, "olga")
    assert run_step(imp.pk, PATIENCE)
    imp.refresh_from_db()
    assert imp.status == "canceled"
    assert Contact.objects.count() == imp.created > 0
    assert imp.rows_read == 50


def test_a_batch_that_is_under_way_when_the_import_is_canceled_is_not_kept(
    contact_list: ContactList, monkeypatch: pytest.MonkeyPatch
) -> None:
    imp = take(contact_list, many(20))
    real = Upsert.write

    def canceled_meanwhile(self: Any, *rows: Any) -> Any:
        result = real(self, *rows)
        ContactImport.objects.filter(pk=imp.pk).update(status="canceled", lease_until=None)
        return result

    monkeypatch.setattr(Upsert, "write", canceled_meanwhile)
    run_step(imp.pk, PATIENCE)
    assert Contact.objects.count() == 0


def test_two_workers_never_have_the_same_import(contact_list: ContactList) -> None:
    imp = take(contact_list, many(20))
    ContactImport.objects.filter(pk=imp.pk).update(status="running", lease_until=timezone.now() + timedelta(seconds=60))
    assert due() == []
    assert run_step(imp.pk, PATIENCE) is False
    assert Contact.objects.count() == 0
    ContactImport.objects.filter(pk=imp.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    assert due() == [imp.pk]
    assert run_step(imp.pk, PATIENCE) is True
    assert due() == []


def test_a_worker_whose_lease_was_taken_over_writes_nothing(
    contact_list: ContactList, monkeypatch: pytest.MonkeyPatch
) -> None:
    imp = take(contact_list, many(20))
    real = Upsert.write

    def slow(self: Any, *rows: Any) -> Any:
        ContactImport.objects.filter(pk=imp.pk).update(lease_until=timezone.now() + timedelta(seconds=60))
        return real(self, *rows)

    monkeypatch.setattr(Upsert, "write", slow)
    assert run_step(imp.pk, PATIENCE) is False
    imp.refresh_from_db()
    assert (imp.rows_read, imp.status) == (0, "running")
    assert Contact.objects.count() == 0


def test_a_file_that_is_gone_fails_with_a_sentence(contact_list: ContactList) -> None:
    imp = take(contact_list, many(20))
    imp.file.storage.delete(str(imp.file.name))
    assert run_step(imp.pk, PATIENCE)
    imp.refresh_from_db()
    assert imp.status == "failed"
    assert "upload it again" in imp.error


def test_an_import_that_does_not_exist_is_over(db: None) -> None:
    assert run_step(999_999)


def test_rejected_rows_handed_in_again_after_correction_are_read(contact_list: ContactList, settings: Any) -> None:
    imp = run(take(contact_list, "phone,name,city\n0612,Zoé,+33\n"))
    rows = rejected(imp, settings.MEDIA_ROOT)
    assert rows[1][2] == "'+33"
    text = io.StringIO()
    csv.writer(text).writerows([rows[0], [A, *rows[1][1:]]])
    again = run(take(contact_list, text.getvalue()))
    assert counts(again) == (1, 1, 0, 0, 0)
    assert Contact.objects.get().variables == {"city": "+33"}


def test_numbers_in_the_file_of_rejected_rows_stay_numbers(contact_list: ContactList, settings: Any) -> None:
    imp = run(take(contact_list, "phone,name\n+442079460018,@x\n-5,\t\n"))
    rows = rejected(imp, settings.MEDIA_ROOT)
    assert [row[0] for row in rows[1:]] == ["+442079460018", "'-5"]
    assert rows[1][1] == "'@x"
