"""Files that Trunkline wrote, imported again: nothing changes, and after an edit of one cell that cell alone."""

from __future__ import annotations

import csv
import io
import random
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import phonenumbers
import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from calls.models import Call
from calls.reports import evidence_csv, results_csv
from campaigns.do_not_call import entries
from campaigns.do_not_call.file import read_file
from campaigns.imports import dry_run, saved_mappings
from campaigns.imports.columns import UnreadableFile
from campaigns.imports.job import run_step
from campaigns.imports.own_files import contradiction
from campaigns.imports.upload import start_import
from campaigns.models import (
    Contact,
    ContactImport,
    ContactList,
    ContactNumber,
    ContactTag,
    DoNotCall,
    ImportMapping,
    Tag,
)
from campaigns.phones import national
from tenants.models import Organization
from tenants.spreadsheets import BYTE_ORDER_MARK, as_written, harmless, lines
from tests.campaigns.workbooks import workbook
from tests.conftest import ApiClient
from tests.tables import cases, rolled_back
from tests.test_admin import SignIn, sign_in, world
from tests.waiting import PATIENCE

__all__ = ["sign_in", "world"]  # fixtures
pytestmark = pytest.mark.django_db

HOSTILE = (
    "Ada\nLovelace",
    "two\r\nlines",
    "an old\rMacintosh",
    "\n\nbreaks first and last\n",
    "  spaces around  ",
    "=1+1",
    "+1-1",
    "-2+3",
    "@SUM(A1)",
    "\t=1",
    "'=1",
    "''=1",
    "'",
    "''",
    "'t Hooft",
    "'+33612345678",
    "+33612345678",
    "Ada +33612345600",
    "0012",
    "0",
    "1.50",
    "1E5",
    "😀 👩‍👩‍👧",
    "محمد العربي",
    "\u202eright to left\u202c",
    'quo"ted "" "',
    "a,b;c|d\te",
    "x,+33612345678,y\nz,+33612345679,w",
    "\x01\x02\x1a\x1f\x7f",
    "\x0b\x0c\x1c\x85\u2028\u2029",
    "\ufeffmark",
    "yes",
    "from the number",
    "#N/A",
    "Ada;=1+1;",
    "a;'\"-2",
    "line\n" * 35,
    "NULL",
    "é\u0301 e\u0301",
)
TAGS = ("=1+1", "Rappel été", "'t Hooft", "+33612345678", "no", "#N/A")
NUMBERS = [f"+336123456{n:02}" for n in range(len(HOSTILE))]


def state(organization: Organization) -> dict[str, dict[str, Any]]:
    """Return all that is known about the contacts of an organization, by number."""
    found = {}
    for contact in Contact.objects.filter(organization=organization):
        values = {
            name: getattr(contact, name)
            for name in (
                *("uuid", "phone_kind", "name", "external_id", "language", "timezone", "zone_fault", "variables"),
                *("consent_basis", "consent_at", "consent_evidence", "on_hold", "updated_at"),
            )
        }
        values["tags"] = [tag.name for tag in contact.tags.all()]
        values["numbers"] = list(contact.further_numbers.values_list("phone", "kind", "position"))
        found[contact.phone] = values
    entries_of = DoNotCall.objects.filter(organization=organization)
    found["do not call"] = {each.phone: (each.reason, each.source, each.expires_at) for each in entries_of}
    return found


