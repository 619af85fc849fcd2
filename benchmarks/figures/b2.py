"""B2: recipients called, read once and recorded by one worker, against one django-q2 task for each call."""

from __future__ import annotations

import sys

from benchmarks.naive import running as naive
from benchmarks.shared import bare, provider, runs
from benchmarks.shared.figure import Found, Mark, Setting, alternate, main

MARK = Mark("B2", "place, read and record, one process", "a django-q2 task for each call", 60, 200, "calls/s")


def measure(setting: Setting) -> Found:
    found = Found()
    with runs.stage(setting, provider.ENDS) as stage:
        tasks, server = naive.Project(setting.server, "bench_b2_naive"), stage.server

        def one_task_for_each(kept: int = 0) -> float:
            return tasks.calls(server.address(provider.ENDS), max(300, setting.size(5_000)), setting.seconds, kept=kept)

        alternate(setting.rounds, lambda: stage.campaign(found), one_task_for_each, found)
        found.notes["the same tasks with kept connections, calls/s"] = one_task_for_each(kept=60)
        found.notes["bare POST and GET with aiohttp, calls/s"] = bare.rate("post_get", server.url, setting.size(50_000))
    return found


if __name__ == "__main__":
    sys.exit(main(MARK, measure))
