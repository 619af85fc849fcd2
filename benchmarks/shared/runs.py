"""Runs of the worker that several figures share: a campaign from its recipients to the ends of its calls."""

from __future__ import annotations

from benchmarks.shared import counts, provider, worker
from benchmarks.shared.figure import Found, Setting
from benchmarks.shared.rows import World, analyse


def campaign(
    setting: Setting, url: str, world: World, server: provider.Provider, found: Found, slices: int = 1
) -> float:
    """Return how many recipients a second are called, followed and recorded. Note what it cost."""
    total = setting.size(100_000)
    world.recipients(total)
    analyse()
    with worker.running(url, slices=slices) as pid:
        parties = {"worker": pid, "database": setting.server.pid, "provider": server.pid}
        progress = worker.follow(counts.ended(0), total, setting.seconds, parties)
    found.limit = progress.use.limit
    found.notes["CPU seconds per 1,000 calls"] = progress.use.per_thousand(progress.done)
    world.clear()
    return progress.rate


def placing(
    setting: Setting, url: str, world: World, server: provider.Provider, found: Found, also_read: int = 0
) -> float:
    """Return how many queued calls a second are placed, while that many others are read every three seconds."""
    total = setting.size(100_000)
    if also_read:
        world.open_calls(also_read, provider.CALLING, age="1 second")
    before = world.calls(total)
    analyse()
    with worker.running(url) as pid:
        parties = {"worker": pid, "database": setting.server.pid, "provider": server.pid}
        progress = worker.follow(counts.placed(before), total, setting.seconds, parties)
    found.limit = progress.use.limit
    found.notes["CPU seconds per 1,000 calls placed"] = progress.use.per_thousand(progress.done)
    world.clear()
    return progress.rate
