"""One engine process and a web server for callbacks, in a process that a failpoint may end.

    python -m tests.calls.failpoint_worker <control socket>

It starts once and forks for each message, because starting Python and Django takes longer than everything else.
DATABASE_URL is in the environment; everything else is in the message.
"""

from __future__ import annotations

import importlib
import json
import os
import socket
import sys
import threading
import time
import traceback
from datetime import timedelta
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import django
from django.apps import apps

if not apps.ready:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from calls.actions import campaigns
from calls.deadlines import Pauses
from calls.dialing import placing
from calls.engine.service import Engine
from calls.models import Heartbeat
from calls.outcomes import poll_schedule
from campaigns.imports import job
from providers.adapters import http
from tenants import failpoints
from tests.waiting import PATIENCE

# Shorter values for everything that waits for the clock, and none for what a slow machine may take long for: a request
# that was not sent in time goes back to the queue, and its campaign may have finished meanwhile.
PATIENT: dict[str, Any] = {**(http.Client.__init__.__kwdefaults__ or {}), "deadline": PATIENCE, "connect": PATIENCE}
IMPATIENT: tuple[tuple[Any, str, Any], ...] = (
    (http.Client.__init__, "__kwdefaults__", PATIENT),
    (poll_schedule, "STEPS", ((timedelta(hours=24), timedelta(seconds=0.1)),)),
    (poll_schedule, "next_search", lambda call, now: now + timedelta(seconds=0.3)),
    (job, "BATCH", 5),
    (campaigns, "LEASE", timedelta(seconds=1)),  # how long a campaign waits for the worker of a reaped claim
)


class Web(ThreadingMixIn, WSGIServer):
    daemon_threads = True


def serve(listening: int) -> None:
    web = Web(("127.0.0.1", 0), WSGIRequestHandler, bind_and_activate=False)
    web.socket.close()
    web.socket = socket.socket(fileno=listening)
    web.server_name, web.server_port = web.socket.getsockname()
    web.setup_environ()
    web.set_app(get_wsgi_application())
    threading.Thread(target=web.serve_forever, daemon=True).start()


def stop_once(engine: Engine, ends: Path) -> None:
    """Let the engine take no more work once the file exists."""
    while not ends.exists():
        time.sleep(0.02)
    engine.stop()


def work(order: dict[str, str], listening: int) -> None:
    """Run in the forked process."""
    out = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(out, 1)
    os.dup2(out, 2)
    os.environ["TRUNKLINE_FAILPOINT"] = order["failpoint"]
    importlib.reload(failpoints)
    settings.MEDIA_ROOT, settings.PUBLIC_BASE_URL = order["uploads"], order["public_base_url"]
    settings.DIAL_JOURNAL = Path(order["journal"])
    for module, name, value in (*IMPATIENT, (placing, "SEND_WITHIN", float(order["send_within"]))):
        setattr(module, name, value)
    serve(listening)
    Heartbeat.objects.create(worker="doomed", slot=0, run="starting")
    engine = Engine("doomed", 0, claim_for=10 * PATIENCE, pauses=Pauses.at_most(0.1), upkeep=True)
    threading.Thread(target=stop_once, args=(engine, Path(order["ends"])), daemon=True).start()
    engine.run()


def main(control: socket.socket) -> None:
    """Run one process after the other until the test closes the socket. Send each one's pid, then its exit."""
    importlib.import_module("config.urls")
    while True:
        order, listening, _, _ = socket.recv_fds(control, 65536, 1)
        if not order:
            return
        pid = os.fork()
        if pid == 0:
            code = 0
            try:
                work(json.loads(order), listening[0])
            except SystemExit as ending:
                code = int(ending.code or 0)
            except BaseException:
                traceback.print_exc()
                code = 1
            os._exit(code)
        os.close(listening[0])
        control.send(str(pid).encode())
        control.send(str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])).encode())


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
