"""Status callbacks of providers: stored first, answered at once, processed afterwards."""

from __future__ import annotations

import hmac
import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Count, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from calls.models import Call, CallEvent, ProviderCallback, Status, record_event, still_read_with_id, with_provider_id
from calls.outcomes import opt_out, recording
from calls.outcomes.folding import fold
from providers.adapters.base import Reading, Verification
from providers.adapters.call_ids import same_call
from providers.adapters.errors import ProviderError
from providers.models import ProviderAccount
from tenants import failpoints

logger = logging.getLogger(__name__)
MAX_BODY = 256 * 1024
KEPT_HEADERS = 40
WORTH_A_READ = frozenset({"result", "result_text", "cost_price"})  # fields of an ended call
BATCH = 100
# A token takes so many callbacks in a minute, and no more while so many wait to be read. A provider sends at most about
# ten for one call: with each of them sent five times, they fit.
RATE, RATE_WINDOW = 60, timedelta(minutes=1)
UNPROVEN_KEPT = 100  # callbacks of one call that nobody signed: beyond them, the oldest are deleted
UNREADABLE_KEPT = 16 * 1024  # bytes of a body that could not be read
KEPT = timedelta(days=30)
PURGED_AT_ONCE = 1000
RETRY_WAITS = tuple(timedelta(seconds=seconds) for seconds in (5, 30, 120, 600))  # after them the callback is set aside
AWAITS_KEY = timedelta(minutes=1)  # until a callback is tried again whose account's credentials cannot be read


def receive(provider: str, token: str, headers: Mapping[str, str], body: bytes, *, account_wide: bool = False) -> int:
    """Store one status callback. Order: token, account, signature, inbox row. Header names are in lower case.

    Return the HTTP status: 200 stored, 401 wrong signature, 404 unknown token, 429 too many for one token, 503 while
    the secret that checks the signature cannot be read.
    """
    call, account, counted = _owner(provider, token, account_wide)
    if account is None:
        return 404
    if counted >= RATE:
        return 429
    if account.credentials_readable:
        secret = account.readable_credentials.get("endpoint_secret", "") if account_wide else ""
        verified = account.adapter.verify_callback(headers, body, timezone.now(), secret)
    elif account_wide:
        return 503
    else:
        verified = Verification.UNSIGNED  # it is kept until the key is back: the provider may not send it again
    if verified is Verification.BAD or (account_wide and verified is not Verification.VERIFIED):
        return 401
    ProviderCallback.objects.create(
        call=call,
        account=account,
        verification=verified.value,
        headers={name: value[:500] for name, value in list(headers.items())[:KEPT_HEADERS] if name not in _PRIVATE},
        body=body[:MAX_BODY],
    )
    failpoints.reach("callbacks.filed")
    return 200


def note_too_long(provider: str, token: str) -> None:
    """Read a call now, because a callback to its token is too long to be stored. It may be the only one."""
    call, *_ = _owner(provider, token, account_wide=False)
    if call is not None and not call.events.filter(type="callback", at__gt=timezone.now() - RATE_WINDOW).exists():
        _read_now(call.pk, f"A callback of more than {MAX_BODY // 1024} KiB was refused.")


_PRIVATE = {"authorization", "cookie", "proxy-authorization"}


def _owner(provider: str, token: str, account_wide: bool) -> tuple[Call | None, ProviderAccount | None, int]:
    """Return the call and the account of a token, and how many callbacks count against its rate.

    An account-wide token has no call, an unknown token has neither.
    """
    if account_wide:
        account = ProviderAccount.objects.filter(provider=provider, hook_token=token).first()
        return None, account if account and hmac.compare_digest(account.hook_token, token) else None, 0
    counting = Q(received_at__gt=timezone.now() - RATE_WINDOW) | Q(processed_at=None)
    found = ProviderCallback.objects.filter(counting, call=OuterRef("pk")).order_by().values("call")
    counted = Coalesce(Subquery(found.annotate(n=Count("pk")).values("n")), 0)
    calls = Call.objects.select_related("account").filter(callback_token=token, account__provider=provider)
    call: Any = calls.annotate(counted=counted).first()
    if call is None or not hmac.compare_digest(call.callback_token, token):
        return None, None, 0
    return call, call.account, call.counted


