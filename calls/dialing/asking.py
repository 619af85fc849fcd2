"""Ask the gate about the calls of a claim, one after the other: each counts for those after it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime

from calls.dialing.dequeueing import follow_number, take_back
from calls.dialing.intents import Judged
from calls.dialing.loading import weightless
from calls.gate import facts as fact_sheet
from calls.gate import pacing
from calls.gate.decision import Facts, decide, with_more
from calls.gate.selection import Choices, why_another_way
from calls.models import Call
from calls.outcomes import staff_decisions
from tenants.money import Amounts

# Calls that one claim ends, replaces or takes back. Each takes several statements, and the account is locked meanwhile.
ENDED_AT_MOST = 50


class Asking:
    """The answers about the calls of one claim.

    A call of a campaign to a number that its contact has no longer is replaced, and so is one by an assistant of weight
    0 where another can call. At most ENDED_AT_MOST calls are ended in one of these ways; the others are left to the
    next claim.
    """

    def __init__(self, calls: Sequence[Call], now: datetime) -> None:
        self.allowed: list[Judged] = []
        self.deferred: list[Judged] = []
        self.ended = 0  # calls that were ended, replaced or taken back
        self._now = now
        self._batch = fact_sheet.read_as_made(calls, now)
        self._weightless = weightless(calls)
        self._choices: dict[int, Choices] = {}  # by campaign, for calls by stand-ins
        self._lines: Counter[int] = Counter()
        self._in_campaign: Counter[int | None] = Counter()
        self._reserved: defaultdict[int | None, Amounts] = defaultdict(Amounts)
        self._in_this_batch = Amounts()  # the batch is of one account, and so of one organization
        self._paced: dict[int | None, datetime | None] = {}
        for call in calls:
            self._ask(call)

    def _ask(self, call: Call) -> None:
        if call.recipient and not self._batch.persons.has(call):
            if self._may_end():
                follow_number(call, call.recipient.number, self._now)
            return
        if (call.campaign_id, call.assistant_id) in self._weightless and self._goes_another_way(call):
            return
        facts = self._facts_of(call)
        decision = decide(facts, self._now)
        if decision.verdict == "allow":
            self.allowed.append((call, decision))
            self._count(call, facts)
        elif decision.verdict == "defer" and decision.until is not None:
            self.deferred.append((call, decision))
        elif self._may_end():
            evidence = decision.as_json(self._now)
            staff_decisions.cancel(call, decision.reason, decision.detail, decision=evidence)

    def _may_end(self) -> bool:
        """Return whether this claim may end another call, and count it."""
        self.ended += 1
        return self.ended <= ENDED_AT_MOST

    def _facts_of(self, call: Call) -> Facts:
        """Return the facts of a call. They include what this claim has allowed before it."""
        found, lines = self._batch.facts_of(call), self._lines[call.phone_number_id]
        return found.but(
            number_open=found.number_open + lines,
            campaign_open=found.campaign_open + self._in_campaign[call.campaign_id],
            spent=None if found.spent is None else with_more(found.spent, self._reserved[call.campaign_id]),
            daily_budgets=tuple(each.with_more(self._in_this_batch) for each in found.daily_budgets),
            campaign_next_at=self._paced.get(call.campaign_id, found.campaign_next_at),
            number_in_a_day=found.number_in_a_day + lines,
            number_last_at=self._now if lines else found.number_last_at,
        )

    def _count(self, call: Call, facts: Facts) -> None:
        self._batch.history.open.add(call)
        self._lines[call.phone_number_id] += 1
        self._in_campaign[call.campaign_id] += 1
        if facts.reserve:
            self._reserved[call.campaign_id] += [facts.reserve]
            self._in_this_batch += [facts.reserve]
        if call.campaign and pacing.applies_to(call):
            self._paced[call.campaign_id] = pacing.next_moment(call.campaign, facts.campaign_next_at, self._now)

    def _goes_another_way(self, call: Call) -> bool:
        """Take back a call by an assistant of weight 0, where another can call. Return whether it must not go out.

        The engine does so for all queued calls (`enqueueing.reroute`); a claim may come before it. The choices of each
        campaign are made once, because an account in trouble may leave many calls to stand-ins.
        """
        assert call.campaign is not None  # noqa: S101
        if call.campaign.pk not in self._choices:
            self._choices[call.campaign.pk] = Choices(call.campaign, self._now)
        why = why_another_way(self._choices[call.campaign.pk], call, self._now)
        if not why:
            return False
        return not self._may_end() or take_back(call, "rerouted", why, self._now)
