"""Explain why a recipient is or is not called now: what every check of the gate answers, and every limit beyond it.

"allow" means that the engine enqueues the recipient in its next round, or places its queued call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

from django.utils import timezone

from calls.gate import facts as fact_sheet
from calls.gate.capacity import AHEAD, Load, load_of
from calls.gate.checks import CheckName
from calls.gate.decision import Check, Decision, Facts, Verdict, decide
from calls.gate.facts import within_a_day, within_a_month
from calls.gate.selection import Choices, choices_of, select_free, values_for
from calls.models import OPEN, Call, CallBack, Status
from calls.reports import limits
from campaigns.models import Campaign, Recipient
from campaigns.rules.whereabouts import whereabouts
from tenants.api.fields import utc_text

OVER = (Recipient.Status.DONE, Recipient.Status.SKIPPED, Recipient.Status.WITHDRAWN)
EXPLAINED = ("contact", "campaign__organization", "campaign__assistant__account")  # loaded with the recipient


@dataclass(frozen=True)
class Explanation:
    """`until` is the next moment at which the recipient may be called. None when it is unknown, and with `allow` and
    `skip`.
    """

    decision: Verdict
    until: datetime | None
    checks: tuple[Check, ...]

    def as_json(self) -> dict[str, Any]:
        checks = [{"name": check.name, "result": check.result, "detail": check.detail} for check in self.checks]
        return {"decision": self.decision, "until": utc_text(self.until), "checks": checks}


def explain(recipient: Recipient, now: datetime | None = None) -> Explanation:
    """Return what each check says about calling this recipient now. Writes nothing."""
    known = Recipient.objects.select_related(*EXPLAINED).prefetch_related("campaign__windows")
    return explain_loaded(known.get(pk=recipient.pk), now or timezone.now())


def explain_loaded(recipient: Recipient, now: datetime) -> Explanation:
    """Explain a recipient that was just read with the relations in `EXPLAINED` and with `campaign__windows`."""
    open_call = _open_call(recipient)
    state = _state(recipient, open_call, now)
    further: Callable[[Load], list[Check]]
    if open_call and open_call.status == Status.QUEUED:
        call = open_call
        _wait_until_due(call, now)
        (facts,) = fact_sheet.load([call], now)
        decision = decide_ahead(facts, now)
        further = partial(limits.on_queued_call, call, facts, now=now)
    elif (found := _next(recipient, now)) is not None:
        call, decision, choices = found
        further = partial(limits.on_recipient, recipient, call, choices, now=now)
    else:
        return _answer(None, (state, *_nothing_to_call_with(recipient.campaign)))
    variables = () if recipient.status in OVER or call.pk else (_variables(recipient.campaign, call),)
    checks = (state, *(_with_chosen_zones(check, recipient) for check in decision.checks))
    if state.result != "allow":
        return _answer(decision, (*checks, *variables))
    load = load_of(call.account, now)
    lines = limits.of_account(load, now)
    answer = _answer(decision, (*checks, *lines, *variables))
    if answer.decision != "allow":
        return answer
    more = further(load)
    named = {limit.name for limit in more}
    return _answer(decision, (*checks, *(line for line in lines if line.name not in named), *more, *variables))


def _wait_until_due(call: Call, now: datetime) -> None:
    """Let a queued call that was put off, or keeps its campaign's pace, wait until it is due: nothing places it before.

    A call that was put off waits even if the reason is over.
    """
    if call.due_at and (call.status_reason or call.due_at <= now + AHEAD):
        call.not_before = max(filter(None, (call.not_before, call.due_at)))


def decide_ahead(facts: Facts, now: datetime) -> Decision:
    """Return the gate's decision, with `until` followed to the end: a gap can end while the window is closed."""
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


def _with_chosen_zones(check: Check, recipient: Recipient) -> Check:
    """Add to a check of calling hours why these zones count, where the campaign's own choice says so."""
    if check.name not in (CheckName.CALLING_HOURS, CheckName.NO_OPENING):
        return check
    contact = recipient.contact
    found = whereabouts(contact.timezone, recipient.number, recipient.campaign.zone_rule)
    return replace(check, detail=f"{check.detail} ({found.reason})") if found.chosen else check


