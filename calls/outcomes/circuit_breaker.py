"""Circuit breaker: block a provider account that fails, probe it, and unblock it.

Each change of an account is one conditional update, so that workers cannot undo each other's changes.
"""

from __future__ import annotations

import enum
import logging
import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from calls.deadlines import CLUSTER_TIMING
from calls.gate import rate_limits
from calls.gate.capacity import UNREACHABLE_AFTER
from calls.gate.selection import can_go_on
from calls.models import Call, Status
from calls.webhooks import outbox
from campaigns.models import Campaign
from providers.adapters.errors import Misconfigured, NotSent, ProviderError, Rejected
from providers.models import ProviderAccount
from tenants import alerts

logger = logging.getLogger(__name__)
Block = ProviderAccount.Block

UNREACHABLE_FOR = 30.0  # seconds, doubling
UNREACHABLE_AT_MOST = 900.0
REFUSED_ALIKE_LEAST = 5
REFUSED_ALIKE_SHARE = 0.03


def block(account_id: int, code: str, reason: str, until: datetime | None = None) -> None:
    """Place nothing more through the account. A wrong set-up also pauses its campaigns, with the reason in words.

    The alert and the webhook come once for each block, however many calls meet it.
    """
    now = timezone.now()
    values = {"blocked_at": now, "blocked_until": until, "blocked_code": code, "blocked_reason": reason[:1000]}
    account = ProviderAccount.objects.filter(pk=account_id)
    with transaction.atomic():
        is_new = account.exclude(blocked_at__isnull=False, blocked_code=code).update(**values)
        if is_new:
            outbox.publish_account_block(account_id)
            _alert(account.select_related("organization").get(), now)
        if (is_new or account.update(**values)) and code == Block.MISCONFIGURED:
            running = campaigns_using(account_id).filter(status=Campaign.Status.RUNNING)
            stuck = [campaign.pk for campaign in running if not can_go_on(campaign, now)]
            why = f"The provider account is set up wrongly: {reason}"[:500]
            still = Campaign.objects.filter(pk__in=stuck, status=Campaign.Status.RUNNING)
            outbox.move_campaigns(still, Campaign.Status.PAUSED, status_reason=why)
    logger.error("Account %s is blocked (%s)", account_id, code)  # its page has the reason: the provider's own words


def campaigns_using(account_id: int) -> QuerySet[Campaign]:
    """Return the campaigns with an assistant at this account."""
    with_assistant = Q(assistant__account=account_id) | Q(variants__assistant__account=account_id)
    return Campaign.objects.filter(with_assistant).select_related("assistant__account").distinct()


def _alert(account: ProviderAccount, now: datetime) -> None:
    label = Block(account.blocked_code).label.lower()
    message = f"Provider account “{account.name}” is blocked: {label}. {account.blocked_reason}"
    key = f"account.blocked:{account.uuid}:{account.blocked_code}:{now.isoformat()}"
    alerts.tell(account.organization, key, message, str(account.uuid))


def report_unknown_call(account_id: int, call_id: int) -> None:
    """Log that the provider does not know a call it placed: the key may be another organization's."""
    logger.error(
        "Account %s: the provider does not know call %s, which it placed. Is the key right?", account_id, call_id
    )


def unblock(account_id: int) -> None:
    """Unblock the account because a team member says so, and forget its failures."""
    ProviderAccount.objects.filter(pk=account_id).update(
        blocked_at=None, blocked_until=None, blocked_code="", blocked_reason="", failures_in_a_row=0
    )


class Means(enum.Enum):
    """What the answer to one call means for the other calls of its account or campaign."""

    ANSWERED = "the provider answered as documented"
    FAILED = "no usable answer came, sent or not"
    UNCONFIRMED = "one call more is unconfirmed"
    RESOLVED = "one call less is unconfirmed"
    THROTTLED = "the provider asks for a pause"
    MISCONFIGURED = "every call would be refused alike"
    REFUSED = "the provider refused this call"


@dataclass(frozen=True)
class Effect:
    """What one answer means beyond its call. `reason`: in words. `seconds`: of a pause."""

    means: Means
    reason: str = ""
    seconds: float = 0


def lock(accounts: Collection[int]) -> None:
    """Lock accounts, in the order of a claim. Lock the calls afterwards."""
    rows = ProviderAccount.objects.select_for_update(no_key=True).filter(pk__in=accounts).order_by("pk")
    list(rows.values_list("pk"))


