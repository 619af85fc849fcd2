"""The start of web, worker and commands: a refusal is one sentence and an exit status, never a traceback."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import django
import pytest
from cryptography.fernet import Fernet
from django.core.management import call_command, get_commands
from django.db import connection

from calls.engine.supervisor import Watcher
from config import starting
from tenants.models import DialJournal
from tests.chaos.processes import children
from tests.postgresql import free_port
from tests.relay import relay
from tests.suite import ROOT
from tests.waiting import PATIENCE, eventually

WEB = ["-m", "gunicorn", "config.wsgi", "--bind", "127.0.0.1:0", "--no-control-socket", "--log-level", "critical"]
WORKER = ["manage.py", "worker"]
CREATE = ["manage.py", "create_organization", "Acme", "--timezone", "UTC", "--region", "FR"]


def production() -> dict[str, str]:
    return {
        "SECRET_KEY": "4f-Kq8_zR2vXw7-Tb1mNc6yHs9pLd3gJa5eUu0iOo_nBfVrCkQtWxZ",
        "FIELD_KEYS": Fernet.generate_key().decode(),
        "PUBLIC_BASE_URL": "https://calls.example.org",
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
    }


def started(words: list[str], **settings: str) -> tuple[int, str]:
    """Return the exit status of a process that ends by itself, and what it printed."""
    command = [sys.executable, *words]
    ended = subprocess.run(
        command, cwd=ROOT, env=production() | settings, capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    return ended.returncode, ended.stdout + ended.stderr


@pytest.mark.slow
def test_a_wrong_setting_is_one_sentence_and_status_2_for_every_process() -> None:
    for words in (WEB, WORKER, ["manage.py", "verify_audit"], ["manage.py", "migrate"]):
        said = (2, "PUBLIC_BASE_URL must be an https address such as https://calls.example.org, without user, query or "
                   "fragment.\n")  # fmt: skip
        assert started(words, PUBLIC_BASE_URL="https://calls example.org") == said, words
    assert started(WEB, PUBLIC_BASE_URL="https://calls example.org", WEB_CONCURRENCY="2") == said


@pytest.mark.slow
def test_missing_tables_are_one_sentence_and_status_3_and_a_silent_database_4(tmp_path: Path) -> None:
    empty = f"sqlite:///{tmp_path}/empty.sqlite3"
    for words in (WEB, WORKER, CREATE):
        status, said = started(words, DATABASE_URL=empty)
        assert (status, said.removeprefix("CommandError: ")) == (
            3,
            "The database has no tables. Run manage.py migrate.\n",
        )
    status, said = started(CREATE, DATABASE_URL="postgresql://u:p@127.0.0.1:1/name")  # a worker waits for it
    assert (status, said.removeprefix("CommandError: ")) == (
        4,
        "The database does not answer (OperationalError: connection refused).\n",
    )


@pytest.mark.slow
def test_a_web_process_that_waits_for_tables_stops_at_once(tmp_path: Path) -> None:
    settings = production() | {"DATABASE_URL": f"sqlite:///{tmp_path}/empty.sqlite3", "WAIT_FOR_MIGRATIONS": "86400"}
    with web(tmp_path / "log", settings) as process:
        eventually(lambda: "Waiting for it." in (tmp_path / "log").read_text())
        (child,) = children(process.pid)
        process.terminate()
        assert process.wait(PATIENCE) == 128 + signal.SIGTERM
        eventually(lambda: not Path(f"/proc/{child}").exists(), "what it waited with goes on")


@pytest.mark.slow
def test_nothing_outlives_a_web_process_that_is_killed_while_it_waits(tmp_path: Path) -> None:
    settings = production() | {"DATABASE_URL": f"sqlite:///{tmp_path}/empty.sqlite3", "WAIT_FOR_MIGRATIONS": "86400"}
    with web(tmp_path / "log", settings) as process:
        eventually(lambda: "Waiting for it." in (tmp_path / "log").read_text())
        (child,) = children(process.pid)
        process.kill()
        process.wait()
        eventually(lambda: not Path(f"/proc/{child}").exists(), "what it waited with goes on")


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="a file is never away")
def test_web_processes_that_started_without_the_database_show_their_journal_when_it_is_back(
    tmp_path: Path, settings: Any
) -> None:
    """Otherwise no worker places calls after a restore until somebody starts this web process again."""
    server, port = connection.settings_dict, free_port()
    address = f"postgresql://{server['USER']}@127.0.0.1:{port}/{server['NAME']}"
    more = {"DATABASE_URL": address, "DIAL_JOURNAL": str(tmp_path / "journal")}
    with web(tmp_path / "log", production() | more | {"FIELD_KEYS": ",".join(settings.FIELD_KEYS)}):
        eventually(lambda: "Waiting for it." in (tmp_path / "log").read_text(), "it does not say what is away")
        assert not DialJournal.objects.exists()
        with relay(port, int(server["PORT"])):
            eventually(lambda: DialJournal.objects.filter(folder=tmp_path / "journal", presented__gt=0).exists())


@contextmanager
def web(log: Path, settings: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("w") as out:
        command = [sys.executable, *WEB]
        process = subprocess.Popen(command, cwd=ROOT, env=settings, stdout=out, stderr=out, start_new_session=True)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_names_that_are_no_setting_are_told_by_commands() -> None:
    status, said = started(["manage.py", "check"], ALLOWED_HOST="calls.example.org", DATABASE_URL="sqlite://")
    assert status == 0
    assert "config.W001" in said and "ALLOWED_HOST is no setting of Trunkline and has no effect." in said


def test_every_command_asks_for_tables_unless_it_says_that_it_needs_none() -> None:
    ours = {name for name, app in get_commands().items() if app in starting.OURS}
    assert {name for name in ours if not starting.needs_tables(name)} == starting.WITHOUT_TABLES
    assert starting.needs_tables("create_user") and starting.needs_tables("runserver")
    for name in ("migrate", "collectstatic", "check", "makemigrations", "help", "", "no such command"):
        assert not starting.needs_tables(name)


@pytest.mark.django_db
def test_keys_that_do_not_fit_are_told_by_web_and_worker_and_both_start(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, settings: Any
) -> None:
    ran: list[str] = []
    monkeypatch.setattr(Watcher, "run", lambda watcher: ran.append(watcher.name))
    settings.FIELD_KEYS = (Fernet.generate_key().decode(),)
    printed = io.StringIO()
    call_command("worker", "--wait-for-migrations", stderr=printed)
    assert "None of FIELD_KEYS is a key of this database" in printed.getvalue() and ran
    monkeypatch.setattr(django, "setup", lambda: None)  # it would set up the logging of the tests anew
    starting.begin_web()
    assert "Encryption keys: None of FIELD_KEYS is a key of this database" in caplog.text
