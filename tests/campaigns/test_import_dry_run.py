"""A dry run says what the import of the same file then does, and writes nothing."""

from __future__ import annotations

import io
import random
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from campaigns import further_numbers
from campaigns.do_not_call import entries
from campaigns.imports import job, preview, report, upload
from campaigns.imports.dry_run import Forecast, of_upload
from campaigns.models import Contact, ContactImport, ContactList, DoNotCall
from tests.campaigns.workbooks import workbook
from tests.conftest import ApiClient, KeyMaker
from tests.waiting import PATIENCE

pytestmark = pytest.mark.django_db
NUMBERS = [f"+336123456{number:02}" for number in range(12)]


def foreseen(contact_list: ContactList, text: str, **chosen: Any) -> Forecast:
    file = io.BytesIO(text.encode())
    return of_upload(contact_list.organization, file, "list.csv", **chosen)


def imported(contact_list: ContactList, text: str, **chosen: Any) -> ContactImport:
    imp = upload.start_import(contact_list, io.BytesIO(text.encode()), "list.csv", **chosen)
    assert job.run_step(imp.pk, PATIENCE)
    imp.refresh_from_db()
    return imp


def a_file(rng: random.Random) -> str:
    """Return a file whose rows repeat each other and existing contacts, share numbers, are marked, or are bad."""
    lines = ["Mobile,Home phone,Work phone,Name,Do not call,City,Language,Tags"]
    for _ in range(rng.randint(1, 25)):
        cells = [
            rng.choice([*NUMBERS, "0612", ""]),
            rng.choice([*NUMBERS, "", "", "nonsense"]),
            " ::: ".join(rng.sample(NUMBERS, rng.choice([0, 0, 1, 3, 5]))),
            rng.choice(["Ada", "Zoé", "", "Bob"]),
            rng.choice(["", "", "1", "no", "perhaps"]),
            rng.choice(["Lyon", "Nice", ""]),
            rng.choice(["fr", "", "x" * 36]),
            rng.choice(["", "VIP", "vip;Recall", "x" * 61]),
        ]
        lines.append(",".join(cells))
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("mode", ["update", "skip"])
@pytest.mark.parametrize("seed", range(12))
def test_it_foresees_what_the_import_does(contact_list: ContactList, seed: int, mode: str) -> None:
    rng = random.Random(seed)
    organization = contact_list.organization
    for phone in rng.sample(NUMBERS, 4):
        contact = Contact.objects.create(
            organization=organization, phone=phone, name=rng.choice(["", "Ada"]), variables={"City": "Lyon"}
        )
        others = rng.sample([each for each in NUMBERS if each != phone], rng.randint(0, 4))
        further_numbers.replace(contact, [(each, "") for each in others])
    entries.add(organization, rng.choice(NUMBERS), source="staff")
    text = a_file(rng)
    before = (list(Contact.objects.order_by("pk").values()), list(DoNotCall.objects.values()))
    try:
        found = foreseen(contact_list, text, on_duplicate=mode)
    finally:
        assert before == (list(Contact.objects.order_by("pk").values()), list(DoNotCall.objects.values()))
    people = Contact.objects.count()
    imp = imported(contact_list, text, on_duplicate=mode)
    assert (found.survey.read, found.survey.refused) == (imp.rows_read, imp.rejected)
    assert (found.created, found.updated + found.unchanged, found.skipped) == (imp.created, imp.updated, imp.skipped)
    assert (found.listed, found.left_out) == (imp.listed, imp.numbers_left_out)
    assert Contact.objects.count() == people + found.created
    assert foreseen(contact_list, text, on_duplicate=mode).listed == 0, "they are on the list now"


def test_it_says_what_changes_with_examples(contact_list: ContactList) -> None:
    one, two, three = NUMBERS[:3]
    for phone in (one, two):
        Contact.objects.create(organization=contact_list.organization, phone=phone, name="Old", language="fr")
    found = foreseen(
        contact_list, f"Phone,Phone 2,Name,City\n{one},{three},New,Lyon\n{two},,Old,\n+33612345699,,Zoé,\n"
    )
    assert (found.created, found.updated, found.unchanged) == (1, 1, 1)
    assert found.changes == {"name": 1, "numbers": 1, "variables.City": 1}
    assert [(each.line, each.key, each.before, each.after) for each in found.examples] == [
        (2, "name", "Old", "New"),
        (2, "variables.City", None, "Lyon"),
        (2, f"numbers.{three}", None, ""),
    ]


def test_it_groups_the_reasons_of_rejected_rows(contact_list: ContactList) -> None:
    rows = [*(f"0{number}" for number in range(100, 130)), "abc", NUMBERS[0]]
    found = foreseen(contact_list, "phone\n" + "\n".join(rows) + "\n")
    reasons = [(reason.rows, reason.line) for reason in found.survey.most_frequent()]
    assert reasons == [(30, 2), (1, 32)]


