"""The version before calls on while the database is migrated and afterwards, until this version takes over.

It needs PostgreSQL and the history of the project: `TRUNKLINE_OLD=<commit> python -m tests.suite --proof medium
tests/test_two_versions.py`. Without the variable, the newest version before whose database this one has to migrate.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection

from calls.models import Call, Status
from campaigns.models import Campaign
from providers.sandbox import server
from tenants.management.tables import TABLES_DIFFER
from tests.calls.test_clock_jumps import is_over
from tests.calls.test_supervisor import beating, child, environment, worker
from tests.test_network import NUMBERS
from tests.test_upgrade import empty_database
from tests.waiting import PATIENCE, eventually

__all__ = ["empty_database"]  # a fixture
pytestmark = [
    pytest.mark.proof,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="On SQLite, everything is stopped for an upgrade."),
]
# Run in the code of the version before.
BEGIN = """
import sys, django
django.setup()
from calls.actions import campaigns
from tenants.models import Organization, Tenant
from tests.calls import support

home = Organization.objects.create(
    tenant=Tenant.objects.create(name="Callers"), name="Callers", default_region="US", timezone="America/New_York",
    min_gap_minutes=0, max_attempts_per_day=100,
)
number = support.reach(home, sys.argv[1], "allomia", calls_per_second=2, place_tokens=1, price_per_minute=1)
campaigns.start(support.campaign(number, support.people(home, sys.argv[2:])), actor="test")
"""


def git(*words: str) -> str:
    found = subprocess.run(["git", *words], cwd=settings.BASE_DIR, capture_output=True, text=True, check=True)
    return found.stdout.strip()


def migrations(commit: str) -> set[str]:
    """Return the migrations of a commit, each with its content."""
    lines = git("ls-tree", "-r", commit).splitlines()
    return {line for line in lines if "/migrations/0" in line}


def before() -> str:
    """Return the commit of the version before. Skip the test if there is none here."""
    if named := os.environ.get("TRUNKLINE_OLD"):
        return named
    try:
        if git("rev-parse", "--is-shallow-repository") == "true":
            pytest.skip("This clone is shallow: it has no version before.")
        changes = git("log", "--first-parent", "--format=%H", "--", "*/migrations/0*.py").split()
        ours = migrations("HEAD")
        older = (parent for each in changes for parent in git("rev-list", "--parents", "-1", each).split()[1:2])
        found = next((commit for commit in older if migrations(commit) and migrations(commit) < ours), "")
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"The history of the project cannot be read: {error}")
    if not found:
        pytest.skip("No version before has a database that this one migrates.")
    return found


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """The folder with the code of the version before."""
    packed, folder = tmp_path / "old.tar", tmp_path / "old"
    git("archive", "--output", str(packed), before())
    with tarfile.open(packed) as archive:
        archive.extractall(folder, filter="data")
    return folder


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python on the code in a folder."""
    command = [sys.executable, *arguments]
    found = environment(DJANGO_SETTINGS_MODULE="config.settings")
    return subprocess.run(command, cwd=folder, env=found, capture_output=True, text=True, timeout=PATIENCE, check=False)


def refusal(folder: Path) -> str:
    """Return the sentence with which a worker refuses the tables."""
    found = run(folder, "manage.py", "worker", "--skip-checks")
    assert found.returncode == TABLES_DIFFER
    assert len(found.stderr.strip().splitlines()) == 1, found.stderr
    return found.stderr.strip()


def test_the_version_before_calls_on_while_the_database_is_migrated_until_this_one_takes_over(
    empty_database: None, old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = settings.BASE_DIR
    monkeypatch.setenv("DIAL_JOURNAL", str(tmp_path / "journal"))
    monkeypatch.setenv("FIELD_KEYS", ",".join(settings.FIELD_KEYS))
    assert run(old, "manage.py", "migrate", "--verbosity", "0").returncode == 0
    assert "not applied" in refusal(new)
    with server.running(speed=10, seed=7) as sandbox:
        begun = run(old, "-c", BEGIN, sandbox.url, *NUMBERS)
        assert begun.returncode == 0, begun.stderr

        def calls_go_on(count: int, what: str) -> None:
            already = len(sandbox.journal())
            eventually(lambda: len(sandbox.journal()) >= already + count, what)

        with worker(tmp_path / "old.log", folder=old) as process:
            calls_go_on(20, "the version before does not call")
            call_command("migrate", verbosity=0)
            calls_go_on(30, "the version before has stopped at the migration")
            killed = child(process, "engine")
            os.kill(killed, signal.SIGKILL)
            eventually(lambda: child(process, "engine") not in (killed, 0), "it was not replaced")
            calls_go_on(20, "a replaced process does not call")
            assert process.poll() is None
        assert "newer than this program" in refusal(old)
        left = len(NUMBERS) - len(sandbox.journal())
        assert left > 0, "nothing is left for this version"
        with worker(tmp_path / "new.log"):
            eventually(beating)
            made = Campaign.objects.get()
            eventually(lambda: is_over(made), "contacts are left")
        rung = [dial["to_number"] for dial in sandbox.journal()]
    assert_once(rung)


def assert_once(rung: list[Any]) -> None:
    """Everybody was called once, or is doubtful, and no outcome is missing."""
    assert len(rung) == len(set(rung)), "somebody was called twice"
    doubtful = Call.objects.filter(status__in=[Status.UNCONFIRMED, Status.UNKNOWN]).values_list("to_number", flat=True)
    assert {*rung, *doubtful} == set(NUMBERS), "somebody was forgotten"
    told = Call.objects.exclude(status__in=[Status.QUEUED, Status.UNCONFIRMED, Status.UNKNOWN])
    assert set(rung) - set(doubtful) <= set(told.exclude(terminal_at=None).values_list("to_number", flat=True))
