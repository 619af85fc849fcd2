"""Three worker hosts on one network: one loses its power, one its cable, and their clocks differ by seconds.

Each host is a network namespace of Linux. The database and the providers answer on the bridge between them. It needs
root: `python -m tests.suite --only postgresql -m proof tests/test_network.py` (docs/testing.md).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from calls.actions import campaigns
from calls.models import Call, Heartbeat, Status
from providers.sandbox import server
from tenants.models import Organization
from tests.calls import support
from tests.calls.conftest import callers
from tests.calls.test_clock_jumps import is_over
from tests.calls.test_supervisor import environment
from tests.chaos.processes import MARK, marked
from tests.postgresql import free_port
from tests.relay import relay
from tests.waiting import PATIENCE, eventually

__all__ = ["callers"]  # a fixture
pytestmark = [
    pytest.mark.proof,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif("connection.vendor != 'postgresql'", reason="several hosts need a server"),
]
BRIDGE, ADDRESS = "trunkline-br", "10.213.77.1"
HOSTS = 3
REMOVE = """
cat > /dev/null
for host in "$@"; do
    ip netns pids "$host" | xargs -r kill -KILL
    ip netns del "$host"
    ip link del "$host"
done 2> /dev/null
ip link del "$0"
"""
APART = 5  # seconds between the clocks of two hosts
CUT = 125.0  # seconds without a cable: longer than the lease of a claim
NUMBERS = [f"+121255{block}01{ending}" for block in range(5) for ending in range(40, 100)]  # of no fault


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


@pytest.fixture
def network() -> Iterator[list[str]]:
    """The names of the hosts, on a bridge with this machine."""
    names = [f"trunkline-{host}" for host in range(HOSTS)]
    with ExitStack() as stack:
        try:
            ip("link", "add", BRIDGE, "type", "bridge")
            stack.enter_context(removed_at_the_end(names))
            ip("addr", "add", f"{ADDRESS}/24", "dev", BRIDGE)
            ip("link", "set", BRIDGE, "up")
            for at, name in enumerate(names):
                ip("netns", "add", name)
                ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name)
                ip("link", "set", name, "master", BRIDGE, "up")
                ip("-n", name, "addr", "add", f"{ADDRESS[:-1]}{10 + at}/24", "dev", "eth0")
                for device in ("eth0", "lo"):
                    ip("-n", name, "link", "set", device, "up")
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"No network namespaces can be made here: {getattr(error, 'stderr', '') or error}")
        yield names


@contextmanager
def removed_at_the_end(names: list[str]) -> Iterator[None]:
    """Remove the hosts, with what runs on them, and the bridge; also when this process is killed: its pipe ends."""
    with subprocess.Popen(["sh", "-c", REMOVE, BRIDGE, *names], stdin=subprocess.PIPE, start_new_session=True):
        yield


class Host:
    """A machine with one worker."""

    def __init__(self, name: str, folder: Path, ahead: int, **environ: str) -> None:
        self.name, self._log = name, folder / f"{name}.log"
        clock = folder / f"{name}.clock"
        clock.write_text(str(ahead))
        worker = [sys.executable, "-m", "tests.calls.worker_process", str(folder / "impatient"), str(clock)]
        with self._log.open("ab") as out:
            self.process = subprocess.Popen(
                ["ip", "netns", "exec", name, *worker],
                cwd=settings.BASE_DIR,
                env=environment(**{MARK: str(self._log)}, **environ),
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    def lose_power(self) -> None:
        for pid in marked(str(self._log)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(PATIENCE)

    def stop(self) -> None:
        self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(PATIENCE)
        self.lose_power()

    def beat(self) -> datetime | None:
        """Return the newest heartbeat of its engine, by its own clock."""
        mine = Heartbeat.objects.filter(role=Heartbeat.Role.ENGINE, worker__contains=f"-{self.process.pid}-")
        return mine.values_list("beaten_at", flat=True).first()

    @contextmanager
    def without_cable(self) -> Iterator[None]:
        ip("link", "set", self.name, "down")
        try:
            yield
        finally:
            ip("link", "set", self.name, "up")


def end_sessions() -> None:
    """End all other sessions of the database, so that it can be removed."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def beating() -> int:
    return Heartbeat.objects.filter(role="engine").exclude(run__in=["", "starting"]).count()


def test_a_host_without_power_and_one_without_a_cable_call_nobody_twice_and_lose_nobody(
    callers: Organization, network: list[str], tmp_path: Path
) -> None:
    database, there = connection.settings_dict, free_port()
    with ExitStack() as stack:
        stack.callback(end_sessions)  # of the host without a cable: its network has lost their ends
        sandbox: Any = stack.enter_context(server.running(speed=10, seed=7))
        stack.enter_context(relay(there, int(database["PORT"]), host=ADDRESS))
        providers = free_port()
        stack.enter_context(relay(providers, urlsplit(sandbox.url).port or 0, host=ADDRESS))
        number = support.reach(callers, f"http://{ADDRESS}:{providers}", "allomia", calls_per_second=2, place_tokens=1)
        made = support.campaign(number, support.people(callers, NUMBERS))
        address = f"postgresql://{database['USER']}@{ADDRESS}:{there}/{database['NAME']}"
        hosts = []
        for at, name in enumerate(network):
            more = {"DATABASE_URL": address, "ALLOWED_OUTGOING_HOSTS": f"http://{ADDRESS}:{providers}"}
            hosts.append(Host(name, tmp_path, at * APART, **more))
            stack.callback(hosts[-1].stop)
        eventually(lambda: beating() == HOSTS, "not every host works")
        campaigns.start(made, actor="test")
        eventually(lambda: len(sandbox.journal()) >= 20, "no calls are placed")
        hosts[0].lose_power()
        with hosts[1].without_cable():
            until, before = time.monotonic() + CUT, len(sandbox.journal())
            eventually(lambda: len(sandbox.journal()) >= before + 20, "the host that is left places no calls")
            time.sleep(max(0.0, until - time.monotonic()))
            silent = hosts[1].beat()
        back = time.monotonic()
        assert silent and timezone.now() - silent > timedelta(seconds=CUT / 2), "the host had its cable all the time"
        eventually(lambda: hosts[1].beat() != silent, "the host whose cable is back does not work")
        recovered = time.monotonic() - back
        eventually(lambda: is_over(made), "contacts are left")
        rung = Counter(dial["to_number"] for dial in sandbox.journal())
    doubts = Call.objects.filter(status__in=[Status.UNCONFIRMED, Status.UNKNOWN])
    doubtful = set(doubts.values_list("to_number", flat=True))
    twice, lost = {number for number in rung if rung[number] > 1}, set(NUMBERS) - rung.keys() - doubtful
    sys.stdout.write(
        f"{rung.total()} calls rang, {len(twice)} twice, {len(lost)} contacts were lost, {len(doubtful)} calls are a "
        f"doubt; the host worked {recovered:.0f} s after its cable was back\n"
    )
    assert not twice and not lost and rung.keys() <= set(NUMBERS)
