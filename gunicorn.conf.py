"""How gunicorn serves the web process. It reads this file by itself when it is started in this directory."""

import os
import signal
import sys
import traceback
from typing import Any

worker_class = "config.buffered_worker.BufferedWorker"
threads = 8
# Several processes share what was loaded once, before they were forked. With a single one this would only cost memory.
preload_app = os.environ.get("WEB_CONCURRENCY", "1").strip() not in ("", "1")
if preload_app:  # the application is loaded before `on_starting`
    from config import starting

    starting.read_settings()


JOURNAL_LATER = 75  # exit status of the check: the database is away, so that the dial journal was not compared
found = 0  # the exit status of the check


def on_starting(server: Any) -> None:
    """Check settings and tables, and end with the status of the check.

    A child checks: what it loads would stay in this process, which only starts those that answer.
    """
    if not server.app.app_uri.startswith("config.wsgi"):
        return
    global found
    from calls.engine.lifeline import Lifeline  # of the directory that gunicorn has changed to

    lifeline = Lifeline()
    child = os.fork()
    if child == 0:
        os.setsid()  # the lifeline ends its group
        lifeline.hold()
        _check()

    def end(number: int, _: Any) -> None:
        """Stop at once while it waits for tables: gunicorn handles signals only later."""
        os.kill(child, signal.SIGKILL)
        sys.exit(128 + number)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    found = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    for number, handler in before.items():
        signal.signal(number, handler)
    if found not in (0, JOURNAL_LATER):
        sys.exit(found)


def post_worker_init(worker: Any) -> None:
    """Do in a web process what the check could not do."""
    if found == JOURNAL_LATER:
        from config import starting

        starting.compare_journal_later()


def _check() -> None:
    status = 1
    try:
        from config import starting

        starting.read_settings()
        status = 0 if starting.begin_web() else JOURNAL_LATER
    except SystemExit as refused:
        status = int(refused.code or 0)
    except Exception:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)
