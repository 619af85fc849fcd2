"""Deadlines and intervals of the engine, in seconds. The system check `calls.E001` asserts that the deadlines nest."""

from __future__ import annotations

from dataclasses import asdict, astuple, dataclass
from typing import Self


@dataclass(frozen=True)
class ClusterTiming:
    """Each deadline must be shorter than the next, else work is done twice or never."""

    connect: int = 5
    request: int = 30  # one whole request to a provider
    finish: int = 40  # a stopping engine waits so long for what it has sent
    claim: int = 45  # an upkeep task stops claiming work
    flush: int = 60  # a stopping engine has stored the answers, and ends
    drain: int = 80  # an upkeep task has finished what it claimed
    alarm: int = 90  # a task that has not ended takes its process with it
    grace: int = 100  # a stopping worker ends what still runs
    lease: int = 120  # a claim without an answer becomes a doubt
    watcher: int = 180  # a task process without heartbeats is replaced
    retry: int = 300  # the task queue hands the task out again

    @property
    def nests(self) -> bool:
        chain = list(astuple(self))
        return chain == sorted(set(chain))


CLUSTER_TIMING = ClusterTiming()


@dataclass(frozen=True)
class LaneTiming:
    """What an engine process may do without a sign of life. Each must be shorter than the next. In seconds."""

    lock: int = 5  # a claimer or writer waits so long for a lock; the database ends the statement
    claim_statement: int = 15  # one statement of a claimer; the database ends it
    confirmed: int = 20  # after so long without a confirmation of its slot, a process claims nothing
    store_statement: int = 30  # one statement of a writer
    lane: int = 45  # a lane whose claimer did not turn for so long silences its process
    silent: int = 60  # a silent process is killed and replaced
    upkeep_statement: int = 80  # one statement of maintenance or upkeep; long, because an import writes much at once
    work: int = 300  # one piece of work in the database: its thread hangs, and with it what waits for the thread

    @property
    def nests(self) -> bool:
        chain = list(astuple(self))
        return chain == sorted(set(chain)) and self.upkeep_statement <= CLUSTER_TIMING.drain


LANE_TIMING = LaneTiming()


@dataclass(frozen=True)
class WatcherTiming:
    """How often the watcher checks its processes, and how long it waits before it acts. In seconds."""

    look: float = 1.0
    silent_engine: float = LANE_TIMING.silent  # without a heartbeat for so long, an engine process is replaced
    silent_upkeep: float = 20.0  # without a heartbeat for so long, a new upkeep task is queued
    between_replacements: float = 60.0
    silent_tasks: float = CLUSTER_TIMING.watcher  # without a heartbeat for so long, the task process is replaced
    stop_grace: float = CLUSTER_TIMING.grace


@dataclass(frozen=True)
class Pauses:
    """How long each step of the engine pauses after it found no work, in seconds."""

    beat: float = 1.0
    place: float = 0.2
    read: float = 0.25
    status_callbacks: float = 0.25
    lead: float = 5.0
    enqueue: float = 0.5
    reap: float = 2.0
    reconcile: float = 1.0
    probe: float = 1.0
    campaigns: float = 1.0
    watch_budgets: float = 2.0
    watch_openings: float = 30.0
    watch_overdue: float = 5.0
    scheduled_callbacks: float = 1.0
    reassess: float = 0.5
    wake: float = 30.0
    imports: float = 0.5
    undo: float = 0.5
    launch: float = 0.5
    purge_idempotency_keys: float = 60.0
    purge_imports: float = 60.0
    deliver: float = 0.25
    publish_finished_imports: float = 1.0
    purge_webhooks: float = 10.0
    purge_callbacks: float = 10.0
    purge_leftovers: float = 60.0
    fold_counts: float = 5.0
    seal_audit: float = 60.0
    fill_name_keys: float = 30.0

    @classmethod
    def at_most(cls, seconds: float) -> Self:
        """Return the usual pauses, none longer than `seconds`."""
        return cls(**{name: min(pause, seconds) for name, pause in asdict(cls()).items()})


WATCHER_TIMING = WatcherTiming()
PAUSES = Pauses()
SEND_WITHIN = 5  # seconds after the claim within which its request may still be sent
