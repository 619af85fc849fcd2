"""`manage.py worker` whose watcher waits less while a file exists, so that no test waits three minutes.

    python -m tests.calls.worker_process <file> [<clock>]

While the file exists, the watcher replaces what had no heartbeat for `SHORT` seconds. It always queues upkeep again
after twice as long. All processes of the worker believe that the time is ahead by the seconds in the file <clock>.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import django
from django.utils import timezone

SHORT = 3.0


def main(impatient: Path, clock: Path | None = None) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    if clock:
        jump(clock)
    django.setup()

    from calls.deadlines import WATCHER_TIMING, WatcherTiming
    from calls.engine.supervisor import Watcher

    @dataclass(frozen=True)
    class Told(WatcherTiming):
        def __getattribute__(self, name: str) -> object:
            if name in ("silent_tasks", "silent_engine") and impatient.exists():
                return SHORT
            return super().__getattribute__(name)

    assert min(WATCHER_TIMING.silent_tasks, WATCHER_TIMING.silent_engine) > SHORT
    watcher = Watcher(timing=Told(look=0.1, silent_upkeep=2 * SHORT))  # longer than between two heartbeats
    watcher.prepare()
    watcher.run()


def jump(clock: Path) -> None:
    """Let the clock that all our code asks go by a file. The monotonic clock stays, as when NTP sets a machine's clock.

    Debian's faketime cannot do that: without its monotonic clock, it makes `time.sleep` fail.
    """
    now = timezone.now
    timezone.now = lambda: now() + timedelta(seconds=int(clock.read_text()))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
