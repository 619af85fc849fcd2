"""`make lint` tells of known vulnerabilities: it never hangs, and without a network it says so in one line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import vulnerabilities
from tests.suite import ROOT
from tests.waiting import PATIENCE, eventually

# As pip-audit 2.10 writes it with `--format json`.
REPORT: dict[str, Any] = {
    "dependencies": [
        {"name": "sound", "version": "1.0", "vulns": []},
        {
            "name": "wounded",
            "version": "2.1",
            "vulns": [{"id": "PYSEC-2026-1", "fix_versions": ["2.2"], "aliases": ["CVE-2026-1"], "description": "…"}],
        },
        {"name": "unknown", "skip_reason": "not found"},
    ],
    "fixes": [],
}


def run(code: str, *arguments: str, within: float = PATIENCE) -> int:
    return vulnerabilities.main(arguments, [sys.executable, "-c", code], within)


def test_findings_are_told_and_fail_only_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    code = f"print({json.dumps(REPORT)!r}); raise SystemExit(1)"  # it ends with 1 where it finds something
    assert (run(code), run(code, "--strict")) == (0, 1)
    told = "wounded 2.1: PYSEC-2026-1; fixed in 2.2\nVulnerabilities: 1 known in 3 packages\n"
    assert capsys.readouterr().out == told * 2
    assert run(f"print({json.dumps({'dependencies': REPORT['dependencies'][:1]})!r})", "--strict") == 0


def test_without_a_network_one_line_says_so(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Also with the real program, whose way out leads nowhere."""
    line = "Vulnerabilities: not checked: no network\n"
    for code in ("raise SystemExit('https://user:key@index.example/ refused')", "print('{}')", "print('[1]')", ""):
        assert run(code, "--strict") == 0
    nowhere = {"HTTPS_PROXY": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9", "NO_PROXY": ""}
    program = [sys.executable, "-m", "tests.vulnerabilities"]
    answer = subprocess.run(
        program, cwd=ROOT, env={**os.environ, **nowhere}, capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, line, "")
    told = capfd.readouterr()
    assert (told.out, told.err) == (line * 4, "")


def test_a_program_that_hangs_is_ended_with_what_it_started(tmp_path: Path) -> None:
    started = tmp_path / "started"
    code = (
        "import subprocess, sys, time\n"
        f"child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep({PATIENCE * 4})'])\n"
        f"open({str(started)!r}, 'w').write(str(child.pid))\n"
        f"time.sleep({PATIENCE * 4})"
    )
    for within in (1.0, 5.0, 60.0):
        assert run(code, within=within) == 0
        if started.exists():  # a slow machine had not come so far
            break
    state = Path(f"/proc/{started.read_text()}/status")
    eventually(lambda: not state.exists() or "State:\tZ" in state.read_text())
