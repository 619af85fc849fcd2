"""The page of one call: its facts, its timeline, and what was sent to and received from the provider."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html

from calls.admin.calls import doubts
from calls.admin.people.notes import note_rows
from calls.admin.records import webhooks
from calls.admin.shared import labels, outcomes
from calls.admin.shared.labels import without_secrets
from calls.models import OPEN, TERMINAL, Call, CallEvent, ProviderCallback, Status, readable
from calls.reports import transcripts
from campaigns.phones import country_of, national
from campaigns.rules.whereabouts import ZoneRule, candidate_zones
from campaigns.rules.windows import zone_named
from campaigns.wording import counted
from providers.adapters.errors import ProviderError
from tenants.backoffice.languages.written import as_written
from tenants.backoffice.local_time import local_time, time_in
from tenants.backoffice.scoped_admin import ScopedAdmin
from tenants.money import money_text
from tenants.policy import Action

EVENTS, CALLBACKS = 200, 50
ERASED = "Erased contact"
SIGNATURES = {"verified": "signature valid", "unsigned": "unsigned", "bad": "signature invalid"}


def panel(page: ScopedAdmin, request: HttpRequest, call: Call) -> dict[str, Any]:
    """Return the context of the panel, as far as the user's role allows."""
    clock = Clock(call)
    raw = page.holds(request, Action.SEE_RAW, call)
    hooks = webhooks.of_call(request, call)
    decision = call.decision or {}
    return {
        "call": call,
        "live": call.status in OPEN or call.status == Status.QUEUED,
        "badge": outcomes.badge(call),
        "overdue": _overdue(call),
        "waiting": labels.reason(call.status_reason) if call.status == Status.QUEUED and call.status_reason else "",
        "links": _links(call) if page.holds(request, Action.LAUNCH_CALL, call) else [],
        "neighbours": _neighbours(page, call),
        "notes": note_rows(call.contact),
        "clock": clock.note,
        "facts": doubts.beside(_facts(call), call, doubts.FACTS),
        "technical": doubts.beside(_technical(call), call, doubts.TECHNICAL),
        "doubted": bool(call.doubts),
        "times": doubts.beside([(name, clock.text(moment)) for name, moment in _times(call)], call, doubts.TIMES),
        "timeline": timeline(call, hooks, clock, raw),
        "sent": _sent(call) if raw else {},
        "variables": list((call.dynamic_variables or {}).items()),
        "metadata": list((call.metadata or {}).items()),
        "result": doubts.beside(_result(call), call, doubts.RESULT),
        "other_doubts": doubts.others(call),
        "shares_id": _sharing(page, call),
        "checks": [
            {**check, "name": labels.check_name(str(check.get("name", "")))} for check in decision.get("checks", [])
        ],
        "checked_at": clock.text(parse_datetime(decision.get("at", ""))),
        "decisions": [
            {"actor": row.actor, "at": clock.text(row.at), "reason": row.reason} for row in call.decisions.all()
        ],
        "webhooks": hooks,
        "transcript_url": _transcript_url(page, request, call),
    }


def _transcript_url(page: ScopedAdmin, request: HttpRequest, call: Call) -> str:
    offered = transcripts.may_exist(call) and page.holds(request, Action.SEE_TRANSCRIPT, call)
    return page.url("transcript", call.pk) if offered else ""


def _overdue(call: Call) -> str:
    """Return since when the call is overdue and what that means. Empty: it is not."""
    if not call.is_overdue(timezone.now()):
        return ""
    return (
        f"Since {local_time(call.overdue_at)}: the provider has reported no end within "
        f"{counted(call.account.longest_call_minutes, 'minute')}, the longest call of the account. The call holds no "
        "line, is read less often, and the contact is not called meanwhile. Look it up in the provider's dashboard. If "
        "it is over, choose “This call is over”."
    )


class Clock:
    """Formats times of a call in the user's time zone and, if it differs, in the contact's."""

    def __init__(self, call: Call) -> None:
        rule = call.campaign.zone_rule if call.campaign else ZoneRule(call.organization.timezone)
        zones = candidate_zones(call.contact.timezone, call.to_number, rule)
        self.zone: ZoneInfo | None = zone_named(zones[0]) if zones else None
        if self.zone and not self._differs(call.created_at):
            self.zone = None
        self.note = f"Times are in your time zone, then in the contact's ({self.zone})." if self.zone else ""

    def _differs(self, moment: datetime) -> bool:
        return moment.astimezone(self.zone).utcoffset() != timezone.localtime(moment).utcoffset()

    def text(self, moment: datetime | None) -> str:
        if moment is None:
            return ""
        here = local_time(moment, seconds=True)
        return format_html("{} · {}", here, time_in(self.zone, moment, "%H:%M:%S")) if self.zone else here


