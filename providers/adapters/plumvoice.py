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
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import unquote

from providers.adapters.base import AccountConfig, Answer, CallHandle, CallOrder, CallState, Reading, Request
from providers.adapters.decoding import (
    EVIDENCE,
    call_id,
    e164,
    fold,
    opened,
    segment,
    text,
)
from providers.adapters.errors import MayBeRinging, Misconfigured, ProviderError, Rejected
from providers.adapters.fields import Fields, read_form, read_json_or_xml
from providers.adapters.messages import Found, Status, find_call, first_text, follow, placed_call, read_status
from providers.adapters.verdicts import KEY_REFUSED, HttpProvider, error_body, is_page, succeeded

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


IDS = ("call_id",)
ANSWERED_BY_NAMES = ("answered_by", "callee_type")  # documented for the application only, never for the API
TIMES = {"dialing": "started_at", "connected": "answered_at", "disconnected": "ended_at"}
ORDER = {"queued": 0, "dialing": 1, "connected": 2, "disconnected": 3}  # of events in the same second
NO_EVENT = "An event needs a name and a time."
CLOCK_DIFFERENCE = timedelta(seconds=60)

Events = list[tuple[str, datetime | None]]


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
            raise self.placing_error(answer, IDS)
        try:
            message = read_json_or_xml(answer.body, status=answer.status, time_zone=self.account.time_zone)
        except ProviderError:
            message = Fields({})
        refused = _refuses(message)
        # No page shows the body of a success. Look for the ID at the top level, inside and in `Link`.
        found = placed_call(message, IDS)
        linked = "" if found.torn or is_page(answer) else _linked(answer.headers.get("link", ""))
        if named := found.call_id or linked:
            return Reading(CallState.QUEUED, provider_call_id=named, remarks=tuple(message.remarks))
        if refused and not found.torn:
            raise self._error(Rejected, answer, self.error_text(answer))
        raise self.unusable(answer, "with two call IDs" if found.torn else "without a call ID")

    def status(self, call: CallHandle) -> Request:
        return Request("GET", self.url(f"/api/outbound/{segment(call.provider_call_id)}"), self._headers())

    def read_status(self, answer: Answer, call: CallHandle, now: datetime) -> Reading:
        if not succeeded(answer):
            raise self.read_error_for(answer)
        message = read_json_or_xml(answer.body, status=answer.status, time_zone=self.account.time_zone)
        found = _details(message, call.provider_call_id)
        self.check_same_call(answer, found.call_id, call.provider_call_id)
        status = read_status(found, STATES, _key)
        if status is None:
            raise self.unusable(answer, "without a status")
        return _reading(found, status, now=now, placed_at=call.placed_at)

    def parse_callback(self, headers: Mapping[str, str], body: bytes) -> Reading:
        """Parse `call_details` as JSON, wrapped JSON, XML or form fields: the encoding is not documented.

        Plum Voice sends the callback once and unsigned, after all attempts. So its status is the call's, not an
        attempt's.
        """
        zone = self.account.time_zone
        marked = opened(body).lstrip(b"\xef\xbb\xbf\xff\xfe\x00 \t\r\n").startswith((b"<", b"{", b"[", b'"'))
        if marked:
            message = read_json_or_xml(body, time_zone=zone)
        else:
            message = read_form(body, headers.get("content-type", ""), time_zone=zone)
        found = _details(message)
        status = read_status(found, STATES, _key)
        if status is None:
            raise MayBeRinging("The Plum Voice callback has no status.", evidence=body[:EVIDENCE])
        return _reading(found, status, final=True)

    def check(self) -> Request:
        """Return a read of a call that cannot exist."""
        return self.status(CallHandle("0"))

    def error_text(self, answer: Answer) -> str | None:
        """Read `{"error": text}` or `<result><error>text</error></result>`."""
        words = error_body(answer, xml=True).get("error")
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


def _refuses(message: Fields) -> bool:
    """Return whether a success says that the call was refused, as a sister product does. An odd one proves nothing."""
    said = message.values.get("success")
    return not message.remarks and (said is False or fold(said) in ("false", "0"))


def _details(message: Fields, known: str = "") -> Found:
    """Return `call_details`: wrapped, bare, or as JSON text inside a form field."""
    return find_call(follow(message, "call_details"), IDS, known)