def settle(effects: Iterable[tuple[Call, Effect]], now: datetime) -> None:
    """Do what answers mean beyond their calls, which are stored: as one answer after the other would, in this order."""
    by_account: defaultdict[int, list[Effect]] = defaultdict(list)
    refused: Counter[tuple[int, str]] = Counter()
    for call, effect in effects:
        if effect.means is not Means.REFUSED:
            by_account[call.account_id].append(effect)
        elif call.campaign_id:
            refused[call.campaign_id, call.error_message] += 1
    for account_id in sorted(by_account):
        _settle(account_id, by_account[account_id], now)
    for (campaign_id, message), count in refused.items():
        pause_if_refused_alike(campaign_id, message, count)


def _settle(account_id: int, effects: Sequence[Effect], now: datetime) -> None:
    """Go through the effects for one account under its lock, in memory: it is written where something changes."""
    health = _Health.locked(account_id, effects)
    for effect in effects:
        if effect.means is Means.ANSWERED:
            health.answered()
        elif effect.means is Means.FAILED:
            health.failed(effect.reason, now)
        elif effect.means is Means.UNCONFIRMED:
            health.one_more_unconfirmed()
    health.store()
    if pauses := [effect.seconds for effect in effects if effect.means is Means.THROTTLED]:
        rate_limits.close_for_placing(account_id, max(pauses), now)
    wrong = [effect.reason for effect in effects if effect.means is Means.MISCONFIGURED]
    for reason in dict.fromkeys(wrong[:1] + wrong[-1:]):  # the first is told, the last is kept
        block(account_id, Block.MISCONFIGURED, reason)
    if any(effect.means is Means.RESOLVED for effect in effects):
        unblock_if_resolved(account_id)


@dataclass
class _Health:
    """An account under its lock, as it stands after each of several answers."""

    account: ProviderAccount
    unconfirmed: int
    stored_failures: int

    @classmethod
    def locked(cls, account_id: int, effects: Iterable[Effect]) -> _Health:
        account = ProviderAccount.objects.select_for_update(no_key=True).get(pk=account_id)
        means = Counter(effect.means for effect in effects)
        counts = means[Means.UNCONFIRMED] or means[Means.FAILED]
        unconfirmed = Call.objects.filter(account=account_id, status=Status.UNCONFIRMED).count() if counts else 0
        return cls(account, unconfirmed - means[Means.UNCONFIRMED], account.failures_in_a_row)

    def answered(self) -> None:
        self.account.failures_in_a_row = 0
        if self.account.blocked_code == Block.UNREACHABLE:
            self.store()
            record_success([self.account.pk])
            self._read_again()

    def failed(self, reason: str, now: datetime) -> None:
        """Count a placing without a usable answer.

        Several in a row block the account until a probe works. So does one that leaves no room for another doubt.
        """
        account = self.account
        # Counted up to the limit alone: a burst of failures must not delay the first probe as hours of failure would.
        if account.failures_in_a_row < UNREACHABLE_AFTER:
            account.failures_in_a_row += 1
        full = account.max_unconfirmed is not None and self.unconfirmed >= account.max_unconfirmed
        if (account.failures_in_a_row >= UNREACHABLE_AFTER or full) and not account.blocked(now):
            self._block(Block.UNREACHABLE, reason, now + _until_probe(account.failures_in_a_row))

    def one_more_unconfirmed(self) -> None:
        """Block the account when it has more open unconfirmed calls than its `max_unconfirmed` allows."""
        account = self.account
        self.unconfirmed += 1
        if account.max_unconfirmed is None or (account.blocked_at is not None and account.blocked_until is None):
            return
        if self.unconfirmed > account.max_unconfirmed:
            self._block(
                Block.UNCONFIRMED,
                f"{self.unconfirmed} calls are unconfirmed, more than the {account.max_unconfirmed} this account "
                "allows. Resolve them on the Unconfirmed calls page, or unblock the account.",
            )

    def store(self) -> None:
        """Store the number of failures."""
        failures = self.account.failures_in_a_row
        if failures != self.stored_failures:
            ProviderAccount.objects.filter(pk=self.account.pk).update(failures_in_a_row=failures)
            self.stored_failures = failures

    def _block(self, code: str, reason: str, until: datetime | None = None) -> None:
        self.store()
        block(self.account.pk, code, reason, until)
        self._read_again()

    def _read_again(self) -> None:
        self.account.refresh_from_db(fields=["blocked_at", "blocked_until", "blocked_code", "failures_in_a_row"])


