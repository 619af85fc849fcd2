"""The deadlines that must nest, in seconds. A system check asserts their order (`calls.E001`)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ClusterTiming:
    """Each must be shorter than the next, or work is done twice or never."""

    connect: int = 5
    request: int = 30  # one request to a provider, all in all
    claim: int = 45  # a slice takes new work for so long
    drain: int = 80  # and has finished what it took by then
    alarm: int = 90  # the task queue ends it
    lease: int = 120  # a claim without an answer becomes a doubt
    watcher: int = 180  # silence of the whole worker: it is replaced
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
SEND_WITHIN = 5  # seconds after the claim's commit; later, nothing is sent any more
