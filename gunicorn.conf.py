"""How gunicorn serves the web process. It reads this file by itself when it is started in this directory."""

import os

worker_class = "config.buffered_worker.BufferedWorker"
threads = 8
# Several processes share what was loaded once, before they were forked. With a single one this would only cost memory.
preload_app = os.environ.get("WEB_CONCURRENCY", "1").strip() not in ("", "1")
