"""The pages about execution, and what execution adds to the pages of the rooms below."""

from calls.admin import (
    alerts,
    call,
    campaign,
    contact,
    evidence,
    launch,
    legal_hours,
    recipient,
    records,
    set_up,
    switches,
    webhooks,
)

__all__ = [
    "alerts",
    "call",
    "campaign",
    "contact",
    "evidence",
    "launch",
    "legal_hours",
    "recipient",
    "records",
    "set_up",
    "switches",
    "webhooks",
]
