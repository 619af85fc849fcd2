"""Every end of a call in words: status by who answered, reason and provider, for calls and for recipients.

The expected words are written by hand from the list of words of the product, not read from the module.
"""

from __future__ import annotations

from itertools import product

import pytest

from calls.admin.shared import outcomes
from calls.models import Call, Status
from campaigns.models import Recipient
from providers.adapters import registry
from providers.adapters.vocabulary import REASON
from providers.adapters.words import MEANINGS
from providers.models import ProviderAccount
from tests.tables import cases

# What a badge may say about each status, and whether a voicemail can be how it ended.
BADGES = {
    "queued": ("Queued", False),
    "placing": ("Being placed", False),
    "unconfirmed": ("Unconfirmed", False),
    "placed": ("Placed", False),
    "dialing": ("Dialing", False),
    "ringing": ("Ringing", False),
    "in_progress": ("In progress", False),
    "completed": ("Answered", True),
    "no_answer": ("No answer", True),
    "busy": ("Busy", False),
    "failed": ("Failed", True),
    "canceled": ("Canceled", False),
    "expired": ("Outcome expired", False),
    "unknown": ("Outcome unknown", False),
}
REASONS = sorted(
    {*MEANINGS[REASON]} - {"ignore"}
    | {"", "attempts_exhausted", "failure_unspecified", "window_closed", "provider_error", "refused", "poll_deadline"}
    | {"hangup_caller", "status_expired", "superseded", "released_by_staff", "ended_by_staff", "campaign_canceled"}
)
A_VOICEMAIL = "Voicemail \N{EN DASH} a voicemail answered"
ANSWERED_BY = ("", "human", "machine", "a word of the provider")
SAID = ("", "USER_DECLINED", "failed")
TELL_NOTHING = ("other", "attempts_exhausted", "failure_unspecified")  # of a failure without the provider's own word


def call_of(provider: str, status: str, answered_by: str, reason: str, said: str) -> Call:
    account = ProviderAccount(provider=provider)
    return Call(account=account, status=status, answered_by=answered_by, ended_reason=reason, provider_reason=said)


@cases("provider", [slug for slug, _ in registry.choices()])
@cases("status", Status.values)
def test_every_end_says_one_thing(provider: str, status: str) -> None:
    label, may_be_voicemail = BADGES[status]
    for answered_by, reason, said in product(ANSWERED_BY, REASONS, SAID):
        found = outcomes.of_call(call_of(provider, status, answered_by, reason, said))
        case = (status, answered_by, reason, said, found)
        voicemail = may_be_voicemail and (answered_by == "machine" or reason == "voicemail")
        assert found.label == ("Voicemail" if voicemail else label), case
        assert found.label in outcomes.COLOURS and found.colour == outcomes.COLOURS[found.label], case
        assert "_" not in found.line.replace("USER_DECLINED", "") and ": other" not in found.line, case
        assert found.meaning and not found.meaning.endswith("."), case
        if voicemail:
            assert found.line == A_VOICEMAIL, case
            assert "nobody" not in found.meaning.lower(), case
        elif status == "failed" and reason in TELL_NOTHING:
            told = f"the provider says “{said}”" if said == "USER_DECLINED" else "the provider gave no reason"
            assert found.line == f"Failed: {told}", case
        else:
            assert "voicemail" not in f"{found.line}{found.meaning}".lower(), case


@cases(
    ("outcome", "reason", "line"),
    [
        ("completed", "", "Answered"),
        ("completed", "hangup_callee", "Answered: the contact hung up"),
        ("completed", "voicemail", A_VOICEMAIL),
        ("no_answer", "voicemail", A_VOICEMAIL),
        ("no_answer", "no_answer", "No answer"),
        ("no_answer", "attempts", "No answer: called as often as the campaign allows"),
        ("busy", "busy", "Busy"),
        ("failed", "attempts_exhausted", "Failed: the provider gave no reason"),
        ("failed", "other", "Failed: the provider gave no reason"),
        ("failed", "refused", "Failed: refused by the provider"),
        ("expired", "status_expired", "Outcome expired"),
        ("unknown", "poll_deadline", "Outcome unknown"),
        ("canceled", "no_open_window", "Not called again: no calling window was left"),
        ("", "no_open_window", "Not called again: no calling window was left"),
        ("", "", "Not called again"),
    ],
)
def test_a_recipient_that_is_done_shows_its_outcome(outcome: str, reason: str, line: str) -> None:
    done = outcomes.of_recipient(Recipient(status="done", outcome=outcome, reason=reason))
    assert done.line == line
    assert done.label in outcomes.RECIPIENT_COLOURS
    assert done.label != "Done" and done.meaning


@pytest.mark.parametrize("status", [each for each in Recipient.Status.values if each != "done"])
def test_a_recipient_that_is_not_done_shows_its_status(status: str) -> None:
    found = outcomes.of_recipient(Recipient(status=status, outcome="no_answer", reason="no_answer"))
    assert found.label == Recipient.Status(status).label
    assert found.label in outcomes.RECIPIENT_COLOURS
    waiting = Recipient(status=status, outcome="completed", reason="voicemail")
    assert outcomes.before(waiting) == "Last call: Voicemail"


def test_a_timeline_names_the_end_as_the_call_does() -> None:
    call = call_of("plumvoice", "no_answer", "machine", "voicemail", "")
    assert outcomes.label_of(Status.NO_ANSWER, call) == "Voicemail"
    assert outcomes.label_of(Status.COMPLETED, call) == "Answered"
    assert outcomes.label_of(Status.RINGING, call) == "Ringing"
