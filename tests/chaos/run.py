"""One run: set up, launch, inject faults, recover, judge."""

from __future__ import annotations

import os
import random
import socket
import sys
import threading
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from calls.actions import kill_switch, quiescing
from providers.sandbox.server import running
from tests.chaos import judging, sink
from tests.chaos.database import Server, stubbornly
from tests.chaos.gathering import awaited, gather, over
from tests.chaos.judging import PROMISES, Silence, Verdict
from tests.chaos.people import OUT_OF_HOURS, People
from tests.chaos.plan import KINDS, Injection, Kind, Size, injections
from tests.chaos.processes import Process, Workers, described, spawn

if TYPE_CHECKING:
    from campaigns.models import Campaign

SPEED = 10
DEAD_READ_LEASE = timedelta(seconds=91)  # after this time a poll claimed by a dead process is due again


class Run:
    def __init__(self, stack: ExitStack, size: Size, seed: int, directory: Path) -> None:
        self.stack, self.size, self.seed, self.directory = stack, size, seed, directory
        self.random = random.Random(seed)
        self.kills: list[tuple[Kind, float]] = []  # kind, moment
        self.crashes: list[float] = []
        self.silences: list[Silence] = []
        self.stranded: set[int] = set()
        self.threads: list[threading.Thread] = []
        self.troubles: list[str] = []
        self.worked: list[float] = []  # moments at which the providers saw a request
        self.judging = False
        self.began = time.monotonic()
        self.phases: list[tuple[str, float]] = []  # name and start of each phase

    def run(self) -> int:
        from django.core.management import call_command
        from django.db import connection

        self._phase("setting up")
        call_command("migrate", verbosity=0)
        self.server = Server() if connection.vendor == "postgresql" and self.size.crashes else None
        self.sandbox = self.stack.enter_context(running(speed=SPEED, seed=self.seed))
        share = self.size.faults
        self.sandbox.control(
            placing_fault_rate=share,
            reading_fault_rate=share,
            callback_loss_rate=share,
            callback_double_rate=share,
            callback_delay_rate=share,
            manners_rate=self.size.manners,
        )
        self.workers = Workers(self.stack, self.directory, self.size.workers, self.random)
        web = self._web()
        try:
            self.people = People(self.sandbox.url, self.stack.enter_context(sink.listening()), self.size)
            self.workers.start()
            self._launch()
            pulse = threading.Thread(target=self._watch_the_work, name="pulse", daemon=True)
            pulse.start()
            self._phase("injecting")
            self._inject_all()
            self._phase("restarting")
            self._recover()
            self.judging = True
            pulse.join()
        finally:
            self.workers.end()
            web.terminate()
            web.wait(30)
        self._phase("judging")
        return self._report(self._judge())

    def _phase(self, name: str) -> None:
        self.phases.append((name, time.monotonic()))

    def _web(self) -> Process:
        listen = os.environ["PUBLIC_BASE_URL"].removeprefix("http://")
        return spawn(
            self.stack, self.directory / "web.log", "-m", "gunicorn", "config.wsgi", "--threads", "4", "--bind", listen
        )

    def _launch(self) -> None:
        from calls.actions import campaigns

        for campaign in self.people.campaigns.values():
            campaigns.start(campaign, actor="chaos")
        deadline = time.monotonic() + 60
        while not self.sandbox.requests()["placing"]:
            if time.monotonic() > deadline:
                raise RuntimeError(f"No worker places anything; their logs are in {self.directory}.")
            time.sleep(0.1)
        self.say(f"{len(self.people.rules)} contacts, {self.size.workers} workers; the first call was placed")

    # Injections.

    def _inject_all(self) -> None:
        started = time.monotonic()
        spoken = 0
        for injection in injections(self.size, self.random):
            while (wait := started + injection.at - time.monotonic()) > 0:
                self.workers.supervise()
                time.sleep(min(wait, 0.1))
            self._inject(injection)
            if (tens := int(injection.at / self.size.seconds * 6)) > spoken:
                spoken = tens
                self.say(f"{len(self.sandbox.journal())} dials, {len(self.kills)} kills")
        for thread in self.threads:
            thread.join(60)

    def _inject(self, injection: Injection) -> None:
        if injection.what == "kill":
            self._kill(injection.kind)
        elif injection.what == "pause":
            name = self.random.choice([name for name in self.people.campaigns if name != OUT_OF_HOURS])
            self._aside(self._pause, name, self.random.uniform(0.5, 3))
        elif injection.what == "stop":
            self._aside(self._stop_all, self.random.uniform(0.5, 2))
        elif injection.what == "list":
            self._aside(self._list_number, self.random.random())
        elif self.server:
            self._aside(self._crash, self.random.uniform(0, 2))

    def _aside(self, work: Callable[..., None], *args: object) -> None:
        """Run an injection that waits for an answer in a thread, so that it does not delay the others."""

        def guarded() -> None:
            from django.db import connection

            try:
                work(*args)
            except Exception as error:
                self.troubles.append(f"{work.__name__.strip('_')}: {error!r}")
            finally:
                connection.close()

        thread = threading.Thread(target=guarded, daemon=True)
        self.threads.append(thread)
        thread.start()

    def _kill(self, wanted: Kind) -> None:
        deadline = time.monotonic() + 20
        patience = time.monotonic() + 1.5  # while the tree is still starting
        while (kind := self.workers.kill([wanted] if time.monotonic() < patience else KINDS)) is None:
            self.workers.supervise()
            if time.monotonic() > deadline:
                raise RuntimeError("No process of any worker can be found.")
            time.sleep(0.1)
        self.kills.append((kind, time.monotonic()))
        self._note_stranded()

    def _note_stranded(self) -> None:
        """Note the calls that are being placed as a process dies.

        Read after the death: the calls of a dead process keep their status.
        """
        from calls.models import Call, Status

        found = stubbornly(lambda: list(Call.objects.filter(status=Status.PLACING).values_list("pk", flat=True)))
        self.stranded |= set(found)

    def _pause(self, name: str, seconds: float) -> None:
        from calls.actions import campaigns
        from campaigns.models import Campaign

        pk = self.people.campaigns[name].pk
        campaign = stubbornly(lambda: Campaign.objects.get(pk=pk))
        if campaign.status != Campaign.Status.RUNNING:
            return
        try:
            stubbornly(lambda: campaigns.pause(campaign, actor="chaos"))
        except quiescing.IllegalTransition:
            return  # it finished meanwhile
        since = datetime.now(UTC)
        time.sleep(seconds)
        until = datetime.now(UTC)
        stubbornly(lambda: campaigns.resume(campaign, actor="chaos"))
        self.silences.append(Silence("paused", self.people.numbers[name], since, until))

    def _stop_all(self, seconds: float) -> None:

        stubbornly(lambda: kill_switch.stop_all_calls(self.people.organization, actor="chaos"))
        since = datetime.now(UTC)
        time.sleep(seconds)
        until = datetime.now(UTC)
        stubbornly(lambda: kill_switch.allow_calls(self.people.organization, actor="chaos"))
        self.silences.append(Silence("paused", list(self.people.rules), since, until))

    def _list_number(self, draw: float) -> None:
        """List a number that is about to be called, if there is one."""
        from calls.models import Call, Status
        from campaigns.do_not_call import entries
        from campaigns.models import Recipient

        def upcoming() -> list[str]:
            queued = list(Call.objects.filter(status=Status.QUEUED).values_list("to_number", flat=True))
            live = [Recipient.Status.PENDING, Recipient.Status.WAITING]
            waiting = Recipient.objects.filter(campaign__in=self.people.ending, status__in=live)
            return queued or list(waiting.order_by("sort_key").values_list("contact__phone", flat=True)[:20])

        numbers = stubbornly(upcoming) or list(self.people.rules)
        number = numbers[int(draw * len(numbers))]
        entry, _ = stubbornly(lambda: entries.add(self.people.organization, number, source="chaos"))
        stubbornly(lambda: quiescing.silence_number(entry))  # as the API and the pages do before they answer
        self.silences.append(Silence("do_not_call", [number], datetime.now(UTC)))

    def _crash(self, seconds: float) -> None:
        assert self.server is not None
        self.crashes.append(time.monotonic())
        self.server.crash(seconds)
        self._note_stranded()
        self.say(f"the database crashed and was down for {time.monotonic() - self.crashes[-1]:.1f} s")

    def _watch_the_work(self) -> None:
        seen = 0
        while not self.judging:
            now = sum(self.sandbox.requests().values())
            if now > seen:
                self.worked.append(time.monotonic())
                seen = now
            time.sleep(0.1)

    # Recovery.

    def _recover(self) -> None:
        """Kill and restart all workers until every campaign is finished.

        End the leases of dead processes early: no process that could record an answer is alive.
        """
        from django.db.models import Q
        from django.utils import timezone

        from calls.models import Call, Heartbeat, Polling, Status

        silent = timezone.now() - timedelta(seconds=20)
        ours = Q(pk__in=[])
        for pid in self.workers.pids:
            ours |= Q(worker__startswith=f"trunkline-{socket.gethostname()[:60]}-{pid}-")
        beats = Heartbeat.objects.filter(ours, beaten_at__lt=silent)
        self.hanging = stubbornly(lambda: beats.count())
        time.sleep(3)  # by now every process has noticed that its watcher died
        self.left_behind = self.workers.left_behind()
        for pid in self.left_behind:
            self.say(f"without a watcher: {described(pid)}")
        self.workers.end()
        self._note_stranded()
        now = timezone.now()
        stubbornly(lambda: Call.objects.filter(status=Status.PLACING).update(lease_until=now - timedelta(seconds=1)))
        stubbornly(
            lambda: Polling.objects.filter(next_read_at__range=(now, now + DEAD_READ_LEASE)).update(next_read_at=now)
        )
        stubbornly(self.people.hurry)
        self.say(f"{len(self.sandbox.journal())} dials, {len(self.kills)} kills done; all workers are restarted")
        deadline = time.monotonic() + self.size.deadline
        while time.monotonic() < deadline:
            self._phase("finishing")
            self.workers.start()
            spoken = time.monotonic()
            while time.monotonic() < deadline and not stubbornly(self._over):
                self.workers.supervise()
                time.sleep(0.5)
                if time.monotonic() > spoken + 15:
                    spoken = time.monotonic()
                    stubbornly(self._hasten)
                    self.say(f"{len(self.sandbox.journal())} dials, {stubbornly(_under_way)} calls in progress")
            self._phase("last callbacks")
            self.sandbox.control(callback_loss_rate=1)  # callbacks already sent still arrive; no more follow
            time.sleep(self.sandbox.control()["settings"]["callback_delay_seconds"])
            self.workers.end()
            if stubbornly(self._over):
                break
        self.say("all campaigns are finished" if stubbornly(self._over) else "NOT all campaigns are finished")

    def _over(self) -> bool:
        return over(self.people.ending, self.sandbox)

    def _hasten(self) -> None:
        """Let searches and settling reads come at once that failed reads put off for minutes.

        Campaigns wait two minutes for a worker that may still answer. Those that were killed cannot.
        """
        from django.db.models import F
        from django.utils import timezone

        from calls.dialing.intents import LEASE
        from calls.models import CallEvent, Polling, Status

        soon = timezone.now()
        reaped = CallEvent.objects.filter(call__in=self.stranded, type="unconfirmed", source=CallEvent.Source.ENGINE)
        reaped.filter(at__gt=soon - LEASE).update(at=F("at") - LEASE)
        Polling.objects.filter(calls__status=Status.UNCONFIRMED, next_read_at__gt=soon).update(next_read_at=soon)
        Polling.objects.filter(calls__in=awaited(), next_read_at__gt=soon).update(next_read_at=soon)

    def _campaigns(self) -> list[Campaign]:
        from campaigns.models import Campaign

        return list(Campaign.objects.filter(pk__in=[made.pk for made in self.people.ending]))

    # The verdict.

    def _judge(self) -> Verdict:
        left = len(self.left_behind)
        people = self.people
        return judging.judge(gather(self.sandbox, people.ending, people.rules, self.stranded, self.silences, left))

    def _report(self, verdict: Verdict) -> int:
        from calls.models import Call

        control = self.sandbox.control()
        ends = Counter(Call.objects.values_list("status", flat=True))
        for line in verdict.findings[:50] + self.troubles:
            self.say(line)
        for campaign in self._campaigns():
            if campaign.status_reason:
                self.say(f"{campaign} paused itself: {campaign.status_reason}")
        for where, counts in control["faults"].items():
            self.say(f"faults, {where}: " + ", ".join(f"{name} {count}" for name, count in sorted(counts.items())))
        told = control["told"]
        self.say(f"manners, {sum(told.values())} times: " + ", ".join(f"{name} {n}" for name, n in told.items()))
        self.say("calls: " + ", ".join(f"{name} {count}" for name, count in sorted(ends.items())))
        self.say("kills: " + ", ".join(f"{name} {n}" for name, n in sorted(Counter(k for k, _ in self.kills).items())))
        self._phase("")
        spans = zip(self.phases, self.phases[1:], strict=False)
        self.say("seconds: " + ", ".join(f"{name} {end - start:.0f}" for (name, start), (_, end) in spans))
        self.say(f"seed {self.seed}, {time.monotonic() - self.began:.0f} s in all")
        sys.stdout.write(self._table(verdict))
        sys.stdout.flush()
        return 1 if verdict.broken or self.troubles or len(self.kills) < self.size.kills else 0

    def _table(self, verdict: Verdict) -> str:
        from calls.models import Call, ProviderCallback, WebhookDelivery

        counts = verdict.counts
        again = Call.objects.filter(attempt=2, dialed_at__isnull=False).count()
        bound = counts["doubts by an answer"] + counts["doubts by a death"]
        listed = sum(silence.kind == "do_not_call" for silence in self.silences)
        lines = [
            ("dials in the providers' journal", counts["dials"], ""),
            ("calls made again by a retry rule", again, ""),
            *((promise, counts[promise], "must be 0") for promise in PROMISES),
            ("unconfirmed at the end", counts["unconfirmed"], f"at most {bound} doubts arose"),
            ("… by an ambiguous answer", counts["doubts by an answer"], "at most the ambiguous faults"),
            ("… by a death while placing", counts["doubts by a death"], f"{len(self.stranded)} were being placed"),
            ("prices stored", counts["prices"], ""),
            ("numbers listed by an opt-out", counts["opt-outs"], ""),
            ("calls with a value held as doubtful", counts["held as doubtful"], ""),
            ("callbacks that arrived", ProviderCallback.objects.count(), ""),
            ("webhook rows", WebhookDelivery.objects.filter(endpoint=None).count(), "one for each call that ended"),
            ("do-not-call entries while running", listed, ""),
            ("pauses and stops while running", len(self.silences) - listed, ""),
            ("kills done", len(self.kills), f"of {self.size.kills}"),
            ("database crashes", len(self.crashes), ""),
            ("workers hanging after the last kill", self.hanging, f"of {self.size.workers}"),
            ("slowest return to work after a kill, s", round(self._slowest([at for _, at in self.kills]), 1), ""),
            ("slowest return to work after a crash, s", round(self._slowest(self.crashes), 1), ""),
        ]  # fmt: skip
        return "\n| | | |\n|---|---:|---|\n" + "".join(
            f"| {name} | {value} | {note} |\n" for name, value, note in lines
        )

    def _slowest(self, moments: list[float]) -> float:
        """Return the longest time in seconds from one of these moments to the providers' next request."""
        waits = []
        for moment in moments:
            after = bisect_right(self.worked, moment)
            if after < len(self.worked):
                waits.append(self.worked[after] - moment)
        return max(waits, default=0.0)

    def say(self, text: str) -> None:
        sys.stdout.write(f"[{time.monotonic() - self.began:5.0f} s] {text}\n")
        sys.stdout.flush()


def _under_way() -> int:
    from calls.models import TERMINAL, Call, Status

    return Call.objects.exclude(status__in=[*TERMINAL, Status.UNCONFIRMED]).count()
