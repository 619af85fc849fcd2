"""A process dies, freezes or fails at every commit and around every request. The data must stay consistent."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as conf
from django.core.checks import run_checks
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from calls.actions import campaigns
from calls.deadlines import SEND_WITHIN, Pauses
from calls.dialing import placing
from calls.models import (
    FOLLOWED,
    TERMINAL,
    Call,
    CallEvent,
    EngineLease,
    Heartbeat,
    Polling,
    ProviderCallback,
    Status,
    WebhookDelivery,
)
from campaigns.imports.upload import start_import
from campaigns.models import Campaign, Contact, ContactImport, ContactList, ContactListMember, Recipient
from providers.adapters import http
from providers.models import PhoneNumber
from tenants import failpoints
from tenants.models import Organization
from tests.calls import support
from tests.calls.failpoint_worker import IMPATIENT
from tests.calls.test_supervisor import database_url
from tests.waiting import PATIENCE, eventually

POINTS = (
    "placing.intending",
    "placing.claiming",
    "placing.claimed",
    "journal.begun",
    "journal.written",
    "placing.sending",
    "placing.answered",
    "placing.recorded",
    "outcomes.writing",
    "outcomes.written",
    "outcomes.recording",
    "outcomes.ending",
    "outcomes.reaping",
    "outcomes.reaped",
    "following.claiming",
    "following.claimed",
    "following.reading",
    "following.answered",
    "following.recorded",
    "following.rescheduled",
    "callbacks.filed",
    "callbacks.processing",
    "callbacks.processed",
    "reconciling.claiming",
    "reconciling.claimed",
    "reconciling.listed",
    "reconciling.recorded",
    "feeding.queueing",
    "feeding.feeding",
    "feeding.fed",
    "importing.claimed",
    "importing.writing",
    "importing.written",
    "launching.launching",
    "launching.launched",
    "webhooks.claiming",
    "webhooks.claimed",
    "webhooks.sending",
)
NO_CONNECTION_HERE = (
    "placing.sending",
    "placing.answered",
    "following.reading",
    "following.answered",
    "webhooks.sending",
)
IN_A_TRANSACTION = tuple(point for point in POINTS if point.endswith("ing") and point not in NO_CONNECTION_HERE)
LOSES_AN_ANSWER = ("placing.claimed", "journal.begun", "journal.written", "placing.sending", "placing.answered")
ALWAYS = (("placing.claimed", "freeze"), ("placing.claimed", "kill"), ("placing.sending", "kill"))
ACTIONS = tuple(failpoints.ACTIONS)
OVERSLEPT = 1.0  # seconds within which a claim may be sent; a frozen process sleeps longer
MOMENT = timedelta(seconds=1)
CUSTOMER = "http://127.0.0.1:9/ended"

PEOPLE = [f"+121255501{ending}" for ending in ("01", "02", "03", "04", "30")]
SINGLE, NEVER_SENT, NEVER_RECORDED = "+13035550101", "+13035550119", "+14155550101"
FILE = b"phone,name\n" + b"".join(b"+1212555%04d,Person %d\n" % (number, number) for number in range(200, 210))
FILE += b"12,Bad\n+12125550210,Last\n0,Bad too\n"


class Scene:
    """A campaign about to start, an import, a single call, and two calls of a dead worker."""

    def __init__(self, owner: Organization, sandbox: Any, listening: socket.socket) -> None:
        self.sandbox, self.listening = sandbox, listening
        box = support.reach(owner, sandbox.url, "callingbox")
        self._strand(box)
        support.single(box, SINGLE, callback_url=CUSTOMER)
        number = support.reach(owner, sandbox.url, "allomia")
        self.campaign = support.campaign(number, support.people(owner, PEOPLE), callback_url=CUSTOMER)
        imported = ContactList.objects.create(organization=owner, name="Imported")
        self.imported = start_import(imported, io.BytesIO(FILE), "people.csv")
        campaigns.start(self.campaign, actor="test")

    def _strand(self, box: PhoneNumber) -> None:
        """One worker died before its request, one before it recorded the response."""
        support.single(box, NEVER_SENT, callback_url=CUSTOMER)
        support.single(box, NEVER_RECORDED, callback_url=CUSTOMER)
        claims: dict[str, placing.Claim] = {}
        while len(claims) < 2:  # as fast as the account's rate limit allows
            claims |= {claim.call.to_number: claim for claim in placing.claim(box.account_id)}

        async def send() -> None:
            async with http.Client() as client:
                await placing.send(client, claims[NEVER_RECORDED])

        asyncio.run(send())
        Call.objects.filter(status=Status.PLACING).update(lease_until=timezone.now() - MOMENT)

    @property
    def rings(self) -> Counter[str]:
        return Counter(dial["to_number"] for dial in self.sandbox.journal())

    @property
    def settled(self) -> bool:
        """Return whether all evidence has been recorded."""
        under_way = Call.objects.filter(status__in=(Status.QUEUED, Status.PLACING, *FOLLOWED))
        if under_way.exists():  # first: this is asked twenty times a second
            return False
        listed = Call.objects.filter(status=Status.UNCONFIRMED, account__provider="callingbox")
        self.campaign.refresh_from_db()
        self.imported.refresh_from_db()
        return (
            self.campaign.status == Campaign.Status.FINISHED
            and self.imported.status == ContactImport.Status.COMPLETED
            and not listed.filter(to_number__in=list(self.rings)).exists()
            and not ProviderCallback.objects.filter(processed_at=None).exists()
        )


@pytest.fixture
def scene(callers: Organization, sandbox: Any, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        for module, name, value in IMPATIENT:
            monkeypatch.setattr(module, name, value)
        monkeypatch.setattr(support, "IMPATIENT", Pauses.at_most(0.1))
        sandbox.control(speed=60)
        found = Scene(callers, sandbox, listening)
        settings.PUBLIC_BASE_URL = f"http://127.0.0.1:{listening.getsockname()[1]}"
        yield found


@pytest.fixture(scope="module")
def nursery(django_db_setup: None, django_db_blocker: Any) -> Iterator[socket.socket]:
    """The process that forks the processes which will die."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    environment = os.environ | {"DATABASE_URL": database_url(), "DEBUG": "true", "ALLOW_LOOPBACK_URLS": "true"}
    command = [sys.executable, "-m", "tests.calls.failpoint_worker", str(theirs.fileno())]
    with ours:
        process = subprocess.Popen(command, cwd=conf.BASE_DIR, env=environment, pass_fds=[theirs.fileno()])
        theirs.close()
        ours.settimeout(PATIENCE)
        yield ours
    process.wait(PATIENCE)


