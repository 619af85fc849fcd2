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


def on_starting(server: Any) -> None:
    """Check settings and tables, and end with the status of the check.

    A child checks: what it loads would stay in this process, which only starts those that answer.
    """
    if not server.app.app_uri.startswith("config.wsgi"):
        return
    child = os.fork()
    if child == 0:
        _check()

    def end(number: int, _: Any) -> None:
        """Stop at once while it waits for tables: gunicorn handles signals only later."""
        os.kill(child, signal.SIGKILL)
        sys.exit(128 + number)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    for number, handler in before.items():
        signal.signal(number, handler)
    if status:
        sys.exit(status)


def _check() -> None:
    status = 1
    try:
        from config import starting

        starting.read_settings()
        starting.begin_web()
        status = 0
    except SystemExit as refused:
        status = int(refused.code or 0)
    except Exception:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)
