"""Adapter for AlloMia, which places outbound calls with an AI assistant.

Provider facts come from AlloMia's pages and samples of 2026-04 and 2026-05.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from providers.adapters.base import AccountConfig, Answer, CallHandle, CallOrder, CallState, Reading, Remark, Request
from providers.adapters.decoding import EVIDENCE, e164, fold, mapping, printable, segment, text
from providers.adapters.errors import MayBeRinging, Misconfigured, ProviderError
from providers.adapters.fields import Fields, read_message
from providers.adapters.messages import Found, Status, find_call, first_text, placed_call, placed_reading, read_status
from providers.adapters.verdicts import KEY_REFUSED, NIL_UUID, HttpProvider, error_body, succeeded

STATES = {
    "calling": CallState.DIALING,  # covers queued, ringing and in conversation, so assume the earliest of them
    "completed": CallState.COMPLETED,  # 2026-04: may be a voicemail
    "busy": CallState.BUSY,
    "no_answer": CallState.NO_ANSWER,  # written "no-answer"
    "failed": CallState.FAILED,
}
REASONS = {"customer_ended_call": "hangup_callee", "no_answer": "no_answer", "busy": "busy"}  # the only values seen
CONTRADICTIONS = {"no_answer": CallState.NO_ANSWER, "busy": CallState.BUSY}  # reasons that belong to one of the states
REASON_BY_STATE = {  # where AlloMia gives no reason
    CallState.BUSY: "busy",
    CallState.NO_ANSWER: "no_answer",
    CallState.FAILED: "failure_unspecified",
}
IDS = ("outboundCallId",)
# Only `endedReason` is documented; the call log (2025-05) says `callEndedReason`.
REASON_NAMES = ("endedReason", "callEndedReason", "endReason", "reason")
DURATION_NAMES = ("duration", "durationSeconds", "callDurationSeconds")


class AlloMia(HttpProvider):
    slug = "allomia"
    name = "AlloMia"
    statuses = STATES
    has_callbacks = True
    # Status page and call log, 2026-05: no field for a voicemail; the call log's example `voicemail_left` suggests that
    # such a call is `completed`. No page has a price or a structured result.
    merged_outcomes: ClassVar[Mapping[str, CallState]] = {"voicemail": CallState.COMPLETED}
    required_credentials = ("api_key",)
    option_names = ("organization_id",)  # the call log requires it
    default_base_url = "https://allomia.com"
    # 404: the assistant or the number is unknown, or belongs to another organization.
    setup_statuses = KEY_REFUSED | {404}

    @classmethod
    def check_assistant(cls, external_id: str, options: Mapping[str, Any], account: AccountConfig) -> Mapping[str, str]:
        faults = dict(super().check_assistant(external_id, options, account))
        if not external_id:
            faults["external_id"] = "Enter the assistant's ID from the AlloMia dashboard."
        return faults

    def place(self, order: CallOrder) -> Request:
        if not order.from_external_id:
            raise Misconfigured("The caller number has no AlloMia ID. Copy it from the AlloMia dashboard.")
        if not order.assistant_external_id:
            raise Misconfigured("The assistant has no AlloMia ID. Copy it from the AlloMia dashboard.")
        body: dict[str, Any] = {
            "phoneNumber": e164(order.to_number),
            "assistantId": order.assistant_external_id,
            "phoneNumberId": order.from_external_id,
        }
        if name := printable(order.customer_name)[:100].strip():  # AlloMia documents no maximum length
            body["customerName"] = name
        if order.dynamic_variables:
            body["dynamicVariables"] = dict(order.dynamic_variables)  # every value must be a string
        if order.callback_url:
            body["callbackUrl"] = order.callback_url
        return Request("POST", self.url("/api/outbound"), self._headers(), json=body)

    def read_placing(self, answer: Answer) -> Reading:
        # AlloMia does not document the status of a success, so accept any 2xx with a call ID.
        if not succeeded(answer):
            raise self.placing_error(answer, IDS)
        found = placed_call(self._message(answer), IDS)
        if not found.call_id:
            raise self.unusable(answer, "with two call IDs" if found.torn else "without a call ID")
        return placed_reading(found, STATES)

    def status(self, call: CallHandle) -> Request:
        return Request("GET", self.url(f"/api/outbound/{segment(call.provider_call_id)}/status"), self._headers())

    def read_status(self, answer: Answer, call: CallHandle, now: datetime) -> Reading:
        if not succeeded(answer):
            raise self.read_error_for(answer)
        found = find_call(self._message(answer), IDS, call.provider_call_id)
        self.check_same_call(answer, found.call_id, call.provider_call_id)
        status = read_status(found, STATES)
        if status is None:
            raise self.unusable(answer, "without a status")
        return _reading(found, status)

    def parse_callback(self, headers: Mapping[str, str], body: bytes) -> Reading:
        """Parse a callback, which has the same body as a status response.

        AlloMia sends it once, after the call has ended, and does not sign it. So it is only a hint.
        """
        found = find_call(read_message(body, time_zone=self.account.time_zone), IDS)
        status = read_status(found, STATES)
        if status is None:
            raise MayBeRinging("The AlloMia callback has no status.", evidence=body[:EVIDENCE])
        return _reading(found, status)

    def check(self) -> Request:
        """Return a read of a call that cannot exist."""
        return self.status(CallHandle(NIL_UUID))

    def error_text(self, answer: Answer) -> str | None:
        """Read `{"error": text, "details": [{"field", "message", "code"}]}`.

        Only validation errors have `details`.
        """
        words = super().error_text(answer)
        if words is None:
            return None
        details = error_body(answer).get("details")
        faults = [mapping(fault) for fault in details[:10]] if isinstance(details, list) else []
        said = [f"{text(fault.get('field'))} {text(fault.get('message') or fault.get('code'))}" for fault in faults]
        return "; ".join([words, *said])

    def error_for(self, answer: Answer) -> ProviderError:
        # AlloMia documents the text for an inactive organization, but not its status.
        words = self.error_text(answer) or ""
        if 400 <= answer.status < 500 and "organization is inactive" in words.lower():
            return self._error(Misconfigured, answer, words)
        return super().error_for(answer)

    def _message(self, answer: Answer) -> Fields:
        return read_message(answer.body, status=answer.status, time_zone=self.account.time_zone)

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.credential('api_key')}", "Accept": "application/json"}


def _reading(found: Found, status: Status) -> Reading:
    state, call = status.state, found.call
    # `callDetails` is null or absent until the call has ended. Where it is absent, its fields may be beside the status.
    details = call.inside("callDetails")
    holders = [details, call]
    answered_by = first_text(holders, ("answeredBy",), into="answered_by")
    if not state.is_terminal and state is not CallState.UNRECOGNISED:
        remarks = tuple(call.remarks)
        return Reading(state, found.call_id, status.word, answered_by=answered_by, remarks=remarks)
    reason = first_text(holders, REASON_NAMES, into="provider_reason")
    times = details if details.values else call
    duration = next((name for name in DURATION_NAMES if name in times), DURATION_NAMES[0])
    return Reading(
        state,
        provider_call_id=found.call_id,
        provider_status=status.word,
        answered_at=times.moment("startedAt", into="answered_at"),  # null if never connected, so it is not the ringing
        ended_at=times.moment("endedAt", into="ended_at"),
        duration_seconds=times.seconds(duration, into="duration_seconds"),
        ended_reason=_reason(call, state, reason),
        provider_reason=reason,
        answered_by=answered_by,
        remarks=tuple(call.remarks),
    )


def _reason(call: Fields, state: CallState, reason: str) -> str:
    known = REASONS.get(fold(reason), "other") if reason else ""
    if CONTRADICTIONS.get(known, state) is not state and state in (CallState.COMPLETED, *CONTRADICTIONS.values()):
        why = f"It contradicts the status '{state.value}'."
        call.remarks.append(Remark("endedReason", reason, why, taken=False, field="ended_reason"))
        return "other"
    return known or REASON_BY_STATE.get(state, "")
