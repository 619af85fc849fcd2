"""Calls and what happened to them. Reads and writes; sends nothing."""

from calls.models.call import Call, CallQuerySet, log_keys, new_reference, new_token
from calls.models.contact_change import ContactChange
from calls.models.contact_note import ContactNote
from calls.models.counts import CallCount, PersonCount
from calls.models.deciding import deciding_call, deciding_calls
from calls.models.events import OPT_OUT, CallEvent, StaffDecision, event_of, readable, record_event, storable
from calls.models.heartbeat import EngineLease, Heartbeat
from calls.models.messages import ProviderCallback, WebhookDelivery
from calls.models.polling import Polling
from calls.models.provider_ids import still_read_with_id, stored_as, with_any_provider_id, with_provider_id
from calls.models.scheduled_callback import CallBack
from calls.models.statuses import FOLLOWED, OPEN, TERMINAL, UNRESOLVED, Status

__all__ = [
    "FOLLOWED",
    "OPEN",
    "OPT_OUT",
    "TERMINAL",
    "UNRESOLVED",
    "Call",
    "CallBack",
    "CallCount",
    "CallEvent",
    "CallQuerySet",
    "ContactChange",
    "ContactNote",
    "EngineLease",
    "Heartbeat",
    "PersonCount",
    "Polling",
    "ProviderCallback",
    "StaffDecision",
    "Status",
    "WebhookDelivery",
    "deciding_call",
    "deciding_calls",
    "event_of",
    "log_keys",
    "new_reference",
    "new_token",
    "readable",
    "record_event",
    "still_read_with_id",
    "storable",
    "stored_as",
    "with_any_provider_id",
    "with_provider_id",
]