def _links(call: Call) -> list[dict[str, str]]:
    """Return the links to actions on other pages."""
    if call.status not in TERMINAL or call.contact.erased_at:
        return []
    prefilled = {
        "assistant": call.assistant_id,
        "phone_number": call.phone_number_id,
        "to_number": call.to_number,
        "customer_name": call.customer_name,
    }
    url = f"{reverse('admin:calls_call_launch')}?{urlencode(prefilled)}"
    return [{"url": url, "label": "Call again", "icon": "add_call", "tone": "default"}]


def _neighbours(page: ScopedAdmin, call: Call) -> list[dict[str, Any]]:
    """Return links to the previous and next calls to the same contact."""
    others = Call.objects.filter(contact=call.contact_id).only(
        "pk", "created_at", "status", "ended_reason", "answered_by", "provider_reason"
    )
    found = (
        ("prev", "Previous call", others.filter(pk__lt=call.pk).order_by("-pk").first()),
        ("next", "Next call", others.filter(pk__gt=call.pk).order_by("pk").first()),
    )
    return [
        {
            "rel": rel,
            "label": label,
            "url": page.url("change", other.pk),
            "at": local_time(other.created_at),
            "state": outcomes.of_call(other).line,
        }
        for rel, label, other in found
        if other
    ]


def _sharing(page: ScopedAdmin, call: Call) -> str:
    """Return the address of the call to which the provider gave the same ID, or ""."""
    other = call.id_shared_with and Call.objects.filter(uuid=call.id_shared_with).values_list("pk", flat=True).first()
    return page.url("change", other) if other else ""


def _link(name: str, pk: int, text: str) -> tuple[str, str]:
    return reverse(f"admin:{name}_change", args=[pk]), text


def _facts(call: Call) -> list[tuple[str, Any]]:
    """Return what a clerk asks of a call: whom, when, how long, for how much, from which number, and why."""
    contact: Any = ERASED
    if not call.contact.erased_at:
        name = call.customer_name or call.contact.name or "No name"
        contact = _link("campaigns_contact", call.contact_id, name)
    rows: list[tuple[str, Any]] = [("Contact", contact), ("Phone number", _number(call.to_number))]
    if call.dialed_at:
        rows.append(("Called", local_time(call.dialed_at)))
    elif call.status == Status.QUEUED:
        rows.append(("Due", local_time(call.due_at)))
    if call.duration_seconds is not None:
        rows.append(("Duration", labels.duration(call.duration_seconds)))
    rows.append(("Cost", _cost(call)))
    if call.campaign_id and call.campaign:
        text = f"{call.campaign.name}, attempt {call.attempt}"
        rows.append(("Campaign", _link("campaigns_campaign", call.campaign_id, text)))
    else:
        rows.append(("Created by", call.created_by or "-"))
    rows += [
        ("Assistant", _link("providers_assistant", call.assistant_id, call.assistant.name)),
        ("Caller number", _link("providers_phonenumber", call.phone_number_id, _number(call.from_number))),
    ]
    if call.error_message:
        rows.append(("Error", f"{call.error_message} {f'({call.error_code})' if call.error_code else ''}".strip()))
    return rows


def _technical(call: Call) -> list[tuple[str, Any]]:
    """Return what the provider reported in its own terms, and the IDs."""
    account = f"{call.account.name} ({call.account.get_provider_display()})"
    reported = (
        ("Provider status", call.provider_status),
        ("End reason", labels.reason(call.ended_reason)),
        ("Provider reason", call.provider_reason),
        ("Answered by", {"machine": "a machine", "human": "a person"}.get(call.answered_by, call.answered_by)),
    )
    return [
        ("Provider account", _link("providers_provideraccount", call.account_id, account)),
        *((name, value) for name, value in reported if value),
        ("Provider's ID", call.provider_call_id or "unknown"),
        ("Trunkline ID", str(call.uuid)),
    ]


def _cost(call: Call) -> str:
    """Return what the call costs, and what it counts for in budgets while that is more."""
    cost, reserve = call.cost, call.reserve
    parts = [f"{money_text(cost)}{' (estimate)' if call.cost_is_estimate else ''}"] if cost is not None else []
    if reserve and (cost is None or reserve.currency != cost.currency or reserve > cost):
        parts.append(f"{money_text(reserve)} set aside")
    return ", ".join(parts) or money_text(None)


def _number(e164: str) -> str:
    """Return the number in its country's format with the country, and in E.164."""
    country = country_of(e164)
    return f"{national(e164)}{f' ({country})' if country else ''}, {e164}" if e164 else "erased"


def _times(call: Call) -> list[tuple[str, datetime]]:
    named = (
        ("Created", call.created_at),
        ("Not before", call.not_before),
        ("Not after", call.not_after),
        ("Sent to the provider", call.dialed_at),
        ("Placed", call.placed_at),
        ("Ringing", call.started_at),
        ("Answered", call.answered_at),
        ("Ended", call.ended_at),
        ("End seen by Trunkline", call.terminal_at),
        ("Next status check", call.next_read_at),
    )
    return [(name, moment) for name, moment in named if moment]