def _key(word: Any) -> str:
    return fold(word).replace("_", "")


def _reading(
    found: Found,
    status: Status,
    *,
    now: datetime | None = None,
    placed_at: datetime | None = None,
    final: bool = False,
) -> Reading:
    """Return the reading of `call_details`. `final`: the status is the call's, not an attempt's.

    Times come from the events, because the pages contradict each other about the two timestamps.
    """
    details, state = found.call, status.state
    attempts, allowed = details.integer("attempts"), details.integer("max_attempts")
    events = _events(details)
    if state in ATTEMPT_ENDS and not final and _more_to_come(details, attempts, allowed):
        state = CallState.QUEUED  # only this attempt ended so; another follows
    elif state is CallState.UNRECOGNISED and now and _silent(found, events, now, placed_at):
        state = CallState.FAILED  # a long silence after the last attempt, whatever the word means
    # `events` holds the events of all attempts. The last attempt counts.
    last = {name: at for name, at in events if at is not None}
    answered = last.get("connected") if _connected_after_dialing(events) else None
    may_be_over = state.is_terminal or state is CallState.UNRECOGNISED
    ended = last.get("disconnected") if may_be_over else None
    duration = details.seconds("duration", into="duration_seconds")
    if duration is None and details.doubt("duration") is None and answered and ended and ended >= answered:
        duration = int((ended - answered).total_seconds())
    number = re.match(r"['\"\s]*(?:tel:)?(\+[0-9]{5,15})(?![0-9])", details.text("phone_number", into="to_number"))
    return Reading(
        state,
        provider_call_id=found.call_id,  # not documented; used if present
        provider_status=status.word,
        to_number=number[1] if number else "",
        created_at=details.moment("queued_timestamp", into="created_at"),
        started_at=last.get("dialing"),
        answered_at=answered,
        ended_at=ended,
        duration_seconds=duration if may_be_over else None,
        ended_reason=REASONS.get(state, ""),
        provider_reason=status.word if state in REASONS else "",
        answered_by=first_text((details,), ANSWERED_BY_NAMES, into="answered_by"),
        may_go_back=not state.is_terminal and (allowed or 1) > 1,
        remarks=tuple(details.remarks),
    )


def _more_to_come(details: Fields, attempts: int | None, allowed: int | None) -> bool:
    """Return whether an attempt is left. Trunkline allows one, so that only a readable larger number says so."""
    if attempts is None:
        return details.doubt("attempts") is not None and (allowed or 1) > 1
    return allowed is not None and attempts < allowed


def _silent(found: Found, events: Events, now: datetime, placed_at: datetime | None) -> bool:
    """Return whether the last attempt was made, its last event was long ago, and it connected nobody.

    An event from before we placed the call shows that Plum Voice's clock is not ours, so that it proves no silence.
    """
    details = found.call
    attempts, allowed = details.integer("attempts"), details.integer("max_attempts")
    waits = details.integer("reattempt_wait", high=86_400)
    if found.torn or not attempts or not allowed or attempts < allowed or _connected_after_dialing(events):
        return False
    times = [at for _, at in events if at is not None]
    if not times or details.doubt("status") or details.doubt("reattempt_wait"):
        return False
    if placed_at and min(times) < placed_at - CLOCK_DIFFERENCE:
        return False
    return now - max(times) > timedelta(seconds=waits or 0) + PATIENCE


def _connected_after_dialing(events: Events) -> bool:
    """Return whether the last attempt was answered. A connection at an unreadable time may be the last."""
    known = [name for name, at in events if at is not None and name in ("dialing", "connected")]
    return known[-1:] == ["connected"] or ("connected", None) in events


def _events(details: Fields) -> Events:
    """Return the events in order of time, whatever their order in the message, those without a readable time last."""
    found: Events = []
    for row in details.rows("events") or ():
        name = row.word("event")
        at = row.moment("timestamp", into=TIMES.get(name, ""))
        if not (name and at) and not row.doubt("timestamp") and not row.doubt("event"):
            row.remark("timestamp" if name else "event", NO_EVENT, taken=False, into=TIMES.get(name, ""))
        found.append((name, at))
    never = datetime.max.replace(tzinfo=UTC)
    return sorted(found, key=lambda event: (event[1] or never, ORDER.get(event[0], 0)))
