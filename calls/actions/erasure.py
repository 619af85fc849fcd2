"""Erasing a person: what tells who they were goes everywhere; that calls were made, when and why they might be, stays.

Of the number a keyed hash is kept, so that the do-not-call list goes on to hold and a dispute about it can be answered.
"""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import datetime
from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models import Max, QuerySet
from django.utils import timezone

from calls.actions import recipients
from calls.actions.campaigns import may_delete
from calls.actions.quiescing import IllegalNow
from calls.gate.facts import A_DAY, HISTORY
from calls.models import OPEN, Call, CallBack, CallEvent, ProviderCallback, Status, WebhookDelivery, new_token
from calls.outcomes import staff_decisions
from campaigns.do_not_call import entries
from campaigns.models import Contact, DoNotCall, Recipient
from campaigns.models.campaign import longest_min_gap_of
from campaigns.models.number_hash import number_hash
from tenants import audit_log
from tenants.models import Alert, AuditEntry

R = Recipient.Status
REASON = "The person is erased."
RESTS = "Erased, and called a short time ago: rests as long as those calls count."
# What a call keeps of whom it rang and what was said.
WHO: dict[str, Any] = {
    "to_number": "",
    "customer_name": "",
    "dynamic_variables": {},
    "metadata": {},
    "result": None,
    "provider_reason": "",
    "error_message": "",
}
OUR_OWN = (CallEvent.Source.ENGINE, CallEvent.Source.STAFF)  # whose sentences name nobody


def erase(contact: Contact, *, actor: str, reason: str, never_again: bool) -> None:
    """Take back what is queued, then forget who it was. `never_again`: list the number as do-not-call first.

    Raises IllegalNow while a call is under way or its result is awaited.
    """
    _refuse_while_busy(contact)
    before = {name: getattr(contact, name) for name in ("on_hold", "hold_until", "hold_reason")}
    recipients.hold(contact, actor=actor, reason=REASON)  # nothing further is placed from here on
    try:
        _refuse_while_busy(contact)
        _take_back(contact, actor)
        if never_again:
            entries.add(contact.organization, contact.phone, reason="Asked to be erased.", source="erasure")
        _forget(contact, actor, reason)
    except IllegalNow:
        Contact.objects.filter(pk=contact.pk).update(**before)
        raise


def _counts_until(contact: Contact) -> datetime | None:
    """Until when the last call to them holds another one back, by any campaign's gap or cap; None where none does."""
    last = Call.objects.filter(contact=contact).aggregate(at=Max("dialed_at"))["at"]
    if last is None:
        return None
    organization = contact.organization
    gap = longest_min_gap_of(organization)
    until: datetime = last + (HISTORY if organization.max_attempts_per_30_days is not None else max(A_DAY, gap))
    return until if until > timezone.now() else None


def _refuse_while_busy(contact: Contact) -> None:
    calls = Call.objects.filter(contact=contact)
    if calls.filter(status=Status.UNCONFIRMED).exists():
        raise IllegalNow("A call to this person is unconfirmed. Settle it first, then erase the person.")
    if calls.filter(status__in=OPEN).exists():
        raise IllegalNow("A call to this person is under way. Erase the person when it is over.")
    if calls.filter(next_read_at__isnull=False).exists():
        raise IllegalNow("The result of a call to this person is still awaited. Try again in half an hour.")


def _take_back(contact: Contact, actor: str) -> None:
    """Off every list and out of every campaign, under the locks of those who place and feed."""
    contact.memberships.all().delete()
    for recipient in contact.recipients.exclude(status__in=[R.DONE, R.SKIPPED]).order_by("pk"):
        with suppress(IllegalNow):  # it is done meanwhile
            recipients.withdraw(recipient, actor=actor)
    for call in Call.objects.queued().filter(contact=contact).order_by("pk"):
        staff_decisions.cancel(call, "erased", REASON, actor=actor)


@transaction.atomic
def _forget(contact: Contact, actor: str, reason: str) -> None:
    # The whole row is locked: nothing that refers to the person can be added until they are forgotten.
    held = Contact.objects.select_for_update().get(pk=contact.pk)
    _refuse_while_busy(held)
    if Call.objects.queued().filter(contact=held).exists():
        raise IllegalNow("A call to this person was queued at the same moment. Try again.")
    audit_log.record(
        held.organization, actor=actor, action="contact.erase", subject=str(held.uuid), detail={"reason": reason}
    )
    hashed = number_hash(held.phone)
    listed = DoNotCall.objects.filter(organization=held.organization_id, phone_hash=hashed)
    if until := _counts_until(held):  # whoever imports the number again is a new person to us, and it was just called
        reason = "" if listed.exists() else RESTS
        entries.add(held.organization, held.phone, reason=reason, source="erasure", expires_at=until)
    listed.update(phone="")
    _forget_words(held)
    if may_delete(held):
        held.delete()
        return
    _forget_calls(held)
    held.name = held.external_id = held.language = held.consent_evidence = ""
    held.phone, held.phone_hash, held.erased_at = f"erased{held.pk:x}", hashed, timezone.now()
    held.variables, held.created_by_import = {}, None
    held.on_hold, held.hold_until, held.hold_reason = True, None, REASON
    held.save()


def _forget_calls(contact: Contact) -> None:
    """What was ordered for them and what came back; no callback of a provider is taken for them any more."""
    calls = Call.objects.filter(contact=contact)
    for pk in calls.values_list("pk", flat=True):
        Call.objects.filter(pk=pk).update(callback_token=new_token())
    _forget_deliveries(WebhookDelivery.objects.filter(call__in=calls))
    ProviderCallback.objects.filter(call__in=calls).delete()
    events = CallEvent.objects.filter(call__in=calls)
    events.exclude(source__in=OUR_OWN).update(detail="")
    events.update(raw="")
    CallBack.objects.filter(contact=contact).update(note="")
    calls.update(**WHO, settle_until=None)


def _forget_deliveries(rows: QuerySet[WebhookDelivery]) -> None:
    """What customers' systems were told goes; what they still have to be told tells them no more than how it ended."""
    waiting = WebhookDelivery.Status.PENDING
    for status, call in rows.filter(endpoint=None).exclude(status=waiting).values_list("status", "call"):
        Call.objects.filter(pk=call).update(callback_outcome=status)
    rows.exclude(status=waiting).delete()
    for row in rows.exclude(body=""):
        told = json.loads(row.body)
        told["data"] |= {name: value for name, value in WHO.items() if name in told["data"]}
        WebhookDelivery.objects.filter(pk=row.pk).update(body=json.dumps(told, ensure_ascii=False))


def _forget_words(contact: Contact) -> None:
    """Sentences that name them: of alerts, of the audit, and of the history of their page."""
    promises = [str(uuid) for uuid in contact.call_backs.values_list("uuid", flat=True)]
    Alert.objects.filter(organization=contact.organization_id, subject__in=promises).update(
        message="A call-back was missed. The person is erased."
    )
    for entry in AuditEntry.objects.filter(
        organization=contact.organization_id, subject__in=[str(contact.uuid), *promises]
    ).exclude(action="contact.erase"):
        kept = {name: value for name, value in entry.detail.items() if name not in {"reason", "note", "name"}}
        AuditEntry.objects.filter(pk=entry.pk).update(detail=kept)
    kind = ContentType.objects.get_for_model(Contact)
    LogEntry.objects.filter(content_type=kind, object_id=str(contact.pk)).update(object_repr="Erased person")