def _open_call(recipient: Recipient) -> Call | None:
    """Return the recipient's queued or open call."""
    related = ("account", "assistant", "phone_number")
    found = Call.objects.select_related(*related).filter(recipient=recipient, status__in=(Status.QUEUED, *OPEN)).first()
    if found:
        found.recipient, found.contact, found.campaign = recipient, recipient.contact, recipient.campaign
        found.organization = recipient.campaign.organization
    return found


def next_call(recipient: Recipient, now: datetime) -> Call | None:
    """Return the call that the engine would queue. None: the campaign has no assistant or no caller number for it."""
    campaign = recipient.campaign
    if campaign.assistant is None:
        return None
    return choices_of(campaign, now).call_for(recipient)


def _next(recipient: Recipient, now: datetime) -> tuple[Call, Decision, Choices] | None:
    """Return the call that the engine would queue now, what the gate says ahead, and its choices.

    As the engine does, pass over a caller number that rests or has no free line, while another can call. None: nothing
    can call.
    """
    if recipient.campaign.assistant is None:
        return None
    choices = choices_of(recipient.campaign, now)
    call = choices.call_to(recipient)
    if recipient.status in Recipient.WAITING_STATUSES and recipient.next_attempt_at:
        call.not_before = recipient.next_attempt_at
    batch = choices.read_facts([call], now)
    found = select_free(choices, call, lambda each: decide_ahead(batch.facts_of(each), now), set())
    return found and (call, found[1], choices)


def _state(recipient: Recipient, open_call: Call | None, now: datetime) -> Check:
    """Return what the recipient's own status says, before any rule is asked."""
    label = recipient.get_status_display()
    if recipient.status in OVER:
        why = (recipient.outcome or recipient.reason).replace("_", " ")
        return Check(CheckName.RECIPIENT, "skip", f"{label}: {why}." if why else f"{label}.")
    if open_call and open_call.status == Status.QUEUED:
        return Check(CheckName.RECIPIENT, detail="A call is queued.")
    if recipient.held:
        return Check(CheckName.RECIPIENT, "defer", "Needs attention: a team member has to decide about its values.")
    if recipient.status == Recipient.Status.REVIEW:
        return Check(CheckName.RECIPIENT, "defer", "Needs attention: it is unknown whether the last call was placed.")
    if open_call:
        return Check(CheckName.RECIPIENT, "defer", f"A call is under way: {open_call.get_status_display().lower()}.")
    if scheduled := recipient.call_backs.filter(status=CallBack.Status.DUE).first():
        scheduled.recipient, scheduled.contact = recipient, recipient.contact
        when = scheduled.due_there(now)
        return Check(CheckName.RECIPIENT, "defer", f"A callback is scheduled for {when}.", scheduled.due_at)
    return Check(CheckName.RECIPIENT, detail=f"{label}.")


def _nothing_to_call_with(campaign: Campaign) -> Iterator[Check]:
    if campaign.assistant is None:
        yield Check(CheckName.ASSISTANT, "defer", "The campaign has no assistant.")
    else:
        yield Check(
            CheckName.CALLER_NUMBER,
            "defer",
            "The campaign has no active caller number at the assistant's provider account.",
        )


def _variables(campaign: Campaign, call: Call) -> Check:
    spoken = values_for(campaign, call)
    if spoken.missing:
        return Check(CheckName.VARIABLES, "skip", spoken.sentence)
    if spoken.reason:
        return Check(CheckName.PLACEHOLDER_VALUES, "defer" if spoken.held else "skip", spoken.sentence)
    return Check(CheckName.VARIABLES)


def _answer(decision: Decision | None, checks: tuple[Check, ...]) -> Explanation:
    """Return one verdict from status, gate and variables. As in the gate, a skip outweighs deferrals."""
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
    if checks[0].until:  # a scheduled callback: nothing calls the contact before
        return Explanation("defer", checks[0].until, checks)
    known = reason and reason.traits.can_be_waited_out and checks[0].result == "allow"
    return Explanation("defer", decision.until if decision and known else None, checks)
