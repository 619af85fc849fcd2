"""What `/readyz` says: the findings, computed at most once a second however many ask."""

from __future__ import annotations

import threading
import time

from config import findings
from tenants.findings import Finding

KEPT = 1.0  # seconds


class Latest:
    """The findings of this process. One thread computes them; those that ask meanwhile wait for its answer."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until = 0.0
        self._found: dict[str, Finding] = {}

    def found(self) -> dict[str, Finding]:
        with self._lock:
            if time.monotonic() >= self._until:
                self._found = findings.found()
                self._until = time.monotonic() + KEPT
            return self._found


latest = Latest()
