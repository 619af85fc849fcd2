"""Say which pinned packages have known vulnerabilities. Without a network, one line says that nobody was asked.

python -m tests.vulnerabilities [--strict]

`--strict` fails on a finding. The packages are those of requirements-extras.txt, as pinned, which has those of
requirements.txt too: nothing is installed or resolved.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
WITHIN = 60.0  # seconds; a machine without a network that swallows packets costs no more
UNCHECKED = "Vulnerabilities: not checked: no network"
COMMAND = (
    *(sys.executable, "-m", "pip_audit", "--requirement", str(ROOT / "requirements-extras.txt")),
    *("--require-hashes", "--disable-pip", "--progress-spinner", "off", "--timeout", "5", "--format", "json"),
    *("--cache-dir", str(ROOT / "var" / "pip-audit")),
)


def main(arguments: Sequence[str] | None = None, command: Sequence[str] = COMMAND, within: float = WITHIN) -> int:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--strict", action="store_true")
    strict = parser.parse_args(arguments).strict
    found = report_of(command, within)
    if found is None:
        say(UNCHECKED)
        return 0
    findings = list(lines(found))
    for line in findings:
        say(line)
    say(f"Vulnerabilities: {len(findings) or 'none'} known in {len(found['dependencies'])} packages")
    return 1 if strict and findings else 0


def report_of(command: Sequence[str], within: float) -> dict[str, Any] | None:
    """Return the report, None if the service was not reached in time. The command's errors may name servers: drop them.

    The program and all that it started end with the time.
    """
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        text, _ = running.communicate(timeout=within)
        found = json.loads(text)
    except (subprocess.TimeoutExpired, ValueError):
        return None
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
            running.communicate()
    return found if isinstance(found, dict) and found.get("dependencies") else None


def lines(found: dict[str, Any]) -> Iterator[str]:
    for package in found["dependencies"]:
        for each in package.get("vulns", ()):
            fixed = ", ".join(each.get("fix_versions", ())) or "no version yet"
            yield f"{package['name']} {package['version']}: {each['id']}; fixed in {fixed}"


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
