"""Deadlines and intervals of the engine, in seconds. The system check `calls.E001` asserts that the deadlines nest."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Self


@dataclass(frozen=True)
class ClusterTiming:
    """Each deadline must be shorter than the next, else work is done twice or never."""

    connect: int = 5
    request: int = 30  # one whole request to a provider
    claim: int = 45  # a slice stops claiming work
    drain: int = 80  # a slice has finished what it claimed
    alarm: int = 90  # the task queue ends the slice
    lease: int = 120  # a claim without an answer becomes a doubt
    watcher: int = 180  # a worker without heartbeats is replaced
    retry: int = 300  # the task queue hands the task out again

    @property
    def nests(self) -> bool:
        chain = (
            self.connect,
            self.request,
            self.claim,
            self.drain,
            self.alarm,
            self.lease,
            self.watcher,
            self.retry,
        )
        return list(chain) == sorted(set(chain))


CLUSTER_TIMING = ClusterTiming()


@dataclass(frozen=True)
class WatcherTiming:
    """How often the watcher checks its cluster, and how long it waits before it acts. In seconds."""

    look: float = 1.0
    silent_slot: float = 20.0  # without a heartbeat for so long, a new slice is queued for the slot
    between_replacements: float = 60.0
    silent_cluster: float = CLUSTER_TIMING.watcher  # without any heartbeat for so long, the whole cluster is replaced
    stop_grace: float = 100.0  # a slice can drain for so long


@dataclass(frozen=True)
class Pauses:
    """How long each step of a slice pauses after it found no work, in seconds."""

    beat: float = 1.0
    place: float = 0.2
    read: float = 0.25
    status_callbacks: float = 0.25
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

    @classmethod
    def at_most(cls, seconds: float) -> Self:
        """Return the usual pauses, none longer than `seconds`."""
        return cls(**{name: min(pause, seconds) for name, pause in asdict(cls()).items()})


WATCHER_TIMING = WatcherTiming()
PAUSES = Pauses()
SEND_WITHIN = 5  # seconds after the claim within which its request may still be sent
