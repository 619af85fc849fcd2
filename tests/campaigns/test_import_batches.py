"""A file gives the same contacts whatever the size of a batch, and wherever the import dies, is canceled or goes on."""

from __future__ import annotations

import io
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from campaigns.imports import batches, job, undo, upload
from campaigns.imports.columns import UnreadableFile
from campaigns.imports.readings import Readings
from campaigns.imports.rows import read_rows
from campaigns.models import (
    Contact,
    ContactImport,
    ContactList,
    ContactListMember,
    ContactNumber,
    DoNotCall,
    ImportOverwrite,
)
from campaigns.phones import Reading
from tenants import failpoints
from tenants.models import Organization
from tests.waiting import PATIENCE

pytestmark = pytest.mark.django_db
POINTS = ("importing.claimed", "importing.writing", "importing.written")
# A person three times, and twice with swapped numbers; a number that two share; wishes; faults; values that a file
# overwrites in contacts that are there; a blank line; texts that a database could take for something else.
FILE = r"""Mobile,Home,Name,Ref,Do not call,Consent date,City
06 12 34 56 01,,Ada,1,,2026-03-31,Lyon
0612345602,+33 1 23 45 67 02,Bob,2,no,,"Paris, 5e"
06 12 34 56 01,,Ada,1,,,Nice
+33612345603,0123456703,Cleo,3,yes,,
0123456704,0612345604,Dan,4,,2026-04-01T10:00:00+02:00,"line one
line two"

nonsense,,Eve,5,,,
0612345604,0123456704,Dan,4,,,Brest
0612345605,,,6,maybe,,
06.12.34.56.06,0123456702,Fay,7,,,NULL
0612345607,,"O'Neill \N ""x"" {1}",8,,,%s
+33612345601,0123456701,Ada,1,,,Lyon
0612345608,,Gus,9,yes,,
+33612345602,,Bobby,2,,,
0899123456,,Premium,10,yes,,
0612345609,,Hal,11,,31.12.2025,"{""a"": 1}"
"""


class Death(BaseException):
    """The process dies here."""


def there(organization: Organization) -> None:
    """Make contacts that are there before the file."""
    old = Contact.objects.create(
        organization=organization, phone="+33612345602", name="Robert", variables={"City": "Metz", "kept": "é"}
    )
    ContactNumber.objects.create(organization=organization, contact=old, phone="+33123456799", kind="work", position=1)
    Contact.objects.create(organization=organization, phone="+33612345609", name="Hal", external_id="11")


def contacts() -> list[Any]:
    left_out = {"id", "uuid", "created_at", "updated_at", "created_by_import_id"}
    found = []
    for contact in Contact.objects.order_by("phone"):
        values = {
            field.attname: getattr(contact, field.attname)
            for field in Contact._meta.concrete_fields
            if field.attname not in left_out
        }
        numbers = list(contact.further_numbers.order_by("position").values_list("position", "phone", "kind"))
        found.append((values, numbers))
    return found


def state(imp: ContactImport, root: Path) -> dict[str, Any]:
    """Return all that an import wrote, without keys and moments."""
    imp.refresh_from_db()
    rejected = (root / str(imp.rejected_file.name)).read_bytes() if imp.rejected_file.name else b""
    names = ("status", "rows_read", "lines_read", "bytes_read", "created", "updated", "skipped", "rejected", "listed")
    return {
        "contacts": contacts(),
        "made": sorted(Contact.objects.filter(created_by_import=imp).values_list("phone", flat=True)),
        "members": sorted(
            ContactListMember.objects.filter(created_by_import=imp).values_list("contact__phone", flat=True)
        ),
        "listed": sorted(DoNotCall.objects.values_list("phone", "reason", "source")),
        "images": sorted(
            (row.contact.phone, sorted(row.before.items()), sorted(row.after.items()))
            for row in ImportOverwrite.objects.select_related("contact")
        ),
        "counters": {name: getattr(imp, name) for name in (*names, "numbers_left_out", "phone_readings")},
        "rejected": rejected,
    }


def started(contact_list: ContactList) -> ContactImport:
    mapping = {"Mobile": "phone.mobile", "Home": "phone.home", "Name": "name", "Ref": "external_id"}
    mapping |= {"Do not call": "do_not_call", "Consent date": "consent_at", "City": "variables.City"}
    return upload.start_import(contact_list, io.BytesIO(FILE.encode()), "list.csv", mapping=mapping)


def finished(imp: ContactImport) -> ContactImport:
    while not job.run_step(imp.pk, 0):
        pass
    return imp


def forgotten() -> None:
    for model in (ImportOverwrite, ContactListMember, ContactNumber, DoNotCall):
        model._default_manager.all().delete()
    Contact.objects.update(created_by_import=None)
    ContactImport.objects.all().delete()
    Contact.objects.all().delete()


