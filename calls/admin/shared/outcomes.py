"""How a call ended, in the words of pages: one label, one colour and one reason for every list and page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.text import capfirst

from calls.admin.shared import labels
from calls.models import TERMINAL, Call, Status
from calls.models.statuses import ENDED_BY_STAFF
from calls.reports.figures.conditions import VOICEMAIL_ENDS
from campaigns.models import Recipient
from providers.adapters.vocabulary import IGNORE
from providers.adapters.vocabulary import REASONS as REASON_WORDS
from providers.adapters.words import key

VOICEMAIL = "Voicemail"
# Reasons that repeat a status, or that a provider gives to every failure. They explain nothing.
REPEATED = {*(status.value for status in Status), "voicemail", "status_expired", "poll_deadline"}
UNTOLD = {"", "other", "failure_unspecified", "attempts_exhausted", Status.FAILED.value}
LABELS = labels.OUTCOME_LABELS
NOT_AGAIN = "Not called again"  # a recipient whose last call was canceled
COLOURS = {**labels.CALL_LABELS, **{LABELS[status]: labels.CALL_COLOURS[status] for status in TERMINAL}}
COLOURS[VOICEMAIL] = "warning"
RECIPIENT_COLOURS = {**labels.RECIPIENT_LABELS, **COLOURS, NOT_AGAIN: "default"}


@dataclass(frozen=True)
class Outcome:
    """`label` is the badge, `meaning` the text beside it. `why` is the part that the label does not say, or ""."""

    label: str
    colour: str
    meaning: str
    why: str = ""

    @property
    def line(self) -> str:
        """Return both for places without a badge: “Failed: the provider gave no reason”."""
        joint = " \N{EN DASH} " if self.label == VOICEMAIL else ": "
        return f"{self.label}{joint}{self.why}" if self.why else self.label


def of_call(call: Call) -> Outcome:
    """Return the outcome of a call, or its status while it has none."""
    status = Status(call.status)
    if status not in TERMINAL:
        return Outcome(str(status.label), labels.CALL_COLOURS[status], labels.CALL_MEANINGS[status].rstrip("."))
    found = ended(status, call.ended_reason, voicemail=call.is_voicemail, said=call.provider_reason)
    if status == Status.UNKNOWN and call.ended_reason == ENDED_BY_STAFF:
        meaning = "A team member ended the call: the provider reported no end. A later report replaces this outcome"
        return Outcome(found.label, found.colour, meaning, found.why)
    return found


def beside(call: Call) -> str:
    """Return what a column beside the badge adds to it: the reason, and the duration. A dash if it is nothing."""
    found = of_call(call)
    why = found.why if found.label != VOICEMAIL else ""
    lasted = labels.duration(call.duration_seconds) if call.duration_seconds else ""
    return capfirst(", ".join(filter(None, (lasted, why)))) or "-"


def of_recipient(recipient: Recipient) -> Outcome:
    """Return what the badge of a recipient says: the outcome of the last call once it is done, else the status."""
    status = Recipient.Status(recipient.status)
    if status != Recipient.Status.DONE:
        return Outcome(str(status.label), labels.RECIPIENT_COLOURS[status], "")
    if recipient.outcome in Status.values and recipient.outcome != Status.CANCELED:
        return ended(Status(recipient.outcome), recipient.reason, voicemail=recipient.reason == "voicemail")
    why = "" if recipient.reason in UNTOLD | REPEATED else labels.reason(recipient.reason)
    return Outcome(NOT_AGAIN, RECIPIENT_COLOURS[NOT_AGAIN], capfirst(why) or "No further call is due", why)


def ended(status: Status, reason: str, *, voicemail: bool, said: str = "") -> Outcome:
    """Return an outcome. `reason`: a Trunkline code; `said`: the provider's own words, if it gave some."""
    if voicemail and status in VOICEMAIL_ENDS:
        why = labels.REASONS["voicemail"]
        return Outcome(VOICEMAIL, COLOURS[VOICEMAIL], capfirst(why), why)
    why = _why_failed(reason, said) if status == Status.FAILED else _why(reason)
    meaning = capfirst(why) or labels.CALL_MEANINGS[status].rstrip(".")
    return Outcome(LABELS[status], labels.CALL_COLOURS[status], meaning, why)


def before(recipient: Recipient) -> str:
    """Return why a recipient that is not done is where it is: the last call's outcome, and the reason to wait."""
    voicemail, reason = recipient.reason == "voicemail", recipient.reason
    last = ""
    if recipient.outcome in Status.values:
        last = ended(Status(recipient.outcome), "", voicemail=voicemail).label
    why = _why(reason)
    return ". ".join(filter(None, (f"Last call: {last}" if last else "", capfirst(why))))


def label_of(status: Status, call: Call) -> str:
    """Return the label of a status that a call had: its outcome's, where that is the end it stands at."""
    return of_call(call).label if status == call.status else LABELS.get(status, str(status.label))


def _why(reason: str) -> str:
    return "" if reason in UNTOLD | REPEATED else labels.reason(reason)


def _why_failed(reason: str, said: str) -> str:
    if reason not in UNTOLD:
        return labels.reason(reason)
    tells = said and REASON_WORDS.get(key(said)) != IGNORE  # “failed” repeats the status
    return f"the provider says “{said}”" if tells else labels.REASONS["failure_unspecified"]


def badge(call: Call) -> dict[str, Any]:
    found = of_call(call)
    return {"label": found.label, "colour": found.colour, "meaning": found.meaning}
