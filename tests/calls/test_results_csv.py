"""`results.csv`: one row per recipient, however many there are."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from calls.models import OPEN, TERMINAL, Call
from calls.reports import calls_csv, results_copy, results_csv
from campaigns.models import Campaign, Contact, Recipient
from providers.models import Assistant, PhoneNumber
from tenants import spreadsheets
from tenants.models import AuditEntry, Membership, Organization
from tests.calls.test_api_calls import a_call
from tests.conftest import ApiClient, KeyMaker
from tests.test_admin import SignIn, sign_in

__all__ = ["sign_in"]
pytestmark = pytest.mark.django_db
AT = datetime(2026, 5, 12, 9, 30, tzinfo=UTC)


@pytest.fixture
def campaign(organization: Organization, assistant: Assistant) -> Campaign:
    return Campaign.objects.create(organization=organization, name="C", assistant=assistant)


def recipients(campaign: Campaign, count: int, **fields: Any) -> list[Recipient]:
    phones = [f"+3361{number:07d}" for number in range(count)]
    people = [Contact(organization=campaign.organization, phone=phone, name="Ada") for phone in phones]
    Contact.objects.bulk_create(people)
    rows = [Recipient(campaign=campaign, contact=person, **fields) for person in Contact.objects.order_by("pk")]
    return Recipient.objects.bulk_create(rows)


def rows_of(answer: Any) -> list[dict[str, str]]:
    assert answer.status_code == 200
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def read(pieces: Iterable[str]) -> list[dict[str, str]]:
    text = "".join(pieces).removeprefix(spreadsheets.BYTE_ORDER_MARK)
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_a_row_tells_what_became_of_a_person(
    api: ApiClient, campaign: Campaign, assistant: Assistant, phone_number: PhoneNumber
) -> None:
    done, waiting = recipients(campaign, 2)
    Recipient.objects.filter(pk=done.pk).update(status="done", outcome="completed", attempts=2, reason="=1+1")
    Contact.objects.filter(pk=done.contact_id).update(name="@Ada", external_id="-7")
    called: dict[str, Any] = {"campaign": campaign, "recipient": done}
    first = a_call(
        assistant, phone_number, done.contact.phone, **called, status="no_answer", cost_estimate=Decimal("0.01")
    )
    last = a_call(
        assistant,
        phone_number,
        done.contact.phone,
        **called,
        answered_at=AT,
        ended_at=AT,
        duration_seconds=61,
        cost_price=Decimal("0.4125"),
        cost_estimate=Decimal("0.3"),
        answered_by="human",
        result={"confirmed": True},
        dynamic_variables={"slot": "9:30"},
    )
    answer = api.get(f"/api/v1/campaigns/{campaign.uuid}/results.csv", headers={"accept": "text/csv"})
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert "attachment" in answer["Content-Disposition"]
    found, other = rows_of(answer)
    assert found == {
        "recipient": str(done.uuid),
        "contact": str(done.contact.uuid),
        "phone": done.contact.phone,
        "name": "'@Ada",
        "external_id": "'-7",
        "status": "done",
        "outcome": "completed",
        "reason": "'=1+1",
        "attempts": "2",
        "call": str(last.uuid),
        "call_status": "completed",
        "started_at": "",
        "answered_at": "2026-05-12T09:30:00.000000Z",
        "ended_at": "2026-05-12T09:30:00.000000Z",
        "duration_seconds": "61",
        "answered_by": "human",
        "cost": "0.4225",
        "currency": "USD",
        "result": '{"confirmed": true}',
        "variables": '{"slot": "9:30"}',
        "cost_estimated": "0.01",
        "other_costs": "",
        "calls": "2",
        "other_calls": f"1 no_answer {first.uuid}",
    }
    assert (other["recipient"], other["status"], other["call"]) == (str(waiting.uuid), "pending", "")
    Call.objects.filter(pk=last.pk).update(result=None, result_text="confirmed: yes")
    again = api.get(f"/api/v1/campaigns/{campaign.uuid}/results.csv", headers={"accept": "text/csv"})
    assert rows_of(again)[0]["result"] == "confirmed: yes"
    assert set(AuditEntry.objects.filter(action="campaign.exported").values_list("subject")) == {(str(campaign.uuid),)}


ENDS = tuple(status for status in TERMINAL if status != "canceled")
CALLED: datetime | None = AT
NOT_DIALED: datetime | None = None
# The calls of a recipient in their order, as status and time of dialling, and the place of the one that decides.
DECISIONS: tuple[tuple[list[tuple[str, datetime | None]], int | None], ...] = (
    ([], None),
    *(([(str(status), CALLED)], 0) for status in ENDS),
    *(([("completed", CALLED), (status, NOT_DIALED)], 0) for status in ("canceled", "queued")),
    *(([("busy", CALLED), (status, CALLED)], 0) for status in OPEN),
    *(([(str(status), CALLED)], None) for status in OPEN),
    *(([("no_answer", CALLED), (status, CALLED), ("canceled", NOT_DIALED)], 1) for status in ENDS),
    ([("busy", CALLED), ("failed", NOT_DIALED)], 1),  # refused by the provider: it ended the attempts
    ([("canceled", NOT_DIALED)], None),
    ([("canceled", CALLED), ("canceled", NOT_DIALED)], 0),
    ([("completed", CALLED), ("canceled", CALLED)], 0),
    ([("expired", CALLED), ("completed", CALLED), ("canceled", CALLED), ("canceled", NOT_DIALED)], 1),
)


def test_a_row_tells_the_call_that_decided(
    campaign: Campaign, assistant: Assistant, phone_number: PhoneNumber, sign_in: SignIn
) -> None:
    made = recipients(campaign, len(DECISIONS))
    expected, listed = [], []
    for row, (calls, place) in zip(made, DECISIONS, strict=True):
        given: dict[str, Any] = {"campaign": campaign, "recipient": row, "next_read_at": AT, "lease_until": AT}
        ours = [
            a_call(assistant, phone_number, row.contact.phone, **given, status=status, dialed_at=at, attempt=n)
            for n, (status, at) in enumerate(calls, 1)
        ]
        expected.append(str(ours[place].uuid) if place is not None else "")
        listed.append("; ".join(f"{c.attempt} {c.status} {c.uuid}" for n, c in enumerate(ours) if n != place))
    found = read(results_csv.text(campaign.recipients.all()))
    assert [row["call"] for row in found] == expected
    assert [row["other_calls"] for row in found] == listed
    assert [int(row["calls"]) for row in found] == [len(calls) for calls, _ in DECISIONS]
    every = read(calls_csv.text(campaign.calls.all()))
    assert {row["call"] for row in every if row["decides"] == "yes"} == set(expected) - {""}
    in_order = campaign.calls.order_by("pk").values_list("uuid", flat=True)
    assert [row["call"] for row in every] == [str(uuid) for uuid in in_order]
    client = sign_in(campaign.organization, "viewer")
    for row, (_, place) in zip(made, DECISIONS, strict=True):
        page = client.get(reverse("admin:campaigns_recipient_change", args=[row.pk])).content.decode()
        assert page.count("decides the outcome") == (place is not None), row.pk


def test_the_file_of_calls_has_the_same_columns_whatever_the_rows_have(
    api: ApiClient, campaign: Campaign, assistant: Assistant, phone_number: PhoneNumber, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"/api/v1/campaigns/{campaign.uuid}/calls.csv"
    assert rows_of(api.get(path)) == []
    made = recipients(campaign, 40)
    odd_calls(made, assistant, phone_number)
    monkeypatch.setattr(calls_csv, "CHUNK", 7)
    first, second = (b"".join(api.get(path).streaming_content) for _ in range(2))  # type: ignore[attr-defined]
    assert first == second
    found = list(csv.DictReader(io.StringIO(first.decode("utf-8-sig"), newline="")))
    assert len(found) == campaign.calls.count() > 50
    assert {tuple(row) for row in found} == {calls_csv.COLUMNS}
    times = {row[name] for row in found for name in calls_csv.MOMENTS} - {""}
    assert len(times) > 4 and all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", each) for each in times)
    few = rows_of(api.get(f"{path}?status=failed&status=unknown"))
    assert {row["status"] for row in few} == {"failed", "unknown"}
    assert api.get(f"{path}?outcome=failed").status_code == 400
    last = campaign.calls.order_by("pk").last()
    assert last is not None
    row = found[-1]
    assert (row["call"], row["recipient"], row["contact"]) == (
        *(str(last.uuid), str(last.recipient.uuid if last.recipient else "")),
        str(last.contact.uuid),
    )
    assert (row["assistant"], row["account"]) == (str(assistant.uuid), str(assistant.account.uuid))


def test_the_queries_grow_with_the_chunks_and_nothing_else(
    campaign: Campaign, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    monkeypatch.setattr(results_csv, "CHUNK", 10)
    recipients(campaign, 35)
    # SQLite needs three for a chunk, because there are no calls; the last one finds nobody left.
    with django_assert_num_queries(5 if connection.vendor == "postgresql" else 4 * 3 + 1):
        pieces = list(results_csv.text(campaign.recipients.all()))
    rows = list(csv.reader(io.StringIO("".join(pieces).split("\r\n", 1)[1])))
    assert len({row[0] for row in rows}) == len(rows) == 35


def test_rows_are_made_while_they_are_read(api: ApiClient, campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results_csv, "CHUNK", 1)
    monkeypatch.setattr(spreadsheets, "CHUNK_SIZE", 0)
    recipients(campaign, 3)
    pieces = iter(results_csv.text(campaign.recipients.all()))
    next(pieces)
    next(pieces)
    Recipient.objects.update(status="done")
    assert "done" in next(pieces)


def test_filters_are_those_of_the_recipients_and_strict(api: ApiClient, campaign: Campaign) -> None:
    made = recipients(campaign, 3)
    Recipient.objects.filter(pk=made[1].pk).update(status="done", outcome="busy")
    path = f"/api/v1/campaigns/{campaign.uuid}/results.csv"
    assert len(rows_of(api.get(path))) == 3
    assert [row["outcome"] for row in rows_of(api.get(f"{path}?status=done&outcome=busy"))] == ["busy"]
    assert rows_of(api.get(f"{path}?outcome=failed")) == []
    assert api.get(f"{path}?state=done").status_code == 400
    assert api.get(f"{path}?status=nonsense").status_code == 400


def test_another_organizations_results_do_not_exist(
    campaign: Campaign, client_for: KeyMaker, stranger: Organization
) -> None:
    path = f"/api/v1/campaigns/{campaign.uuid}/results.csv"
    assert client_for(stranger).get(path).status_code == 404
    assert ApiClient().get(path).status_code == 401
    assert not AuditEntry.objects.filter(action="campaign.exported").exists()


def test_staff_download_the_results_from_the_campaigns_page(campaign: Campaign, stranger: Organization) -> None:
    recipients(campaign, 2)
    Campaign.objects.update(status="paused")  # a draft has no results
    user = User.objects.create_user("ada@example.org", is_staff=True)
    Membership.objects.create(user=user, organization=campaign.organization, role="viewer")
    client = Client()
    client.force_login(user)
    url = reverse("admin:campaigns_campaign_results", args=[campaign.pk])
    page = client.get(reverse("admin:campaigns_campaign_change", args=[campaign.pk]), {"tab": "results"})
    assert url in page.content.decode()
    assert len(rows_of(client.get(url))) == 2
    Membership.objects.update(organization=stranger)
    assert client.get(url).status_code == 404


ODD_TEXTS = (
    *(
        "",
        "Ada",
        "=1+1",
        "'=1",
        "+33612345678",
        "+336",
        "+1234567890123456",
        "@x",
        "-7",
        "\t=",
        "\r",
        "\n",
        "a\rb",
        "a\nb",
    ),
    *(
        'say "hi"',
        "a,b",
        '"',
        "é€😀",
        "'",
        "''",
        "'a",
        "\\.",
        "\\",
        "+\uff11\uff12\uff13\uff14\uff15\uff16\uff17",
        "+é",
        "%s %",
        "{x}",
        "Ada;=1+1;",
        "Ada\n'-1",
    ),
    *(" lead", "trail ", "\x01", "\x7f", "NULL", "0", "=" * 200, "\u2028", "١٢٣"),
)
ODD_JSON: tuple[Any, ...] = (
    *(None, {}, [], "", 0, False, 0.0, True, 1, -1, 1.5, 1.10, 1e300, 1e-7, -0.0, 10**30, "text", "=1+1", "1.50"),
    *({"a": 1.50, "b": [1, 2.0]}, {"z": 1, "a": 2}, {"k": 'say "hi", a,b'}, ["\n\t\x01\x7f\\/é😀\u2028"], {"é": None}),
    *({"v": ';"@'}, {"v": "costs 3.50"}, [[]], [None], {"": ""}, {"a": {"b": [True, False]}}, "+33612345678", "-"),
    "'",
)
ODD_AMOUNTS = (
    None,
    Decimal(0),
    Decimal("0.000001"),
    Decimal("0.1"),
    Decimal("12.34"),
    Decimal("1000"),
    Decimal("0.4125"),
)
ODD_TIMES = (None, AT, AT.replace(microsecond=1), AT.replace(microsecond=120000), datetime(999, 1, 1, tzinfo=UTC))

ODD_ENDS = ("completed", "canceled", "failed", "canceled", "unknown")


def odd_calls(made: list[Recipient], assistant: Assistant, number: PhoneNumber) -> None:
    """Give most recipients calls whose columns go through all odd values."""
    calls = []
    for n, row in enumerate(made):
        Contact.objects.filter(pk=row.contact_id).update(
            name=ODD_TEXTS[n % len(ODD_TEXTS)], external_id=ODD_TEXTS[n * 5 % len(ODD_TEXTS)][:64],
            erased_at=AT if n % 11 == 3 else None,
        )  # fmt: skip
        for attempt in range(n % 4):
            calls.append(
                Call(
                    organization=row.campaign.organization, recipient=row, campaign=row.campaign, contact=row.contact,
                    account=assistant.account, assistant=assistant, phone_number=number, attempt=attempt + 1,
                    to_number=row.contact.phone, status=ODD_ENDS[(n + 3 * attempt) % len(ODD_ENDS)],
                    dialed_at=(AT, None)[(n + attempt) % 2],
                    answered_by=ODD_TEXTS[(n + attempt) % len(ODD_TEXTS)][:64],
                    started_at=ODD_TIMES[n % 5], answered_at=ODD_TIMES[(n + 1) % 5], ended_at=ODD_TIMES[n * 2 % 5],
                    duration_seconds=(None, 0, 61)[n % 3], cost_price=ODD_AMOUNTS[(n + attempt) % len(ODD_AMOUNTS)],
                    cost_estimate=ODD_AMOUNTS[n * 3 % len(ODD_AMOUNTS)],
                    cost_currency=("USD", "EUR", "JPY")[(n + attempt) % 3],
                    result=ODD_JSON[(n + attempt) % len(ODD_JSON)], result_text=ODD_TEXTS[n * 7 % len(ODD_TEXTS)],
                    dynamic_variables=ODD_JSON[n * 3 % len(ODD_JSON)] or {},
                )
            )  # fmt: skip
    Call.objects.bulk_create(calls)


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite's rows are written by Python alone")
def test_postgresql_writes_the_bytes_that_python_writes(
    campaign: Campaign, assistant: Assistant, phone_number: PhoneNumber, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = recipients(campaign, 140)
    for n, row in enumerate(made):
        row.reason, row.outcome = ODD_TEXTS[n * 3 % len(ODD_TEXTS)], ("", "busy")[n % 2]
    Recipient.objects.bulk_update(made, ["reason", "outcome"])
    odd_calls(made, assistant, phone_number)
    rows = Recipient.objects.filter(campaign=campaign)
    expected = "".join(spreadsheets.lines([results_csv.COLUMNS, *results_csv._rows(rows)])).split("\r\n")
    monkeypatch.setattr(results_csv, "CHUNK", 50)
    found = "".join(results_csv.text(rows)).split("\r\n")
    assert found == expected
    others = [row["other_costs"] for row in read(results_csv.text(rows))]
    assert {text.count("; ") for text in others if text} == {0, 1}, "calls in two and in three currencies"
    few = rows.filter(outcome="busy", contact__name__gt="A")
    monkeypatch.undo()
    assert "".join(results_csv.text(few)) == "".join(spreadsheets.lines([results_csv.COLUMNS, *results_csv._rows(few)]))
    written = [line.text for line in results_copy.lines_of(rows)]
    assert 60 < len([text for text in written if text is not None]) < len(written), "both roads were taken"