def pending(limit: int = BATCH) -> list[int]:
    """Return the keys of callbacks to process, oldest first.

    A callback for a call that is being placed waits until the answer to the placing is recorded.
    """
    unread = ProviderCallback.objects.filter(processed_at=None, next_attempt_at__lte=timezone.now())
    ready = unread.exclude(call__status=Status.PLACING)
    return list(ready.order_by("pk").values_list("pk", flat=True)[:limit])


class _NeedsKey(Exception):
    """The callback asks for a read, which needs credentials that cannot be read now."""


def process(pk: int) -> None:
    """Process one callback. Processing it again changes nothing.

    While the credentials of its account cannot be read, a callback that only makes a read due is put off.
    """
    try:
        _process(pk)
    except _NeedsKey:
        _put_off(pk, AWAITS_KEY)


def _process(pk: int) -> None:
    with transaction.atomic():
        found = ProviderCallback.objects.select_for_update(skip_locked=True, of=("self",)).filter(
            pk=pk, processed_at=None, next_attempt_at__lte=timezone.now()
        )
        row = found.select_related("account").first()
        if row is None:
            return
        row.processed_at, row.error = timezone.now(), ""
        row.verification = _verified_now(row).value
        try:
            reading = row.account.adapter.parse_callback(row.headers, bytes(row.body))
        except ProviderError as error:
            row.error = str(error)[:500]
            row.body = bytes(row.body)[:UNREADABLE_KEPT]
            if row.call_id and row.account.adapter.has_callbacks:
                _demand_key(row.account)
                _read_now(row.call_id, row.error)
        else:
            row.call_id = row.call_id or _call_of(row.account, reading)
            if row.call_id is None:
                row.error = "This callback is about a call that is not ours."
            else:
                _apply(row.call_id, reading, Verification(row.verification), bytes(row.body))
        row.save()
        _forget_surplus(row)
        failpoints.reach("callbacks.processing")
    failpoints.reach("callbacks.processed")


def postpone(pk: int) -> None:
    """Process a callback later because the database failed. It counts no attempt and delays no other callback."""
    _put_off(pk, RETRY_WAITS[0])


def _put_off(pk: int, wait: timedelta) -> None:
    ProviderCallback.objects.filter(pk=pk, processed_at=None).update(next_attempt_at=timezone.now() + wait)


def _verified_now(row: ProviderCallback) -> Verification:
    """Return whether the callback is signed. When it came, the secret may not have been readable."""
    known = Verification(row.verification)
    if known is not Verification.UNSIGNED or not row.account.credentials_readable:
        return known
    found = row.account.adapter.verify_callback(row.headers, bytes(row.body), row.received_at)
    return found if found is Verification.VERIFIED else known  # a secret may be newer than the callback


def _demand_key(account: ProviderAccount) -> None:
    """Raise _NeedsKey if no read of the account can be sent now."""
    if not account.credentials_readable:
        raise _NeedsKey


def note_failure(pk: int, why: str) -> None:
    """Note that a bug made processing fail: the callback is retried a few times, then set aside with its error."""
    now = timezone.now()
    with transaction.atomic():
        row = ProviderCallback.objects.select_for_update().filter(pk=pk, processed_at=None).first()
        if row is None:
            return
        row.attempts += 1
        if row.attempts <= len(RETRY_WAITS):
            row.next_attempt_at = now + RETRY_WAITS[row.attempts - 1]
            row.error = f"Processing failed ({why[:200]}) and will be tried again."
        else:
            row.processed_at = now
            row.error = f"Set aside: processing failed {row.attempts} times ({why[:200]})."
            logger.error("Status callback %s: %s", pk, row.error)
            if row.call_id:
                source = CallEvent.Source.CALLBACK
                record_event(row.call_id, "callback", source, row.error)
        row.save(update_fields=["attempts", "error", "next_attempt_at", "processed_at"])


