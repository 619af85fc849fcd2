"""The execution and its record."""

from calls.models.call import FOLLOWED, LOST, OPEN, TERMINAL, Call, CallQuerySet, Status, new_reference, new_token
from calls.models.events import CallEvent, StaffDecision, evidence
from calls.models.heartbeat import Heartbeat
from calls.models.messages import ProviderCallback, WebhookDelivery
from calls.models.scheduled_callback import CallBack

__all__ = [
    "FOLLOWED",
    "LOST",
    "OPEN",
    "TERMINAL",
    "Call",
    "CallBack",
    "CallEvent",
    "CallQuerySet",
    "Heartbeat",
    "ProviderCallback",
    "StaffDecision",
    "Status",
    "WebhookDelivery",
    "evidence",
    "new_reference",
    "new_token",
]
