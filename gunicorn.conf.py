"""How gunicorn serves the web process. It reads this file by itself when it is started in this directory."""

worker_class = "config.buffered_worker.BufferedWorker"
threads = 8
