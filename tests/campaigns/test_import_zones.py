"""What an import says about time zones: rows that contradict their number, and words that were read as a place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from campaigns.imports import job
from campaigns.imports.upsert import Upsert
from campaigns.models import Contact, ContactImport, ContactList
from tenants.models import Organization
from tests.calls.test_campaign_page import words_of
from tests.campaigns.test_import_job import run, take
from tests.campaigns.test_import_pages import carried_out, fields_of, looked_at, staff
from tests.conftest import ApiClient

pytestmark = pytest.mark.django_db
# Line as a spreadsheet counts, number, zone, what an import says (by hand).
ROWS = [
    (2, "+33612345601", "Asia/Tokyo", "contradicting"),
    (3, "+33612345602", "Europe/Paris", ""),
    (4, "+33612345603", "europe/PARIS", ""),  # the same word
    (5, "+33612345604", "CET", "interpreted"),
    (6, "+33612345605", " Romance  Standard Time ", "interpreted"),
    (7, "+33612345606", "Europe/Berlin", ""),  # the same clock as in Paris
    (8, "+33612345607", "Etc/GMT-5", "rejected"),
    (9, "+33612345608", "", ""),
    (10, "+33612345609", "America/New_York", "contradicting"),
    (11, "+32470123456", "Tokyo", "rejected"),  # no clock of Belgium
]
FILE = "phone,tz\n" + "".join(f"{phone},{zone}\n" for _, phone, zone, _ in ROWS)
CONTRADICTING = [
    {"line": 2, "timezone": "Asia/Tokyo", "number_zones": ["Europe/Paris"]},
    {"line": 10, "timezone": "America/New_York", "number_zones": ["Europe/Paris"]},
]
INTERPRETED = [
    {"line": 5, "written": "CET", "timezone": "Europe/Paris"},
    {"line": 6, "written": "Romance Standard Time", "timezone": "Europe/Paris"},
]


def notices(imp: ContactImport) -> tuple[int, int, Any]:
    return imp.zones_contradicting, imp.zones_interpreted, imp.zone_examples


@pytest.mark.parametrize("batch", [1, 3, 1000])
def test_an_import_counts_rows_that_contradict_and_words_that_were_read(
    contact_list: ContactList, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr(job, "BATCH", batch)
    imp = run(take(contact_list, FILE))
    assert (imp.created, imp.rejected) == (8, 2)
    assert notices(imp) == (2, 2, {"contradicting": CONTRADICTING, "interpreted": INTERPRETED})
    wrong = Contact.objects.filter(zone_fault="contradicts").values_list("phone", flat=True)
    assert set(wrong) == {"+33612345601", "+33612345609"}


def test_the_examples_are_ten_and_the_count_is_exact(contact_list: ContactList) -> None:
    rows = "".join(f"+336123456{n:02},Asia/Tokyo\n" for n in range(25))
    imp = run(take(contact_list, f"phone,tz\n{rows}"))
    assert imp.zones_contradicting == 25
    assert [row["line"] for row in imp.zone_examples["contradicting"]] == list(range(2, 12))


def test_a_batch_that_is_done_again_is_counted_once(contact_list: ContactList, monkeypatch: pytest.MonkeyPatch) -> None:
    imp = take(contact_list, FILE)
    real, calls = Upsert.write, []

    def dies_once(self: Upsert, *rows: Any) -> Any:
        calls.append(1)
        if len(calls) == 1:
            real(self, *rows)
            raise KeyboardInterrupt
        return real(self, *rows)

    monkeypatch.setattr(Upsert, "write", dies_once)
    with pytest.raises(KeyboardInterrupt):
        job.run_step(imp.pk, 0)
    ContactImport.objects.update(lease_until=None)
    assert notices(run(imp))[:2] == (2, 2)


def test_a_row_that_is_rejected_for_its_variables_has_no_notice(contact_list: ContactList) -> None:
    full = {f"v{n}": "x" for n in range(64)}
    Contact.objects.create(organization=contact_list.organization, phone="+33612345601", variables=full)
    imp = run(take(contact_list, "phone,tz,city\n+33612345601,Asia/Tokyo,Lyon\n"))
    assert (imp.rejected, imp.zones_contradicting, imp.zone_examples) == (1, 0, {})


def test_an_update_of_the_zone_is_judged_too(contact_list: ContactList) -> None:
    run(take(contact_list, "phone,tz\n+33612345601,Europe/Paris\n"))
    run(take(contact_list, "phone,tz\n+33612345601,Asia/Tokyo\n"))
    assert Contact.objects.get().zone_fault == "contradicts"
    run(take(contact_list, "phone,name\n+33612345601,Ada\n"))
    assert Contact.objects.get().zone_fault == "contradicts"
    run(take(contact_list, "phone,tz\n+33612345601,CET\n"))
    assert Contact.objects.get().zone_fault == ""


def test_the_api_gives_counts_and_examples(api: ApiClient, contact_list: ContactList) -> None:
    imp = run(take(contact_list, FILE))
    found = api.get(f"/api/v1/imports/{imp.uuid}/").json()
    assert (found["zones_contradicting"], found["zones_interpreted"]) == (2, 2)
    assert found["zone_examples"] == {"contradicting": CONTRADICTING, "interpreted": INTERPRETED}
    errors = api.get(f"/api/v1/imports/{imp.uuid}/errors.csv")
    text = b"".join(errors.streaming_content).decode()  # type: ignore[attr-defined]
    assert "Etc/GMT-5" in text and "Asia/Tokyo" not in text, "accepted rows are not imported again"


SAID = (
    "2 rows have a time zone that is none of the number's.",
    "called only when both are in calling hours",
    "Asia/Tokyo, but the number is in Europe/Paris",
    "2 rows have another word for a time zone.",
    "CET was read as Europe/Paris",
)


def test_preview_and_result_say_the_same(organization: Organization) -> None:
    client = staff(organization)
    page = looked_at(client, FILE.encode())
    assert all(words in words_of(page) for words in SAID)
    client.post("/admin/campaigns/contactlist/import/", {**fields_of(page), "_import": "1"})
    imp = carried_out(ContactImport.objects.get())
    result = client.get(f"/admin/campaigns/contactimport/{imp.pk}/change/").content.decode()
    assert all(words in words_of(result) for words in SAID)
    link = f"/admin/campaigns/contact/?lists__id__exact={imp.contact_list_id}&amp;zone_fault=contradicts"
    assert link in result
    listed: Any = client.get(link.replace("&amp;", "&"))
    assert {row.phone for row in listed.context["cl"].result_list} == {"+33612345601", "+33612345609"}


def test_a_file_without_such_rows_has_no_notice(organization: Organization, contact_list: ContactList) -> None:
    imp = run(take(contact_list, "phone,tz\n+33612345602,Europe/Paris\n+33612345603,\n"))
    assert notices(imp) == (0, 0, {})
    page = staff(organization).get(f"/admin/campaigns/contactimport/{imp.pk}/change/").content.decode()
    assert "another word" not in page and "none of the number" not in page


def test_the_command_says_so(organization: Organization, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "list.csv"
    file.write_text(FILE)
    call_command("import_contacts", str(file), organization=str(organization.uuid), list_name="New")
    out = capsys.readouterr().out
    assert SAID[0] in out and SAID[3] in out
