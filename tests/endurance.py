"""Campaigns over all four providers while answers are faulty and processes are killed. Judged by the sandbox's journal.

    python -m tests.endurance [--database sqlite|postgresql] [--contacts 25] [--workers 2] [--faults 0.2] [--kills 10]

Prints what was done and one line of counts; exits 1 when a promise was broken.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
KINDS = ("worker", "monitor", "pusher", "guard", "main", "watcher")


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--contacts", type=int, default=25, help="per provider")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--faults", type=float, default=0.2)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--seconds", type=int, default=3000)
    options = parser.parse_args()
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="trunkline-endurance-")))
        os.environ |= _environment(stack, options.database, directory)
        import django

        django.setup()
        return Endurance(stack, options, directory).run()


def _environment(stack: ExitStack, database: str, directory: Path) -> dict[str, str]:
    from tests.postgresql import free_port, throwaway_server

    url = f"sqlite:///{directory}/endurance.sqlite3"
    if database == "postgresql":
        url = stack.enter_context(throwaway_server())
    return {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DEBUG": "true",
        "ALLOW_LOOPBACK_URLS": "true",
        "DATABASE_URL": url,
        "PUBLIC_BASE_URL": f"http://127.0.0.1:{free_port()}",
    }


class Endurance:
    """One run: set up, launch, kill, wait, judge."""

    def __init__(self, stack: ExitStack, options: argparse.Namespace, directory: Path) -> None:
        self.options = options
        self.random = random.Random(options.seed)
        self.directory = directory
        self.stack = stack
        self.workers: list[subprocess.Popen[bytes]] = []
        self.killed: list[tuple[str, float]] = []

    def run(self) -> int:
        from django.core.management import call_command

        from providers.sandbox.server import running

        call_command("migrate", verbosity=0)
        self.sandbox = self.stack.enter_context(running(speed=2, seed=self.options.seed))
        self.sandbox.control(placing_fault_rate=self.options.faults, reading_fault_rate=self.options.faults)
        say(f"seed {self.options.seed}, {self.options}")
        try:
            self.web = self._spawn("web", "-m", "gunicorn", "config.wsgi", "--threads", "4", "--bind", self._listen())
            self.workers = [self._spawn_worker() for _ in range(self.options.workers)]
            self._launch()
            for turn in range(self.options.kills):
                self._kill(KINDS[turn % len(KINDS)])
            self._finish()
            return self._judge()
        finally:
            for process in [*self.workers, self.web]:
                process.terminate()
            for process in [*self.workers, self.web]:
                process.wait(150)

    def _listen(self) -> str:
        return os.environ["PUBLIC_BASE_URL"].removeprefix("http://")

    def _spawn(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        log = self.stack.enter_context((self.directory / f"{name}.log").open("ab"))
        command = [sys.executable, *arguments]
        return subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)

    def _spawn_worker(self) -> subprocess.Popen[bytes]:
        return self._spawn("worker", "manage.py", "worker")

    def _launch(self) -> None:
        from calls import campaign_actions
        from tenants.models import Organization, Tenant
        from tests.calls import support

        organization = Organization.objects.create(
            tenant=Tenant.objects.create(name="Endurance"),
            name="Endurance",
            default_region="US",
            min_gap_minutes=0,
            max_attempts_per_day=100,
        )
        self.campaigns = []
        # Slow enough that the kills fall into the middle of it.
        pace = (
            {"calls_per_second": 4, "max_open_calls": 20}
            if not self.options.kills
            else {
                "calls_per_second": max(0.05, self.options.contacts / (90 * max(1, self.options.kills))),
                "max_open_calls": 20,
            }
        )
        for area, provider in zip("2346", support.SANDBOX_KEYS, strict=True):
            number = support.reach(organization, self.sandbox.url, provider, **pace)
            numbers = [f"+1{area}{10 + i // 60:02}55501{40 + i % 60:02}" for i in range(self.options.contacts)]
            self.campaigns.append(support.campaign(number, support.people(organization, numbers), retries=2))
        for campaign in self.campaigns:
            campaign_actions.start(campaign, actor="endurance")

    def _kill(self, kind: str) -> None:
        """Wait until the work goes on, kill one process of one worker, and see how long until it goes on again."""
        victim = self.random.choice(self.workers)
        before = self._activity()
        self._wait_for_activity(before)
        time.sleep(self.random.uniform(0, 3))
        pid = self._process(victim, kind)
        if pid is None:
            say(f"no {kind} to kill")
            return
        os.kill(pid, signal.SIGKILL)
        if kind == "watcher":  # what a supervisor does
            victim.wait()
            self.workers[self.workers.index(victim)] = self._spawn_worker()
        for other in self.workers:  # with one worker alone, the time shown is that worker's own
            if other.poll() is not None:
                self.workers[self.workers.index(other)] = self._spawn_worker()
        took = self._wait_for_activity(self._activity())
        self.killed.append((kind, took))
        say(f"killed {kind} ({pid}): work went on after {took:.0f} s")

    def _activity(self) -> int:
        """Grows while work is done: claims taken by slices, as the database sees them."""
        from calls.models import CallEvent

        return CallEvent.objects.count() + sum(self.sandbox.requests().values())

    def _wait_for_activity(self, before: int) -> float:
        started = time.monotonic()
        while self._activity() <= before:
            if self._over() or time.monotonic() - started > 300:
                break
            time.sleep(0.2)
        return time.monotonic() - started

    def _process(self, worker: subprocess.Popen[bytes], kind: str) -> int | None:
        """The pid of one kind of process of a worker's tree."""
        if kind == "watcher":
            return worker.pid
        mains = children(worker.pid)
        guards = children(mains[0]) if mains else []
        pool = children(guards[0]) if guards else []
        found = {"main": mains, "guard": guards, "worker": pool[:-2], "monitor": pool[-2:-1], "pusher": pool[-1:]}
        return self.random.choice(found[kind]) if found[kind] else None

    def _over(self) -> bool:
        from calls.models import Call, Status
        from campaigns.models import Campaign

        if Campaign.objects.exclude(status=Campaign.Status.FINISHED).exists():
            return False
        return not Call.objects.open().exclude(status=Status.UNCONFIRMED).exists()

    def _finish(self) -> None:
        deadline = time.monotonic() + self.options.seconds
        while not self._over() and time.monotonic() < deadline:
            time.sleep(1)
        time.sleep(45)  # late callbacks and the looks into CallingBox's list

    def _judge(self) -> int:
        from calls.models import OPEN, Call, Status
        from campaigns.models import Recipient

        dials = self.sandbox.journal()
        calls = {call.provider_call_id: call for call in Call.objects.exclude(provider_call_id="")}
        doubts = Counter(Call.objects.filter(status=Status.UNCONFIRMED).values_list("to_number", flat=True))
        without_id = list(Call.objects.filter(provider_call_id="", dialed_at__isnull=False))
        counts: Counter[str] = Counter(dials=len(dials))
        per_number = Counter(dial["to_number"] for dial in dials)
        attempts = dict(Recipient.objects.values_list("contact__phone", "attempts"))
        for number, rung in per_number.items():
            counts["double"] += max(0, rung - attempts.get(number, 0))
        for dial in dials:
            call = calls.get(dial["id"])
            if call is None:  # never told us its id: a doubt, or Plum's callback alone
                same = [c for c in without_id if c.to_number == dial["to_number"]]
                counts["lost"] += not same and not doubts[dial["to_number"]]
                if same and not any(c.status in (dial["outcome"], Status.UNCONFIRMED) for c in same):
                    counts["wrong"] += 1
            elif call.status != dial["outcome"]:
                counts["wrong" if call.is_terminal else "stuck"] += 1
                say(f"dial {dial} is stored as {call.status}")
        counts["stuck"] += Call.objects.filter(status__in=OPEN).exclude(status=Status.UNCONFIRMED).count()
        counts["unconfirmed"] = sum(doubts.values())
        say("outcomes: " + str(dict(Counter(Call.objects.values_list("status", flat=True)))))
        say("recipients: " + str(dict(Counter(Recipient.objects.values_list("status", flat=True)))))
        faults = self.sandbox.control()["faults"]
        say(f"faults injected: {faults}")
        slowest = max((took for _, took in self.killed), default=0.0)
        say(
            f"dials {counts['dials']}, dialled more often than attempted {counts['double']}, lost {counts['lost']}, "
            f"wrong {counts['wrong']}, stuck {counts['stuck']}, unconfirmed {counts['unconfirmed']}, "
            f"kills {len(self.killed)}, slowest return to work {slowest:.0f} s"
        )
        bad = counts["double"] + counts["lost"] + counts["wrong"] + counts["stuck"]
        return 1 if bad or slowest > 240 or not self._over() else 0


def children(pid: int) -> list[int]:
    """Living children of a process, in the order they were started."""
    found: list[tuple[int, int]] = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.append((int(fields[19]), int(entry.name)))
    return [child for _, child in sorted(found)]


def say(text: Any) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