@pytest.fixture
def people(organization: Organization) -> list[Contact]:
    """Contacts whose every text is hostile, with several numbers that some of them share."""
    made = []
    for place, text in enumerate(HOSTILE):
        other = HOSTILE[(place * 7 + 3) % len(HOSTILE)]
        contact = Contact.objects.create(
            organization=organization,
            phone=NUMBERS[place],
            phone_kind=("", "mobile", "work")[place % 3],
            name=text[:200],
            external_id=other[:200],
            language=("", "fr", "pt-BR")[place % 3],
            timezone=("", "Europe/Paris", "Asia/Tokyo", "EST")[place % 4],
            variables={"city": text, f"v{place}": other, "empty": ""} if place % 2 else {},
            consent_basis=("", "contract")[place % 2],
            consent_at=datetime(2026, 3, 4, 5, 6, 7, 891, tzinfo=UTC) if place % 3 else None,
            consent_evidence=other if place % 2 else "",
        )
        made.append(contact)
    shared = made[1].phone
    for contact, numbers in (
        (made[0], [("+33123456789", "home"), (shared, "mobile")]),
        (made[2], [(shared, ""), ("+33987654321", "other"), ("+33123456788", "work"), ("+447700900123", "mobile")]),
    ):
        for position, (phone, kind) in enumerate(numbers, 1):
            ContactNumber.objects.create(
                organization=organization, contact=contact, phone=phone, kind=kind, position=position
            )
    # The number that is called is a landline, and a further one is the mobile of somebody else.
    landline = Contact.objects.create(organization=organization, phone="+33140000001", name="Bob")
    ContactNumber.objects.create(organization=organization, contact=landline, phone=shared, position=1)
    Contact.objects.create(organization=organization, phone="+33140000002", variables={"long": "é" * 8_000})
    Contact.objects.create(organization=organization, phone="+33140000003", variables={"lines": "a\n" * 5_000})
    Contact.objects.create(organization=organization, phone="+33140000004", consent_evidence="'" + "=x" * 5_000)
    tags = [Tag.objects.create(organization=organization, name=name) for name in TAGS]
    for place, contact in enumerate(made):
        ContactTag.objects.bulk_create(ContactTag(contact=contact, tag=tag) for tag in tags[: place % 3 + place // 9])
    entries.add(organization, made[4].phone, reason="asked", source="phone")
    entries.add(organization, shared, reason="=asked", source="test", expires_at=timezone.now() + timedelta(days=9))
    return made


def exported(client: Client, model: str) -> bytes:
    answer = client.get(reverse(f"admin:{model}_export"))
    assert answer.status_code == 200
    return answer.getvalue()


def table(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))


def file_of(rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode("utf-8-sig")


def imported(target: ContactList, data: bytes, **fields: Any) -> ContactImport:
    imp = start_import(target, io.BytesIO(data), "contacts.csv", **fields)
    assert run_step(imp.pk, PATIENCE)
    imp.refresh_from_db()
    assert imp.status == "completed", imp.error
    return imp


def errors_of(imp: ContactImport) -> bytes:
    """Return the file of rejected rows; nothing if there is none."""
    if not imp.rejected_file:
        return b""
    with imp.rejected_file.open() as file:
        return bytes(file.read())


@pytest.fixture
def target(organization: Organization) -> ContactList:
    return ContactList.objects.create(organization=organization, name="Again")


@pytest.fixture
def client_of(sign_in: SignIn, organization: Organization) -> Client:
    return sign_in(organization)


# What begins a formula, and what does not although it begins so.
FORMULA, NUMBER = re.compile(r"[=+\-@]"), re.compile(r"\+\d{7,15}")


def texts_to_guard(letters: str) -> list[str]:
    chance = random.Random(3)
    return [*HOSTILE, *("".join(chance.choices(letters, k=chance.randint(0, 8))) for _ in range(5_000))]


def test_the_guard_of_every_text_can_be_undone() -> None:
    texts = texts_to_guard("'\"=+-@\t\r\n;, x1")
    written = harmless(texts)
    assert [as_written(cell) for cell in written] == texts
    assert not [cell for cell in written if cell[:1] in set("=+-@\t\r\n") and not cell[1:].isdigit()]


@pytest.mark.parametrize(
    ("delimiter", "quoting"),
    [(",", csv.QUOTE_MINIMAL), (";", csv.QUOTE_MINIMAL), (";", csv.QUOTE_NONE), ("\t", csv.QUOTE_MINIMAL)],
)
def test_no_text_is_a_formula_wherever_a_spreadsheet_ends_a_cell(delimiter: str, quoting: Any) -> None:
    """Where the decimal sign is a comma, spreadsheets end cells at semicolons, and few of our quotes begin a cell."""
    texts = texts_to_guard("'\"=+-@\t\r\n;, x1")
    ran = 0
    for text in texts:
        written = "".join(lines([["first", text, text]])).removeprefix(BYTE_ORDER_MARK)
        for row in csv.reader(io.StringIO(written, newline=""), delimiter=delimiter, quoting=quoting):
            ran += len(row)
            assert not [cell for cell in row if FORMULA.match(cell) and not NUMBER.fullmatch(cell)], (text, row)
    assert ran > len(texts)


def test_titles_of_columns_are_guarded_where_no_row_was_rejected(api: ApiClient, target: ContactList) -> None:
    titles = {"=1+1": "", "city;@SUM(A1)": ""}
    found = ContactImport.objects.create(organization=target.organization, contact_list=target, mapping=titles)
    answer = api.get(f"/api/v1/imports/{found.uuid}/errors.csv")
    assert answer.content == b"'=1+1,city;'@SUM(A1),line,reason\r\n"


@cases("region", sorted(phonenumbers.SUPPORTED_REGIONS))
def test_both_columns_of_a_number_agree_in_every_region(region: str) -> None:
    """The examples of the numbering plans, written as the list of contacts writes them."""
    found = []
    for kind in (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE):
        if example := phonenumbers.example_number_for_type(region, kind):
            found.append(phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164))
    assert found
    for phone in found:
        assert contradiction(national(phone), phone) == ""
        other = phone[:-1] + str((int(phone[-1]) + 1) % 10)
        assert contradiction(national(other), phone) != ""


def test_the_contacts_come_back_unchanged(
    client_of: Client, organization: Organization, people: list[Contact], target: ContactList
) -> None:
    before = state(organization)
    imp = imported(target, exported(client_of, "campaigns_contact"))
    assert (imp.created, imp.rejected, imp.rows_read) == (0, 0, len(before) - 1), errors_of(imp).decode()
    assert state(organization) == before
    assert target.contacts.count() == imp.rows_read


def test_the_dry_run_says_that_nothing_changes(
    client_of: Client, organization: Organization, people: list[Contact], tmp_path: Path
) -> None:
    file = tmp_path / "contacts.csv"
    file.write_bytes(exported(client_of, "campaigns_contact"))
    found = dry_run.of_path(organization, file)
    assert (found.created, found.updated, found.listed, found.survey.refused) == (0, 0, 0, 0)
    assert found.left_out == 1, "the number of a country that the organization does not call; it is kept"
    assert found.unchanged == Contact.objects.filter(organization=organization).count()
    assert not found.changes


def test_the_contacts_come_back_from_a_spreadsheet_too(
    client_of: Client, organization: Organization, people: list[Contact], target: ContactList
) -> None:
    """A workbook ends lines in cells with a line feed alone, holds at most 32,767 characters, and no control ones."""
    Contact.objects.filter(name__in=[text for text in HOSTILE if any(c < " " and c != "\n" for c in text)]).delete()
    rows = table(exported(client_of, "campaigns_contact"))
    rows = [row for row in rows if not any(c < " " and c != "\n" for cell in row for c in cell)]
    before = state(organization)
    assert imported(target, workbook(rows)).created == 0
    assert state(organization) == before


EDITS: dict[str, tuple[str, str, Any]] = {
    "Name": ("Grace\nHopper", "name", "Grace\nHopper"),
    "External ID": ("'=7", "external_id", "=7"),
    "Language": ("de", "language", "de"),
    "Time zone": ("Europe/Paris", "timezone", "Europe/Paris"),
    "Consent basis": ("consent", "consent_basis", "consent"),
    "Consent at (UTC)": ("2026-05-06T07:08:09Z", "consent_at", datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC)),
    "Consent evidence": ("a call", "consent_evidence", "a call"),
    "Kind": ("home", "phone_kind", "home"),
    "variables.city": (" Lyon ", "variables", {"city": " Lyon "}),
    "Kind 2": ("work", "numbers", [("+33123456789", "work", 1), (NUMBERS[1], "mobile", 2)]),
}


