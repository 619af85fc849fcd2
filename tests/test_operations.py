"""`/readyz`, `/metrics`, and the request's id in the logs."""

from __future__ import annotations

import errno
import json
import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from resource import RLIMIT_FSIZE, getrlimit, setrlimit
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from django.utils import timezone

from calls.engine.tallies import Tallies
from calls.models import Heartbeat, Status
from config import findings, operations, readiness
from config.logs import Formatter
from providers.adapters.errors import MayBeRinging, NotSent
from providers.models import Assistant, PhoneNumber, ProviderAccount
from tenants.client_address import FORWARDED
from tenants.findings import Finding, Severity
from tenants.models import Organization
from tests.calls.test_api_calls import a_call
from tests.conftest import ApiClient
from tests.waiting import PATIENCE

pytestmark = pytest.mark.django_db
OK = {"ok": True, "message": ""}


@pytest.fixture
def worker(db: None) -> Heartbeat:
    return Heartbeat.objects.create(worker="w", slot=0, run="r")


# Ready.


def test_it_is_ready_with_a_database_its_tables_and_a_worker(
    worker: Heartbeat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10**12, total=10**12))
    monkeypatch.setattr(os, "environ", {})
    answer = Client().get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {"ok": True} | dict.fromkeys(findings.TITLES, OK)
    assert answer["X-Request-Id"]


def faulty(part: str) -> str:
    answer = Client().get("/readyz")
    found = answer.json()
    assert (answer.status_code, found["ok"]) == (503, False)
    wrong = {name: found[name]["message"] for name in findings.TITLES if not found[name]["ok"]}
    assert next(iter(wrong)) == part
    assert not [message for name, message in wrong.items() if name != part and not message.startswith("Not known")]
    return str(wrong[part])