def test_the_size_of_a_batch_and_deaths_change_nothing(
    contact_list: ContactList,
    organization: Organization,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    subtests: pytest.Subtests,
) -> None:
    monkeypatch.setattr(job, "BATCH", 1)
    there(organization)
    before = contacts()
    slow = state(finished(started(contact_list)), settings.MEDIA_ROOT)
    assert slow["counters"]["status"] == "completed"
    # Counted by hand in FILE: Ada, Cleo, Dan, Fay, O'Neill and Gus are new; Ada comes three times, Dan and Bob twice.
    assert [slow["counters"][name] for name in ("rows_read", "created", "updated", "rejected")] == [15, 6, 6, 3]
    assert len(slow["images"]) == 2, "Bob and Hal were there"
    real = failpoints.reach
    for size, points in ((2, ("", *POINTS)), (3, POINTS[1:]), (100, ("",))):
        for dying in points:
            with subtests.test(size=size, dying=dying):
                forgotten()
                there(organization)
                monkeypatch.setattr(job, "BATCH", size)
                imp = started(contact_list)
                for visit in (1, 2) if dying else ():
                    monkeypatch.setattr(failpoints, "reach", dies_at(dying, visit))
                    try:
                        job.run_step(imp.pk, PATIENCE)
                    except Death:
                        ContactImport.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
                monkeypatch.setattr(failpoints, "reach", real)
                assert state(finished(imp), settings.MEDIA_ROOT) == slow
                undo.undo(imp, "test")
                while not undo.run_step(imp.pk, PATIENCE):
                    pass
                assert contacts() == before, "the undo gives back what was there"


def dies_at(point: str, visit: int) -> Any:
    visits = 0

    def reach(name: str) -> None:
        nonlocal visits
        visits += name == point
        if name == point and visits == visit:
            raise Death

    return reach


def test_a_cancel_between_two_batches_keeps_whole_batches_and_the_undo_takes_them_back(
    contact_list: ContactList, organization: Organization, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "BATCH", 3)
    there(organization)
    before = contacts()
    imp = started(contact_list)
    assert not job.run_step(imp.pk, 0)
    assert not job.run_step(imp.pk, 0)
    imp.refresh_from_db()
    assert job.cancel(imp, "olga")
    assert job.run_step(imp.pk, PATIENCE), "nothing is left to do"
    found = state(imp, settings.MEDIA_ROOT)
    assert found["counters"]["rows_read"] == 5, "and a blank line"
    assert found["made"] == ["+33612345601", "+33612345603", "+33612345604"]
    undo.undo(imp, "test")
    assert undo.run_step(imp.pk, PATIENCE)
    assert contacts() == before


def test_long_rows_make_short_batches(contact_list: ContactList, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "MOST_BYTES", 1_000)
    lines = [f"06123456{number:02},{'x' * 480}" for number in range(6)]
    imp = upload.start_import(contact_list, io.BytesIO("\n".join(["phone,note", *lines]).encode()), "list.csv")
    read = []
    while not job.run_step(imp.pk, 0):
        imp.refresh_from_db()
        read.append(imp.rows_read)
    assert read == [3, 6], "two rows have 984 bytes"
    assert Contact.objects.count() == 6


def test_a_fault_of_the_file_further_down_comes_after_the_batches_before_it(
    contact_list: ContactList, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "BATCH", 2)
    imp = started(contact_list)

    def breaking(*given: Any, **named: Any) -> Any:
        for number, row in enumerate(read_rows(*given, **named)):
            if number == 5:
                raise UnreadableFile("The file ends in the middle.")
            yield row

    monkeypatch.setattr(job, "read_rows", breaking)
    assert job.run_step(imp.pk, PATIENCE)
    imp.refresh_from_db()
    assert (imp.status, imp.rows_read, imp.error) == ("failed", 4, "The file ends in the middle.")


def test_rows_are_read_beside_and_a_whole_column_is_not(
    contact_list: ContactList, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread that reads rows has no connection: who reads a column renews the lease."""
    monkeypatch.setattr(job, "BATCH", 2)
    text = "phone\n0612345601\n0612345602\n0612345603\n491701234567\n491701234568\n+491701234569\n0612345604\n"
    imp = upload.start_import(contact_list, io.BytesIO(text.encode()), "list.csv", default_region="DE")
    here, rows_in, columns_in = threading.get_ident(), set(), []
    read, ask = job._Step._read, Readings.__call__

    def noted(self: Any, *given: Any) -> Any:
        rows_in.add(threading.get_ident())
        return read(self, *given)

    def asked(self: Readings, column: int) -> Reading:
        columns_in.append(threading.get_ident())
        return ask(self, column)

    monkeypatch.setattr(job._Step, "_read", noted)
    monkeypatch.setattr(Readings, "__call__", asked)
    assert job.run_step(imp.pk, PATIENCE)
    imp.refresh_from_db()
    assert (imp.status, imp.rows_read) == ("completed", 7)
    assert rows_in - {here}, "rows are read beside"
    assert set(columns_in) == {here}
    assert imp.phone_readings
