"""Claimed reads that wait for a slot, and how much of the slots and of the claims one account may have. Pure.

An account may have a few times as many as are free. So an account whose provider answers slowly takes a large part and
no more, several of them together still leave some free, and the reads of the others never wait behind theirs.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from calls.following.polling import DueRead

SLOTS_TO_FREE = 5  # one account may have five of six slots
CLAIMS_TO_FREE = 2  # and two of three claims, sent or not


def share(free: int, has: int, times: int) -> int:
    """Return how many more an account may take, so that it then has at most `times` as many as are left free."""
    return max(0, (times * free - has) // (times + 1))


@dataclass(frozen=True)
class Claimed:
    """A read that this worker has claimed. Its lease ends at `until` (monotonic)."""

    due: DueRead
    until: float

    @property
    def account_id(self) -> int:
        return self.due.call.account_id


@dataclass(frozen=True)
class Room:
    """How many reads may be claimed, while so many places are `free`."""

    free: int
    claimed: Mapping[int, int]  # by account

    @property
    def of_all(self) -> int:
        """Return how many in one claim. It leaves some free, however many accounts share it."""
        return share(self.free, 0, CLAIMS_TO_FREE)

    def of(self, account_id: int) -> int:
        return share(self.free, self.claimed.get(account_id, 0), CLAIMS_TO_FREE)


class ReadQueue:
    """The claimed reads: those that wait, by account and in their order, and how many of each account were sent."""

    def __init__(self) -> None:
        self._waiting: dict[int, deque[Claimed]] = {}  # in the order of the accounts' turns; none is empty
        self._sent: Counter[int] = Counter()

    @property
    def waiting(self) -> int:
        return sum(map(len, self._waiting.values()))

    def room(self, capacity: int) -> Room:
        """Return what may be claimed so that at most `capacity` reads are claimed."""
        claimed = self._sent + Counter({pk: len(reads) for pk, reads in self._waiting.items()})
        return Room(max(0, capacity - claimed.total()), claimed)

    def add(self, reads: Iterable[DueRead], until: float) -> None:
        for due in reads:
            self._waiting.setdefault(due.call.account_id, deque()).append(Claimed(due, until))

    def send(self, free: int) -> Claimed | None:
        """Return the next read to send, if so many slots are free. The accounts take turns. Call `done` afterwards."""
        for pk, reads in self._waiting.items():
            if share(free, self._sent[pk], SLOTS_TO_FREE):
                self._sent[pk] += 1
                found = reads.popleft()
                del self._waiting[pk]
                if reads:
                    self._waiting[pk] = reads
                return found
        return None

    def done(self, claimed: Claimed) -> None:
        """Note that a read that was sent needs its slot no more."""
        self._sent[claimed.account_id] -= 1

    def take_all(self) -> list[DueRead]:
        """Return all reads that wait, which wait no more."""
        found = [claimed.due for reads in self._waiting.values() for claimed in reads]
        self._waiting.clear()
        return found
