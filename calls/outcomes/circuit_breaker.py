"""How an account fares: blocked, unreachable, trusted again. Everything here is a single conditional update."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from calls.deadlines import CLUSTER_TIMING
from calls.gate.selection import can_go_on
from calls.models import Call, Status
from calls.webhooks import outbox
from campaigns.models import Campaign
from providers.adapters.errors import Misconfigured, NotSent, ProviderError, Rejected
from providers.models import ProviderAccount
from tenants import alerts

logger = logging.getLogger(__name__)
Block = ProviderAccount.Block

UNREACHABLE_AFTER = 5  # placings in a row without a usable answer
BOUNDLESS = 1_000_000
UNREACHABLE_FOR = 30.0  # seconds, doubling
UNREACHABLE_AT_MOST = 900.0
REFUSED_ALIKE_LEAST = 5
REFUSED_ALIKE_SHARE = 0.03


def block(account_id: int, code: str, reason: str, until: datetime | None = None) -> None:
    """Place nothing more through it. A fault of the set-up also pauses its campaigns, with the reason in words."""
    now = timezone.now()
    values = {"blocked_at": now, "blocked_until": until, "blocked_code": code, "blocked_reason": reason[:1000]}
    same = ProviderAccount.objects.filter(pk=account_id)
    with transaction.atomic():
        news = same.exclude(blocked_at__isnull=False, blocked_code=code).update(**values)
        if news:
            outbox.tell_of_block(account_id)
            _tell_of_block(same.select_related("organization").get(), now)
        if (news or same.update(**values)) and code == Block.MISCONFIGURED:
            running = using(account_id).filter(status=Campaign.Status.RUNNING)
            stuck = [campaign.pk for campaign in running if not can_go_on(campaign, now)]
            why = f"The account is set up wrongly: {reason}"[:500]
            still = Campaign.objects.filter(pk__in=stuck, status=Campaign.Status.RUNNING)
            outbox.move_campaigns(still, Campaign.Status.PAUSED, status_reason=why)
    logger.error("Account %s is blocked (%s): %s", account_id, code, reason)


def using(account_id: int) -> QuerySet[Campaign]:
    """Campaigns one of whose assistants is at this account."""
    through_it = Q(assistant__account=account_id) | Q(variants__assistant__account=account_id)
    return Campaign.objects.filter(through_it).select_related("assistant__account").distinct()


def _tell_of_block(account: ProviderAccount, now: datetime) -> None:
    """Once for each block, however many calls meet it."""
    words = (
        f"Account “{account.name}” is blocked: {Block(account.blocked_code).label.lower()}. {account.blocked_reason}"
    )
    key = f"account.blocked:{account.uuid}:{account.blocked_code}:{now.isoformat()}"
    alerts.tell(account.organization, key, words, str(account.uuid))


def doubt_key(account_id: int, call_id: int) -> None:
    """A call that was known is not found: the key may be another organization's. Staff are told."""
    logger.error(
        "Account %s: the provider does not know call %s, which it placed. Is the key right?", account_id, call_id
    )


def unblock(account_id: int) -> None:
    """A person says that it may go on."""
    ProviderAccount.objects.filter(pk=account_id).update(
        blocked_at=None, blocked_until=None, blocked_code="", blocked_reason="", failures_in_a_row=0
    )


def reached(call_id: int) -> None:
    """The provider answered a placing as documented: what was unreachable no longer is."""
    ProviderAccount.objects.filter(calls=call_id, failures_in_a_row__gt=0).update(failures_in_a_row=0)
    ProviderAccount.objects.filter(calls=call_id, blocked_code=Block.UNREACHABLE).update(
        blocked_at=None, blocked_until=None, blocked_code="", blocked_reason=""
    )


def not_reached(account_id: int, reason: str, now: datetime) -> None:
    """A placing without a usable answer, sent or not. Several in a row, or one that leaves no room for another doubt,
    block the account until a read works."""
    # Counted up to the limit: a burst of failures must not put the first probe off as if it had failed for hours.
    below = ProviderAccount.objects.filter(pk=account_id, failures_in_a_row__lt=UNREACHABLE_AFTER)
    below.update(failures_in_a_row=F("failures_in_a_row") + 1)
    account = ProviderAccount.objects.get(pk=account_id)
    doubts = Call.objects.filter(account=account_id, status=Status.UNCONFIRMED).count()
    full = account.max_unconfirmed is not None and doubts >= account.max_unconfirmed
    if (account.failures_in_a_row >= UNREACHABLE_AFTER or full) and not account.blocked(now):
        block(account_id, Block.UNREACHABLE, reason, now + _until_probe(account.failures_in_a_row))


