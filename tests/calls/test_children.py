"""A child of the watcher that has ended: whom the signals reach that end what it has started."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from calls.engine.children import Child
from calls.engine.lifeline import Lifeline
from tests.waiting import PATIENCE


def test_no_group_is_killed_whose_number_may_belong_to_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system gives the number of a process away once it has told its parent of the end."""
    told: list[bool] = []
    monkeypatch.setattr(os, "killpg", lambda group, _: told.append(not Path(f"/proc/{group}").exists()))
    child = Child("test", lambda: None, Lifeline())
    child.pid = os.posix_spawn("/bin/sh", ["sh", "-c", "exit 3"], {}, setsid=True)
    child.status = None
    assert child.wait(PATIENCE)
    child.kill()
    child.kill()
    assert told == [False]
    assert child.status is not None and child.status == 3
