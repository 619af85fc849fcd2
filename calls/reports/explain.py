"""Why a recipient is, or is not, called now: what every check answers, in the words the engine decides by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.utils import timezone

from calls.gate import facts as fact_sheet
from calls.gate.checks import CheckName
from calls.gate.decision import Check, Decision, Facts, Verdict, decide
from calls.gate.facts import within_a_day, within_a_month
from calls.gate.selection import Choices, values_for
from calls.models import OPEN, Call, CallBack, Status
from campaigns.models import Campaign, Recipient
from tenants.api.fields import utc_text

OVER = (Recipient.Status.DONE, Recipient.Status.SKIPPED, Recipient.Status.WITHDRAWN)
EXPLAINED = ("contact", "campaign__organization", "campaign__assistant__account")  # looked at beside the recipient


@dataclass(frozen=True)
class Explanation:
    """`until`: the next moment the person may be called, where somebody can say; null beside `allow` and `skip`."""

    decision: Verdict
    until: datetime | None
    checks: tuple[Check, ...]

    def as_json(self) -> dict[str, Any]:
        checks = [{"name": check.name, "result": check.result, "detail": check.detail} for check in self.checks]
        return {"decision": self.decision, "until": utc_text(self.until), "checks": checks}


def explain(recipient: Recipient, now: datetime | None = None) -> Explanation:
    """What stands between this recipient and a call at this moment. Writes nothing."""
    known = Recipient.objects.select_related(*EXPLAINED).prefetch_related("campaign__windows")
    return explain_loaded(known.get(pk=recipient.pk), now or timezone.now())


def explain_loaded(recipient: Recipient, now: datetime) -> Explanation:
    """The same for a recipient just read with what `EXPLAINED` names and `campaign__windows`."""
    under_way = _call_under_way(recipient)
    state = _state(recipient, under_way, now)
    call = under_way if under_way and under_way.status == Status.QUEUED else next_call(recipient, now)
    if call is None:
        return _answer(None, (state, *_not_equipped(recipient.campaign)))
    if recipient.status in (Recipient.Status.PENDING, Recipient.Status.WAITING) and recipient.next_attempt_at:
        call.not_before = recipient.next_attempt_at
    [facts] = fact_sheet.load([call], now)
    decision = foreseen(facts, now)
    variables = () if recipient.status in OVER or call.pk else (_variables(recipient.campaign, call),)
    return _answer(decision, (state, *decision.checks, *variables))


def foreseen(facts: Facts, now: datetime) -> Decision:
    """The gate's decision, with `until` followed through: a gap may end while the window is closed."""
    decision = later = decide(facts, now)
    for _ in range(20):
        if later.until is None or not (later.reason and later.reason.traits.can_be_waited_out):
            break
        decision = replace(decision, until=later.until)
        then = replace(
            facts,
            dialed_in_a_day=within_a_day(facts.dialed_in_a_day, later.until),
            dialed_in_30_days=within_a_month(facts.dialed_in_30_days, later.until),
            on_hold=facts.on_hold and (facts.hold_until is None or facts.hold_until > later.until),
        )
        later = decide(then, later.until)
    if later.verdict == "skip":
        return replace(later, checks=decision.checks)
    return decision


def _call_under_way(recipient: Recipient) -> Call | None:
    related = ("account", "assistant", "phone_number")
    found = Call.objects.select_related(*related).filter(recipient=recipient, status__in=(Status.QUEUED, *OPEN)).first()
    if found:
        found.recipient, found.contact, found.campaign = recipient, recipient.contact, recipient.campaign
        found.organization = recipient.campaign.organization
    return found


def next_call(recipient: Recipient, now: datetime) -> Call | None:
    """The call the engine would queue. None when the campaign has nothing to place it with."""
    campaign = recipient.campaign
    if campaign.assistant is None:
        return None
    call = Choices(campaign, now).call_for(recipient)
    return call or Choices(campaign, now, include_unusable=True).call_for(recipient)


def _state(recipient: Recipient, under_way: Call | None, now: datetime) -> Check:
    """What the recipient's own state says, before any rule is asked."""
    label = recipient.get_status_display()
    if recipient.status in OVER:
        why = (recipient.outcome or recipient.reason).replace("_", " ")
        return Check(CheckName.RECIPIENT, "skip", f"{label}: {why}." if why else f"{label}.")
    if under_way and under_way.status == Status.QUEUED:
        return Check(CheckName.RECIPIENT, detail="A call is queued.")
    if recipient.status == Recipient.Status.REVIEW:
        return Check(CheckName.RECIPIENT, "defer", "A person must look: nobody knows whether the last call was placed.")
    if under_way:
        return Check(CheckName.RECIPIENT, "defer", f"A call is under way: {under_way.get_status_display().lower()}.")
    if promised := recipient.call_backs.filter(status=CallBack.Status.DUE).first():
        when = promised.due_there(now)
        return Check(CheckName.RECIPIENT, "defer", f"A call-back is promised for {when}.", promised.due_at)
    return Check(CheckName.RECIPIENT, detail=f"{label}.")


def _not_equipped(campaign: Campaign) -> Iterator[Check]:
    if campaign.assistant is None:
        yield Check(CheckName.ASSISTANT, "defer", "The campaign has no assistant.")
    else:
        yield Check(
            CheckName.CALLER_NUMBER, "defer", "The campaign has no active caller number at the assistant's account."
        )


def _variables(campaign: Campaign, call: Call) -> Check:
    _, missing = values_for(campaign, call)
    if missing:
        return Check(CheckName.VARIABLES, "skip", f"The assistant needs {', '.join(missing)}.")
    return Check(CheckName.VARIABLES)


def _answer(decision: Decision | None, checks: tuple[Check, ...]) -> Explanation:
    """One verdict over the state, the gate and the variables: as in the gate, a skip outweighs deferrals."""
    results = {check.result for check in checks}
    reason = decision.reason if decision else ""
    if decision and reason and decision.verdict == "skip" and "skip" not in results:
        # Waiting would outlast the campaign.
        checks = (*checks, Check(reason, "skip", decision.detail))
        results.add("skip")
    if "skip" in results:
        return Explanation("skip", None, checks)
    if "defer" not in results:
        return Explanation("allow", None, checks)
    if checks[0].until:  # a call-back: nothing comes before
        return Explanation("defer", checks[0].until, checks)
    known = reason and reason.traits.can_be_waited_out and checks[0].result == "allow"
    return Explanation("defer", decision.until if decision and known else None, checks)
