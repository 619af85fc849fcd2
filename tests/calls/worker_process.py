"""`manage.py worker` whose watcher waits less while a file exists, so that no test waits three minutes.

    python -m tests.calls.worker_process <file>

While the file exists, the watcher replaces what had no heartbeat for `SHORT` seconds. It always queues upkeep again
after twice as long.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import django

SHORT = 3.0


def main(impatient: Path) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
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


if __name__ == "__main__":
    main(Path(sys.argv[1]))