ODD = ("tolerated", "doubt")  # events about fields of the evidence
EVENT_LABELS = {
    "queued": "Queued",
    "placing": "Sending to provider",
    "status": "Status",
    "ended": "Ended",
    "unconfirmed": "Unconfirmed",
    "conflict": "Contradictory evidence",
    "unrecognised": "Unknown provider status",
    "late_answer": "Late answer",
    "staff": "Settled by a team member",
    "not_sent": "Not sent, queued again",
    "misconfigured": "Refused because of the set-up, queued again",
    "deferred": "Deferred",
    "placeholder_values": "Values to check",
    "opt_out": "Opt-out",
    "overdue": "Overdue",
    "callback": "Provider event processed",
    "added": "Known after the end",
    "placed_after_all": "Placed after all",
    "tolerated": "Read with tolerance",
    "doubt": "Not believed",
    "reused_id": "One ID for two calls",
    "found_twice": "Two calls with one reference",
}


def timeline(call: Call, hooks: Sequence[dict[str, Any]], clock: Clock, raw: bool) -> list[dict[str, Any]]:
    """Return events of the call, provider events and webhook deliveries, in order of time."""
    found = [*_events(call, raw), *_callbacks(call, raw), *_deliveries(hooks)]
    found.sort(key=lambda each: each["moment"])
    return [{**each, "at": clock.text(each["moment"])} for each in found]


def _events(call: Call, raw: bool) -> Iterator[dict[str, Any]]:
    for event in call.events.all()[:EVENTS]:
        to = Status(event.to_status) if event.to_status in Status.values else None
        known = event.source in CallEvent.Source.values
        yield {
            "moment": event.at,
            "title": EVENT_LABELS.get(event.type, event.type.replace("_", " ").capitalize()),
            "to": outcomes.label_of(to, call) if to else "",
            "colour": labels.CALL_COLOURS[to] if to else "default",
            "source": CallEvent.Source(event.source).label if known else event.source,
            "detail": _detail(event),
            "raw": without_secrets(readable(bytes(event.raw), event.raw_size), call) if raw and event.raw else "",
        }


def _detail(event: CallEvent) -> str:
    """Return the text of an event with the page's words for names of fields and codes of reasons."""
    if event.type in ODD:
        return doubts.named(event.detail)
    said, colon, code = event.detail.rpartition("'. ")
    return f"{said}{colon}{labels.sentence(labels.REASONS[code])}" if code in labels.REASONS else event.detail


def _callbacks(call: Call, raw: bool) -> Iterator[dict[str, Any]]:
    rows = ProviderCallback.objects.filter(call=call).defer("headers", "body").order_by("pk")
    for row in rows[:CALLBACKS]:
        signed = SIGNATURES.get(row.verification, row.verification)
        read = "read" if row.processed_at else "not read yet"
        yield {
            "moment": row.received_at,
            "title": "Provider event",
            "colour": "danger" if row.error else "info",
            "source": CallEvent.Source.CALLBACK.label,
            "detail": row.error or f"{signed}, {read}".capitalize(),
            "link": reverse("admin:calls_providercallback_change", args=[row.pk]) if raw else "",
        }


def _deliveries(hooks: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for hook in hooks:
        attempts = f"{hook['attempts']} attempt{'' if hook['attempts'] == 1 else 's'}"
        yield {
            "moment": hook["at"],
            "title": f"Webhook {hook['state'].lower()}",
            "colour": hook["colour"],
            "source": "Trunkline",
            "detail": f"{hook['title']} to {hook['host']}, {attempts}. {hook['error']}".strip(),
            "link": hook["link"],
        }


def _sent(call: Call) -> dict[str, str]:
    """Return the request to the provider without its headers, which hold the key, or the error in building it."""
    try:
        request = call.account.adapter.place(call.as_order())
    except ProviderError as error:
        return {"error": str(error)}
    body = request.json if request.json is not None else dict(request.form or {})
    text = json.dumps(body, indent=2, ensure_ascii=False, default=str)
    return {"line": without_secrets(f"{request.method} {request.url}", call), "body": without_secrets(text, call)}


def _result(call: Call) -> list[tuple[str, str]]:
    text: list[tuple[str, str]] = [("Result as text", as_written(call.result_text))] if call.result_text else []
    if isinstance(call.result, dict):
        return [*((str(name), _plain(value)) for name, value in call.result.items()), *text]
    return [("Result", _plain(call.result)), *text] if call.result else text


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return as_written(json.dumps(value, ensure_ascii=False, indent=1) if isinstance(value, dict | list) else value)