def record_success(accounts: Collection[int]) -> None:
    """Record that providers answered a placing as documented: an account that was unreachable no longer is."""
    ProviderAccount.objects.filter(pk__in=accounts, failures_in_a_row__gt=0).update(failures_in_a_row=0)
    ProviderAccount.objects.filter(pk__in=accounts, blocked_code=Block.UNREACHABLE).update(
        blocked_at=None, blocked_until=None, blocked_code="", blocked_reason=""
    )


def claim_probes(now: datetime) -> list[ProviderAccount]:
    """Lease the unreachable accounts whose probe is due, and return them. No other worker probes them meanwhile."""
    due = ProviderAccount.objects.filter(blocked_code=Block.UNREACHABLE, blocked_until__lte=now)
    lease = now + timedelta(seconds=CLUSTER_TIMING.lease)
    return [account for account in due if _claim_probe(account, lease)]


def _claim_probe(account: ProviderAccount, lease: datetime) -> bool:
    unchanged = ProviderAccount.objects.filter(pk=account.pk, blocked_until=account.blocked_until)
    return unchanged.filter(blocked_code=Block.UNREACHABLE).update(blocked_until=lease) == 1


def record_probe(account: ProviderAccount, error: ProviderError | None, now: datetime) -> None:
    """Record the answer to a harmless read. When the read works, one call alone is placed next."""
    still = ProviderAccount.objects.filter(pk=account.pk, blocked_code=Block.UNREACHABLE)
    throttled = isinstance(error, NotSent) and error.throttled
    if error is None or throttled or isinstance(error, Rejected):  # any documented answer shows that it is reachable
        still.update(
            blocked_at=None,
            blocked_until=None,
            blocked_code="",
            blocked_reason="",
            failures_in_a_row=UNREACHABLE_AFTER - 1,
            place_tokens=0,
            place_tokens_at=now,
        )
    elif isinstance(error, Misconfigured):
        block(account.pk, Block.MISCONFIGURED, str(error))
    else:
        failures = account.failures_in_a_row + 1
        still.update(failures_in_a_row=failures, blocked_until=now + _until_probe(failures))


def _until_probe(failures: int) -> timedelta:
    """Return the wait before the next probe: 30 s, doubling with each failure, at most 15 minutes."""
    doublings = min(max(0, failures - UNREACHABLE_AFTER), 10)
    return timedelta(seconds=min(UNREACHABLE_AT_MOST, UNREACHABLE_FOR * 2**doublings))


def unblock_if_resolved(account_id: int) -> None:
    """Lift the block for too many unconfirmed calls when few enough are left."""
    unconfirmed = Call.objects.filter(account=account_id, status=Status.UNCONFIRMED).count()
    enough = Q(max_unconfirmed=None) | Q(max_unconfirmed__gte=unconfirmed)
    ProviderAccount.objects.filter(enough, pk=account_id, blocked_code=Block.UNCONFIRMED).update(
        blocked_at=None, blocked_until=None, blocked_code="", blocked_reason=""
    )


def pause_if_refused_alike(campaign_id: int, message: str, count: int = 1) -> None:
    """Pause the campaign when the provider refuses many of its calls in the same words, to spare the others.

    `count`: how many of them were stored just now. The reason names the first number that is too many.
    """
    calls = Call.objects.filter(campaign=campaign_id)
    alike = calls.filter(status=Status.FAILED, ended_reason="refused", error_message=message).count()
    if alike < REFUSED_ALIKE_LEAST:
        return
    most = calls.exclude(status=Status.QUEUED).count() * REFUSED_ALIKE_SHARE
    if alike < most:
        return
    alike = max(alike - count + 1, REFUSED_ALIKE_LEAST, math.ceil(most))
    reason = f"The provider refused {alike} calls with the same error: {message}"
    running = Campaign.objects.filter(pk=campaign_id, status=Campaign.Status.RUNNING)
    if outbox.move_campaigns(running, Campaign.Status.PAUSED, status_reason=reason[:500]):
        campaign = Campaign.objects.select_related("organization").get(pk=campaign_id)
        key = f"campaign.refused_alike:{campaign.uuid}:{timezone.now().isoformat()}"
        alerts.tell(campaign.organization, key, f"“{campaign.name}” paused itself. {reason}", str(campaign.uuid))