class Doomed:
    """Another process that works on the scene up to the failpoint."""

    def __init__(
        self, nursery: socket.socket, failpoint: str, directory: Path, send_within: float = SEND_WITHIN
    ) -> None:
        self.nursery = nursery
        self.failpoint = failpoint
        self.send_within = send_within
        self.log, self.ends, self.journal = directory / "log", directory / "ends", directory / "journal"
        self.code: int | None = None

    @contextmanager
    def working(self, scene: Scene) -> Iterator[None]:
        """Check that the process reached the failpoint and ended by itself afterwards."""
        order = {
            "failpoint": self.failpoint,
            "send_within": str(self.send_within),
            "log": str(self.log),
            "ends": str(self.ends),
            "uploads": str(conf.MEDIA_ROOT),
            "public_base_url": str(conf.PUBLIC_BASE_URL),
            "journal": str(self.journal),
        }
        socket.send_fds(self.nursery, [json.dumps(order).encode()], [scene.listening.fileno()])
        scene.listening.close()
        self.pid = int(self.nursery.recv(100))
        try:
            eventually(self._reached, "it was never reached")
            yield
            self.end()
        finally:
            if self.code is None:
                os.kill(self.pid, signal.SIGKILL)
                self._wait()
        Heartbeat.objects.filter(worker="doomed").delete()

    def _reached(self) -> bool:
        return self.log.exists() and f"failpoint {self.failpoint}\n" in self.words

    @property
    def words(self) -> str:
        return self.log.read_text(errors="replace")

    def end(self) -> None:
        self.ends.touch()
        if self.code is None:
            self._wait()

    def _wait(self) -> None:
        """Wait for the process and for its sessions: a server may still commit what a dead client has sent.

        A lease that is committed after `time_passes` has ended all leases would keep the test waiting for two minutes.
        """
        self.code = int(self.nursery.recv(100))
        eventually(lambda: not other_sessions(), "a session outlives its process")

    @property
    def frozen(self) -> bool:
        return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"

    def wake(self) -> None:
        if self.code is None:
            os.kill(self.pid, signal.SIGCONT)


def other_sessions() -> int:
    """Return how many sessions on PostgreSQL are not this thread's. SQLite has none: its locks end with a process."""
    if connection.vendor != "postgresql":
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        return int(cursor.fetchone()[0])


def time_passes() -> None:
    """End every lease and make everything planned due."""
    past = timezone.now() - MOMENT
    Call.objects.filter(status=Status.PLACING).update(lease_until=past)
    Polling.objects.update(next_read_at=past)
    Call.objects.queued().update(due_at=past)
    ContactImport.objects.filter(lease_until__isnull=False).update(lease_until=past)
    EngineLease.objects.update(expires_at=past)


