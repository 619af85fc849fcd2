"""Adapter for CallingBox, which places AI phone calls in the USA.

Provider facts come from undated pages, and from the webhook schema and samples of 2026-04. Two API generations share
one path. With `prompt`, each request describes the assistant's behaviour; with `agent` (newer), it names an agent.
Reads are the same for both. No other provider signs callbacks, returns our reference or lists calls.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from providers.adapters.base import (
    AccountConfig,
    Answer,
    CallHandle,
    CallOrder,
    CallState,
    Listing,
    Reading,
    Request,
    Segment,
    Verification,
)
from providers.adapters.decoding import (
    EVIDENCE,
    call_id,
    decode_json,
    dollars,
    e164,
    fold,
    integer,
    mapping,
    moment,
    segment,
    state_of,
    text,
)
from providers.adapters.errors import MayBeRinging, Misconfigured, ProviderError
from providers.adapters.verdicts import KEY_REFUSED, HttpProvider, succeeded

STATES = {
    "queued": CallState.QUEUED,
    "initiated": CallState.DIALING,
    "ringing": CallState.RINGING,
    "in_progress": CallState.IN_PROGRESS,
    "completed": CallState.COMPLETED,  # terminal at once, but the result may follow later
    "no_answer": CallState.NO_ANSWER,  # a voicemail if answered_by is "machine"
    "busy": CallState.BUSY,
    "canceled": CallState.CANCELED,
    "failed": CallState.FAILED,
}
GENERATIONS = ("prompt", "agent")
PROMPT_OPTIONS = ("prompt", "returns", "language", "voicemail_action")
SIGNATURE_AGE = 300  # seconds, in the past or in the future


class CallingBox(HttpProvider):
    slug = "callingbox"
    name = "CallingBox"
    statuses = STATES
    can_find_by_reference = True
    can_transcribe = True
    has_callbacks = True
    signs_callbacks = True
    # A voicemail is `answered_by: machine`, which the guide "How it works" (undated) names and the schema of 2026-04
    # does not.
    gives_cost = True
    required_credentials = ("api_key",)
    optional_credentials = ("webhook_secret", "endpoint_secret")
    option_names = ("generation",)
    assistant_option_names = (*PROMPT_OPTIONS, "agent_id")
    default_base_url = "https://api.callingbox.io"
    # CallingBox documents 404 for reads only. For a placing it means that the agent or the address is wrong.
    setup_statuses = KEY_REFUSED | {404, 405}
    # CallingBox does not document 409 and 422. With its own error body they are refusals.
    refused_statuses = HttpProvider.refused_statuses | {409}

    @classmethod
    def check_options(cls, options: Mapping[str, Any]) -> Mapping[str, str]:
        faults = dict(super().check_options(options))
        if options.get("generation") and options["generation"] not in GENERATIONS:
            faults["generation"] = "Choose prompt or agent."
        return faults

    @classmethod
    def check_assistant(cls, external_id: str, options: Mapping[str, Any], account: AccountConfig) -> Mapping[str, str]:
        faults = dict(super().check_assistant(external_id, options, account))
        agent = _agent(external_id, options)
        if cls(account).generation(agent) == "agent":
            if not agent:
                faults["options.agent_id"] = "Enter the ID of an outbound agent."
            faults |= {f"options.{name}": "The agent decides this." for name in PROMPT_OPTIONS if options.get(name)}
            return faults
        if not text(options.get("prompt")):
            faults["options.prompt"] = "Describe what the assistant does, or enter an agent_id."
        kinds = options.get("returns") or {}
        if not isinstance(kinds, dict) or not all(kind in ("boolean", "string", "number") for kind in kinds.values()):
            faults["options.returns"] = "Give each name one of these types: boolean, string, number."
        if options.get("voicemail_action") not in (None, "", "hangup", "leave_message"):
            faults["options.voicemail_action"] = "Choose hangup or leave_message."
        return faults

    def generation(self, agent: str) -> str:
        """Return the account's generation. If it chooses none, return `agent` where an agent is configured."""
        return str(self.account.options.get("generation") or ("agent" if agent else "prompt"))

    def gives_result(self, external_id: str, options: Mapping[str, Any]) -> bool:
        """An agent decides about the result itself; a prompt has one only if it asks for it."""
        return self.generation(_agent(external_id, options)) == "agent" or bool(options.get("returns"))

    def place(self, order: CallOrder) -> Request:
        agent = _agent(order.assistant_external_id, order.assistant_options)
        context: dict[str, Any] = dict(order.dynamic_variables)
        if order.customer_name:
            context.setdefault("name", order.customer_name)
        reference = {"ref": order.reference} if order.reference else {}  # finds the call again if its response is lost
        body: dict[str, Any] = {"to": e164(order.to_number)}
        if self.generation(agent) == "agent":
            if not agent:
                raise Misconfigured("The assistant has no CallingBox agent_id.")
            body = {"agent_id": agent} | body
            extra: dict[str, Any] = {"context": context, "metadata": reference}
        else:
            extra = {name: order.assistant_options.get(name) for name in PROMPT_OPTIONS}
            if not extra["prompt"]:  # without one, CallingBox says "Hello from CallingBox." to the recipient
                raise Misconfigured("The assistant has neither a prompt nor an agent_id.")
            extra["context"] = context | reference  # no other field exists, although the voice can read it out
        extra["from_number"] = e164(order.from_number) if order.from_number else ""
        extra["webhook_url"] = order.callback_url
        body |= {name: value for name, value in extra.items() if value}
        return Request("POST", self.url("/v1/calls"), self._headers(), json=body)

    def read_placing(self, answer: Answer) -> Reading:
        if not succeeded(answer):
            raise self.error_for(answer)
        found = _reading(mapping(decode_json(answer.body, status=answer.status)))
        if not found.provider_call_id:
            raise self.unusable(answer, "without a call ID")
        return found

    def status(self, call: CallHandle) -> Request:
        return Request("GET", self.url(f"/v1/calls/{segment(call.provider_call_id)}"), self._headers())

    def read_status(self, answer: Answer, call: CallHandle, now: datetime) -> Reading:
        found = _reading(mapping(self._read(answer)))
        if not found.provider_status:
            raise self.unusable(answer, "without a status")
        self.check_same_call(answer, found.provider_call_id, call.provider_call_id)
        return found

    def check(self) -> Request:
        return Request("GET", self.url("/v1/calls"), self._headers(), {"limit": "1"})

    def read_check(self, answer: Answer) -> None:
        self.read_list(answer)

    def list_calls(self, page: str = "") -> Request:
        query = {"limit": "100"} | ({"starting_after": page} if page else {})
        return Request("GET", self.url("/v1/calls"), self._headers(), query)

    def read_list(self, answer: Answer) -> Listing:
        """Return outbound calls, newest first.

        A documentation page shows a bare array; the official package reads `{"data", "has_more"}`. Accept both.
        """
        body = self._read(answer)
        rows = mapping(body).get("data", body)
        if not isinstance(rows, list):
            raise self.unusable(answer, "without a list of calls")
        calls = [_reading(row) for row in map(mapping, rows) if fold(row.get("direction")) != "inbound"]
        more = bool(rows) and mapping(body).get("has_more") is True
        return Listing(
            [call for call in calls if call.provider_call_id], call_id(mapping(rows[-1]).get("id")) if more else ""
        )

    def transcript(self, call: CallHandle) -> Request:
        return Request("GET", self.url(f"/v1/calls/{segment(call.provider_call_id)}/transcript"), self._headers())

    def read_transcript(self, answer: Answer) -> Sequence[Segment]:
        turns = mapping(self._read(answer)).get("segments")
        if not isinstance(turns, list):
            raise self.unusable(answer, "without a transcript")
        turns = sorted(map(mapping, turns), key=lambda turn: integer(turn.get("sequence_no")) or 0)
        return [
            Segment(
                text(turn.get("role"), 40),  # CallingBox does not document the values
                text(turn.get("text"), 20_000),
                moment(turn.get("started_at")),
                moment(turn.get("ended_at")),
            )
            for turn in turns
        ]

    def verify_callback(self, headers: Mapping[str, str], body: bytes, now: datetime, secret: str = "") -> Verification:
        secret = secret or self.account.credentials.get("webhook_secret", "")
        if not secret:
            return Verification.UNSIGNED
        signed_at = _signed_at(headers, body, secret)
        fresh = signed_at is not None and abs(now.timestamp() - signed_at) <= SIGNATURE_AGE
        return Verification.VERIFIED if fresh else Verification.BAD

    def parse_callback(self, headers: Mapping[str, str], body: bytes) -> Reading:
        """Parse the call inside an event.

        An older documentation page describes a bare call as the body. Accept that only with a valid signature.
        """
        found = mapping(decode_json(body))
        call = mapping(mapping(found.get("data")).get("call"))
        if not call and "type" not in found and self._is_signed(headers, body):
            call = found
        reading = _reading(call)
        if not reading.provider_call_id or not reading.provider_status:
            raise MayBeRinging("The CallingBox callback has no call ID or no status.", evidence=body[:EVIDENCE])
        return reading

    def error_text(self, answer: Answer) -> str | None:
        """Read `{"error": text}` (documentation) or `{"error": {"message": text}}` (official package)."""
        try:
            error = mapping(decode_json(answer.body)).get("error")
        except ProviderError:
            return None
        words = error.get("message") if isinstance(error, dict) else error
        return text(words, 500) if isinstance(words, str) else None

    def error_for(self, answer: Answer) -> ProviderError:
        words = self.error_text(answer) or ""
        if 400 <= answer.status < 500:
            # "Calls paused. Your balance is ...": its status is not documented. All further calls fail too.
            if re.search("calls paused|your balance is", words, re.IGNORECASE):
                return self._error(Misconfigured, answer, words)
            # CallingBox may one day refuse every request that names no agent.
            if answer.status in (400, 422) and "agent_id" in words:
                return self._error(
                    Misconfigured, answer, f"{words} (CallingBox requires another agent on the assistant)"
                )
        return super().error_for(answer)

    def _read(self, answer: Answer) -> Any:
        if not succeeded(answer):
            raise self.read_error_for(answer)
        return decode_json(answer.body, status=answer.status)

    def _is_signed(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Return whether one of the account's secrets signed a stored callback, however long ago."""
        secrets = [self.account.credentials.get(name, "") for name in self.optional_credentials]
        return any(_signed_at(headers, body, secret) is not None for secret in secrets if secret)

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.credential('api_key')}", "Accept": "application/json"}


