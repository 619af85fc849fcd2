"""Where figures run, and the runs of the worker that several share: a campaign, calls that are placed."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from benchmarks.shared import counts, database, provider, worker
from benchmarks.shared.figure import Found, Setting
from benchmarks.shared.rows import World, analyse


@dataclass(frozen=True)
class Stage:
    """Where the runs of a figure happen, and the largest size of one."""

    setting: Setting
    url: str
    world: World
    server: provider.Provider

    def follow(
        self,
        found: Found,
        count: Callable[[], int],
        total: int,
        work: str,
        processes: int = 1,
        more: Mapping[str, Any] | None = None,
    ) -> float:
        """Let a worker do `total` pieces of work, then clear the tables. Return how many a second; note the cost.

        `more`: environment variables of the worker.
        """
        analyse()
        with worker.running(self.url, processes=processes, **more or {}) as pid:
            parties = {"worker": pid, "database": self.setting.server.pid, "provider": self.server.pid}
            progress = worker.follow(count, total, self.setting.seconds, parties)
        found.limit = progress.use.limit
        found.notes[f"CPU seconds per 1,000 {work}"] = progress.use.per_thousand(progress.done)
        self.world.clear()
        shutil.rmtree(database.journal_of(self.url), ignore_errors=True)
        return progress.rate

    def campaign(self, found: Found, processes: int = 1, **more: str) -> float:
        """Return how many recipients a second are called, followed and recorded."""
        total = self.setting.size(100_000)
        self.world.recipients(total)
        return self.follow(found, counts.ended(0), total, "calls", processes, more)

    def placing(self, found: Found, also_read: int = 0, **more: str) -> float:
        """Return how many queued calls a second are placed, while that many others are read every three seconds."""
        total = self.setting.size(100_000)
        if also_read:
            self.world.open_calls(also_read, provider.CALLING, age="1 second")
        before = self.world.calls(total)
        return self.follow(found, counts.placed(before), total, "calls placed", more=more)


@contextmanager
def stage(setting: Setting, answers: str, **account: str) -> Iterator[Stage]:
    """Yield a database and a provider that answers so, at which the world has its accounts."""
    url = setting.database()
    with provider.running() as server:
        yield Stage(setting, url, World(server.address(answers), **account), server)
