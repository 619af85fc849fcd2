"""What the retry rules that hold now allow a recipient that was called before: how many calls, and from when.

Waits count from the moment at which we saw the end of the last call, by our own clock. A provider's clock may be hours
behind, which would call a person again at once. Seen late, as after hours without a worker, the end only counts later.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from calls.gate.candidate import Candidate
from calls.models import Call, Status
from calls.models.statuses import PLACED_AND_ENDED, answered_by_voicemail
from campaigns.models import Campaign
from campaigns.models.campaign import retry_rule
from campaigns.rules import retries
from campaigns.rules.windows import Hours


@dataclass(frozen=True)
class Retry:
    """The retry rule for the outcome of a recipient's last call, and what it counts from. No rule: no further call.

    Where a campaign tries the contact's numbers in turn, the rule counts the calls to the number that is called next.
    """

    rule: retries.Rule | None
    attempts: int  # calls that the rule counts
    others: int  # calls to other numbers of the recipient, which only the campaign's maximum counts
    next_number: bool  # a number that was not called yet follows an unanswered one, whatever the rule allows there
    known_at: datetime  # when the outcome was stored, by our clock; it can be long after the end
    dialed_at: datetime
    seed: int

    @property
    def max_attempts(self) -> int | None:
        """The most calls to the recipient that the rule allows, to all numbers. None: it does not say."""
        if self.next_number:
            return None
        return self.others + (self.rule.max_attempts if self.rule else 0)

    def allows_another(self, campaign: Campaign) -> bool:
        """Return whether the rule and the campaign's maximum allow a further call."""
        limits = [campaign.max_attempts, *([] if self.max_attempts is None else [self.max_attempts])]
        return self.attempts + self.others < min(limits)

    def earliest(
        self, min_gap: timedelta, hours: Sequence[Hours], zones: Sequence[str], not_after: datetime | None
    ) -> datetime | None:
        """Return when the next call may be placed at the earliest. None: the rule allows no further call."""
        if self.rule is None:
            return self.known_at + min_gap if self.next_number else None
        again = self.rule.earliest(max(1, self.attempts), self.known_at, min_gap)
        if not self.rule.other_time_of_day:
            return again
        return retries.at_another_time_of_day(again, self.dialed_at, hours, zones, not_after, self.seed)


class Ended(NamedTuple):
    """What a retry needs of the call that it follows. The names are those of the columns."""

    status: str
    answered_by: str
    ended_reason: str
    terminal_at: datetime | None
    created_at: datetime
    dialed_at: datetime | None
    contact_id: int
    to_number: str

    @property
    def unanswered(self) -> bool:
        """Whether nobody answered, and no voicemail."""
        voicemail = answered_by_voicemail(self.answered_by, self.ended_reason)
        return self.status == Status.NO_ANSWER and not voicemail

    @classmethod
    def of(cls, call: Call) -> Ended:
        return cls(*(getattr(call, name) for name in cls._fields))


def load(calls: Sequence[Candidate]) -> dict[int, Retry]:
    """Return the retry of each recipient that was called before, by internal key, with one query and the rules'.

    The rule is that of the outcome of the last call, as it is at this moment: a rule that was changed or removed while
    a recipient waited holds for the recipient as well.
    """
    called = {
        call.recipient_id: (call.campaign, call.recipient.attempts, call.to_number)
        for call in calls
        if call.recipient_id and call.campaign and call.recipient and call.recipient.attempts and not call.asked_for
    }
    if not called:
        return {}
    campaigns = {campaign.pk: campaign for campaign, _, _ in called.values()}
    rules = {pk: rules_of(campaign) for pk, campaign in campaigns.items()}
    found = {}
    for recipient_id, past in past_calls(called).items():
        campaign, attempts, number = called[recipient_id]
        to_it = calls_to(number, past) if campaign.try_next_number else None
        found[recipient_id] = retry_after(past[-1], rules[campaign.pk], attempts, to_it)
    return found


def calls_to(number: str, past: Iterable[Ended]) -> int:
    """Return how many of these calls went to the number."""
    return sum(call.to_number == number for call in past)


def retry_after(last: Ended, rules: Iterable[retries.Rule], attempts: int, to_it: int | None = None) -> Retry:
    """Return the retry after this call, the last of `attempts` calls to its recipient.

    `to_it`: how many of them went to the number that is called next, where the campaign tries numbers in turn.
    """
    rule = retries.rule_after(rules, last.status, answered_by_voicemail(last.answered_by, last.ended_reason))
    known_at = last.terminal_at or last.dialed_at or last.created_at
    counted = attempts if to_it is None else min(to_it, attempts)
    next_number = to_it == 0 and last.unanswered
    dialed_at = last.dialed_at or known_at
    return Retry(rule, counted, attempts - counted, next_number, known_at, dialed_at, last.contact_id)


def rules_of(campaign: Campaign) -> list[retries.Rule]:
    """Return the campaign's retry rules, as the pure `retries.Rule`."""
    return [retry_rule(rule) for rule in campaign.retry_rules.all()]


def past_calls(recipients: Iterable[int]) -> dict[int, list[Ended]]:
    """Return the calls to each recipient that were placed and have ended, the last one last. A recipient has few."""
    ended = Call.objects.filter(recipient__in=recipients, status__in=PLACED_AND_ENDED).order_by("pk")
    found: defaultdict[int, list[Ended]] = defaultdict(list)
    for recipient, *row in ended.values_list("recipient_id", *Ended._fields):
        found[recipient].append(Ended(*row))
    return found
