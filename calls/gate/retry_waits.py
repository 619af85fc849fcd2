"""What the retry rules that hold now allow a recipient that was called before: how many calls, and from when."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from calls.gate.candidate import Candidate
from calls.models import TERMINAL, Call, Status
from calls.models.call import answered_by_voicemail
from campaigns.models import Campaign
from campaigns.models.campaign import retry_rule
from campaigns.rules import retries
from campaigns.rules.windows import Hours

PLACED_AND_ENDED = [status for status in TERMINAL if status != Status.CANCELED]


@dataclass(frozen=True)
class Retry:
    """The retry rule for the outcome of a recipient's last call, and what it counts from. No rule: no further call."""

    rule: retries.Rule | None
    attempts: int  # calls to the recipient so far
    ended_at: datetime
    known_at: datetime  # when the outcome was stored; it can be long after the end
    dialed_at: datetime
    seed: int

    @property
    def max_attempts(self) -> int:
        return self.rule.max_attempts if self.rule else 0

    def earliest(
        self, min_gap: timedelta, hours: Sequence[Hours], zones: Sequence[str], not_after: datetime | None
    ) -> datetime | None:
        """Return when the next call may be placed at the earliest. None: the rule allows no further call."""
        if self.rule is None:
            return None
        again = self.rule.earliest(self.attempts, self.ended_at, min_gap)
        if not self.rule.other_time_of_day:
            return again
        earliest = max(again, self.known_at)
        return retries.at_another_time_of_day(earliest, self.dialed_at, hours, zones, not_after, self.seed)


class Ended(NamedTuple):
    """What a retry needs of the call that it follows. The names are those of the columns."""

    status: str
    answered_by: str
    ended_reason: str
    ended_at: datetime | None
    terminal_at: datetime | None
    created_at: datetime
    dialed_at: datetime | None
    contact_id: int

    @classmethod
    def of(cls, call: Call) -> Ended:
        return cls(*(getattr(call, name) for name in cls._fields))


def load(calls: Sequence[Candidate]) -> dict[int, Retry]:
    """Return the retry of each recipient that was called before, by internal key, with one query and the rules'.

    The rule is that of the outcome of the last call, as it is at this moment: a rule that was changed or removed while
    a recipient waited holds for the recipient as well.
    """
    called = {
        call.recipient_id: (call.campaign, call.recipient.attempts)
        for call in calls
        if call.recipient_id and call.campaign and call.recipient and call.recipient.attempts and not call.asked_for
    }
    if not called:
        return {}
    campaigns = {campaign.pk: campaign for campaign, _ in called.values()}
    rules = {pk: rules_of(campaign) for pk, campaign in campaigns.items()}
    found = {}
    for recipient_id, last in _last_calls(called).items():
        campaign, attempts = called[recipient_id]
        found[recipient_id] = retry_after(last, rules[campaign.pk], attempts)
    return found


def retry_after(last: Ended, rules: Iterable[retries.Rule], attempts: int) -> Retry:
    """Return the retry after this call, the last of `attempts` calls to its recipient."""
    rule = retries.rule_after(rules, last.status, answered_by_voicemail(last.answered_by, last.ended_reason))
    known_at = last.terminal_at or last.ended_at or last.created_at
    ended_at = last.ended_at or known_at
    return Retry(rule, attempts, ended_at, known_at, last.dialed_at or ended_at, last.contact_id)


def rules_of(campaign: Campaign) -> list[retries.Rule]:
    """Return the campaign's retry rules, as the pure `retries.Rule`."""
    return [retry_rule(rule) for rule in campaign.retry_rules.all()]


def _last_calls(recipients: Iterable[int]) -> dict[int, Ended]:
    """Return the last call of each recipient. A recipient has few calls, so all are read, the last one last."""
    ended = Call.objects.filter(recipient__in=recipients, status__in=PLACED_AND_ENDED).order_by("pk")
    return {recipient: Ended(*row) for recipient, *row in ended.values_list("recipient_id", *Ended._fields)}
