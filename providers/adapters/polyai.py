"""Adapter for PolyAI outbound calling: three of its five documented API generations.

The account's option `generation` selects one. `v1_trigger` (page of 2026-03-24) sends only the phone number; `v1`
(undated, later) and `agents` (2026-06-29) also send metadata. PolyAI has no callbacks, no list, no cancellation and
returns no reference. An outcome that is not read within two hours of the call's end is lost.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from providers.adapters.base import AccountConfig, Answer, CallHandle, CallOrder, CallState, Reading, Request
from providers.adapters.decoding import e164, fold, printable, segment, text
from providers.adapters.errors import Misconfigured, NotSent, ProviderError, Rejected
from providers.adapters.fields import Fields, read_message
from providers.adapters.messages import find_call, first_text, placed_call, placed_reading, read_status
from providers.adapters.verdicts import (
    INCONCLUSIVE,
    KEY_REFUSED,
    NIL_UUID,
    HttpProvider,
    error_body,
    is_page,
    succeeded,
)

STATES = {
    "queued": CallState.QUEUED,
    "calling": CallState.DIALING,  # the call may already be in conversation
    "success": CallState.COMPLETED,  # may be a voicemail
    "failure": CallState.FAILED,  # includes no answer and busy
    # Values of two older generations, in case they appear.
    "created": CallState.QUEUED,
    "ringing": CallState.RINGING,
    "in_progress": CallState.IN_PROGRESS,
    "completed": CallState.COMPLETED,
    "failed": CallState.FAILED,
    "no_answer": CallState.NO_ANSWER,
    "busy": CallState.BUSY,
    "canceled": CallState.CANCELED,  # written "cancelled"
}
GENERATIONS = ("v1_trigger", "v1", "agents")
ENVIRONMENTS = ("sandbox", "pre-release", "live")
IDS = ("callSid", "call_sid", "conversation_id")  # one per generation
REASON_NAMES = ("reason", "ended_reason", "end_reason")  # only "reason" is documented
METADATA_LIMIT = 26_000  # bytes of base64; each key becomes a SIP header


class PolyAI(HttpProvider):
    slug = "polyai"
    name = "PolyAI"
    statuses = STATES
    # Pages of 2026-03-24 (`v1_trigger`) and 2026-06-29 (`agents`): `failure` includes calls that were not answered. No
    # generation has a duration, a price, a result, or a word for a voicemail.
    merged_outcomes: ClassVar[Mapping[str, CallState]] = {
        "voicemail": CallState.COMPLETED,
        "no_answer": CallState.FAILED,
        "busy": CallState.FAILED,
    }
    gives_duration = False
    required_credentials = ("auth_token",)
    option_names = ("generation", "agent_id", "environment", "retry_500")
    assistant_option_names = ("variant_id",)
    retention_seconds = 7200  # "about 2 hours" after the end; not stated for `agents`
    # The error body is not documented, so the status decides. A wrong address or agent gives a 404 or 405.
    setup_statuses = KEY_REFUSED | {404, 405}
    refused_statuses = frozenset(range(400, 500)) - INCONCLUSIVE | {409}
    missing_statuses = frozenset({400, 404})  # 400: malformed ID

    @property
    def generation(self) -> str:
        return str(self.account.options.get("generation") or GENERATIONS[0])

    @property
    def carries_variables(self) -> bool:
        return self.generation != "v1_trigger"

    @property
    def gives_reason(self) -> bool:
        return self.generation != "v1_trigger"

    @classmethod
    def check_options(cls, options: Mapping[str, Any]) -> Mapping[str, str]:
        faults = dict(super().check_options(options))
        for name, words in (("generation", GENERATIONS), ("environment", ENVIRONMENTS)):
            if options.get(name) and options[name] not in words:
                faults[name] = f"Choose one of {', '.join(words)}."
        if not isinstance(options.get("retry_500", False), bool):
            faults["retry_500"] = "Choose true or false."
        return faults

    @classmethod
    def check_assistant(cls, external_id: str, options: Mapping[str, Any], account: AccountConfig) -> Mapping[str, str]:
        faults = dict(super().check_assistant(external_id, options, account))
        agent = external_id or account.options.get("agent_id")
        if account.options.get("generation") == "agents" and not agent:
            faults["external_id"] = "Enter the agent's ID here, or as agent_id on the provider account."
        return faults

    def place(self, order: CallOrder) -> Request:
        number = e164(order.to_number)
        body: dict[str, Any]
        if self.generation == "agents":
            body = {"toNumber": number, "environment": self._environment, "metadata": _metadata(order)}
            if variant := order.assistant_options.get("variant_id"):
                body["variantId"] = variant
        elif self.generation == "v1":
            body = {"to_number": number, "metadata": _metadata(order)}
        else:
            body = {"to_number": number}
        path = "/trigger" if self.generation == "v1_trigger" else ""
        url = self.url(self._path(order.assistant_external_id) + path)
        return Request("POST", url, self._headers(), json=body)

    def read_placing(self, answer: Answer) -> Reading:
        if not succeeded(answer):
            raise self.placing_error(answer, IDS)
        found = placed_call(self._message(answer), IDS)
        if not found.call_id:
            raise self.unusable(answer, "with two call IDs" if found.torn else "without a call ID")
        return placed_reading(found, STATES)  # PolyAI responds before it dials

    def status(self, call: CallHandle) -> Request:
        path = f"{self._path(call.assistant_external_id)}/{segment(call.provider_call_id)}/status"
        # Must be the environment in which the call was placed.
        query = {"environment": self._environment} if self.generation == "agents" else {}
        return Request("GET", self.url(path), self._headers(), query)

    def read_status(self, answer: Answer, call: CallHandle, now: datetime) -> Reading:
        if not succeeded(answer):
            raise self.read_error_for(answer)
        found = find_call(self._message(answer), IDS, call.provider_call_id)
        self.check_same_call(answer, found.call_id, call.provider_call_id)
        status = read_status(found, STATES)
        if status is None:
            raise self.unusable(answer, "without a status")
        holders = (found.call,)
        # "" unless the call failed; v1_trigger never sends it
        reason = first_text(holders, REASON_NAMES, into="provider_reason", limit=500)
        return Reading(
            status.state,
            provider_call_id=found.call_id or call.provider_call_id,
            provider_status=status.word,
            created_at=found.call.moment("created_at", into="created_at"),
            ended_reason=_reason(status.state, reason),
            provider_reason=reason,
            answered_by=first_text(holders, ("answered_by",), into="answered_by"),  # documented nowhere
            remarks=tuple(found.call.remarks),
        )

    def check(self) -> Request:
        """Return a read of a call that cannot exist."""
        agent = "" if self.account.options.get("agent_id") else NIL_UUID
        return self.status(CallHandle(NIL_UUID, assistant_external_id=agent))

    def error_text(self, answer: Answer) -> str | None:
        """Return a likely field of an object, else the body itself unless it is a page.

        PolyAI does not document the format of its errors.
        """
        found = error_body(answer)
        words = [found[name] for name in ("error", "message", "detail", "reason") if isinstance(found.get(name), str)]
        if words:
            return text(words[0], 500)
        return None if is_page(answer) else answer.body[:500].decode(errors="replace")

    def error_for(self, answer: Answer) -> ProviderError:
        # PolyAI's page says that after a 500 the call was not queued, and advises to send it again. Nothing else shows
        # that this is safe, so it applies only to accounts with the option `retry_500`.
        if answer.status == 500 and self.account.options.get("retry_500") is True and not is_page(answer):
            return self._error(NotSent, answer, self.error_text(answer))
        return super().error_for(answer)

    @property
    def _environment(self) -> str:
        return str(self.account.options.get("environment") or "live")

    def _path(self, assistant_external_id: str) -> str:
        if self.generation not in GENERATIONS:
            raise Misconfigured("The PolyAI account names an unknown generation.")
        if self.generation != "agents":
            return "/v1/outbound-calling"
        agent = assistant_external_id or str(self.account.options.get("agent_id") or "")
        if not agent:
            raise Misconfigured("PolyAI needs an agent ID, on the assistant or on the provider account.")
        return f"/v1/agents/{segment(agent)}/telephony/outbound-calls"

    def _message(self, answer: Answer) -> Fields:
        return read_message(answer.body, status=answer.status, time_zone=self.account.time_zone)

    def _headers(self) -> dict[str, str]:
        header = "X-API-KEY" if self.generation == "agents" else "X-PolyAi-Auth-Token"
        return {header: self.credential("auth_token"), "Accept": "application/json"}


def _metadata(order: CallOrder) -> dict[str, str]:
    """Return the variables and our reference. Each value is a string on one line, because it becomes a SIP header."""
    if not all(name.isascii() and name.isidentifier() for name in order.dynamic_variables):
        raise Rejected("PolyAI accepts only letters, digits and _ in variable names.")
    reference = {"ref": order.reference} if order.reference else {}
    metadata = reference | {name: printable(v) for name, v in order.dynamic_variables.items()}
    size = len(json.dumps(metadata, ensure_ascii=False).encode(errors="replace"))
    if -(-size // 3) * 4 >= METADATA_LIMIT:
        raise Rejected("The variables are too long for PolyAI (26 KB when encoded).")
    return metadata


def _reason(state: CallState, reason: str) -> str:
    if state in (CallState.NO_ANSWER, CallState.BUSY):
        return str(state.value)
    if state is not CallState.FAILED:
        return ""
    if not reason:
        return "failure_unspecified"
    # "call queueing: max timeout limit exceeded": the call waited in PolyAI's queue and never rang.
    queue_timeout = "timeout" in reason.lower() and "queu" in fold(reason)
    return "queue_timeout" if queue_timeout else "other"
