"""What gunicorn loads, and when it forks."""

from __future__ import annotations

import ast
import os
import runpy
import subprocess
import sys

import pytest

from tests.suite import ROOT

LOADED = """
import threading
from config import wsgi
from django.db import connections
print(threading.active_count(), [found.connection for found in connections.all(initialized_only=True)])
"""


def test_what_gunicorn_loads_before_it_forks_leaves_no_thread_and_no_connection() -> None:
    """Forked processes would share the connection's socket, and wait for locks that no thread holds any more."""
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings", "DEBUG": "true"}
    command = [sys.executable, "-W", "ignore", "-c", LOADED]
    found = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    threads, connections = found.stdout.split(maxsplit=1)
    assert threads == "1"
    assert set(ast.literal_eval(connections)) <= {None}


@pytest.mark.parametrize(("given", "preload"), [(None, False), ("1", False), ("2", True), (" 8 ", True)])
def test_several_web_processes_load_the_code_once(
    monkeypatch: pytest.MonkeyPatch, given: str | None, preload: bool
) -> None:
    monkeypatch.delenv("WEB_CONCURRENCY", raising=False)
    if given is not None:
        monkeypatch.setenv("WEB_CONCURRENCY", given)
    assert runpy.run_path(str(ROOT / "gunicorn.conf.py"))["preload_app"] is preload
