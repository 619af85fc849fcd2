"""What happened in a simulation, recorded by the phones and the actions, and the product's own state at the end."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from tests.simulation.plan import Deed
from tests.simulation.telephone import Dial


@dataclass
class Left:
    """A recipient's state at the end of the month."""

    status: str
    reason: str
    attempts: int
    next_attempt_at: datetime | None = None


@dataclass
class Journal:
    dials: list[Dial] = field(default_factory=list)
    deeds: list[tuple[str, Deed]] = field(default_factory=list)  # organization, deed; only what was not refused
    refused: list[tuple[str, Deed, str]] = field(default_factory=list)
    paused: list[tuple[str, str, datetime]] = field(default_factory=list)  # campaigns that paused themselves
    left: dict[tuple[str, str, str], Left] = field(default_factory=dict)  # organization, campaign, phone
    forecasts: dict[tuple[str, str], datetime | None] = field(default_factory=dict)  # the foreseen end
    cut_short: bool = False
