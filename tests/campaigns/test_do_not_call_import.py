"""Import into the do-not-call list: every readable number is listed, and every unreadable row is named."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from calls.models import Call, Status
from campaigns import contact_locks
from campaigns.do_not_call import bulk, entries
from campaigns.do_not_call import file as do_not_call_file
from campaigns.do_not_call.file import Numbers, read_file, read_text
from campaigns.imports.columns import UnreadableFile
from campaigns.models import Contact, DoNotCall
from tenants.models import AuditEntry, Membership, Organization
from tests.calls import support
from tests.campaigns.workbooks import archive, parts_of, sheet
from tests.conftest import a_number, an_account, an_assistant

pytestmark = pytest.mark.django_db
A, B, C = "+33612345601", "+33612345602", "+33612345603"
URL = "/admin/campaigns/donotcall/import/"


def read(data: str | bytes, name: str = "list.csv") -> Numbers:
    return read_file(data.encode() if isinstance(data, str) else data, name, "FR")


def complaints(found: Numbers) -> list[tuple[int, str]]:
    return [(row.line, row.cells[0]) for row in found.unreadable]


# --- reading ------------------------------------------------------------------------------------------------------


def test_pasted_text_is_a_number_a_line() -> None:
    found = read_text(f"06 12 34 56 01\n\n  {B}\nnonsense\n0612345601\nPhone", "FR")
    assert found.phones == {A: 1, B: 3} and found.repeated == 1
    assert complaints(found) == [(4, "nonsense"), (6, "Phone")]


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        ("phone\n0612345601\n0612345602\n", [2, 3]),
        ("0612345601\n0612345602\n", [1, 2]),
        ("\ufeff0612345601\r\n\r\n0612345602", [1, 3]),
        ("Nom;Téléphone\nAna;06 12 34 56 01\nBob;06 12 34 56 02\n", [2, 3]),
        ("Ana;06 12 34 56 01\nBob;06 12 34 56 02\n", [1, 2]),
        ("sep=;\nName;Tel\nAna;0612345601\nBob;0612345602", [3, 4]),
        ("\ufeff0612345601\n0612345602\n".encode("utf-16-le"), [1, 2]),
        ("\ufeffphone\n0612345601\n0612345602\n".encode("utf-16-le"), [2, 3]),
    ],
)
def test_files_with_and_without_a_header_are_read(data: str | bytes, lines: list[int]) -> None:
    found = read(data)
    assert list(found.phones) == [A, B] and found.unreadable == []
    assert list(found.phones.values()) == lines


@pytest.mark.parametrize(
    "rows",
    [
        [["Tel", "Nom"], ["0612345601", "x"], [612345602, "y"]],
        [["0612345601"], ["0612345602"]],
        [["Ana", A], ["Bob", B]],
    ],
)
def test_workbooks_are_read(rows: Sequence[Sequence[object]]) -> None:
    found = read(archive(parts_of(sheet(rows))), "list.xlsx")
    assert list(found.phones) == [A, B] and found.unreadable == []


def test_every_column_of_numbers_is_listed() -> None:
    found = read(f"Name,Phone,Mobile phone,Phone type\nAna,{A},{B},mobile\nBob,{C},,work\nEve,,,\n")
    assert list(found.phones) == [A, B, C]
    assert complaints(found) == [(4, "")]


def test_what_cannot_be_read_is_never_dropped() -> None:
    """Every row is listed, counted as repeated, or named with its line."""
    rows = ["0612345601", "zero", '"0612345602', "0612345601", "0612345603,extra,cells", "1,2", "+881612345678", "911"]
    found = read("phone\n" + "\n".join(rows) + "\n")
    assert found.phones == {A: 2, C: 6} and found.repeated == 1
    assert [line for line, _ in complaints(found)] == [3, 4, 7, 8, 9]
    assert all(row.reason for row in found.unreadable)
    # A line that only looks like a header is a row.
    assert complaints(read("Do not ring these\n0612345601\n")) == [(1, "Do not ring these")]


def test_a_table_without_a_known_column_is_refused_whole() -> None:
    with pytest.raises(UnreadableFile, match="No column looks like phone numbers"):
        read("Name,Contents\nAna,0612345601\n")
    for nothing in ("", "\n\n", b"%PDF-1.4"):
        with pytest.raises(UnreadableFile):
            read(nothing)


def test_too_many_rows_are_refused_before_any_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(do_not_call_file, "MAX_ROWS", 3)
    assert len(read("phone\n" + f"{A}\n\n" * 3).phones) == 1
    with pytest.raises(UnreadableFile, match="split them"):
        read("phone\n" + f"{A}\n" * 4)


# --- listing ------------------------------------------------------------------------------------------------------


def test_many_numbers_are_listed_like_one(organization: Organization) -> None:
    now = timezone.now()
    hour = timedelta(hours=1)
    entries.add(organization, A, reason="first", source="staff", expires_at=now + hour)
    entries.add(organization, B, reason="first", source="staff")
    Contact.objects.filter(phone=B).delete()
    made = entries.add_many(organization, [A, B, C], reason="", source="list", expires_at=now + 2 * hour)
    assert made == 1
    found = {row.phone: row for row in DoNotCall.objects.all()}
    assert {phone: (row.reason, row.source, row.expires_at) for phone, row in found.items()} == {
        A: ("first", "staff", now + 2 * hour),
        B: ("first", "staff", None),
        C: ("", "list", now + 2 * hour),
    }
    assert set(Contact.objects.values_list("phone", flat=True)) == {A, B, C}, "its rows carry the locks"
    assert entries.listed(organization.pk, [A, B, C], now) == {A, B, C}
    assert entries.add(organization, C, source="test")[1] is False


def test_contacts_are_locked_before_their_numbers_are_listed(organization: Organization) -> None:
    with CaptureQueriesContext(connection) as queries:
        entries.add_many(organization, [B, A], reason="", source="list")
    words = [query["sql"] for query in queries]
    made = next(n for n, sql in enumerate(words) if sql.startswith("INSERT") and '"campaigns_contact"' in sql)
    lock = next(n for n, sql in enumerate(words) if 'ORDER BY "campaigns_contact"."id"' in sql)
    write = next(n for n, sql in enumerate(words) if sql.startswith("INSERT") and "donotcall" in sql)
    assert made < lock < write
    if connection.vendor == "postgresql":
        assert "FOR NO KEY UPDATE" in words[lock]


def test_a_contact_deleted_meanwhile_is_created_again(
    organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    Contact.objects.create(organization=organization, phone=A)
    real, tries = contact_locks.lock_keys, []

    def lock(keys: Collection[int]) -> list[Contact]:
        tries.append(1)
        if len(tries) == 1:
            Contact.objects.filter(phone=A).delete()
        return real(keys)

    monkeypatch.setattr(contact_locks, "lock_keys", lock)
    assert entries.add_many(organization, [A, B], reason="", source="list") == 2
    assert len(tries) == 2 and Contact.objects.count() == 2


def test_the_queries_do_not_grow_with_the_numbers(organization: Organization) -> None:
    entries.add(organization, A, source="test")
    phones = [f"+33612{number:06}" for number in range(500)]
    for _ in range(2):  # new ones, then known ones
        with CaptureQueriesContext(connection) as queries:
            entries.add_many(organization, phones, reason="", source="list")
        assert len(queries) <= 26, "SQLite takes a few dozen rows in a statement"


# --- the page -----------------------------------------------------------------------------------------------------


def staff(organization: Organization, role: str = "operator") -> Client:
    user = User.objects.create(username=f"{role}-{organization.pk}", is_staff=True)
    Membership.objects.create(user=user, organization=organization, role=role)
    client = Client()
    client.force_login(user)
    return client


def uploaded(client: Client, numbers: str = "", file: bytes | None = None, **fields: Any) -> str:
    given: dict[str, Any] = {"numbers": numbers, "reason": "asked in writing", **fields}
    if file is not None:
        given["file"] = SimpleUploadedFile("list.csv", file)
    answer = client.post(URL, given)
    assert answer.status_code == 200
    return " ".join(re.sub(r"<[^>]+>", "", answer.content.decode()).split())


def test_numbers_are_listed_at_once_and_the_rest_is_named(organization: Organization) -> None:
    client = staff(organization)
    assert f'href="{URL}"' in client.get("/admin/campaigns/donotcall/").content.decode()
    entries.add(organization, B, source="test")
    answer = client.post(
        URL,
        {
            "file": SimpleUploadedFile("list.csv", f"Tel\n{A}\n{B}\n=1+1\n<b>x</b>\n{A}\n".encode()),
            "reason": "Bloctel",
            "source": "Bloctel, November",
            "last_day": "2099-06-30",
        },
    )
    page = answer.content.decode()
    assert "<b>x</b>" not in page
    text = " ".join(re.sub(r"<[^>]+>", "", page).split())
    assert "1 number added to the list, 1 was already on it." in text and "1 row repeated a number." in text
    assert "2 rows could not be read and were not added" in text
    entry = DoNotCall.objects.get(phone=A)
    assert (entry.reason, entry.source) == ("Bloctel", "Bloctel, November")
    assert entry.expires_at == datetime(2099, 6, 30, 22, tzinfo=UTC), "the end of that day in Paris"
    url = re.search(r'href="([^"]*unreadable.csv[^"]*)"', page)
    assert url
    lines = client.get(url[1]).getvalue().decode("utf-8-sig").splitlines()
    assert lines[0] == "line,number,reason" and lines[1].startswith("4,'=1+1,") and lines[2].startswith("5,<b>x</b>,")
    begun, other_words, done, download = AuditEntry.objects.order_by("pk")
    assert (download.action, download.organization) == ("do_not_call.exported", organization)
    assert (other_words.action, other_words.actor) == ("do_not_call.changed", done.actor)
    assert other_words.detail["before"] == {"reason": "", "expires_at": None}
    assert (begun.action, begun.detail["numbers"]) == ("do_not_call.import_begun", 2)
    assert done.action == "do_not_call.imported" and done.organization == organization
    assert done.detail == {
        "file": "list.csv",
        "reason": "Bloctel",
        "source": "Bloctel, November",
        "added": 1,
        "listed_already": 1,
        "unreadable": 2,
        "repeated": 1,
    }
    # Another team member cannot download the file.
    assert staff(organization, "manager").get(url[1]).status_code == 404
    assert client.get(url[1] + "x").status_code == 404


def test_pasted_numbers_are_listed_under_my_name(organization: Organization) -> None:
    client = staff(organization)
    assert "2 numbers added to the list." in uploaded(client, f"{A}\r\n06 12 34 56 02\r\n")
    assert set(DoNotCall.objects.values_list("source", "expires_at")) == {(f"operator-{organization.pk}", None)}


def test_a_wrong_form_shows_its_errors(organization: Organization) -> None:
    client = staff(organization)
    assert "but not both" in uploaded(client)
    assert "but not both" in uploaded(client, A, file=f"{A}\n".encode())
    assert "This field is required" in uploaded(client, A, reason="")
    assert "This day is in the past" in uploaded(client, A, last_day="2020-01-01")
    assert "more than can be pasted" in uploaded(client, "1" * 900_001)
    assert "No column looks like phone numbers" in uploaded(client, file=b"Name,Contents\nAna,0612345601\n")
    assert not DoNotCall.objects.exists() and not AuditEntry.objects.exists()
    assert "Nothing was added" in uploaded(client, "nonsense")


def test_operators_import_numbers_in_their_own_organizations_only(
    organization: Organization, stranger: Organization, sister: Organization
) -> None:
    viewer = staff(organization, "viewer")
    assert viewer.get(URL).status_code == 403 and viewer.post(URL, {}).status_code == 403
    assert URL not in viewer.get("/admin/campaigns/donotcall/").content.decode()
    client = staff(organization)
    Membership.objects.create(
        user=User.objects.get(username__startswith="operator"), organization=sister, role="operator"
    )
    assert "Select a valid choice" in uploaded(client, A, organization=str(stranger.pk))
    assert "1 number added" in uploaded(client, A, organization=str(sister.pk))
    assert DoNotCall.objects.get().organization == sister


def test_a_database_error_keeps_the_listed_numbers_and_names_the_rest(
    organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "BATCH", 2)
    real = entries.add_many

    def add(home: Organization, phones: Sequence[str], **given: Any) -> int:
        if "+33612345605" in phones:
            raise OperationalError("gone")
        return real(home, phones, **given)

    monkeypatch.setattr(entries, "add_many", add)
    client = staff(organization)
    text = uploaded(client, "\n".join(f"061234560{number}" for number in range(1, 8)))
    assert "failed during the import" in text and "3 numbers from line 5 on are not" in text
    assert "4 numbers added to the list." in text and "never called" not in text
    assert DoNotCall.objects.count() == 4
    last = AuditEntry.objects.order_by("pk").last()
    assert last is not None and (last.action, last.detail["added"]) == ("do_not_call.import_stopped", 4)
    monkeypatch.setattr(entries, "add_many", real)
    text = uploaded(client, "\n".join(f"061234560{number}" for number in range(1, 8)))
    assert "3 numbers added to the list, 4 were already on it." in text


def test_open_calls_to_listed_numbers_are_shown(organization: Organization) -> None:
    account = an_account(organization)
    an_assistant(account)
    number = a_number(account)
    now = timezone.now()
    support.single(number, A, status=Status.RINGING, dialed_at=now, next_read_at=now + timedelta(hours=1))
    support.single(number, B)
    text = uploaded(staff(organization), f"{A}\n{B}\n{C}")
    assert "A call to 06 12 34 56 01 is" in text
    assert Call.objects.get(to_number=B).status == Status.QUEUED, "the gate refuses the call later"


def test_a_large_file_takes_few_queries(organization: Organization) -> None:
    client = staff(organization)
    file = "Tel\n" + "".join(f"06 12 {n // 100:04} {n % 100:02}\n" for n in range(5_000))
    with CaptureQueriesContext(connection) as queries:
        assert "5,000 numbers added to the list." in uploaded(client, file=file.encode())
    assert len(queries) < 15 + 10 * 31