@pytest.mark.parametrize("column", EDITS)
def test_an_edited_cell_changes_that_value_alone(
    column: str, client_of: Client, organization: Organization, people: list[Contact], target: ContactList
) -> None:
    header, *rows = table(exported(client_of, "campaigns_contact"))
    text, field, value = EDITS[column]
    [row] = [row for row in rows if row[header.index("Number (E.164)")] == NUMBERS[0]]
    row[header.index(column)] = text
    expected = state(organization)
    expected[NUMBERS[0]][field] = value
    imported(target, file_of([header, *rows]))
    found = state(organization)
    for each in (expected, found):
        del each[NUMBERS[0]]["updated_at"]
    assert found == expected


def test_an_edited_permission_puts_all_numbers_of_the_contact_on_the_list_and_no_others(
    client_of: Client, organization: Organization, people: list[Contact], target: ContactList
) -> None:
    before = state(organization)
    header, *rows = table(exported(client_of, "campaigns_contact"))
    [row] = [row for row in rows if row[header.index("Number (E.164)")] == NUMBERS[5]]
    assert row[header.index("May be called")] == "Yes"
    row[header.index("May be called")] = "No"
    imported(target, file_of([header, *rows]))
    found = state(organization)
    assert found["do not call"].keys() - before["do not call"].keys() == {NUMBERS[5]}
    assert {phone: found["do not call"][phone] for phone in before["do not call"]} == before["do not call"]


def test_a_number_that_was_changed_in_one_of_its_two_columns_is_refused(
    client_of: Client, organization: Organization, people: list[Contact], target: ContactList
) -> None:
    before = state(organization)
    header, *rows = table(exported(client_of, "campaigns_contact"))
    rows[0][header.index("Phone number")] = "06 99 99 99 99"
    imp = imported(target, file_of([header, *rows]))
    assert imp.rejected == 1
    assert "hold two numbers" in errors_of(imp).decode()
    assert state(organization) == before