def test_who_is_on_the_list_already_is_said(contact_list: ContactList) -> None:
    organization = contact_list.organization
    listed, other, third, fourth = NUMBERS[:4]
    entries.add(organization, listed, source="staff")
    Contact.objects.all().delete()
    holder = Contact.objects.create(organization=organization, phone=third)
    further_numbers.replace(holder, [(listed, "")])
    found = foreseen(contact_list, f"phone,home phone,dnc\n{other},{listed},\n{third},,\n{fourth},,1\n{listed},,1\n")
    assert found.on_do_not_call == 3, "by a further number of the row, of the contact, and by the number itself"
    assert found.listed == 1, "the number of the last row is listed already"


def test_a_long_file_is_read_in_part_and_says_so(contact_list: ContactList, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("campaigns.imports.dry_run.SENT_ROWS", 3)
    monkeypatch.setattr(preview, "BATCH", 2)
    found = foreseen(contact_list, "phone\n" + "\n".join(NUMBERS) + "\n")
    assert (found.survey.whole, found.survey.read, found.created) == (False, 3, 3)


def test_it_takes_the_same_queries_for_many_rows(contact_list: ContactList) -> None:
    contact = Contact.objects.create(organization=contact_list.organization, phone=NUMBERS[0])
    further_numbers.replace(contact, [(NUMBERS[1], "")])

    def queries(rows: int) -> int:
        lines = [f"+33612{number:06d},Ada" for number in range(rows)]
        with CaptureQueriesContext(connection) as asked:
            foreseen(contact_list, "\n".join(["phone,name", f"{NUMBERS[0]},Ada", *lines]))
        return len(asked)

    queries(1)
    assert queries(2) == queries(500) <= 4


def test_the_api_previews_an_import(contact_list: ContactList, client_for: KeyMaker) -> None:
    api: ApiClient = client_for(contact_list.organization)
    one, two, three = NUMBERS[:3]
    Contact.objects.create(organization=contact_list.organization, phone=one, name="Old")
    path = f"/api/v1/contact-lists/{contact_list.uuid}/imports/preview/"

    def post(client: ApiClient, text: str, **form: Any) -> Any:
        file = io.BytesIO(text.encode())
        file.name = "crm.csv"
        return super(ApiClient, client).post(path, {"file": file} | form)

    answer = post(api, f"Phone,Home phone,Name,DNC\n{one},,New,\n{two},{three},Zoé,x\n0612,,,\n")
    assert answer.status_code == 200
    found = answer.json()
    assert {name: found[name] for name in ("whole_file", "rows_read", "created", "updated", "rejected", "listed")} == {
        "whole_file": True,
        "rows_read": 3,
        "created": 1,
        "updated": 1,
        "rejected": 1,
        "listed": 2,
    }
    assert found["columns"][1] == {"column": "Home phone", "target": "phone.home", "reason": "its name"}
    assert found["changes"] == {"name": 1}
    assert found["examples"] == [{"line": 2, "phone": one, "field": "name", "before": "Old", "after": "New"}]
    assert [(each["rows"], each["line"]) for each in found["reasons"]] == [(1, 4)]
    assert not ContactImport.objects.exists() and not DoNotCall.objects.exists()
    refused = post(api, f"Phone,OK to call\n{one},no\n")
    assert refused.status_code == 400
    assert "Column 'OK to call' may say who must not be called" in refused.json()["details"][0]["message"]
    assert post(client_for(contact_list.organization, "call"), f"phone\n{one}\n").status_code == 403


def test_a_workbook_is_previewed_too(contact_list: ContactList) -> None:
    sheet = workbook([["phone", "name", "dnc"], [33612345678, "Ada", "yes"], ["0612", "Bob", ""]])
    found = of_upload(contact_list.organization, io.BytesIO(sheet), "people.xlsx")
    assert (found.created, found.listed, found.survey.refused) == (1, 1, 1)


def test_values_that_nobody_means_to_speak_are_counted_by_column_and_kind(
    contact_list: ContactList, api: ApiClient
) -> None:
    rows = ["{{first_name}},9:30,a", "Bob,NULL,b", "Cid,NULL,#N/A", "Dan,None of the above,c", "JosÃ©,9:30,-"]
    text = "phone,name,slot,note\n" + "".join(f"{NUMBERS[n]},{row}\n" for n, row in enumerate(rows))
    found = foreseen(contact_list, text)
    assert found.survey.values.rows == 4 and found.created == 5, "they are imported all the same"
    told = {
        (row["field"], row["kind"]): (row["rows"], row["examples"][0]) for row in found.as_json()["placeholder_values"]
    }
    assert told == {
        ("name", "template"): (1, {"line": 2, "value": "{{first_name}}"}),
        ("name", "damaged"): (1, {"line": 6, "value": "JosÃ©"}),
        ("variables.slot", "missing_value"): (2, {"line": 3, "value": "NULL"}),
        ("variables.note", "spreadsheet_error"): (1, {"line": 4, "value": "#N/A"}),
        ("variables.note", "filler"): (1, {"line": 6, "value": "-"}),
    }
    sentences = list(report.of_forecast(found))
    assert any("4 rows have a value that nobody means to speak" in text for text in sentences)
