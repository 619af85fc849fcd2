"""The replica: what a real one tells of itself, and that files are read from it while nothing else is."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connection, connections
from django.test.utils import CaptureQueriesContext

from calls.reports import calls_csv, results_csv
from campaigns.models import Campaign, Contact, Recipient
from config import findings
from providers.models import Assistant, PhoneNumber
from tenants.db import replica
from tenants.db.replica import ALIAS, Source
from tenants.findings import Severity
from tests.calls.test_api_calls import a_call
from tests.conftest import ApiClient
from tests.postgresql import Unavailable, free_port, programs, throwaway_server, unprivileged_user
from tests.waiting import PATIENCE, eventually

NOW = datetime(2026, 11, 30, 10, tzinfo=UTC)


def wrapper(port: int) -> Any:
    """Return a connection of Django to a server on loopback."""
    made = connections.create_connection(DEFAULT_DB_ALIAS)
    where = {"NAME": "postgres", "USER": "trunkline", "PASSWORD": "", "HOST": "127.0.0.1", "PORT": str(port)}
    made.settings_dict = {**made.settings_dict, **where}
    return made


@contextmanager
def standby_of(port: int) -> Iterator[int]:
    """Run a streaming replica of a server. Yield its port."""
    user = unprivileged_user()
    home = Path(tempfile.mkdtemp(prefix="trunkline-standby-"))
    if user:
        shutil.chown(home, user)
    run_as: dict[str, Any] = {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []} if user else {}
    there, data = free_port(), str(home / "data")
    options = f"-p {there} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c max_connections=200"

    def call(*command: str) -> None:
        subprocess.run(
            command, check=True, stdout=subprocess.DEVNULL, cwd=home, timeout=PATIENCE, **run_as,
            env={"PATH": os.environ["PATH"], "HOME": str(home), "LC_ALL": "C.UTF-8", "TZ": "UTC"},
        )  # fmt: skip

    begun = [f"{programs()}/pg_ctl", "-D", data, "-w"]
    try:
        host = ("-h", "127.0.0.1", "-p", str(port), "-U", "trunkline")
        call(f"{programs()}/pg_basebackup", *host, "-D", data, "-R", "--no-sync", "-c", "fast")
        call(*begun, "-l", str(home / "log"), "-o", options, "start")
        try:
            yield there
        finally:
            call(*begun, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(home, ignore_errors=True)


@pytest.mark.slow
@pytest.mark.django_db
@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite has no replica")
def test_a_real_replica_tells_whether_it_has_everything_and_of_when_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        server = throwaway_server("-c wal_level=replica -c max_wal_senders=4 -c max_replication_slots=2")
        url = server.__enter__()
    except Unavailable as reason:
        pytest.skip(str(reason))
    monkeypatch.setattr(replica, "LATE", timedelta(0))
    port = urlsplit(url).port or 0
    primary = wrapper(port)
    try:
        with standby_of(port) as there:
            other = wrapper(there)

            def said() -> Source:
                return replica.standing(other, *replica._asked(primary))

            def do(database: Any, statement: str) -> Any:
                with database.cursor() as cursor:
                    cursor.execute(statement)
                    return cursor.fetchone() if cursor.description else None

            do(primary, "CREATE TABLE a AS SELECT 1 AS x")
            eventually(lambda: said() == Source(ALIAS), "the replica does not catch up")
            assert do(other, "SELECT x FROM a") == (1,)
            do(other, "SELECT pg_wal_replay_pause()")
            eventually(lambda: do(other, "SELECT pg_get_wal_replay_pause_state()") == ("paused",))
            do(primary, "INSERT INTO a VALUES (2)")
            (written,) = do(primary, "SELECT clock_timestamp()")
            late = said()
            assert late.alias == ALIAS and late.as_of and late.as_of < written
            assert do(other, "SELECT count(*) FROM a") == (1,)
            monkeypatch.setattr(replica, "TOO_LATE", timedelta(0))
            assert said() == Source(why="it is more than 15 minutes behind")
            do(other, "SELECT pg_wal_replay_resume()")
            eventually(lambda: said() == Source(ALIAS), "the replica does not catch up")
            assert replica.standing(primary, *replica._asked(primary)) == Source(why="it is no streaming replica")
            other.close()
        with pytest.raises(DatabaseError):
            said()
    finally:
        primary.close()
        server.__exit__(None, None, None)


# Files. A second connection to the same database stands for the replica: what goes through it can be told apart.


@pytest.fixture
def beside(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Django's tests refuse connections that the run has not named, so this one has the name of the usual one."""
    made = connections.create_connection(DEFAULT_DB_ALIAS)
    made.settings_dict = connection.settings_dict
    monkeypatch.setitem(connections.settings, ALIAS, connection.settings_dict)
    monkeypatch.setattr(replica, "_asked", lambda primary: ("0/0", NOW))
    monkeypatch.setattr(replica, "_failure", replica._Failure())
    connections[ALIAS] = made
    yield made
    made.close()
    del connections[ALIAS]


