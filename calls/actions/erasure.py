"""Erase a contact: remove personal data everywhere, and keep that calls were made, when, and why they were allowed.

A keyed hash of the number is kept, so that the do-not-call list still works and disputes can be answered.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models import Max, QuerySet, Value
from django.db.models.functions import Replace
from django.utils import timezone

from calls.actions import recipients
from calls.actions.campaigns import may_delete
from calls.actions.quiescing import IllegalTransition
from calls.gate.facts import A_DAY
from calls.gate.history import HISTORY
from calls.models import (
    OPEN,
    Call,
    CallBack,
    CallEvent,
    ContactNote,
    ProviderCallback,
    StaffDecision,
    Status,
    WebhookDelivery,
    new_token,
)
from calls.outcomes import staff_decisions, unknown_words
from campaigns.contact_locks import holder_keys, lock_keys, lock_numbers
from campaigns.do_not_call import entries
from campaigns.models import Contact, DoNotCall, ImportOverwrite, Recipient, UndoableChange
from campaigns.models.campaign import longest_min_gap_of
from campaigns.models.number_hash import number_hash, number_hashes
from tenants import audit_log
from tenants.journal.notes import note
from tenants.models import Alert

RecipientStatus = Recipient.Status
REASON = "The contact is erased."
CALLED_RECENTLY = "Erased, and called recently: not called again while those calls count."
# Personal data of a call, with the values that replace it.
PERSONAL: dict[str, Any] = {
    "to_number": "",
    "customer_name": "",
    "dynamic_variables": {},
    "metadata": {},
    "result": None,
    "result_text": "",
    "doubts": [],
    "provider_reason": "",
    "error_message": "",
}
WITHOUT_NAMES = (CallEvent.Source.ENGINE, CallEvent.Source.STAFF)  # sources whose events name no contact


def erase(contact: Contact, *, actor: str, reason: str, never_again: bool) -> None:
    """End everything that is queued or due, then erase the personal data.

    `never_again`: put all numbers on the do-not-call list first. Raises IllegalTransition while a call to the contact
    is open or its result is awaited.
    """
    _refuse_while_busy(contact)
    before = {name: getattr(contact, name) for name in ("on_hold", "hold_until", "hold_reason")}
    recipients.hold(contact, actor=actor, reason=REASON)  # from here on no further call is placed
    try:
        _refuse_while_busy(contact)
        _withdraw_everywhere(contact, actor)
        if never_again:
            entries.add_many(contact.organization, contact.numbers, reason="Asked to be erased.", source="erasure")
        _forget(contact, actor, reason)
    except IllegalTransition:
        Contact.objects.filter(pk=contact.pk).update(**before)
        raise


def _counts_until(contact: Contact) -> datetime | None:
    """Return until when the last call counts for a gap or cap of any campaign, or None when it counts no more."""
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
        raise IllegalTransition("A call to this contact is unconfirmed. Resolve it first, then erase the contact.")
    if calls.filter(status__in=OPEN).exists():
        raise IllegalTransition("A call to this contact is open. Erase the contact when it has ended.")
    if calls.filter(polling__isnull=False).exists():
        raise IllegalTransition("The result of a call to this contact is still awaited. Try again in half an hour.")


def _withdraw_everywhere(contact: Contact, actor: str) -> None:
    """Remove the contact from all lists and campaigns, and end its queued calls, under the locks of a claim."""
    contact.memberships.all().delete()
    for recipient in contact.recipients.exclude(status__in=[RecipientStatus.DONE, RecipientStatus.SKIPPED]).order_by(
        "pk"
    ):
        with suppress(IllegalTransition):  # the recipient is done meanwhile
            recipients.withdraw(recipient, actor=actor)
    for call in Call.objects.queued().filter(contact=contact).order_by("pk"):
        staff_decisions.cancel(call, "erased", REASON, actor=actor)


@transaction.atomic
def _forget(contact: Contact, actor: str, reason: str) -> None:
    numbers = contact.numbers
    _lock(contact, numbers)
    # A full row lock, so that no row that refers to the contact can be added until the contact is erased.
    held = Contact.objects.select_for_update().get(pk=contact.pk)
    if held.numbers != numbers:
        raise IllegalTransition("The contact's numbers were changed at the same moment. Try again.")
    _refuse_while_busy(held)
    if Call.objects.queued().filter(contact=held).exists():
        raise IllegalTransition("A call to this contact was queued at the same moment. Try again.")
    if held.memberships.exists():  # and perhaps a recipient of ongoing campaigns
        raise IllegalTransition("This contact was added to a list at the same moment. Try again.")
    audit_log.record(
        held.organization, actor=actor, action="contact.erase", subject=str(held.uuid), detail={"reason": reason}
    )
    note(held.organization, "erased", contact=str(held.uuid))
    _forget_numbers(held)
    _forget_texts(held)
    ImportOverwrite.objects.filter(contact=held).delete()
    UndoableChange.objects.filter(contact=held).delete()
    held.tagged.all().delete()
    if may_delete(held):
        held.delete()
        return
    _forget_calls(held)
    held.name = held.external_id = held.language = held.consent_evidence = ""
    held.phone_hash, held.erased_at = number_hash(held.phone), timezone.now()
    held.phone = f"erased{held.pk:x}"
    held.variables, held.created_by_import = {}, None
    held.on_hold, held.hold_until, held.hold_reason = True, None, REASON
    held.save()


def _lock(contact: Contact, numbers: Sequence[str]) -> None:
    """Lock the numbers, then everyone who has one of them, in the order of all code."""
    lock_numbers(contact.organization_id, numbers)
    lock_keys({contact.pk, *holder_keys(contact.organization_id, numbers)})


def _forget_numbers(held: Contact) -> None:
    """Delete the further numbers. Entries of the do-not-call list keep the hash of what nobody else has.

    While the calls to the contact count, its numbers are listed: an import would make a new contact of a number, to
    which no call counts.
    """
    organization, numbers = held.organization, number_hashes(held.numbers)
    listed = DoNotCall.objects.filter(organization=organization, phone_hash__in=numbers)
    if until := _counts_until(held):
        known = set(listed.values_list("phone_hash", flat=True))
        for hashed, phone in numbers.items():
            reason = "" if hashed in known else CALLED_RECENTLY
            entries.add_locked(organization, [phone], reason=reason, source="erasure", expires_at=until)
    held.further_numbers.all().delete()
    alone = [hashed for hashed, phone in numbers.items() if holder_keys(organization.pk, [phone]) in ([], [held.pk])]
    listed.filter(phone_hash__in=alone).update(phone="")


def _forget_calls(contact: Contact) -> None:
    """Erase what was ordered and what came back. New tokens make later status callbacks unknown."""
    calls = Call.objects.filter(contact=contact)
    for pk, number in calls.values_list("pk", "to_number"):
        Call.objects.filter(pk=pk).update(callback_token=new_token(), to_number_hash=number_hash(number))
    _forget_deliveries(WebhookDelivery.objects.filter(call__in=calls))
    ProviderCallback.objects.filter(call__in=calls).delete()
    events = CallEvent.objects.filter(call__in=calls)
    events.exclude(source__in=WITHOUT_NAMES).update(detail="")
    events.update(raw=b"", raw_size=0)
    for pk, reason in StaffDecision.objects.filter(call__in=calls).exclude(reason="").values_list("call", "reason"):
        typed = events.filter(call=pk, source=CallEvent.Source.STAFF)
        typed.update(detail=Replace("detail", Value(reason)))
    StaffDecision.objects.filter(call__in=calls).update(reason="")
    CallBack.objects.filter(contact=contact).update(note="")
    ContactNote.objects.filter(contact=contact).delete()
    unknown_words.forget(list(calls.values_list("uuid", flat=True)))
    calls.update(**PERSONAL, settle_until=None)


def _forget_deliveries(rows: QuerySet[WebhookDelivery]) -> None:
    """Delete webhook deliveries that are over, and erase personal data from those that still have to be sent."""
    waiting = (WebhookDelivery.Status.PENDING, WebhookDelivery.Status.HELD)
    for status, call in rows.filter(endpoint=None).exclude(status__in=waiting).values_list("status", "call"):
        Call.objects.filter(pk=call).update(callback_outcome=status)
    rows.exclude(status__in=waiting).delete()
    for row in rows.exclude(body=""):
        body = json.loads(row.body)
        body["data"] |= {name: value for name, value in PERSONAL.items() if name in body["data"]}
        WebhookDelivery.objects.filter(pk=row.pk).update(body=json.dumps(body, ensure_ascii=False))


def _forget_texts(contact: Contact) -> None:
    """Erase texts that name the contact: in alerts, in the audit log and in the history of the contact's page."""
    callbacks = [str(uuid) for uuid in contact.call_backs.values_list("uuid", flat=True)]
    Alert.objects.filter(organization=contact.organization_id, subject__in=callbacks).update(
        message="A scheduled callback was missed. The contact is erased."
    )
    calls = [str(uuid) for uuid in Call.objects.filter(contact=contact).values_list("uuid", flat=True)]
    audit_log.forget(contact.organization_id, [str(contact.uuid), *callbacks, *calls])
    kind = ContentType.objects.get_for_model(Contact)
    LogEntry.objects.filter(content_type=kind, object_id=str(contact.pk)).update(object_repr="Erased contact")
