"""A finding about a campaign, before its start and while it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Problem:
    """One finding of the preflight. `error` prevents the start, `warning` does not."""

    code: str
    severity: Literal["error", "warning"]
    message: str
    count: int | None = None