def test_rejected_rows_of_our_file_are_corrected_and_imported(
    client_of: Client, organization: Organization, people: list[Contact], target: ContactList
) -> None:
    before = state(organization)
    header, *rows = table(exported(client_of, "campaigns_contact"))
    at = header.index("Number (E.164)")
    numbers = [row[at] for row in rows]
    for row in rows:
        row[at] = "12"
    first = imported(target, file_of([header, *rows]))
    assert first.rejected == len(rows)
    [refused, *errors] = table(errors_of(first))
    assert refused[-2:] == ["line", "reason"]
    for row, number in zip(errors, numbers, strict=True):
        row[at] = number
    assert imported(target, file_of([refused, *errors])).rejected == 0
    assert state(organization) == before


def test_rejected_rows_come_in_as_the_file_would_have(organization: Organization, target: ContactList) -> None:
    """The file is mapped by hand, which is saved for its columns."""
    texts = [text for text in HOSTILE if not any(c in text for c in "\r\x0b\x0c\x1c\x85\u2028\u2029")]
    texts.append("=" + "x" * 9_999)  # as long as a cell may be, and longer with its guard
    header = ["Mobile", "who", "note"]
    mapping = {"Mobile": "phone", "who": "name", "note": "variables.note"}
    rows = [[f"+3361111{place:04}", f"N{place}", text] for place, text in enumerate(texts)]
    imported(target, file_of([header, *rows]), mapping=mapping)
    expected = {contact.phone: (contact.name, contact.variables) for contact in Contact.objects.all()}
    Contact.objects.all().delete()
    bad = imported(target, file_of([header, *[["12", *row[1:]] for row in rows]]), mapping=mapping)
    assert bad.rejected == len(rows)
    [columns, *errors] = table(errors_of(bad))
    corrected = [[row[0], *error[1:]] for row, error in zip(rows, errors, strict=True)]
    imported(target, file_of([columns, *corrected]), mapping=mapping)
    assert {contact.phone: (contact.name, contact.variables) for contact in Contact.objects.all()} == expected


def test_a_saved_mapping_holds_for_the_rejected_rows_too(organization: Organization) -> None:
    row = saved_mappings.remember(organization, "CRM", ["Mobile", "who"], {"Mobile": "phone", "who": "name"}, "me")
    assert isinstance(row, ImportMapping)
    assert saved_mappings.saved(organization, ["Mobile", "who", "line", "reason"]) == row


LISTS = [
    model for model in admin.site._registry if model._meta.app_label in {"tenants", "providers", "campaigns", "calls"}
]


@pytest.mark.parametrize("model", LISTS, ids=lambda model: model.__name__)
def test_no_other_list_changes_a_contact(
    model: Any, sign_in: SignIn, world: dict[str, Any], organization: Organization, target: ContactList
) -> None:
    """A list of calls or settings adds contacts to a list, or is refused."""
    Contact.objects.filter(organization=organization).update(external_id="theirs", name="Ada")
    Call.objects.update(customer_name="Old name")
    before = state(organization)
    try:
        imported(target, exported(sign_in(), f"{model._meta.app_label}_{model._meta.model_name}"))
    except UnreadableFile:
        assert not ContactImport.objects.filter(contact_list=target).exists()
    after = state(organization)
    assert {phone: after[phone] for phone in before} == before
    known = set(before) | set(DoNotCall.objects.values_list("phone", flat=True))
    known |= set(Call.objects.values_list("to_number", flat=True)) | {*Contact.objects.values_list("phone", flat=True)}
    assert after.keys() <= known


def reports(world: dict[str, Any], organization: Organization) -> dict[str, Callable[[], Any]]:
    phone = world["contact"].phone
    return {
        "results": lambda: results_csv.text(world["campaign"].recipients.all()),
        "evidence": lambda: evidence_csv.lines([organization.pk], phone),
    }


@cases("name", ["results", "evidence"])
@cases("text", HOSTILE)
@rolled_back
def test_reports_change_no_contact(
    name: str, text: str, world: dict[str, Any], organization: Organization, target: ContactList
) -> None:
    contact = world["contact"]
    Contact.objects.filter(pk=contact.pk).update(name=text[:200], external_id=text[:200], consent_evidence=text)
    entries.add(contact.organization, contact.phone, reason=text, source="test")
    Call.objects.update(customer_name="Old name")
    before = state(contact.organization)
    data = "".join(reports(world, contact.organization)[name]()).encode()
    imp = imported(target, data)
    assert imp.rows_read == imp.updated + imp.skipped > 0
    assert state(contact.organization) == before


def test_the_do_not_call_list_reads_the_whole_number_of_our_files(
    client_of: Client, organization: Organization
) -> None:
    """Written as at home, (201) 555-0123 would be another number in another country."""
    for phone in ("+12015550123", "+33612345678", "+41446681800"):
        entries.add(organization, phone, source="test")
    found = read_file(exported(client_of, "campaigns_donotcall"), "list.csv", "FR")
    assert set(found.phones) == {"+12015550123", "+33612345678", "+41446681800"}
    assert (found.unreadable, found.repeated) == ([], 0)
