"""The System page and its findings: what is wrong, in words, for those who run the installation."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import psycopg
import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from calls.models import Heartbeat, ProviderCallback, Status
from config import findings
from providers.models import Assistant, PhoneNumber
from tenants.db import collations
from tenants.findings import Finding, Severity
from tenants.models import Membership, Organization
from tests.calls.test_api_calls import a_call
from tests.calls.test_supervisor import database_url

pytestmark = pytest.mark.django_db
PAGE = "/admin/system/"
FOREIGN = "B" * 43 + "="


@pytest.fixture
def worker() -> Heartbeat:
    return Heartbeat.objects.create(worker="w", slot=0, run="r")


@pytest.fixture
def root() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root@example.org"))
    return client


def text_of(client: Client) -> str:
    page = client.get(PAGE)
    assert page.status_code == 200
    return " ".join(page.content.decode().split())


def test_the_installations_staff_alone_sees_it(root: Client, organization: Organization) -> None:
    assert "What is known, and what to do" in text_of(root)
    user = User.objects.create(username="ada", is_staff=True)
    Membership.objects.create(user=user, organization=organization, role="admin")
    member = Client()
    member.force_login(user)
    assert member.get(PAGE).status_code == 403
    assert PAGE not in member.get("/admin/").content.decode()
    assert PAGE in root.get("/admin/").content.decode()
    assert Client().get(PAGE).status_code == 302


def test_it_makes_at_most_fifteen_queries(root: Client, worker: Heartbeat) -> None:
    text_of(root)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        text_of(root)
    assert len(queries) <= 15, [query["sql"][:80] for query in queries]


def test_readiness_reports_the_same_list(root: Client, settings: Any) -> None:
    settings.FIELD_KEYS = (FOREIGN,)
    page, ready = text_of(root), Client().get("/readyz").json()
    told = [part["message"] for name, part in ready.items() if name != "ok" and part["message"]]
    assert {"field_keys", "worker"} <= {name for name, part in ready.items() if name != "ok" and not part["ok"]}
    assert [message for message in told if message not in page] == []
    assert set(ready) == {"ok", *findings.TITLES}


def sentence(name: str) -> tuple[Severity, str]:
    found = findings.found()[name]
    return found.severity, found.message


def test_every_fault_is_a_sentence(
    worker: Heartbeat, assistant: Assistant, phone_number: PhoneNumber, settings: Any, tmp_path: Path
) -> None:
    now = timezone.now()
    call = a_call(assistant, phone_number, "+33612345673", status=Status.QUEUED, due_at=now - timedelta(hours=1))
    assert sentence("queues") == (Severity.FINE, "")
    ProviderCallback.objects.create(account=call.account, received_at=now - timedelta(minutes=7), body=b"{}")
    severity, message = sentence("queues")
    assert severity is Severity.WARNING and "taking in provider events for 7 minutes" in message
    Heartbeat.objects.update(beaten_at=now + timedelta(minutes=1))
    severity, message = sentence("clock")
    assert severity is Severity.WARNING and "of a worker is" in message and "ahead" in message
    Heartbeat.objects.update(beaten_at=now - timedelta(minutes=10))
    assert sentence("worker")[0] is Severity.FAULT
    settings.VAR_DIR = tmp_path / "not made yet"
    assert sentence("disk")[0] is not Severity.FAULT or "GB left" in sentence("disk")[1]


def test_without_tables_the_rest_is_unknown_and_the_page_is_still_a_page(
    worker: Heartbeat, root: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: findings.Look) -> Finding:
        raise DatabaseError("secret words of the server")

    MigrationRecorder(connection).record_unapplied("calls", "0001_initial")
    asking = ("field_keys", "worker", "queues", "clock")
    checks = [replace(check, run=broken) if check.name in asking else check for check in findings.CHECKS]
    monkeypatch.setattr(findings, "CHECKS", checks)
    found = findings.found()
    assert found["migrations"].message == "1 migration is not applied: calls.0001_initial. Run manage.py migrate."
    assert {found[name].message for name in asking} == {"Not known without the tables."}
    page = text_of(root)
    assert found["migrations"].message in page and "secret words" not in page


def test_clocks_are_compared_with_what_the_question_itself_took() -> None:
    now = timezone.now()

    def seen(theirs: float, took: float = 0.0) -> Finding:
        return findings.skew(now, now + timedelta(seconds=theirs), now + timedelta(seconds=took))

    assert [seen(at).severity for at in (0, 1.9, -1.9)] == [Severity.FINE] * 3
    assert seen(4, took=5).severity is Severity.FINE, "the database answered late, not wrongly"
    assert seen(-2).severity is Severity.WARNING and "2 seconds ahead of" in seen(-2).message
    assert seen(12, took=5).message.startswith("The clock of this machine is 7 seconds behind")
    assert [seen(at).severity for at in (59, 60, -3600)] == [Severity.WARNING, Severity.FAULT, Severity.FAULT]
    assert findings.skew(now, None, now) == Finding()


def test_room_on_a_disk_is_judged_by_what_is_left_and_by_its_size() -> None:
    gigabyte = 10**9
    cases = {(0.09, 10): 2, (0.5, 10): 1, (1.5, 10): 0, (1.5, 1000): 1, (19, 1000): 1, (30, 1000): 0, (60, 1000): 0}
    found = {case: findings.room("var/", case[0] * gigabyte, case[1] * gigabyte).severity for case in cases}
    assert found == cases
    assert "0.5 GB left" in findings.room("var/", 0.5 * gigabyte, 10 * gigabyte).message


def test_a_slow_database_is_a_warning() -> None:
    assert findings.slowness(0.01) == Finding()
    assert findings.slowness(1.44).severity is Severity.WARNING and "1.4 seconds" in findings.slowness(1.44).message


def test_names_that_are_no_setting_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOWED_HOST", "a secret")
    severity, message = sentence("settings")
    assert severity is Severity.WARNING and "ALLOWED_HOST is no setting" in message and "secret" not in message


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite brings its order along")
def test_an_index_in_an_order_that_the_server_has_no_more_is_told(root: Client, worker: Heartbeat) -> None:
    assert findings.found(["sort_order"])["sort_order"] == Finding()
    with connection.cursor() as cursor:
        cursor.execute("CREATE COLLATION odd (provider = icu, locale = 'de-u-co-phonebk')")
        cursor.execute("UPDATE pg_collation SET collversion = '1.2' WHERE collname = 'odd' RETURNING 1")
        assert findings.found(["sort_order"])["sort_order"] == Finding(), "no index has it"
        cursor.execute('CREATE TABLE sorted (word text COLLATE "odd" UNIQUE)')
    found = findings.found(["sort_order"])["sort_order"]
    assert found.severity is Severity.WARNING
    assert "1.2 to " in found.message and "ALTER COLLATION odd REFRESH VERSION" in found.message
    assert "sorts texts otherwise than when its indexes were built" in text_of(root)


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite brings its order along")
def test_a_database_in_an_order_that_the_server_has_no_more_is_told_as_postgresql_tells_it() -> None:
    """The remedy is run as the sentence has it, and then there is nothing to tell."""
    server = urlsplit(database_url())
    name = f"{connection.settings_dict['NAME']} sorted"
    address = server._replace(path=f"/{quote(name)}").geturl()

    def changed() -> list[Any]:
        with psycopg.connect(address) as there:
            return there.execute(collations.CHANGED).fetchall()

    with psycopg.connect(server._replace(path="/postgres").geturl(), autocommit=True) as there:
        there.execute(f"CREATE DATABASE \"{name}\" TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'und'")
        try:
            assert collations.sentence(changed()) == ""
            there.execute("UPDATE pg_database SET datcollversion = '1.2' WHERE datname = %s", [name])
            told = collations.sentence(changed())
            actual = there.execute(
                "SELECT pg_database_collation_actual_version(oid) FROM pg_database WHERE datname = %s", [name]
            ).fetchone()
            assert actual and f"version 1.2 to {actual[0]}" in told
            remedy = told[told.index("ALTER DATABASE") :].removesuffix(".")
            assert remedy == f'ALTER DATABASE "{name}" REFRESH COLLATION VERSION'
            there.execute(remedy.encode())
            assert collations.sentence(changed()) == ""
            # Its C library has no versions, as musl of Alpine. PostgreSQL refuses to refresh: there is nothing to take.
            there.execute(
                "UPDATE pg_database SET datlocprovider = 'c', datcollate = 'C', datctype = 'C', datcollversion = '2.36'"
                " WHERE datname = %s", [name]
            )  # fmt: skip
            told = collations.sentence(changed())
            assert "version 2.36 to none" in told and "REFRESH" not in told and "restore it here" in told
        finally:
            there.execute(f'DROP DATABASE "{name}"')