def test_a_folder_that_cannot_be_written_is_told(worker: Heartbeat, settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = str(tmp_path / "made" / "when asked")
    assert Client().get("/readyz").status_code == 200
    assert list((tmp_path / "made" / "when asked").iterdir()) == []
    settings.MEDIA_ROOT = "/proc/nowhere"
    assert faulty("storage").startswith("Files cannot be stored in /proc/nowhere: ")
    settings.MEDIA_ROOT = str(tmp_path)
    soft, hard = getrlimit(RLIMIT_FSIZE)
    try:
        setrlimit(RLIMIT_FSIZE, (100, hard))  # as on a full disk, a file can be made and not filled
        assert "File too large" in faulty("storage")
    finally:
        setrlimit(RLIMIT_FSIZE, (soft, hard))


def test_a_folder_that_cannot_be_entered_is_told(
    worker: Heartbeat, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a share that went away, or a parent that only others may enter: Python raises where it only asks."""
    settings.DIAL_JOURNAL, real = Path("/somewhere/journal"), Path.is_dir

    def is_dir(path: Path) -> bool:
        if path.parts[:2] == ("/", "somewhere"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path)

    monkeypatch.setattr(Path, "is_dir", is_dir)
    assert findings.found(["disk"])["disk"].message == (
        "The folder of the dial journal cannot be looked at: Permission denied. Mount it, or let it be entered."
    )
    findings.log_at_start()

    def broken(_: findings.Look) -> Finding:
        raise OSError(errno.ESTALE, "Stale file handle")

    checks = [replace(check, run=broken) if check.name == "static" else check for check in findings.CHECKS]
    monkeypatch.setattr(findings, "CHECKS", checks)
    assert findings.found()["static"] == Finding(Severity.FAULT, "Not known: Stale file handle.")


@pytest.mark.usefixtures("frozen")
def test_a_worker_that_is_silent_for_three_minutes_is_told(worker: Heartbeat) -> None:
    Heartbeat.objects.update(beaten_at=timezone.now() - timedelta(seconds=175))
    assert Client().get("/readyz").status_code == 200
    Heartbeat.objects.update(beaten_at=timezone.now() - timedelta(seconds=181))
    assert "181 seconds" in faulty("worker")
    Heartbeat.objects.create(worker="v", slot=0)
    assert Client().get("/readyz").status_code == 200, "one worker is enough"
    Heartbeat.objects.all().delete()
    assert "manage.py worker" in faulty("worker")


def test_upkeep_alone_is_no_worker(worker: Heartbeat) -> None:
    Heartbeat.objects.update(role="upkeep")
    assert "manage.py worker" in faulty("worker")


def test_a_migration_that_is_missing_is_told(worker: Heartbeat) -> None:
    MigrationRecorder(connection).record_unapplied("tenants", "0001_initial")
    assert "manage.py migrate" in faulty("migrations")


def test_a_newer_database_is_named_as_newer(worker: Heartbeat) -> None:
    MigrationRecorder(connection).record_applied("calls", "0099_of_a_later_version")
    assert "newer than this program, which does not know calls.0099_of_a_later_version" in faulty("migrations")


def test_probes_come_by_any_address_and_nothing_else_does(worker: Heartbeat, settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["calls.example.org"]
    for host in ("10.42.0.7:8000", "[fd00::7]:8000", "trunkline-web_1", "evil.example"):
        assert Client(headers={"host": host}).get("/healthz").status_code == 200
        assert Client(headers={"host": host}).get("/readyz").status_code in (200, 503)
        assert Client(headers={"host": host}).get("/metrics").status_code == 200
        assert Client(headers={"host": host}).get("/metrics", REMOTE_ADDR="192.0.2.1").status_code == 403
        for path in ("/metrics/", "/admin/login/", "/healthz/", "/readyz/x", "/api/v1/contacts/"):
            assert Client(headers={"host": host}).get(path).status_code in (400, 404), path
    assert Client(headers={"host": "10.42.0.7"}).get("/admin/login/").status_code == 400


def test_strangers_learn_whether_it_is_ready_and_nothing_else(worker: Heartbeat, settings: Any) -> None:
    settings.MEDIA_ROOT = "/proc/nowhere"
    assert "/proc/nowhere" in faulty("storage")
    for answer in (
        Client().get("/readyz", REMOTE_ADDR="192.0.2.1"),
        Client(headers={"x-forwarded-for": "127.0.0.1"}).get("/readyz"),
    ):
        found = answer.json()
        assert answer.status_code == 503 and found.pop("ok") is False
        assert found.pop("storage") == {"ok": False}
        assert set(found) == set(findings.TITLES) - {"storage"}
        assert all(part == {"ok": True} for part in found.values())


def test_many_requests_at_once_make_it_look_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[float] = []
    clock = SimpleNamespace(monotonic=lambda: 1000.0)

    def slow() -> dict[str, Finding]:
        looked.append(clock.monotonic())
        time.sleep(0.05)  # the others have come
        return {"database": Finding()}

    monkeypatch.setattr(readiness, "KEPT", 1.0)
    monkeypatch.setattr(readiness, "time", clock)
    monkeypatch.setattr(findings, "found", slow)
    latest = readiness.Latest()
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: latest.found(), range(40)))
    assert answers == [{"database": Finding()}] * 40 and looked == [1000.0]
    clock.monotonic = lambda: 1000.9
    latest.found()
    clock.monotonic = lambda: 1001.0
    latest.found()
    assert looked == [1000.0, 1001.0]
    monkeypatch.setattr(operations, "latest", latest)
    assert {Client().get("/readyz").status_code for _ in range(3)} == {200}
    assert len(looked) == 2


def test_a_disk_without_room_for_the_dial_journal_is_told(
    settings: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings.DIAL_JOURNAL = tmp_path / "journal" / "of today"
    free = {tmp_path: 10**6}
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=free.get(path, 10**12), total=10**12))
    assert findings.disk().message.startswith("The disk with the folder of the dial journal has 0.0 GB left.")
    settings.DIAL_JOURNAL = None
    assert findings.disk() == Finding()


def test_a_database_that_does_not_answer_is_told(worker: Heartbeat, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def broken(_: findings.Look) -> Finding:
        asked.append(1)
        raise OperationalError("secret words of the server")

    checks = [replace(check, run=broken) if check.asks_database else check for check in findings.CHECKS]
    monkeypatch.setattr(findings, "CHECKS", checks)
    assert faulty("database") == "The database does not answer."
    assert len(asked) == 1, "nothing waits for it again"


# Metrics.


def figures(**extra: str) -> dict[str, float]:
    answer = Client().get("/metrics", **extra)  # type: ignore[arg-type]
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain")
    lines = [line for line in answer.content.decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


@pytest.mark.usefixtures("frozen")
def test_calls_queues_and_workers_are_counted(
    worker: Heartbeat, assistant: Assistant, phone_number: PhoneNumber, organization: Organization
) -> None:
    now = timezone.now()
    a_call(assistant, phone_number, "+33612345671", status=Status.QUEUED, due_at=now - timedelta(seconds=90))
    a_call(assistant, phone_number, "+33612345672", status=Status.QUEUED, due_at=now + timedelta(hours=1))
    a_call(assistant, phone_number, "+33612345673", status=Status.UNCONFIRMED, next_read_at=now, due_at=None)
    found = figures()
    assert found["trunkline_calls_queued"] == 2
    assert found['trunkline_queue_due{queue="placing"}'] == 1
    assert 90 <= found['trunkline_queue_oldest_seconds{queue="placing"}'] < 120
    assert found['trunkline_calls_open{status="unconfirmed"}'] == 1
    assert found['trunkline_calls_open{status="ringing"}'] == 0
    assert found['trunkline_queue_due{queue="reconciling"}'] == 1
    assert found['trunkline_heartbeat_age_seconds{role="engine",slot="0",worker="w"}'] < 60
    assert found["trunkline_webhooks_pending"] == 0
    assert found["trunkline_accounts_blocked"] == 0
    assert found["trunkline_campaigns_running"] == 0


def test_lanes_say_how_large_their_batches_are_and_how_long_answers_wait(worker: Heartbeat) -> None:
    """As many lines as processes, lanes and figures: nothing that grows with the work."""
    placing = {"in_flight": 3, "waiting": 2, "batches": 4, "answers": 900, "largest": 500, "wait_seconds": 12.5}
    lanes = {"placing": placing | {"flush_seconds": 1.5, "failures": 1, "lost": 0}, "webhooks": {"in_flight": 7}}
    Heartbeat.objects.update(figures={"memory_bytes": 10**8, "leads": ["maintenance"], "lanes": lanes})
    Heartbeat.objects.create(worker="w", role="upkeep", slot=0, figures={"leads": ["upkeep"]})
    found = {name: value for name, value in figures().items() if "lane=" in name or "lease=" in name}
    lane = '{lane="placing",slot="0",worker="w"}'
    assert found.pop('trunkline_lane_in_flight{lane="webhooks",slot="0",worker="w"}') == 7
    for lease, role in (("maintenance", "engine"), ("upkeep", "upkeep")):
        assert found.pop(f'trunkline_leads{{lease="{lease}",role="{role}",slot="0",worker="w"}}') == 1
    assert found == {
        f"trunkline_lane_in_flight{lane}": 3,
        f"trunkline_lane_waiting{lane}": 2,
        f"trunkline_lane_largest{lane}": 500,
        f"trunkline_lane_batches_total{lane}": 4,
        f"trunkline_lane_answers_total{lane}": 900,
        f"trunkline_lane_wait_seconds_total{lane}": 12.5,
        f"trunkline_lane_flush_seconds_total{lane}": 1.5,
        f"trunkline_lane_failures_total{lane}": 1,
        f"trunkline_lane_lost_total{lane}": 0,
    }


@pytest.mark.usefixtures("frozen")
def test_a_process_that_was_killed_leads_no_more(worker: Heartbeat) -> None:
    """A worker that starts again has another name, and the rows of the killed one stay for an hour."""
    lanes = {"placing": {"in_flight": 7, "requests": {"1": {"answered": [40, 12.5]}}}}
    said = {"leads": ["maintenance"], "memory_bytes": 10**8, "lanes": lanes}
    Heartbeat.objects.update(figures=said, beaten_at=timezone.now() - timedelta(seconds=180))
    heartbeat = 'trunkline_heartbeat_age_seconds{role="engine",slot="0",worker="w"}'
    leads = 'trunkline_leads{lease="maintenance",role="engine",slot="0",worker="w"}'
    assert figures()[leads] == 1
    Heartbeat.objects.update(beaten_at=timezone.now() - timedelta(seconds=181))
    found = figures()
    assert {name for name in found if 'worker="w"' in name} == {heartbeat}
    assert found[heartbeat] == 181


def test_answers_are_counted_by_class(api: ApiClient) -> None:
    before = figures()
    api.get("/api/v1/nope/")
    api.get("/api/v1/contacts/")
    name = 'trunkline_http_responses_total{{status="{}xx"}}'
    after = figures()
    assert after[name.format(4)] - before.get(name.format(4), 0) == 1
    assert after[name.format(2)] - before.get(name.format(2), 0) == 2  # as does the first request for the metrics


def test_nobody_is_named(assistant: Assistant, phone_number: PhoneNumber, organization: Organization) -> None:
    organization.name = "Nobody's business"
    organization.save()
    a_call(assistant, phone_number, "+33612345671", customer_name="Ada")
    text = Client().get("/metrics").content.decode()
    for word in (organization.name, str(organization.uuid), "33612345671", phone_number.e164, "Ada", assistant.name):
        assert word not in text


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_this_machine_may_read_them(address: str) -> None:
    assert Client().get("/metrics", REMOTE_ADDR=address).status_code == 200


@pytest.mark.parametrize("address", ["10.0.0.1", "192.0.2.1", "::2", "::ffff:10.0.0.1", "", "unix:"])
def test_others_may_not(address: str, settings: Any) -> None:
    answer = Client().get("/metrics", REMOTE_ADDR=address)
    assert (answer.status_code, set(answer.json())) == (403, {"error"})
    assert "trunkline" not in answer.content.decode()


def test_a_network_can_be_allowed(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from ipaddress import ip_network

    settings.METRICS_ALLOW = (ip_network("10.0.0.0/8"),)
    assert Client().get("/metrics", REMOTE_ADDR="10.1.2.3").status_code == 200
    assert Client().get("/metrics", REMOTE_ADDR="127.0.0.1").status_code == 403


@pytest.mark.parametrize("header", FORWARDED)
def test_what_a_proxy_forwards_comes_from_elsewhere(header: str) -> None:
    """Behind a proxy on this machine every client looks local."""
    for said in ("203.0.113.9", "127.0.0.1"):
        assert Client(headers={header: said}).get("/metrics").status_code == 403


def test_metrics_cost_few_queries(django_assert_max_num_queries: Callable[..., Any], worker: Heartbeat) -> None:
    with django_assert_max_num_queries(18):
        Client().get("/metrics")


def test_probes_are_not_redirected_to_https(settings: Any, worker: Heartbeat) -> None:
    settings.SECURE_SSL_REDIRECT = True
    for path in ("/healthz", "/readyz", "/metrics"):
        assert Client().get(path).status_code == 200


# Logs.


def test_every_line_of_a_request_carries_its_id(api: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Django's own log line about a 4xx has it too, although it is written after the view."""
    lines: list[dict[str, Any]] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(json.loads(Formatter().format(record)))

    handler = Keep()
    logging.getLogger("django.request").addHandler(handler)
    try:
        api.get("/api/v1/nope/", headers={"x-request-id": "one"})
        api.post("/api/v1/contacts/", {}, headers={"x-request-id": "two"})
    finally:
        logging.getLogger("django.request").removeHandler(handler)
    assert [line["request_id"] for line in lines] == ["one", "two"]


def test_what_a_web_process_loaded_is_not_walked_by_the_collector_again_and_again() -> None:
    asked = "import gc, config.wsgi; print(gc.get_freeze_count())"
    answer = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True, timeout=PATIENCE)
    assert int(answer.stdout) > 50_000


# Each account.


def test_each_account_says_what_it_holds_what_is_due_and_what_its_requests_became(
    worker: Heartbeat, assistant: Assistant, phone_number: PhoneNumber
) -> None:
    now = timezone.now()
    account = phone_number.account
    a_call(assistant, phone_number, "+33612345671", status=Status.QUEUED, due_at=now - timedelta(seconds=90))
    a_call(assistant, phone_number, "+33612345672", status=Status.UNCONFIRMED, next_read_at=now, due_at=None)
    requests = {str(account.pk): {"answered": [40, 12.5], "may_be_ringing": [2, 60.0]}}
    Heartbeat.objects.update(figures={"lanes": {"placing": {"requests": requests}}})
    ProviderAccount.objects.filter(pk=account.pk).update(blocked_at=now, blocked_code="auth")
    found = figures()
    mine = f'account="{account.pk}",provider="{account.provider}"'
    assert found[f'trunkline_account_calls_open{{{mine},status="unconfirmed"}}'] == 1
    assert found[f'trunkline_account_calls_open{{{mine},status="ringing"}}'] == 0
    assert found[f'trunkline_account_due{{{mine},queue="placing"}}'] == 1
    assert found[f'trunkline_account_due{{{mine},queue="reading"}}'] == 0
    assert 90 <= found[f'trunkline_account_oldest_seconds{{{mine},queue="placing"}}'] < 120
    assert found[f'trunkline_account_blocked{{{mine},why="auth"}}'] == 1 == found["trunkline_accounts_blocked"]
    of_it = f'account="{account.pk}",lane="placing",result="{{}}",slot="0",worker="w"'
    assert found[f"trunkline_account_requests_total{{{of_it.format('answered')}}}"] == 40
    assert found[f"trunkline_account_request_seconds_total{{{of_it.format('may_be_ringing')}}}"] == 60.0
    assert found["trunkline_imports_rows_read"] == found["trunkline_imports_bytes_left"] == 0


def test_requests_are_counted_by_what_came_of_them() -> None:
    tallies = Tallies()
    for account, answer in ((1, object()), (1, object()), (1, MayBeRinging("x")), (2, NotSent("x"))):
        tallies.note(account, answer, time.monotonic() - 2)
    found = tallies.figures()
    assert {account: {name: n for name, (n, _) in of.items()} for account, of in found.items()} == {
        "1": {"answered": 2, "may_be_ringing": 1},
        "2": {"not_sent": 1},
    }
    assert found["1"]["answered"][1] >= 4
    assert json.loads(json.dumps(found)) == found