def others_go_on(scene: Scene) -> None:
    """Run another worker until all is settled, then two at once, which must find nothing to do."""
    for processes in (1, 2):
        time_passes()
        with support.engine(processes):
            eventually(lambda: scene.settled, "a recipient is lost or stuck")


def sessions_rest() -> bool:
    """End open transactions, as the server's time-out would. Return whether no other session is at work any more.

    What a session commits after `time_passes` would keep the others waiting for the end of a lease. A COPY whose client
    is frozen has no time-out: it ends when the watcher kills its process.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT state, wait_event, left(query, 200), CASE WHEN state LIKE 'idle in transaction%'"
            " OR (state = 'active' AND wait_event = 'ClientRead') THEN pg_terminate_backend(pid) END"
            " FROM pg_stat_activity WHERE datname = current_database()"
            " AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        found = cursor.fetchall()
        print(found)  # noqa: T201 - shown when it fails
        return all(state == "idle" for state, *_ in found)


def left_to_others() -> bool:
    """Return whether others can work while the process is frozen: it may hold locks."""
    if connection.vendor == "postgresql":
        eventually(sessions_rest, "a session of the frozen process is still at work")
        return True
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout = 100")
        try:
            with transaction.atomic():
                return True
        except OperationalError:
            return False
        finally:
            cursor.execute("PRAGMA busy_timeout = 30000")


def matrix(*, in_a_transaction: bool) -> Iterator[Any]:
    """Return every action at every point.

    `make test` runs one action at every sixth point, `make proof SIZE=small` one at each; the others are proofs.
    """
    for number, point in enumerate(POINTS):
        if (point in IN_A_TRANSACTION) != in_a_transaction:
            continue
        usual = (number * 7) % len(ACTIONS)
        if ACTIONS[usual] == "close" and point in NO_CONNECTION_HERE:
            usual -= 1
        for action in ACTIONS:
            if action == ACTIONS[usual]:
                marks = [pytest.mark.long] if number % 6 else []
            else:
                marks = [pytest.mark.long if (point, action) in ALWAYS else pytest.mark.proof]
            if action == "close" and point in NO_CONNECTION_HERE:
                marks.append(pytest.mark.skipif("connection.vendor == 'sqlite'", reason="no connection in this thread"))
            yield pytest.param(point, action, marks=marks, id=f"{point}-{action}")


@pytest.mark.parametrize(("point", "action"), list(matrix(in_a_transaction=True)))
def test_whatever_befalls_a_process_in_a_transaction_nobody_rings_twice_and_nobody_is_lost(
    point: str, action: str, scene: Scene, nursery: socket.socket, tmp_path: Path
) -> None:
    befall(point, action, scene, nursery, tmp_path)


@pytest.mark.parametrize(("point", "action"), list(matrix(in_a_transaction=False)))
def test_whatever_befalls_a_process_between_transactions_nobody_rings_twice_and_nobody_is_lost(
    point: str, action: str, scene: Scene, nursery: socket.socket, tmp_path: Path
) -> None:
    befall(point, action, scene, nursery, tmp_path)


def befall(point: str, action: str, scene: Scene, nursery: socket.socket, directory: Path) -> None:
    """Let a process suffer the action at the point, let others go on, and check that all is in order."""
    oversleeps = (point, action) == ("placing.claimed", "freeze")
    process = Doomed(nursery, f"{point}:{action}", directory, OVERSLEPT if oversleeps else SEND_WITHIN)
    with process.working(scene):
        if action == "freeze":
            eventually(lambda: process.frozen)
            sleeps_too_long(scene, process, nothing_is_sent=oversleeps)
    expected = {"kill": -signal.SIGKILL, "exit": 0 if point == "callbacks.filed" else 3}
    assert process.code == expected.get(action, 0), process.words[-2000:]
    if (point, action) == ("journal.begun", "kill"):
        assert set(scene.rings) == {NEVER_RECORDED}, "a request left before its call was in the journal"
    others_go_on(scene)
    assert_all_in_order(scene)
    if action == "raise" and point not in LOSES_AN_ANSWER:
        assert list(Call.objects.filter(status=Status.UNCONFIRMED).values_list("to_number", flat=True)) == [NEVER_SENT]


def sleeps_too_long(scene: Scene, process: Doomed, *, nothing_is_sent: bool) -> None:
    """Meanwhile all its leases end. Unless it holds locks, other workers do all the work."""
    wakes = time.monotonic() + OVERSLEPT + 0.1
    rung = set(scene.rings)
    can_work = left_to_others()
    claimed = set(Call.objects.filter(status=Status.PLACING).values_list("to_number", flat=True)) - rung
    if can_work:
        others_go_on(scene)
    if nothing_is_sent:
        time.sleep(max(0.0, wakes - time.monotonic()))
    process.wake()
    process.end()
    if nothing_is_sent:
        assert claimed
        assert not claimed & set(scene.rings), "it woke up late and sent the request"


def assert_all_in_order(scene: Scene) -> None:
    assert_nobody_rang_twice(scene)
    assert_every_dial_is_stored(scene)
    assert_recipients_agree(scene)
    assert_each_end_is_told_once()
    assert_the_import_is_exact(scene)


def assert_nobody_rang_twice(scene: Scene) -> None:
    assert max(scene.rings.values()) == 1, scene.rings
    dialed = set(Call.objects.filter(dialed_at__isnull=False).values_list("to_number", flat=True))
    assert set(scene.rings) <= dialed
    for call in Call.objects.all():
        assert call.events.filter(type="placing").count() == call.placing_attempts


def assert_every_dial_is_stored(scene: Scene) -> None:
    """Check that each dial has its outcome; a doubt may stay only where the provider gives no evidence."""
    calls = {call.to_number: call for call in Call.objects.select_related("account")}
    assert set(calls) == {*PEOPLE, SINGLE, NEVER_SENT, NEVER_RECORDED}
    assert Call.objects.count() == len(calls)
    for dial in scene.sandbox.journal():
        call = calls[dial["to_number"]]
        if call.status == Status.UNCONFIRMED:
            assert call.account.provider == "allomia"
        else:
            assert (call.provider_call_id, call.status) == (dial["id"], dial["outcome"])
            assert call.cost_reserved == 0
    assert {call.status for call in calls.values()} <= {*TERMINAL, Status.UNCONFIRMED}
    for number in set(calls) - set(scene.rings):
        assert calls[number].status == Status.UNCONFIRMED, "its outcome has no evidence"


def assert_recipients_agree(scene: Scene) -> None:
    recipients = list(scene.campaign.recipients.prefetch_related("calls"))
    assert len(recipients) == len(PEOPLE)
    for recipient in recipients:
        (call,) = recipient.calls.all()
        if call.status == Status.UNCONFIRMED:
            assert recipient.status == Recipient.Status.REVIEW
        else:
            assert (recipient.status, recipient.outcome) == (Recipient.Status.DONE, call.status)
        assert recipient.attempts == 1


def assert_each_end_is_told_once() -> None:
    ended = sorted(Call.objects.filter(status__in=TERMINAL).values_list("pk", flat=True))
    assert sorted(WebhookDelivery.objects.values_list("call", flat=True)) == ended
    assert sorted(CallEvent.objects.filter(type="ended").values_list("call", flat=True)) == ended


def assert_the_import_is_exact(scene: Scene) -> None:
    found = scene.imported
    assert (found.rows_read, found.created, found.updated, found.skipped, found.rejected) == (13, 11, 0, 0, 2)
    assert Contact.objects.filter(created_by_import=found).count() == 11
    assert ContactListMember.objects.filter(contact_list=found.contact_list).count() == 11
    assert len(Path(found.rejected_file.path).read_bytes().splitlines()) == 3


def test_a_failpoint_outside_debug_is_refused_by_a_check(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failpoints, "WANTED", "placing.claimed:kill")
    settings.DEBUG = True
    assert "calls.E004" not in [found.id for found in run_checks()]
    settings.DEBUG = False
    assert "calls.E004" in [found.id for found in run_checks()]


def test_a_failpoint_outside_debug_does_nothing() -> None:
    lines = "from django.conf import settings; settings.configure(); from tenants import failpoints as f; f.reach('a')"
    environment = os.environ | {"TRUNKLINE_FAILPOINT": "a:kill"}
    assert subprocess.run([sys.executable, "-c", lines], env=environment, check=False).returncode == 0
    armed = lines.replace("configure()", "configure(DEBUG=True)")
    assert subprocess.run([sys.executable, "-c", armed], env=environment, check=False).returncode == -signal.SIGKILL


def test_a_failpoint_acts_at_the_visit_that_is_asked_for_and_only_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failpoints, "_NAME", "here")
    monkeypatch.setattr(failpoints, "_ACTION", "raise")
    monkeypatch.setattr(failpoints, "_NTH", 2)
    monkeypatch.setattr(failpoints, "_VISITS", iter(range(1, 9)))
    failpoints.reach("elsewhere")
    failpoints.reach("here")
    with pytest.raises(RuntimeError):
        failpoints.reach("here")
    failpoints.reach("here")


@pytest.mark.parametrize("wanted", ["placing.claimed", "placing.claimed:melt", "placing.claimed:kill:soon"])
def test_a_failpoint_that_cannot_be_read_is_refused(wanted: str) -> None:
    with pytest.raises(ValueError, match="name:action"):
        failpoints._read(wanted)
