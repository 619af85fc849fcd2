"""Measure how soon a worker continues after one of its processes is killed, and judge by the sandbox's journal.

    python -m tests.endurance [--database sqlite|postgresql] [--contacts 25] [--workers 2] [--faults 0.2] [--kills 10]

Kills one kind of process at a time. Prints each kill, a table of the kinds and one line of counts. Exits with 1 when a
promise was broken.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.chaos.gathering import gather, over
from tests.chaos.judging import PROMISES, Rules, judge
from tests.chaos.people import AREAS, FULL_SPEED, numbers
from tests.chaos.plan import KINDS, Kind
from tests.chaos.processes import Workers, environment, spawn

if TYPE_CHECKING:
    from campaigns.models import Campaign

RULES = Rules(2, frozenset({"no_answer", "busy", "failed"}))
MARK = 240.0  # seconds; work must have resumed by then
PATIENCE = 300.0
PER_KILL = 60.0  # seconds of work for each kill


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--contacts", type=int, default=25, help="per provider")
    parser.add_argument("--workers", type=int, default=2, help="with one alone, the times are that worker's own")
    parser.add_argument("--faults", type=float, default=0.2)
    parser.add_argument("--kills", type=int, default=0, help=f"in turn: {', '.join(KINDS)}")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--seconds", type=int, default=3000, help="for everything to end after the last kill")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the child processes are ended
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="trunkline-endurance-")))
        os.environ |= environment(stack, options.database, directory)
        import django

        django.setup()
        return Endurance(stack, options, directory).run()


class Endurance:
    """One run: set up, launch, kill, wait, judge."""

    def __init__(self, stack: ExitStack, options: argparse.Namespace, directory: Path) -> None:
        self.stack, self.options, self.directory = stack, options, directory
        self.random = random.Random(options.seed)
        self.returns: list[tuple[Kind, float]] = []  # killed kind, longest time without a request afterwards
        self.stranded: set[int] = set()
        self.rules: dict[str, Rules] = {}
        self.campaigns: list[Campaign] = []

    def run(self) -> int:
        from django.core.management import call_command

        from providers.sandbox.server import running

        call_command("migrate", verbosity=0)
        self.sandbox = self.stack.enter_context(running(speed=2, seed=self.options.seed))
        self.sandbox.control(placing_fault_rate=self.options.faults, reading_fault_rate=self.options.faults)
        say(f"seed {self.options.seed}, {self.options}")
        listen = os.environ["PUBLIC_BASE_URL"].removeprefix("http://")
        gunicorn = ("-m", "gunicorn", "config.wsgi", "--threads", "4", "--bind", listen)
        web = spawn(self.stack, self.directory / "web.log", *gunicorn)
        self.workers = Workers(self.stack, self.directory, self.options.workers, self.random)
        try:
            self.workers.start()
            self._launch()
            for turn in range(self.options.kills):
                if over(self.campaigns, self.sandbox):
                    say("There was not enough work for all kills: use more --contacts.")
                    break
                self._kill(KINDS[turn % len(KINDS)])
            self._finish()
        finally:
            self.workers.end()
            web.terminate()
            web.wait(30)
        return self._judge()

    def _launch(self) -> None:
        from calls.actions import campaigns
        from tenants.models import Organization, Tenant
        from tests.calls import support

        self.organization = Organization.objects.create(
            tenant=Tenant.objects.create(name="Endurance"),
            name="Endurance",
            default_region="US",
            min_gap_minutes=0,
            max_attempts_per_day=100,
        )
        contacts, kills = self.options.contacts, self.options.kills
        # Slow enough that the kills hit running campaigns.
        rate = max(0.05, contacts / (PER_KILL * kills)) if kills else 4
        for provider, area in AREAS.items():
            number = support.reach(self.organization, self.sandbox.url, provider, calls_per_second=rate)
            mine = list(islice(numbers(area), contacts))
            self.rules |= dict.fromkeys(mine, RULES)
            people = support.people(self.organization, mine)
            self.campaigns.append(support.campaign(number, people, retries=RULES.max_attempts))
        for campaign in self.campaigns:
            campaigns.start(campaign, actor="endurance")

    def _kill(self, wanted: Kind) -> None:
        """Kill one process while work continues, and wait until a process that started later has taken over."""
        seen = self._requests()
        while self._requests() == seen and not over(self.campaigns, self.sandbox):
            self._look_on()
        time.sleep(self.random.uniform(0, 3))
        deadline = time.monotonic() + PATIENCE
        while (killed := self.workers.kill([wanted])) is None:  # the tree is still starting
            if time.monotonic() > deadline:
                say(f"no {wanted} was found")
                return
            self._look_on()
        took = self._until_work_goes_on()
        self._note_stranded()
        self.returns.append((killed, took))
        say(f"{len(self.returns)}. {killed} killed: no request for {took:.1f} s at most")

    def _until_work_goes_on(self) -> float:
        """Return the longest time without a request, in seconds, until a process that starts after now has worked."""
        from django.utils import timezone

        from calls.models import Heartbeat

        began, last, longest = timezone.now(), time.monotonic(), 0.0
        seen, successor = self._requests(), False
        self._note_stranded()
        while time.monotonic() - last < PATIENCE:
            self._look_on()
            now, requests = time.monotonic(), self._requests()
            longest = max(longest, now - last)
            if requests > seen:
                seen, last = requests, now
                if successor:
                    return longest
            successor = successor or Heartbeat.objects.filter(started_at__gt=began).exclude(run="starting").exists()
            if over(self.campaigns, self.sandbox):
                return longest
        return longest

    def _look_on(self) -> None:
        self.workers.supervise()
        time.sleep(0.2)

    def _requests(self) -> int:
        return sum(self.sandbox.requests().values())

    def _note_stranded(self) -> None:
        from calls.models import Call, Status

        self.stranded |= set(Call.objects.filter(status=Status.PLACING).values_list("pk", flat=True))

    def _finish(self) -> None:
        self.organization.provider_accounts.update(**FULL_SPEED)
        deadline = time.monotonic() + self.options.seconds
        quiet = 0
        while quiet < 5 and time.monotonic() < deadline:  # a late callback may still come
            quiet = quiet + 1 if over(self.campaigns, self.sandbox) else 0
            self.workers.supervise()
            time.sleep(1)

    def _judge(self) -> int:
        from calls.models import Call

        verdict = judge(gather(self.sandbox, self.campaigns, self.rules, self.stranded))
        for finding in verdict.findings[:50]:
            say(finding)
        say("calls: " + str(dict(Counter(Call.objects.values_list("status", flat=True)))))
        say(f"faults injected: {self.sandbox.control()['faults']}")
        slowest = max((took for _, took in self.returns), default=0.0)
        if self.returns:
            say("\n| killed | times | slowest return to work, s |\n|---|---:|---:|")
        for kind in KINDS:
            if times := [took for killed, took in self.returns if killed == kind]:
                say(f"| {kind} | {len(times)} | {max(times):.1f} |")
        counts = verdict.counts
        promises = ", ".join(f"{promise} {counts[promise]}" for promise in PROMISES)
        say(f"\ndials {counts['dials']}, {promises}, unconfirmed {counts['unconfirmed']}, kills {len(self.returns)}")
        kept = not verdict.broken and slowest <= MARK and len(self.returns) == self.options.kills
        say("Every promise was kept." if kept else "A PROMISE WAS BROKEN.")
        return 0 if kept else 1


def say(text: Any) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
