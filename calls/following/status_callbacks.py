"""What providers push. Stored first, answered at once, read afterwards."""

from __future__ import annotations

import hmac
import logging
from collections.abc import Mapping
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from calls.models import Call, CallEvent, ProviderCallback, Status, record_event
from calls.outcomes import recording
from providers.adapters.base import Snapshot, Verification
from providers.adapters.errors import ProviderError
from providers.models import ProviderAccount
from tenants import failpoints

logger = logging.getLogger(__name__)
MAX_BODY = 64 * 1024
KEPT_HEADERS = 40
BATCH = 100
RETRY_WAITS = tuple(timedelta(seconds=seconds) for seconds in (5, 30, 120, 600))  # then it is set aside


def receive(provider: str, token: str, headers: Mapping[str, str], body: bytes, *, account_wide: bool = False) -> int:
    """File one callback. Order: token, account, signature, inbox row. Header names are lower-case.

    Answers the HTTP status: 200 filed, 401 signature wrong, 404 nobody's token.
    """
    call, account = _whose(provider, token, account_wide)
    if account is None:
        return 404
    secret = str((account.credentials or {}).get("endpoint_secret", "")) if account_wide else ""
    verified = account.adapter.verify_callback(headers, body, timezone.now(), secret)
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


_PRIVATE = {"authorization", "cookie", "proxy-authorization"}


def _whose(provider: str, token: str, account_wide: bool) -> tuple[Call | None, ProviderAccount | None]:
    if account_wide:
        account = ProviderAccount.objects.filter(provider=provider, hook_token=token).first()
        return None, account if account and hmac.compare_digest(account.hook_token, token) else None
    call = Call.objects.select_related("account").filter(callback_token=token, account__provider=provider).first()
    if call is None or not hmac.compare_digest(call.callback_token, token):
        return None, None
    return call, call.account


def pending(limit: int = BATCH) -> list[int]:
    """Unread callbacks, oldest first. Those of a call whose placing is not answered yet wait for that answer."""
    unread = ProviderCallback.objects.filter(processed_at=None, next_attempt_at__lte=timezone.now())
    ready = unread.exclude(call__status=Status.PLACING)
    return list(ready.order_by("pk").values_list("pk", flat=True)[:limit])


def process(pk: int) -> None:
    """Read one callback. Repeating it changes nothing."""
    with transaction.atomic():
        found = ProviderCallback.objects.select_for_update(skip_locked=True, of=("self",)).filter(
            pk=pk, processed_at=None, next_attempt_at__lte=timezone.now()
        )
        row = found.select_related("account").first()
        if row is None:
            return
        row.processed_at, row.error = timezone.now(), ""
        try:
            seen = row.account.adapter.parse_callback(row.headers, bytes(row.body))
        except ProviderError as error:
            row.error = str(error)[:500]
        else:
            row.call_id = row.call_id or _call_of(row.account, seen)
            if row.call_id is None:
                row.error = "This callback speaks of a call that is not ours."
            else:
                _apply(row.call_id, seen, Verification(row.verification), bytes(row.body))
        row.save()
        failpoints.reach("callbacks.processing")
    failpoints.reach("callbacks.processed")


def put_off(pk: int) -> None:
    """The database was in trouble. The callback is as good as before, and stands before no other meanwhile."""
    ProviderCallback.objects.filter(pk=pk, processed_at=None).update(next_attempt_at=timezone.now() + RETRY_WAITS[0])


def note_failure(pk: int, why: str) -> None:
    """Processing it failed by a mistake of ours: it is tried again later, a few times, then set aside for people."""
    now = timezone.now()
    with transaction.atomic():
        row = ProviderCallback.objects.select_for_update().filter(pk=pk, processed_at=None).first()
        if row is None:
            return
        row.attempts += 1
        if row.attempts <= len(RETRY_WAITS):
            row.next_attempt_at = now + RETRY_WAITS[row.attempts - 1]
            row.error = f"Reading it failed ({why[:200]}); it is tried again."
        else:
            row.processed_at = now
            row.error = f"Set aside: reading it failed {row.attempts} times ({why[:200]})."
            logger.error("Callback %s: %s", pk, row.error)
            if row.call_id:
                source = CallEvent.Source.CALLBACK
                record_event(row.call_id, "callback", source, row.error)
        row.save(update_fields=["attempts", "error", "next_attempt_at", "processed_at"])


def _call_of(account: ProviderAccount, seen: Snapshot) -> int | None:
    """Whose call an account-wide callback speaks of."""
    by_id = Q(provider_call_id=seen.provider_call_id) if seen.provider_call_id else Q(pk=None)
    by_reference = Q(reference=seen.reference) if seen.reference else Q(pk=None)
    found = account.calls.filter(by_id | by_reference).values_list("pk", flat=True)
    return found.first()


def _apply(call_id: int, seen: Snapshot, verified: Verification, body: bytes) -> None:
    now = timezone.now()
    call = Call.objects.select_related("account").get(pk=call_id)
    adapter = call.account.adapter
    signed = verified is Verification.VERIFIED
    # Plum names no id anywhere: where we have none to ask for, its callback to the call's own token is the outcome.
    only_record = not adapter.gives_call_id and not call.provider_call_id and call.status != Status.QUEUED
    if signed or only_record:
        recording.record(call_id, seen, CallEvent.Source.CALLBACK, body)
    else:
        _take_as_hint(call_id, seen, now)


def _take_as_hint(call_id: int, seen: Snapshot, now: datetime) -> None:
    """Nobody signed it: it makes the next read due, and may supply the id that the read then confirms."""
    call = Call.objects.select_for_update(of=("self",)).get(pk=call_id)
    foreign = seen.provider_call_id and call.provider_call_id and seen.provider_call_id != call.provider_call_id
    if foreign:
        detail = f"Ignored: it speaks of {seen.provider_call_id[:200]}, another call of the provider."
        record_event(call, "callback", CallEvent.Source.CALLBACK, detail)
        return
    if call.is_terminal and call.status not in (Status.UNKNOWN, Status.EXPIRED):
        return
    if seen.provider_call_id and not call.provider_call_id and call.status == Status.UNCONFIRMED:
        taken = call.account.calls.filter(provider_call_id=seen.provider_call_id).exists()
        if not taken:
            call.provider_call_id = seen.provider_call_id[:200]
    if call.provider_call_id:
        call.next_read_at = now
        if call.is_terminal:  # given up: asked again for a while, not for ever
            call.settle_until = now + recording.SETTLING_LASTS
    call.save(update_fields=["provider_call_id", "next_read_at", "settle_until", "updated_at"])
    detail = f"The provider says '{seen.provider_status[:100]}'; asked for its status now."
    record_event(call, "callback", CallEvent.Source.CALLBACK, detail)
