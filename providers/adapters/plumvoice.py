"""Adapter for Plum Voice Fuse, an outbound queue in front of an IVR application.

Provider facts come from undated pages and samples of September 2016. Requests are multipart forms; responses are JSON
or XML. The API returns no reference, lists no calls and puts no call ID in callbacks. Requests always switch off Plum
Voice's own redialling, because it would multiply with Trunkline's retries.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import unquote

from providers.adapters.base import AccountConfig, Answer, CallHandle, CallOrder, CallState, Reading, Request
from providers.adapters.decoding import (
    EVIDENCE,
    call_id,
    decode_form,
    decode_json_or_xml,
    e164,
    embedded,
    fold,
    integer,
    mapping,
    moment,
    segment,
    text,
)
from providers.adapters.errors import MayBeRinging, Misconfigured, ProviderError, Rejected
from providers.adapters.verdicts import KEY_REFUSED, HttpProvider, is_page, succeeded

# Only four values are documented; the others are assumed. Keys have no spaces, hyphens or underscores.
STATES = {
    "queued": CallState.QUEUED,
    "dialing": CallState.DIALING,
    "connected": CallState.IN_PROGRESS,
    "completed": CallState.COMPLETED,  # anything answered, even a voicemail or a fax
    "canceled": CallState.CANCELED,
    "busy": CallState.BUSY,
    "noanswer": CallState.NO_ANSWER,
    "ringnoanswer": CallState.NO_ANSWER,
    "nocontact": CallState.NO_ANSWER,
    "failed": CallState.FAILED,
    "error": CallState.FAILED,
    "exhausted": CallState.FAILED,
    "expired": CallState.EXPIRED,
}
REASONS = {
    CallState.BUSY: "busy",
    CallState.NO_ANSWER: "no_answer",
    CallState.FAILED: "attempts_exhausted",
    CallState.EXPIRED: "window_closed",
}
ATTEMPT_ENDS = (CallState.BUSY, CallState.NO_ANSWER, CallState.FAILED)  # end the call only if no attempt is left
REATTEMPT_WAIT = 60  # seconds, the minimum; `max_attempts` "requires" it, so it is sent even with one attempt
PATIENCE = timedelta(seconds=300)  # after the wait: how much silence with an unknown status ends the call


class PlumVoice(HttpProvider):
    slug = "plumvoice"
    name = "Plum Voice"
    statuses = STATES
    has_callbacks = True
    gives_call_id = False
    # "Detecting voicemail", undated: only the application knows who answered (`session.connection.callee_type`). Busy
    # and no answer are assumed words. No page has a price or a result.
    merged_outcomes: ClassVar[Mapping[str, CallState]] = {"voicemail": CallState.COMPLETED}
    required_credentials = ("email", "developer_key")
    option_names = ("variables_field",)
    assistant_option_names = ("application_id", "deployment_id")
    default_base_url = "https://fuse.plumvoice.com"
    # 404: no such deployment. 405: only POST is allowed. 409: the user, deployment or application was deleted.
    setup_statuses = KEY_REFUSED | {404, 405, 409}

    @classmethod
    def check_assistant(cls, external_id: str, options: Mapping[str, Any], account: AccountConfig) -> Mapping[str, str]:
        faults = dict(super().check_assistant(external_id, options, account))
        for name in cls.assistant_option_names:
            if not re.fullmatch("[0-9]{1,18}", text(options.get(name))):
                faults[f"options.{name}"] = "Enter the number shown on the Fuse screens."
        return faults

    def place(self, order: CallOrder) -> Request:
        # Only digits: with ";" a number could carry instructions, such as another caller ID.
        number = f"tel:{e164(order.to_number)}"
        if order.from_number:
            number += f";ani={e164(order.from_number)[1:]}"
        # No page shows the name of the variables field, so it is an option.
        field = str(self.account.options.get("variables_field") or "variables")
        reference = {"ref": order.reference} if order.reference else {}
        form = {
            "phone_number": number,
            "max_attempts": "1",
            "reattempt_wait": str(REATTEMPT_WAIT),
            field: json.dumps(reference | dict(order.dynamic_variables)),
        }
        if order.callback_url:
            form["result_url"] = order.callback_url
        return Request("POST", self.url(f"{self._deployment(order)}/queue"), self._headers(), form=form)

    def read_placing(self, answer: Answer) -> Reading:
        if not succeeded(answer):
            raise self.error_for(answer)
        try:
            body = mapping(decode_json_or_xml(answer.body, status=answer.status))
        except ProviderError:
            body = {}
        # No page shows the body of a success. Look for the ID at the top level, one level down and in `Link`.
        nested = {found for value in body.values() if (found := call_id(mapping(value).get("call_id")))}
        found = call_id(body.get("call_id")) or (nested.pop() if len(nested) == 1 else "")
        if not found and not is_page(answer):
            found = _linked(answer.headers.get("link", ""))
        if found:
            return Reading(CallState.QUEUED, provider_call_id=found)
        if fold(body.get("success")) in ("false", "0") or body.get("success") is False:  # a sister product refuses so
            raise self._error(Rejected, answer, self.error_text(answer))
        raise self.unusable(answer, "without a call ID")

    def status(self, call: CallHandle) -> Request:
        return Request("GET", self.url(f"/api/outbound/{segment(call.provider_call_id)}"), self._headers())

    def read_status(self, answer: Answer, call: CallHandle, now: datetime) -> Reading:
        if not succeeded(answer):
            raise self.read_error_for(answer)
        details = _details(decode_json_or_xml(answer.body, status=answer.status))
        if not fold(details.get("status")):
            raise self.unusable(answer, "without a status")
        return _reading(details, now=now)

    def parse_callback(self, headers: Mapping[str, str], body: bytes) -> Reading:
        """Parse `call_details` as JSON, wrapped JSON, XML or form fields: the encoding is not documented.

        Plum Voice sends the callback once and unsigned, after all attempts. So its status is the call's, not an
        attempt's.
        """
        marked = body.lstrip(b"\xef\xbb\xbf\xff\xfe\x00 \t\r\n").startswith((b"<", b"{", b"["))
        found = decode_json_or_xml(body) if marked else decode_form(body, headers.get("content-type", ""))
        details = _details(found)
        if not fold(details.get("status")):
            raise MayBeRinging("The Plum Voice callback has no status.", evidence=body[:EVIDENCE])
        return _reading(details, final=True)

    def check(self) -> Request:
        """Return a read of a call that cannot exist."""
        return self.status(CallHandle("0"))

    def error_text(self, answer: Answer) -> str | None:
        """Read `{"error": text}` or `<result><error>text</error></result>`."""
        try:
            words = mapping(decode_json_or_xml(answer.body)).get("error")
        except ProviderError:
            return None
        return text(words, 500) if isinstance(words, str) else None

    def _deployment(self, order: CallOrder) -> str:
        ids = [text(order.assistant_options.get(name)) for name in self.assistant_option_names]
        if not all(ids):
            raise Misconfigured("The assistant has no Fuse application_id or deployment_id.")
        return "/api/apps/" + "/".join(segment(found) for found in ids)

    def _headers(self) -> dict[str, str]:
        # One page names the header "Authentication", but its own sample sends "Authorization".
        pair = f"{self.credential('email')}:{self.credential('developer_key')}"
        return {
            "Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}",
            "Accept": "application/json",  # selects JSON over XML; the parser checks the body anyway
        }


def _linked(header: str) -> str:
    """Return the ID at the end of the first URL of a `Link` header. Its relation is not documented."""
    link = re.search("<([^<>]*)>", header)
    path = re.sub("^[A-Za-z][A-Za-z0-9+.-]*://[^/]*|[?#].*$", "", link[1]) if link else ""
    return call_id(unquote(path.rstrip("/").rpartition("/")[2]))


def _details(body: Any) -> dict[str, Any]:
    """Return `call_details`: wrapped, bare, or as JSON text inside a form field."""
    return mapping(embedded(mapping(body).get("call_details", body)))


def _reading(details: Mapping[str, Any], *, now: datetime | None = None, final: bool = False) -> Reading:
    """Return the reading of `call_details`.

    Numbers may be quoted. Times come from the events, because the pages contradict each other about the two timestamps.
    """
    word = text(details.get("status"))
    state = STATES.get(fold(word).replace("_", ""), CallState.UNRECOGNISED)
    attempts, allowed = integer(details.get("attempts")), integer(details.get("max_attempts"))
    used_up = attempts is None or allowed is None or attempts >= allowed
    events = _events(details.get("events"))
    connected_after_dialing = [name for name, _ in events if name in ("dialing", "connected")][-1:] == ["connected"]
    if state in ATTEMPT_ENDS and not final and not used_up:
        state = CallState.QUEUED  # only this attempt ended so; another follows
    elif state is CallState.UNRECOGNISED and now and events and attempts and allowed and attempts >= allowed:
        wait = timedelta(seconds=integer(details.get("reattempt_wait"), high=86_400) or 0) + PATIENCE
        if not connected_after_dialing and now - events[-1][1] > wait:
            state = CallState.FAILED  # a long silence after the last attempt, whatever the status means
    # `events` holds the events of all attempts. The last attempt counts.
    last = dict(events)
    answered = last.get("connected") if connected_after_dialing else None
    ended = last.get("disconnected") if state.is_terminal else None
    duration = integer(details.get("duration"))
    if duration is None and answered and ended and ended >= answered:
        duration = integer((ended - answered).total_seconds())
    number = re.match(r"['\"\s]*(?:tel:)?(\+[0-9]{5,15})(?![0-9])", text(details.get("phone_number")))
    return Reading(
        state,
        provider_call_id=call_id(details.get("call_id")),  # not documented; used if present
        provider_status=word,
        to_number=number[1] if number else "",
        created_at=moment(details.get("queued_timestamp")),
        started_at=last.get("dialing"),
        answered_at=answered,
        ended_at=ended,
        duration_seconds=duration if state.is_terminal else None,
        ended_reason=REASONS.get(state, ""),
        provider_reason=word if state in REASONS else "",
        may_go_back=not state.is_terminal and (allowed or 1) > 1,
    )


def _events(value: Any) -> list[tuple[str, datetime]]:
    """Return (event, time) in order, without unreadable events.

    The value is a list, one object, a form's numbered fields, or JSON text.
    """
    value = embedded(value)
    if isinstance(value, dict):
        value = [value] if "event" in value else list(value.values())
    found = [mapping(item) for item in value] if isinstance(value, list) else []
    timed = [(fold(item.get("event")), moment(item.get("timestamp"))) for item in found]
    return [(name, at) for name, at in timed if at is not None]
