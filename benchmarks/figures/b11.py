"""B11: status callbacks accepted in a second by the web process as documented, against a view with one INSERT."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.naive import running as naive
from benchmarks.shared import bare, database, provider
from benchmarks.shared.clocks import Stopwatch
from benchmarks.shared.figure import Found, Mark, Setting, alternate, main
from tests.postgresql import free_port

MARK = Mark("B11", "status callbacks accepted", "a bare Django view with one INSERT", 0.6, 0.9, "a second")
CALLS = 1000  # so many that no token gets more callbacks than its rate allows
AT_ONCE = 16
WARM_UP = 300  # requests, in which each thread loads what it needs


def measure(setting: Setting) -> Found:
    from benchmarks.shared.rows import World

    url = setting.database()
    World("https://example.org").open_calls(CALLS, provider.CALLING)
    from calls.models import Call, ProviderCallback

    tokens = ",".join(Call.objects.values_list("callback_token", flat=True))
    project = naive.Project(setting.server, "bench_b11_naive")
    found = Found()
    count = max(WARM_UP, setting.size(30_000))

    def load(port: int, count: int = count) -> float:
        return bare.rate("callbacks", f"http://127.0.0.1:{port}/hooks/allomia/,{tokens}", count, AT_ONCE)

    with (
        web(os.environ | database.environment(url), "config.wsgi") as (port, pid),
        web(project.environment, "django.core.wsgi:get_wsgi_application()") as (bare_port, _),
    ):
        load(port, WARM_UP)
        load(bare_port, WARM_UP)

        def ours() -> float:
            ProviderCallback.objects.all().delete()
            watch = Stopwatch({"web": pid, "database": setting.server.pid})
            rate = load(port)
            use = watch.stop()
            found.limit = use.limit
            found.notes["CPU seconds per 1,000"] = use.per_thousand(count)
            return rate

        return alternate(setting.rounds, ours, lambda: load(bare_port), found)


@contextmanager
def web(environment: dict[str, str], application: str) -> Iterator[tuple[int, int]]:
    """Run a web process as docs/deploying.md says. Yield its port and process id."""
    port = free_port()
    command = ["-m", "gunicorn", application, "--threads", "8", "--bind", f"127.0.0.1:{port}", "--log-level", "error"]
    process = subprocess.Popen([sys.executable, *command], cwd=database.ROOT, env=environment)  # noqa: S603
    try:
        naive.wait_until_open(port)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(30)


if __name__ == "__main__":
    sys.exit(main(MARK, measure))
