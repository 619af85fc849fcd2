"""How gunicorn serves the web process. It reads this file by itself when it is started in this directory."""

from typing import Any

from config import starting

worker_class = "config.buffered_worker.BufferedWorker"
threads = 8

starting.read_settings()


def on_starting(server: Any) -> None:
    if server.app.app_uri.startswith("config.wsgi"):
        starting.begin_web()
