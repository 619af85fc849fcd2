from __future__ import annotations

from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from campaigns.models import Contact, ContactImport, ContactList, DoNotCall
from tenants.models import Organization
from tests.campaigns.workbooks import archive, parts_of, sheet

pytestmark = pytest.mark.django_db
A = "+33612345678"


def test_the_command_imports_into_a_new_list_and_sums_up(
    organization: Organization, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "list.csv"
    file.write_text(f"Mobile,Town\n{A},Lyon\n0612,Nice\n")
    call_command(
        "import_contacts",
        str(file),
        organization=str(organization.uuid),
        list_name="New",
        mapping='{"Town": "variables.city"}',
    )
    out = capsys.readouterr()
    assert "2 rows: 1 created, 0 updated, 0 skipped, 1 rejected." in out.out
    path = Path(out.out.split("Rejected rows: ")[1].strip())
    assert "0612" in path.read_text()
    assert "list.csv" in out.err  # the progress bar
    contact = ContactList.objects.get(name="New").contacts.get()
    assert contact.variables == {"city": "Lyon"}


def test_the_command_reads_a_workbook(
    organization: Organization, contact_list: ContactList, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "list.xlsx"
    file.write_bytes(archive(parts_of(sheet([["phone"], [612345678]]), sheet([]))))
    call_command("import_contacts", str(file), organization=str(organization.uuid), list_name="Patients")
    assert contact_list.contacts.get().phone == A
    assert "only the first, 'Sheet1', is read" in capsys.readouterr().out


def test_the_command_uses_a_list_that_exists(
    organization: Organization, contact_list: ContactList, tmp_path: Path
) -> None:
    file = tmp_path / "list.csv"
    file.write_text("phone\n06 12 34 56 78\n")
    call_command("import_contacts", str(file), organization=str(organization.uuid), list_name="Patients", region="fr")
    assert ContactList.objects.count() == 1
    assert contact_list.contacts.get().phone == A


@pytest.mark.parametrize(
    ("content", "options", "words"),
    [
        ("", {}, "empty"),
        ("who\nZoe\n", {}, "No column holds the phone number"),
        (f"phone\n{A}\n", {"mapping": "{"}, "not JSON"),
        (f"phone\n{A}\n", {"mapping": "[]"}, "object"),
        (f"phone\n{A}\n", {"region": "xx"}, "not a country"),
        (f"phone\n{A}\n", {"organization": "7"}, "no organization 7"),
        (None, {}, "There is no file"),
    ],
)
def test_bad_input_ends_the_command_with_a_sentence_and_leaves_nothing(
    organization: Organization, tmp_path: Path, content: str | None, options: dict[str, str], words: str
) -> None:
    file = tmp_path / "list.csv"
    if content is not None:
        file.write_text(content)
    given = {"organization": str(organization.uuid), "list_name": "New", **options}
    with pytest.raises(CommandError, match=words) as ended:
        call_command("import_contacts", str(file), **given)
    assert ended.value.returncode == 1
    assert not ContactImport.objects.exists()
    assert not ContactList.objects.exists()


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(
    organization: Organization, contact_list: ContactList, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Contact.objects.create(organization=organization, phone=A, name="Old")
    file = tmp_path / "list.csv"
    file.write_text(f"Mobile,Name,DNC,Town\n{A},New,,Lyon\n+33612345679,Zoé,1,\n0612,,,\n")
    options = {"organization": str(organization.uuid), "list_name": "Patients", "dry_run": True}
    call_command("import_contacts", str(file), other_columns="ignore", **options)
    out = capsys.readouterr().out
    assert "Of the 3 rows:" in out
    assert "1 create a contact, 1 change one, 0 change nothing, 0 are skipped, 1 are rejected." in out
    assert "Put on the do-not-call list: 1 number." in out
    assert "Column 'Town': left out (other columns are left out)." in out
    assert "first in line 4: '0612' is not a phone number in FR" in out
    assert f"Line 2, {A}: name 'Old' becomes 'New'." in out
    assert (Contact.objects.get().name, DoNotCall.objects.count(), ContactImport.objects.count()) == ("Old", 0, 0)


def test_a_column_that_may_be_an_opt_out_ends_the_command_with_what_to_write(
    organization: Organization, tmp_path: Path
) -> None:
    file = tmp_path / "list.csv"
    file.write_text(f"Phone,OK to call\n{A},no\n")
    given = {"organization": str(organization.uuid), "list_name": "New"}
    for dry_run in (True, False):
        with pytest.raises(CommandError, match=r"'OK to call' may say who must not be called\. Map it to do_not_call"):
            call_command("import_contacts", str(file), dry_run=dry_run, **given)
    assert not ContactList.objects.exists()
    call_command("import_contacts", str(file), mapping='{"OK to call": "may_call"}', **given)
    assert DoNotCall.objects.get().phone == A
