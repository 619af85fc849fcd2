"""Colours and labels of statuses, reasons and checks, the same on every page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.text import capfirst

from calls.gate.budgets import ALERT_AT, percent_of
from calls.models import TERMINAL, Call, Status
from calls.models.statuses import ENDED_BY_STAFF, RELEASED_BY_STAFF
from calls.reports.figures.conditions import whole_percent
from campaigns.models import Campaign, Recipient
from campaigns.rules.placeholders import shown
from campaigns.rules.spoken import REASON as PLACEHOLDERS
from tenants.masking import MASK
from tenants.money import Amounts, Money, money_text, not_counted

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
# A completed call is one that was answered: in person, or by a voicemail.
OUTCOME_LABELS = {status: str(status.label) for status in TERMINAL} | {Status.COMPLETED: "Answered"}
CALL_MEANINGS = {
    Status.QUEUED: "The call waits for its turn. Nothing was sent to the provider.",
    Status.PLACING: "The request is being sent to the provider.",
    Status.UNCONFIRMED: "Unknown whether the provider placed the call: it may be ringing. It is not dialled again.",
    Status.PLACED: "The provider accepted the call and has not dialled yet.",
    Status.DIALING: "The provider is dialling.",
    Status.RINGING: "The phone is ringing.",
    Status.IN_PROGRESS: "The call was answered and is under way.",
    Status.COMPLETED: "The call was answered and has ended.",
    Status.NO_ANSWER: "Nobody answered.",
    Status.BUSY: "The line was busy.",
    Status.FAILED: "The provider could not complete the call.",
    Status.CANCELED: "The call was not placed.",
    Status.EXPIRED: "The call was placed, but the provider deleted the outcome before it was read.",
    Status.UNKNOWN: "No evidence came in time. The phone may have rung. A team member can settle the call.",
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
    "too_late": "its latest time had passed",
    RELEASED_BY_STAFF: "released by a team member",
    "canceled_by_staff": "canceled by a team member",
    ENDED_BY_STAFF: "ended by a team member",
    "superseded": "another call to the number replaces it",
    "refused": "refused by the provider",
    "voicemail": "a voicemail answered",
    "no_answer": "nobody answered",
    "busy": "the line was busy",
    "other": "the provider gave no reason",
    "failure_unspecified": "the provider gave no reason",
    "attempts_exhausted": "the provider gave no reason",  # Plum Voice gives it to every failure
    "provider_error": "the provider reported an error",
    "queue_timeout": "the call waited at the provider and never rang",
    "window_closed": "the provider's time for the call ran out",
    "hangup_callee": "the contact hung up",
    "hangup_caller": "the assistant hung up",
    "missing_variables": "variables that the assistant requires are missing",
    "placeholder_values": "values that nobody means to speak",
    "unconfirmed": "the call is unconfirmed",
    "placing_ambiguous": "the provider's answer was lost or unclear",
    "not_sent": "the request was not sent; it is retried",
    "misconfigured": "the provider account is not set up correctly",
    "calling_hours": "outside calling hours",
    "no_opening": "no calling window opens in the next 13 months",
    "minimum_gap": "called a short time ago",
    "calls_per_day": "called as often as allowed in 24 hours",
    "retry_wait": "waits between two attempts",
    "scheduled_callback": "another campaign has a callback scheduled",
    "open_call": "another call to the number is open",
    "status_expired": "the provider no longer has the outcome",
    "poll_deadline": "no evidence came in time",
    "hold": "on hold",
    "withdrawn": "withdrawn by a team member",
    "call_back": "a callback is scheduled",
    "call_back_canceled": "the scheduled callback was canceled",
    "rules_changed": "the rules changed; another call replaces it",
    "number_changed": "the contact's numbers changed; another call replaces it",
    "rerouted": "another assistant of the campaign calls instead",
    "attempts": "called as often as the campaign allows",
    "calls_per_30_days": "called as often as allowed in 30 days",
    "on_hold": "on hold until the hold is lifted",
    "not_before": "a later time was requested",
    "organization": "the organization is inactive",
    "calls_stopped": "all calls of the organization are stopped",
    "account": "the provider account places no calls",
    "account_capacity": "the provider account has no free line",
    "account_rate": "the provider account calls as fast as allowed",
    "next_turn": "waits for its turn",
    "assistant": "the assistant is switched off",
    "caller_number": "the caller number is switched off",
    "caller_number_capacity": "the caller number has no free line",
    "caller_number_day": "the caller number has reached its cap for 24 hours",
    "caller_number_rest": "the caller number rests between two calls",
    "campaign": "the campaign is not running",
    "campaign_capacity": "the campaign has as many open calls as allowed",
    "pace": "the campaign calls as fast as allowed",
    "budget": "the campaign's budget is spent or set aside",
    "budget_currency": "the campaign's budget cannot count the account's currency",
    "organization_budget": "the organization's daily budget is spent or set aside",
    "account_budget": "the provider account's daily budget is spent or set aside",
    "failed": "the call failed",
    "completed": "the call was completed",
    "canceled": "the call was canceled",
    "expired": "the provider no longer has the outcome",
    "unknown": "the outcome is unknown",
}


CHECK_LABELS = {
    "recipient": "Status detail",
    "variables": "Required variables",
    "placeholder_values": "Values that nobody means to speak",
    "no_open_window": "Time left in the campaign",
    "hold": "Hold",
    "on_hold": "Hold",
    "calls_per_30_days": "Calls in 30 days",
    "organization_budget": "Daily budget",
    "account_budget": "Daily budget of the provider account",
    "caller_number_day": "Calls of the caller number in 24 hours",
    "caller_number_rest": "Rest of the caller number between calls",
    "pace": "Pace of the campaign",
    "organization": "Organization",
    "calls_stopped": "Button “Stop all calls”",
    "account": "Provider account",
    "assistant": "Assistant",
    "caller_number": "Caller number",
    "campaign": "Campaign",
    "do_not_call": "Do-not-call list",
    "country": "Country",
    "too_late": "Latest time",
    "not_before": "Not before",
    "calling_hours": "Calling hours",
    "no_opening": "A window to come",
    "retry_wait": "Time until the next attempt",
    "scheduled_callback": "Callbacks of other campaigns",
    "open_call": "Other calls to the number",
    "attempts": "Attempts",
    "minimum_gap": "Time since the last call",
    "calls_per_day": "Calls in 24 hours",
    "budget": "Budget",
    "budget_currency": "Currency of the budget",
    "caller_number_capacity": "Open calls of the caller number",
    "campaign_capacity": "Open calls of the campaign",
    "account_capacity": "Lines of the provider account",
    "account_rate": "Calls per second of the provider account",
    "next_turn": "Turn",
}


def reason(code: str) -> str:
    """Return a reason code in words. Some codes have a detail: `missing_variables: slot`."""
    name, _, detail = code.partition(": ")
    found = REASONS.get(name) or name.replace("_", " ")
    if name == PLACEHOLDERS and detail:
        return f"{found} ({shown(detail.split(', '))})"
    return f"{found}: {detail}" if detail else found


def sentence(text: str) -> str:
    """Return a reason as a sentence."""
    return f"{capfirst(text)}."


def check_name(code: str) -> str:
    """Return the label of one of the gate's checks."""
    return CHECK_LABELS.get(code) or reason(code).capitalize()


