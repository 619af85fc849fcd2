"""Statuses in colours and words, the same on every page."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from calls.gate.budgets import ALERT_AT
from calls.models import Call, Status
from campaigns.models import Campaign, Recipient

CALL_COLOURS = {
    Status.QUEUED: "info",
    Status.PLACING: "primary",
    Status.UNCONFIRMED: "danger",
    Status.PLACED: "primary",
    Status.DIALING: "primary",
    Status.RINGING: "primary",
    Status.IN_PROGRESS: "primary",
    Status.COMPLETED: "success",
    Status.NO_ANSWER: "warning",
    Status.BUSY: "warning",
    Status.FAILED: "danger",
    Status.CANCELED: "default",
    Status.EXPIRED: "danger",
    Status.UNKNOWN: "danger",
}
CALL_LABELS = {str(status.label): CALL_COLOURS[status] for status in Status}
CALL_MEANINGS = {
    Status.QUEUED: "It waits for its turn. Nothing was sent to the provider.",
    Status.PLACING: "The request is on its way to the provider.",
    Status.UNCONFIRMED: "Nobody knows whether the provider placed it: it may be ringing. It is not dialled again.",
    Status.PLACED: "The provider took it and has not dialled yet.",
    Status.DIALING: "The provider dials.",
    Status.RINGING: "The telephone rings.",
    Status.IN_PROGRESS: "Somebody answered; the conversation goes on.",
    Status.COMPLETED: "The call was answered and is over.",
    Status.NO_ANSWER: "Nobody answered.",
    Status.BUSY: "The line was busy.",
    Status.FAILED: "The provider could not complete it.",
    Status.CANCELED: "It was not placed.",
    Status.EXPIRED: "It was placed, but the provider forgot the outcome before it could be read.",
    Status.UNKNOWN: "No evidence came in time. It may have rung; a person decides what counts.",
}
RECIPIENT_COLOURS = {
    Recipient.Status.PENDING: "default",
    Recipient.Status.CALLING: "primary",
    Recipient.Status.WAITING: "info",
    Recipient.Status.DONE: "success",
    Recipient.Status.SKIPPED: "warning",
    Recipient.Status.REVIEW: "danger",
    Recipient.Status.WITHDRAWN: "faint",
}
RECIPIENT_LABELS = {str(status.label): RECIPIENT_COLOURS[status] for status in Recipient.Status}
CAMPAIGN_COLOURS = {
    Campaign.Status.DRAFT: "default",
    Campaign.Status.SCHEDULED: "info",
    Campaign.Status.RUNNING: "success",
    Campaign.Status.PAUSED: "warning",
    Campaign.Status.FINISHED: "primary",
    Campaign.Status.CANCELED: "danger",
}
CAMPAIGN_LABELS = {str(status.label): CAMPAIGN_COLOURS[status] for status in Campaign.Status}
REASONS = {
    "campaign_canceled": "the campaign was canceled",
    "do_not_call": "on the do-not-call list",
    "country": "the country may not be called",
    "no_open_window": "no calling window was left",
    "too_late": "its last moment had passed",
    "released_by_staff": "released by staff",
    "canceled_by_staff": "canceled by staff",
    "superseded": "another call to the number stands for it",
    "refused": "refused by the provider",
    "voicemail": "a voicemail answered",
    "no_answer": "nobody answered",
    "busy": "the line was busy",
    "hangup_callee": "the person hung up",
    "hangup_caller": "the assistant hung up",
    "missing_variables": "variables that the assistant requires are missing",
    "unconfirmed": "the call is unconfirmed",
    "placing_ambiguous": "the provider's answer was lost or unclear",
    "not_sent": "the request did not leave; it is sent again",
    "misconfigured": "the account is set up wrongly",
    "calling_hours": "outside calling hours",
    "minimum_gap": "called a short time ago",
    "calls_per_day": "called often enough today",
    "open_call": "another call to the number is open",
    "status_expired": "the provider forgot the outcome",
    "poll_deadline": "no evidence came in time",
    "hold": "on hold",
    "withdrawn": "withdrawn by staff",
    "call_back": "asked to be called back",
    "call_back_canceled": "the call-back was canceled",
    "rules_changed": "the rules were changed; another call takes its place",
    "rerouted": "another assistant of the campaign calls instead",
    "attempts": "called as often as the campaign allows",
    "calls_per_30_days": "called often enough in 30 days",
    "on_hold": "on hold until somebody lifts it",
    "not_before": "a later time was asked for",
    "organization": "the organization is inactive",
    "calls_stopped": "all calls of the organization are stopped",
    "account": "the provider account takes no calls",
    "account_capacity": "the provider account has no line free",
    "assistant": "the assistant is switched off",
    "caller_number": "the caller number is switched off",
    "caller_number_capacity": "the caller number has no line free",
    "caller_number_day": "the caller number has called often enough today",
    "caller_number_rest": "the caller number rests between two calls",
    "campaign": "the campaign is not running",
    "campaign_capacity": "the campaign has as many open calls as it may",
    "pace": "the campaign calls as fast as it may",
    "budget": "the campaign's budget is spent or set aside",
    "organization_budget": "the organization's budget of the day is spent or set aside",
    "account_budget": "the account's budget of the day is spent or set aside",
    "failed": "the call failed",
    "completed": "the call was completed",
    "canceled": "the call was canceled",
    "expired": "the provider forgot the outcome",
    "unknown": "nobody knows the outcome",
}


CHECK_WORDS = {
    "recipient": "Where they stand",
    "variables": "Variables of the assistant",
    "no_open_window": "Time left in the campaign",
    "hold": "Hold",
    "on_hold": "Hold",
    "calls_per_30_days": "Calls in 30 days",
    "organization_budget": "Budget of the day",
    "account_budget": "Budget of the account",
    "caller_number_day": "Calls of the caller number in 24 hours",
    "caller_number_rest": "Rest of the caller number",
    "pace": "Pace of the campaign",
    "organization": "Organization",
    "calls_stopped": "Kill switch",
    "account": "Provider account",
    "assistant": "Assistant",
    "caller_number": "Caller number",
    "campaign": "Campaign",
    "do_not_call": "Do-not-call list",
    "country": "Country",
    "too_late": "Last moment",
    "not_before": "Not before",
    "calling_hours": "Calling hours",
    "open_call": "Other calls to the number",
    "attempts": "Calls made",
    "minimum_gap": "Time since the last call",
    "calls_per_day": "Calls in 24 hours",
    "budget": "Budget",
    "caller_number_capacity": "Lines of the caller number",
    "campaign_capacity": "Lines of the campaign",
}


def reason(code: str) -> str:
    """A machine's code in a person's words. Some carry a detail: `missing_variables: slot`."""
    name, _, detail = code.partition(": ")
    found = REASONS.get(name) or name.replace("_", " ")
    return f"{found}: {detail}" if detail else found


def sentence(text: str) -> str:
    """A reason that stands alone."""
    return f"{text[:1].upper()}{text[1:]}."


def check_name(code: str) -> str:
    """One of the gate's questions in words."""
    return CHECK_WORDS.get(code) or reason(code).capitalize()


