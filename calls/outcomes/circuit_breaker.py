"""Circuit breaker: block a provider account that fails, probe it, and unblock it.

Each change of an account is one conditional update, so that workers cannot undo each other's changes.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from calls.deadlines import CLUSTER_TIMING
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
    logger.error("Account %s is blocked (%s): %s", account_id, code, reason)


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


def record_success(call_id: int) -> None:
    """Record that the provider answered a placing as documented: an account that was unreachable no longer is."""
    ProviderAccount.objects.filter(calls=call_id, failures_in_a_row__gt=0).update(failures_in_a_row=0)
    ProviderAccount.objects.filter(calls=call_id, blocked_code=Block.UNREACHABLE).update(
        blocked_at=None, blocked_until=None, blocked_code="", blocked_reason=""
    )


def record_failure(account_id: int, reason: str, now: datetime) -> None:
    """Record a placing without a usable answer, sent or not.

    Several in a row block the account until a probe works. So does one that leaves no room for another doubt.
    """
    # Counted up to the limit alone: a burst of failures must not delay the first probe as hours of failure would.
    below = ProviderAccount.objects.filter(pk=account_id, failures_in_a_row__lt=UNREACHABLE_AFTER)
    below.update(failures_in_a_row=F("failures_in_a_row") + 1)
    account = ProviderAccount.objects.get(pk=account_id)
    doubts = Call.objects.filter(account=account_id, status=Status.UNCONFIRMED).count()
    full = account.max_unconfirmed is not None and doubts >= account.max_unconfirmed
    if (account.failures_in_a_row >= UNREACHABLE_AFTER or full) and not account.blocked(now):
        block(account_id, Block.UNREACHABLE, reason, now + _until_probe(account.failures_in_a_row))


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


def block_if_too_many_unconfirmed(account_id: int) -> None:
    """Block the account when it has more open unconfirmed calls than its `max_unconfirmed` allows."""
    account = ProviderAccount.objects.get(pk=account_id)
    if account.max_unconfirmed is None or (account.blocked_at is not None and account.blocked_until is None):
        return
    unconfirmed = Call.objects.filter(account=account_id, status=Status.UNCONFIRMED).count()
    if unconfirmed > account.max_unconfirmed:
        block(
            account_id,
            Block.UNCONFIRMED,
            f"{unconfirmed} calls are unconfirmed, more than the {account.max_unconfirmed} this account allows. "
            "Resolve them on the Unconfirmed calls page, or unblock the account.",
        )


def unblock_if_resolved(account_id: int) -> None:
    """Lift the block for too many unconfirmed calls when few enough are left."""
    unconfirmed = Call.objects.filter(account=account_id, status=Status.UNCONFIRMED).count()
    enough = Q(max_unconfirmed=None) | Q(max_unconfirmed__gte=unconfirmed)
    ProviderAccount.objects.filter(enough, pk=account_id, blocked_code=Block.UNCONFIRMED).update(
        blocked_at=None, blocked_until=None, blocked_code="", blocked_reason=""
    )


def pause_if_refused_alike(call: Call) -> None:
    """Pause the campaign when the provider refuses many of its calls in the same words, to spare the others."""
    calls = Call.objects.filter(campaign=call.campaign_id)
    alike = calls.filter(status=Status.FAILED, ended_reason="refused", error_message=call.error_message).count()
    if alike < REFUSED_ALIKE_LEAST:
        return
    concluded = calls.exclude(status=Status.QUEUED).count()
    if alike < concluded * REFUSED_ALIKE_SHARE:
        return
    reason = f"The provider refused {alike} calls with the same error: {call.error_message}"
    running = Campaign.objects.filter(calls=call, status=Campaign.Status.RUNNING)
    if outbox.move_campaigns(running, Campaign.Status.PAUSED, status_reason=reason[:500]):
        campaign = Campaign.objects.select_related("organization").get(calls=call)
        key = f"campaign.refused_alike:{campaign.uuid}:{timezone.now().isoformat()}"
        alerts.tell(campaign.organization, key, f"“{campaign.name}” paused itself. {reason}", str(campaign.uuid))