def spent_text(costs: Amounts, calls: int) -> str:
    """Return what calls cost: nothing without calls, and what is not reported is not nothing."""
    return money_text(costs) if costs or calls else "Nothing"


def budget(spent: Amounts, limit: Money) -> dict[str, Any]:
    """Return how much of a budget is used, with a colour that changes at the levels of the alerts.

    `spent`: in all currencies. What is in another than the budget's is named.
    """
    used = spent.within(limit.currency)
    percent = percent_of(used, limit)
    level = sum(percent >= step for step in ALERT_AT)
    return {
        "used": money_text(used),
        "limit": money_text(limit),
        "not_counted": not_counted(spent.beyond(limit.currency)),
        "percent": percent,
        "share": whole_percent(percent, some=bool(used.amount)),
        "colour": ("success", "info", "warning", "danger")[level],
    }


def duration(seconds: int | None) -> str:
    if seconds is None:
        return "-"
    return f"{seconds // 60} min {seconds % 60:02d} s" if seconds >= 60 else f"{seconds} s"


def bar(parts: Mapping[str, int], labels: Mapping[str, tuple[str, str]]) -> list[dict[str, Any]]:
    """Return the parts of a stacked bar, with shares in per cent. Empty parts are left out."""
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
OUTCOME_PARTS = {status.value: (label, CALL_COLOURS[status]) for status, label in OUTCOME_LABELS.items()}


def without_secrets(text: str, call: Call) -> str:
    """Return the text without the account's secrets and the call's own tokens."""
    if not call.account.credentials_readable:
        return "Not shown while the credentials of the provider account cannot be read: it may contain them."
    secrets = [str(value) for value in (call.account.credentials or {}).values()]
    for secret in [*secrets, call.callback_token, call.account.hook_token]:
        if len(secret) >= 4:
            text = text.replace(secret, MASK)
    return text
