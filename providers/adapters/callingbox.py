"""Adapter for CallingBox, which places AI phone calls in the USA.

Provider facts come from undated pages, and from the webhook schema and samples of 2026-04. Two API generations share
one path. With `prompt`, each request describes the assistant's behaviour; with `agent` (newer), it names an agent.
Reads are the same for both. No other provider signs callbacks, returns our reference or lists calls.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

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
from providers.adapters.callingbox_call import CURRENCY, IDS, STATES, event_in, read_call, read_event, read_turns
from providers.adapters.decoding import EVIDENCE, decode_json, e164, segment, text
from providers.adapters.errors import MayBeRinging, Misconfigured, ProviderError
from providers.adapters.fields import Fields, read_message
from providers.adapters.messages import find_call, not_ended_yet, placed_call
from providers.adapters.pages import list_page
from providers.adapters.rows import split
from providers.adapters.verdicts import KEY_REFUSED, HttpProvider, error_body, is_page, succeeded

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
    currency_of_costs = CURRENCY
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
            raise self.placing_error(answer, IDS)
        found = placed_call(self._message(answer), IDS, generic=True)
        if not found.call_id:
            raise self.unusable(answer, "with two call IDs" if found.torn else "without a call ID")
        placed = read_call(found) or Reading(CallState.UNRECOGNISED)
        return not_ended_yet(found, placed)

    def status(self, call: CallHandle) -> Request:
        return Request("GET", self.url(f"/v1/calls/{segment(call.provider_call_id)}"), self._headers())

    def read_status(self, answer: Answer, call: CallHandle, now: datetime) -> Reading:
        if not succeeded(answer):
            raise self.read_error_for(answer)
        found = find_call(self._message(answer), IDS, call.provider_call_id, generic=True)
        self.check_same_call(answer, found.call_id, call.provider_call_id)
        reading = read_call(found)
        if reading is None:
            raise self.unusable(answer, "without a status")
        return reading

    def check(self) -> Request:
        return Request("GET", self.url("/v1/calls"), self._headers(), {"limit": "1"})

    def read_check(self, answer: Answer) -> None:
        self.read_list(answer)

    def list_calls(self, page: str = "") -> Request:
        query = {"limit": "100"} | ({"starting_after": page} if page else {})
        return Request("GET", self.url("/v1/calls"), self._headers(), query)

    def read_row(self, row: bytes) -> Reading | None:
        fields = read_message(row, time_zone=self.account.time_zone)
        if fields.word("direction") == "inbound":
            return None
        found = read_call(find_call(fields, IDS, generic=True))
        return found if found and (found.provider_call_id or found.reference) else None

    def read_list(self, answer: Answer, last_row: bytes = b"") -> Listing:
        """Return outbound calls.

        A documentation page shows a bare array; the official package reads `{"data", "has_more"}`. Accept both, and
        what `pages.list_page` reads.
        """
        if not succeeded(answer):
            raise self.read_error_for(answer)
        rows: list[bytes] = []
        body = decode_json(split(answer.body, rows.append), status=answer.status)
        page = list_page(body)
        if page is None:
            raise self.unusable(answer, "without a list of calls")
        rows += [json.dumps(row.values).encode() for row in page.rows]
        last_row = rows[-1] if rows else last_row
        more = last_row and page.has_more
        return Listing(list(self._readable(rows)), self._cursor(last_row) if more else "")

    def _readable(self, rows: Iterable[bytes]) -> Iterator[Reading]:
        """Return the calls of rows, without those that cannot be read: a bad row costs itself."""
        for row in rows:
            with suppress(ProviderError):
                if found := self.read_row(row):
                    yield found

    @staticmethod
    def _cursor(row: bytes) -> str:
        """Return the ID after which the next page begins: that of an inbound call too."""
        try:
            return read_message(row).call_id("id")
        except ProviderError:
            return ""

    def transcript(self, call: CallHandle) -> Request:
        return Request("GET", self.url(f"/v1/calls/{segment(call.provider_call_id)}/transcript"), self._headers())

    def read_transcript(self, answer: Answer) -> Sequence[Segment]:
        if not succeeded(answer):
            raise self.read_error_for(answer)
        fields = Fields({}, zone=ZoneInfo(zone) if (zone := self.account.time_zone) else None)
        turns = read_turns(_transcript(answer), fields)
        if turns is None:
            raise self.unusable(answer, "without a transcript")
        return turns

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
        message = read_message(body, time_zone=self.account.time_zone)
        event = event_in(message)
        if event is None and not self._is_signed(headers, body):
            raise MayBeRinging("The CallingBox callback is no event.", evidence=body[:EVIDENCE])
        reading = read_call(find_call(message, IDS, generic=True)) if event is None else read_event(event)
        if reading is None or not reading.provider_call_id:
            raise MayBeRinging("The CallingBox callback has no call ID.", evidence=body[:EVIDENCE])
        return reading

    def error_text(self, answer: Answer) -> str | None:
        """Read `{"error": text}` (documentation) or `{"error": {"message": text}}` (official package)."""
        error = error_body(answer).get("error")
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

    def _message(self, answer: Answer) -> Fields:
        return read_message(answer.body, status=answer.status, time_zone=self.account.time_zone)

    def _is_signed(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Return whether one of the account's secrets signed a stored callback, however long ago."""
        secrets = [self.account.credentials.get(name, "") for name in self.optional_credentials]
        return any(_signed_at(headers, body, secret) is not None for secret in secrets if secret)

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.credential('api_key')}", "Accept": "application/json"}


def _agent(external_id: str, options: Mapping[str, Any]) -> str:
    return text(options.get("agent_id")) or external_id


def _signed_at(headers: Mapping[str, str], body: bytes, secret: str) -> float | None:
    """Return when the body was signed with this secret, in Unix seconds, or None if it was not.

    The header is `t=<seconds>,v1=<hex>[,v1=<hex>]` and signs `<t>.<body>`. The key is the whole secret, with `whsec_`.
    Public reports show such headers with milliseconds, base64, `sha256=`, quotes, blanks and semicolons. What was
    signed stays the same, so they prove as much.
    """
    pairs = [pair.partition("=") for pair in re.split("[,;]", headers.get("callingbox-signature", ""))]
    named = [(name.strip(), value.strip(" \t\"'")) for name, _, value in pairs]
    times = [value for name, value in named if name == "t"]
    if not all(name and value for name, value in named) or len(times) != 1 or not re.fullmatch("[0-9]{1,13}", times[0]):
        return None
    expected = hmac.new(secret.encode(), times[0].encode() + b"." + body, hashlib.sha256).digest()
    spelled = (expected.hex(), base64.b64encode(expected).decode().rstrip("="))
    given = [value.removeprefix("sha256=") for name, value in named if name == "v1"]
    found = [
        hmac.compare_digest(one.encode(), other.encode(errors="replace"))
        for value in given
        for one, other in zip(spelled, (value.lower(), value.rstrip("=")), strict=True)
    ]
    seconds = int(times[0])
    return (seconds / 1000 if len(times[0]) == 13 else seconds) if any(found) else None


def _transcript(answer: Answer) -> Any:
    """Return a transcript's turns: documented as `segments`, also a bare list, one text, or plain text."""
    if answer.headers.get("content-type", "").lower().startswith("text/plain") and not is_page(answer):
        return answer.body.decode(errors="replace")
    found = decode_json(answer.body, status=answer.status)
    if not isinstance(found, dict):
        return found or None
    message = Fields(found)
    return next((message.raw(name) for name in ("segments", "transcript", "text") if name in message), None)