def money(amount: Decimal | str | None, currency: str) -> str:
    if amount is None:
        return "-"
    value = Decimal(amount)
    return f"{value.quantize(Decimal('0.01')) if value else Decimal('0.00'):,} {currency}"


def budget(used: Decimal, limit: Decimal, currency: str) -> dict[str, Any]:
    """How much of a budget is gone, with a colour from the steps at which alerts are told."""
    percent = int(used * 100 / limit) if limit > 0 else 100
    passed = sum(percent >= step for step in ALERT_AT)
    return {
        "used": money(used, currency),
        "limit": money(limit, currency),
        "percent": percent,
        "colour": ("success", "info", "warning", "danger")[passed],
    }


def duration(seconds: int | None) -> str:
    if seconds is None:
        return "-"
    return f"{seconds // 60} min {seconds % 60:02d} s" if seconds >= 60 else f"{seconds} s"


def badge(call: Call) -> dict[str, Any]:
    status = Status(call.status)
    return {"label": status.label, "colour": CALL_COLOURS[status], "meaning": CALL_MEANINGS[status]}


def bar(parts: Mapping[str, int], labels: Mapping[str, tuple[str, str]]) -> list[dict[str, Any]]:
    """A stacked bar: shares in per cent that add up, empty parts left out."""
    total = sum(parts.values())
    return [
        {
            "key": key,
            "label": labels[key][0],
            "colour": labels[key][1],
            "count": count,
            "shown": f"{count:,}",
            "percent": f"{100 * count / total:.2f}",
        }
        for key, count in parts.items()
        if count and total
    ]


RECIPIENT_PARTS = {
    status.value: (str(status.label), RECIPIENT_COLOURS[status])
    for status in (
        Recipient.Status.DONE,
        Recipient.Status.CALLING,
        Recipient.Status.WAITING,
        Recipient.Status.REVIEW,
        Recipient.Status.SKIPPED,
        Recipient.Status.WITHDRAWN,
        Recipient.Status.PENDING,
    )
}
OUTCOME_PARTS = {status.value: (str(status.label), CALL_COLOURS[status]) for status in Status}


MASK = "••••"


def masked(text: str, call: Call) -> str:
    """Text without the account's secrets and the call's own tokens."""
    secrets = [str(value) for value in (call.account.credentials or {}).values()]
    for secret in [*secrets, call.callback_token, call.account.hook_token]:
        if len(secret) >= 4:
            text = text.replace(secret, MASK)
    return text