def stand(monkeypatch: pytest.MonkeyPatch, found: Source) -> None:
    monkeypatch.setattr(replica, "standing", lambda *_: found)


@pytest.fixture
def campaign(organization: Any, assistant: Assistant, phone_number: PhoneNumber) -> Campaign:
    made = Campaign.objects.create(organization=organization, name="C", assistant=assistant)
    for place in range(5):
        # PostgreSQL leaves the third row to Python, which asks for it again.
        name = "٣" * 8 if place == 2 else f"N{place}"
        person = Contact.objects.create(organization=organization, phone=f"+3361234567{place}", name=f"+{name}")
        recipient = Recipient.objects.create(campaign=made, contact=person, status=Recipient.Status.DONE)
        a_call(assistant, phone_number, person.phone, campaign=made, recipient=recipient)
    return made


@pytest.mark.django_db(transaction=True)
def test_files_are_read_from_the_replica_alone_and_say_of_when_they_are(
    api: ApiClient, campaign: Campaign, beside: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, rows in (("results.csv", results_csv.text(campaign.recipients.all())),
                       ("calls.csv", calls_csv.text(campaign.calls.order_by("pk")))):  # fmt: skip
        expected = "".join(rows)
        assert expected.count("\r\n") == 6
        for as_of, late in ((None, ""), (datetime(2026, 11, 30, 9, 58, tzinfo=UTC), "as-of-2026-11-30T09-58-00Z-")):
            stand(monkeypatch, Source(ALIAS, as_of))
            answer: Any = api.get(f"/api/v1/campaigns/{campaign.uuid}/{name}")
            with CaptureQueriesContext(connection) as here, CaptureQueriesContext(beside) as there:
                assert b"".join(answer.streaming_content).decode() == expected
            assert len(here) == 0, [each["sql"] for each in here.captured_queries]
            assert len(there) > 0 or name == "results.csv"  # COPY is not captured
            assert answer["Content-Disposition"] == f'attachment; filename="campaign-{campaign.uuid}-{late}{name}"'
            assert answer.get("X-Rows-As-Of") == ("2026-11-30T09:58:00.000000Z" if as_of else None)


@pytest.mark.django_db(transaction=True)
def test_a_replica_that_is_away_is_asked_again_later_and_files_come_from_the_database(
    api: ApiClient, campaign: Campaign, beside: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def away(*_: Any) -> Source:
        asked.append(_)
        raise DatabaseError("connection refused")

    monkeypatch.setattr(replica, "standing", away)
    for _ in range(3):
        answer: Any = api.get(f"/api/v1/campaigns/{campaign.uuid}/calls.csv")
        with CaptureQueriesContext(beside) as there:
            assert b"".join(answer.streaming_content).count(b"\r\n") == 6
        assert len(there) == 0 and "X-Rows-As-Of" not in answer
    assert len(asked) == 1
    said = findings.found(["database", "replica"])["replica"]
    assert said.severity is Severity.WARNING
    assert said.message.startswith("The replica is not used: it does not answer (DatabaseError: connection refused).")


def test_nothing_but_these_files_knows_the_replica() -> None:
    root = Path(__file__).resolve().parent.parent.parent
    rooms = ("tenants", "providers", "campaigns", "calls", "config")
    found = {
        path.relative_to(root).as_posix() for room in rooms for path in (root / room).rglob("*.py")
        if "replica.source()" in path.read_text("utf-8") or "replica import" in path.read_text("utf-8")
    }  # fmt: skip
    assert found == {"calls/reports/calls_csv.py", "calls/reports/results_csv.py", "config/findings.py"}


def test_a_late_replica_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replica, "source", lambda: Source(ALIAS, NOW))
    assert findings.replica_for_files().message.startswith("The replica is late: files are as of 2026-11-30 10:00:00")