def _agent(external_id: str, options: Mapping[str, Any]) -> str:
    return text(options.get("agent_id")) or external_id


def _signed_at(headers: Mapping[str, str], body: bytes, secret: str) -> int | None:
    """Return when the body was signed with this secret, in Unix seconds, or None if it was not.

    The header is `t=<seconds>,v1=<hex>[,v1=<hex>]` and signs `<t>.<body>`. The key is the whole secret, with `whsec_`.
    """
    pairs = [pair.strip().partition("=") for pair in headers.get("callingbox-signature", "").split(",")]
    if not all(name and equals and value for name, equals, value in pairs):
        return None
    times = [value for name, _, value in pairs if name == "t"]
    if len(times) != 1 or not re.fullmatch("[0-9]{1,12}", times[0]):
        return None
    expected = hmac.new(secret.encode(), times[0].encode() + b"." + body, hashlib.sha256).hexdigest().encode()
    given = [value.encode(errors="replace") for name, _, value in pairs if name == "v1"]
    matches = [hmac.compare_digest(expected, value) for value in given]
    return int(times[0]) if any(matches) else None


def _reading(call: Mapping[str, Any]) -> Reading:
    state, word = state_of(call.get("status"), STATES), text(call.get("status"))
    answered_by = fold(call.get("answered_by"))  # in no schema; one guide mentions "machine"
    reserved = fold(call.get("reservation_status")) == "reserved"
    # `result_status` stays "pending" for ever on unanswered calls. It means nothing if no result was requested.
    asked = state is CallState.COMPLETED and bool(call.get("returns", True))
    result_status = fold(call.get("result_status")) if asked else ""
    reference = mapping(call.get("metadata")).get("ref") or mapping(call.get("context")).get("ref")
    error_code = text(call.get("error_code"))
    return Reading(
        state,
        provider_call_id=call_id(call.get("id")),
        provider_status=word,
        reference=text(reference),
        to_number=text(call.get("to_number"), 32),
        created_at=moment(call.get("created_at")),
        started_at=moment(call.get("started_at")),
        answered_at=moment(call.get("answered_at")),
        ended_at=moment(call.get("ended_at")),
        duration_seconds=integer(call.get("duration_seconds")),
        billed_duration_seconds=integer(call.get("billed_duration_seconds")),
        price=None if reserved else dollars(call.get("billing_amount_milli_cents")),  # a hold is not a price
        currency="" if reserved or call.get("billing_amount_milli_cents") is None else "USD",
        ended_reason=_reason(state, answered_by, error_code),
        provider_reason=text(call.get("hangup_cause")),
        answered_by=answered_by,
        error_code=error_code,
        error_message=text(call.get("error_message"), 500),
        result=call["result"] if isinstance(call.get("result"), dict) else None,
        result_status=result_status,
        settled=not (state.is_terminal and (reserved or result_status == "pending")),
    )


def _reason(state: CallState, answered_by: str, error_code: str) -> str:
    if state.is_terminal and answered_by == "machine":
        return "voicemail"
    if state is CallState.FAILED:
        return "provider_error" if error_code else "failure_unspecified"
    return state.value if state in (CallState.NO_ANSWER, CallState.BUSY) else ""
