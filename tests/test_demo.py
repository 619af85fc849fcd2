"""`make demo`, the first command of a new user."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.slow
@pytest.mark.skipif("os.environ.get('DATABASE_URL')", reason="the demo brings its own database")
def test_the_demo_ends_by_itself_with_every_outcome_stored(tmp_path: Path) -> None:
    environment = os.environ | {"DATABASE_URL": f"sqlite:///{tmp_path}/demo.sqlite3"}
    command = [sys.executable, "manage.py", "demo", "--once", "--contacts", "6", "--timeout", "600", "--port", _port()]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for provider in ("AlloMia", "PolyAI", "Plum Voice Fuse", "CallingBox"):
        assert provider in done.stdout
    assert "24 contacts imported, 5 rows rejected." in done.stdout
    assert " 0 not as promised." in done.stdout


def _port() -> str:
    from tests.postgresql import free_port

    return str(free_port())