def _forget_surplus(row: ProviderCallback) -> None:
    """Delete the oldest unsigned callbacks of a call beyond UNPROVEN_KEPT, so that a token cannot fill the database."""
    if row.call_id is None or row.verification == Verification.VERIFIED.value:
        return
    read = ProviderCallback.objects.filter(call_id=row.call_id, processed_at__isnull=False)
    unproven = read.exclude(verification=Verification.VERIFIED.value).order_by("-pk")
    last = unproven.values_list("pk", flat=True)[UNPROVEN_KEPT : UNPROVEN_KEPT + 1].first()
    if last is not None:
        unproven.filter(pk__lte=last).delete()


def purge(limit: int = PURGED_AT_ONCE) -> int:
    """Delete callbacks that were read and are older than KEPT, at most `limit`. Return how many.

    What they said is in the call and its events.
    """
    old = ProviderCallback.objects.filter(received_at__lt=timezone.now() - KEPT, processed_at__isnull=False)
    ids = list(old.order_by("received_at").values_list("pk", flat=True)[:limit])
    return ProviderCallback.objects.filter(pk__in=ids).delete()[0] if ids else 0


def _call_of(account: ProviderAccount, reading: Reading) -> int | None:
    """Return the key of the call that an account-wide callback is about, or None."""
    named = reading.provider_call_id
    found = list(account.calls.filter(reference=reading.reference)) if reading.reference else []
    found = found or with_provider_id(account.pk, named) or still_read_with_id(account.pk, named)
    return found[0].pk if found else None


def _apply(call_id: int, reading: Reading, verified: Verification, body: bytes) -> None:
    """Record a trusted callback; take any other as a hint."""
    now = timezone.now()
    call = Call.objects.select_related("account").get(pk=call_id)
    adapter = call.account.adapter
    signed = verified is Verification.VERIFIED
    # Plum never gives an id. Without an id to read, its callback to the call's own token is the only outcome there is.
    only_record = not adapter.gives_call_id and not call.provider_call_id and call.status != Status.QUEUED
    if signed or only_record:
        recording.record(call_id, reading, CallEvent.Source.CALLBACK, body)
    else:
        _demand_key(call.account)
        _take_as_hint(call_id, reading, now)


def _take_as_hint(call_id: int, reading: Reading, now: datetime) -> None:
    """Make the next read due at once. An unsigned callback may also supply the ID, which the read then confirms."""
    call = Call.objects.select_for_update(of=("self",)).get(pk=call_id)
    named = reading.provider_call_id
    if named and call.provider_call_id and not same_call(named, call.provider_call_id):
        detail = f"Ignored: it is about {named[:200]}, another call of the provider."
        record_event(call, "callback", CallEvent.Source.CALLBACK, detail)
        return
    if call.is_terminal and call.status not in (Status.UNKNOWN, Status.EXPIRED) and not _tells_more(call, reading, now):
        return
    lacks_id = not call.provider_call_id and call.status == Status.UNCONFIRMED
    if named and lacks_id and not with_provider_id(call.account_id, named):
        call.provider_call_id = named[:200]
    _make_due(call, now)
    call.save(update_fields=["provider_call_id", "polling", "settle_until", "updated_at"])
    detail = f"The provider says '{reading.provider_status[:100]}'; its status is read now."
    record_event(call, "callback", CallEvent.Source.CALLBACK, detail)


def _tells_more(call: Call, reading: Reading, now: datetime) -> bool:
    """Return whether a hint about an ended call has a result or a price that is not known, or an opt-out."""
    heard = opt_out.is_new(call, reading)
    return heard or bool(fold(call, reading, now, CallEvent.Source.CALLBACK).changes.keys() & WORTH_A_READ)


def _read_now(call_id: int, why: str) -> None:
    """Make the next read of a call due because of a callback that says nothing readable."""
    with transaction.atomic():
        call = Call.objects.select_for_update(of=("self",)).get(pk=call_id)
        if not call.provider_call_id or (call.is_terminal and call.status not in (Status.UNKNOWN, Status.EXPIRED)):
            return
        _make_due(call, timezone.now())
        call.save(update_fields=["polling", "settle_until", "updated_at"])
        record_event(call, "callback", CallEvent.Source.CALLBACK, f"{why} The call's status is read now.")


def _make_due(call: Call, now: datetime) -> None:
    if call.provider_call_id:
        call.next_read_at = now
        if call.is_terminal:  # it was given up, or there is more to know: it is read for a while, not forever
            call.settle_until = now + recording.SETTLING_LASTS
