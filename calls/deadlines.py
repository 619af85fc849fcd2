"""The deadlines that must nest, in seconds. A system check asserts their order (`calls.E001`)."""

from __future__ import annotations

from dataclasses import dataclass


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
SEND_WITHIN = 5  # seconds after the claim within which its request may still be sent
