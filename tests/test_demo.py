"""`make demo`, the first command of a new user."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from config.demo import environment, processes

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


@pytest.mark.parametrize("line", ["Sandbox listening on http://127.0.0.1:9", ""])
def test_a_sandbox_is_never_that_of_another_demo_in_the_same_directory(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    settings.VAR_DIR = tmp_path
    (tmp_path / "manage.py").write_text(f"print({line!r}, flush=True)\nopen({str(tmp_path / 'ran')!r}, 'w').close()\n")
    monkeypatch.setattr(processes, "MANAGE", str(tmp_path / "manage.py"))
    real = Path.open

    def open_and_be_overtaken(path: Path, *arguments: Any, **options: Any) -> Any:
        opened = real(path, *arguments, **options)
        opened.write("Sandbox listening on http://127.0.0.1:8\n")  # what the other demo's sandbox says late
        opened.flush()
        return opened

    monkeypatch.setattr(Path, "open", open_and_be_overtaken)
    started = processes.Processes()
    try:
        if line:
            assert started.start_sandbox() == "http://127.0.0.1:9"
        else:
            with pytest.raises(RuntimeError, match="did not start"):
                started.start_sandbox()
    finally:
        started.stop()


def test_a_second_demo_leaves_the_database_of_the_first_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "DATABASE", tmp_path / "var" / "demo.sqlite3")
    assert environment.alone()
    assert not environment.alone()
    assert environment._claim is not None
    environment._claim.close()
    assert environment.alone()
    environment._claim.close()


def _port() -> str:
    from tests.postgresql import free_port

    return str(free_port())