def in_flight_at_most(account: ProviderAccount, placing: int, unconfirmed: int) -> int:
    """How many more placings may be on the wire at once.

    If all of them, and all that are there, became doubts, they would not exceed `max_unconfirmed`. After failures
    fewer, at last one alone: so an account that comes back is tried by one call, not by all that wait.
    """
    rooms = []
    if account.max_unconfirmed is not None:
        rooms.append(account.max_unconfirmed - unconfirmed)
    if account.failures_in_a_row:
        rooms.append(UNREACHABLE_AFTER - account.failures_in_a_row)
    return max(1, min(rooms)) - placing if rooms else BOUNDLESS


def claim_probes(now: datetime) -> list[ProviderAccount]:
    """Unreachable accounts whose next try is due, ours alone for a while."""
    due = ProviderAccount.objects.filter(blocked_code=Block.UNREACHABLE, blocked_until__lte=now)
    lease = now + timedelta(seconds=CLUSTER_TIMING.lease)
    return [account for account in due if _claim_probe(account, lease)]


def _claim_probe(account: ProviderAccount, lease: datetime) -> bool:
    unchanged = ProviderAccount.objects.filter(pk=account.pk, blocked_until=account.blocked_until)
    return unchanged.filter(blocked_code=Block.UNREACHABLE).update(blocked_until=lease) == 1


def probed(account: ProviderAccount, error: ProviderError | None, now: datetime) -> None:
    """What a harmless read said. It never dials; when it works, one call alone is tried next."""
    still = ProviderAccount.objects.filter(pk=account.pk, blocked_code=Block.UNREACHABLE)
    throttled = isinstance(error, NotSent) and error.throttled
    if error is None or throttled or isinstance(error, Rejected):  # it is alive, whatever it thinks of the question
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
    """30 s, doubling, at most a quarter of an hour."""
    doublings = min(max(0, failures - UNREACHABLE_AFTER), 10)
    return timedelta(seconds=min(UNREACHABLE_AT_MOST, UNREACHABLE_FOR * 2**doublings))


def block_if_too_doubtful(account_id: int) -> None:
    """More open unconfirmed calls than `max_unconfirmed` allows: something is wrong there."""
    account = ProviderAccount.objects.get(pk=account_id)
    if account.max_unconfirmed is None or (account.blocked_at is not None and account.blocked_until is None):
        return
    doubtful = Call.objects.filter(account=account_id, status=Status.UNCONFIRMED).count()
    if doubtful > account.max_unconfirmed:
        block(
            account_id,
            Block.UNCONFIRMED,
            f"{doubtful} calls are unconfirmed, more than the {account.max_unconfirmed} this account allows. "
            "Settle them on the Unconfirmed calls page, or unblock the account.",
        )


def lift_if_settled(account_id: int) -> None:
    """The unconfirmed calls that blocked the account are settled."""
    doubtful = Call.objects.filter(account=account_id, status=Status.UNCONFIRMED).count()
    enough = Q(max_unconfirmed=None) | Q(max_unconfirmed__gte=doubtful)
    ProviderAccount.objects.filter(enough, pk=account_id, blocked_code=Block.UNCONFIRMED).update(
        blocked_at=None, blocked_until=None, blocked_code="", blocked_reason=""
    )


def pause_if_refused_alike(call: Call) -> None:
    """The provider refuses this campaign's calls in the same words: stop before all of them are spent."""
    calls = Call.objects.filter(campaign=call.campaign_id)
    alike = calls.filter(status=Status.FAILED, ended_reason="refused", error_message=call.error_message).count()
    if alike < REFUSED_ALIKE_LEAST:
        return
    concluded = calls.exclude(status=Status.QUEUED).count()
    if alike < concluded * REFUSED_ALIKE_SHARE:
        return
    words = f"The provider refused {alike} calls alike: {call.error_message}"
    running = Campaign.objects.filter(calls=call, status=Campaign.Status.RUNNING)
    if outbox.move_campaigns(running, Campaign.Status.PAUSED, status_reason=words[:500]):
        campaign = Campaign.objects.select_related("organization").get(calls=call)
        key = f"campaign.refused_alike:{campaign.uuid}:{timezone.now().isoformat()}"
        alerts.tell(campaign.organization, key, f"“{campaign.name}” paused itself. {words}", str(campaign.uuid))
