"""Restore the calls that a database forgot, as a crash would have left them: in doubt.

A call whose row is there but not its claim becomes unconfirmed. A call without a row is made anew, so that history,
caps and waits count it, and late status callbacks find it by its address or by the provider's ID. Where a later call
to the same person or number is known, the earlier one has ended: it is `unknown`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from calls.gate import budgets
from calls.gate.history import HISTORY
from calls.journal.gathering import Answer, Intent
from calls.journal.persons import SOURCE, Numbers, list_number
from calls.models import OPEN, TERMINAL, Call, Status, record_event, with_provider_id
from calls.outcomes import circuit_breaker, staff_decisions
from calls.outcomes.placement_results import UNANSWERED
from calls.outcomes.transitions import ENGINE, LockedCall, finish, lock_call, mark_unconfirmed
from campaigns.contact_locks import lock_keys, lock_numbers
from campaigns.models import Campaign, Contact, Recipient
from providers.models import Assistant, PhoneNumber, ProviderAccount
from tenants.models import Organization

RESTORED = f"The database was restored from a backup that is older than this call. {UNANSWERED}"
ENDED = "The database was restored from an older backup. The call has ended since; how is not known."
CALLED_SINCE = "Called after the backup that was restored."
OTHER_NUMBER = "The number that was called is not known. Shown is the one that the contact has now."
ENDED_REASON = "restored"

# The results, as the table of the command names them.
DOUBTED, ANEW, OVER, UNSENT = "in doubt", "made anew, in doubt", "ended, outcome unknown", "not sent, still queued"
REFUSED, LISTED, KNOWN, NOBODY = "refused by the provider", "only the number is kept from calls", "known", "not of here"


@dataclass
class Scene:
    """What an intent refers to, as far as the restored database has it. Under the locks of a claim."""

    organization: Organization
    account: ProviderAccount | None
    campaign: Campaign | None
    contact: Contact | None
    phone: str  # "" if nobody has the number
    erased: bool  # the contact was erased after the backup: the call has ended
    call: Call | None = None


def restore(intent: Intent, answer: Answer | None, numbers: Mapping[UUID, Numbers], erased: Mapping[UUID, str]) -> str:
    """Restore one call in a transaction of its own. Return the result. Doing it again changes nothing."""
    with transaction.atomic():
        scene = _scene(intent, numbers, erased)
        if scene is None:
            return NOBODY
        if scene.call is not None:
            return _restore_claim(scene.call, intent, answer, scene)
        if answer and answer.kind == "unsent":
            return UNSENT
        return _make_anew(intent, answer, scene)


def _scene(intent: Intent, numbers: Mapping[UUID, Numbers], erased: Mapping[UUID, str]) -> Scene | None:
    owner = Organization.objects.select_for_update(no_key=True).filter(uuid=intent.organization).first()
    if owner is None:
        return None
    account = ProviderAccount.objects.filter(organization=owner, uuid=intent.account).first()
    circuit_breaker.lock([account.pk] if account else [])
    campaigns = Campaign.objects.select_for_update(no_key=True, of=("self",)).select_related("assistant")
    campaign = campaigns.filter(organization=owner, uuid=intent.campaign).first() if intent.campaign else None
    phone = numbers[owner.uuid].phone(intent.number)
    contact = Contact.objects.filter(organization=owner, uuid=intent.contact).first()
    if contact is None and phone:
        contact = (
            Contact.objects.filter(organization=owner, phone=phone).first()
            or Contact.objects.filter(organization=owner, further_numbers__phone=phone).first()
        )
    lock_numbers(owner.pk, [phone] if phone else [])
    lock_keys([contact.pk] if contact else [])
    gone = str(contact.uuid if contact else intent.contact)
    found = Scene(owner, account, campaign, contact, phone, intent.at.isoformat() <= erased.get(UUID(gone), ""))
    if call := Call.objects.filter(organization=owner, uuid=intent.call).first():
        found.call = lock_call(call.pk).call
    return found


def _restore_claim(call: Call, intent: Intent, answer: Answer | None, scene: Scene) -> str:
    """The row is there. Give it the claim that the database forgot, and what became of it."""
    if call.placing_attempts >= intent.fence:
        return KNOWN
    if answer and answer.kind == "unsent":
        Call.objects.filter(pk=call.pk).update(placing_attempts=intent.fence)
        return UNSENT
    if call.status in TERMINAL:
        return _restore_dial(call, intent, answer)
    if call.status == Status.QUEUED and call.recipient_id:
        Recipient.objects.filter(pk=call.recipient_id).update(attempts=F("attempts") + 1)
    last = _make_room(intent, call.organization_id, call.to_number, call.recipient_id)
    _claim(call, intent, Status.PLACING if last else Status.UNKNOWN)
    return _conclude(call, answer, scene, last) or DOUBTED


def _restore_dial(call: Call, intent: Intent, answer: Answer | None) -> str:
    """Somebody ended the call since, which was dialled: that counts, and the provider is asked how it went."""
    locked = lock_call(call.pk)
    locked.call.placing_attempts = intent.fence
    if answer and answer.kind == "refused":
        locked.save()
        return REFUSED
    locked.call.dialed_at = intent.at
    _learn(locked.call, answer)
    locked.call.next_read_at = timezone.now() if locked.call.provider_call_id else None
    locked.save()
    record_event(locked.call, "restored", ENGINE, RESTORED)
    if call.recipient_id:
        Recipient.objects.filter(pk=call.recipient_id).update(attempts=F("attempts") + 1)
    return OVER


def _learn(call: Call, answer: Answer | None) -> None:
    """Give a call the provider's ID that the journal has, unless another call has it."""
    if answer and answer.kind == "placed" and not with_provider_id(call.account_id, answer.provider_call_id):
        call.provider_call_id = answer.provider_call_id


def _claim(call: Call, intent: Intent, status: Status) -> None:
    """Store that a call was claimed, as the claim did."""
    now = timezone.now()
    call.status, call.status_reason = status, ""
    call.placing_attempts, call.dialed_at = intent.fence, intent.at
    if status == Status.PLACING:
        call.lease_until = now
        budgets.set_aside(call)
    else:
        call.lease_until, call.terminal_at, call.ended_reason = None, now, ENDED_REASON
        call.cost_reserved, call.next_read_at = Decimal(0), None
    call.save()
    record_event(call, "restored", ENGINE, f"Attempt {intent.attempt}, as the dial journal has it.", "", status)


def _conclude(call: Call, answer: Answer | None, scene: Scene, last: bool) -> str:
    """End a restored claim, or put it in doubt. Return the result if it is no doubt."""
    now = timezone.now()
    locked = lock_call(call.pk)
    _learn(locked.call, answer)
    if not last:
        locked.call.next_read_at = now if locked.call.provider_call_id else None
        locked.save()
        _let_rest(locked.call)
        return OVER
    if answer and answer.kind == "refused":
        locked.call.dialed_at, locked.call.ended_reason = None, "refused"
        finish(locked, Status.FAILED, ENGINE, "The provider refused it, as the dial journal has it.", now)
        return REFUSED
    if scene.erased:
        end(locked, read_on=False)
        return OVER
    mark_unconfirmed(locked, ENGINE, RESTORED, now)
    if locked.call.provider_call_id:  # the provider knows how it went
        locked.call.next_read_at = now
        locked.call.save()
    return ""


def _let_rest(call: Call) -> None:
    """The recipient of an earlier call is done, unless another call of it decides."""
    under_way = Call.objects.filter(recipient=call.recipient_id, status__in=(Status.QUEUED, *OPEN))
    going = Recipient.objects.filter(pk=call.recipient_id or 0).exclude(status=Recipient.Status.WITHDRAWN)
    if not under_way.exists():
        done = Recipient.Status.DONE
        going.update(status=done, outcome=Status.UNKNOWN, reason=ENDED_REASON, next_attempt_at=None)


def end(locked: LockedCall, *, read_on: bool) -> None:
    """End a call of which only is known that it is over. `read_on`: the provider is still asked how it went."""
    call, now = locked.call, timezone.now()
    call.ended_reason = ENDED_REASON
    call.next_read_at = now if read_on else None
    if not read_on:
        call.settle_until = None
    finish(locked, Status.UNKNOWN, ENGINE, ENDED, now)


def _make_room(intent: Intent, organization_id: int, phone: str, recipient_id: int | None) -> bool:
    """End what the same person or number had before this call. Return False when it had a later one since."""
    same = Q(to_number=phone) | Q(recipient=recipient_id) if recipient_id else Q(to_number=phone)
    others = Call.objects.filter(same, organization=organization_id).exclude(uuid=intent.call).order_by("pk")
    if others.filter(status__in=OPEN, dialed_at__gt=intent.at).exists():
        return False
    for other in others.filter(status__in=OPEN):
        end(lock_call(other.pk), read_on=True)
    if recipient_id:
        for other in others.filter(status=Status.QUEUED, recipient=recipient_id):
            staff_decisions.cancel(other, "superseded", "Another call of this recipient was placed already.")
    return True


def _make_anew(intent: Intent, answer: Answer | None, scene: Scene) -> str:
    owner = scene.organization
    if not scene.phone:
        _keep_from_calls(intent, scene)
    if scene.contact is None:
        return LISTED
    recipient = _recipient(scene.campaign, scene.contact) if scene.campaign else None
    means = _means(intent, scene)
    if means is None:
        if recipient:
            Recipient.objects.filter(pk=recipient.pk).update(
                status=Recipient.Status.REVIEW, reason="unconfirmed", next_attempt_at=None
            )
        _keep_from_calls(intent, scene)
        return LISTED
    account, assistant, caller = means
    if recipient:
        Recipient.objects.filter(pk=recipient.pk).update(attempts=F("attempts") + 1, next_attempt_at=None)
    phone = scene.phone or scene.contact.phone
    call = Call(
        uuid=intent.call,
        organization=owner,
        recipient=recipient,
        campaign=scene.campaign,
        contact=scene.contact,
        account=account,
        assistant=assistant,
        phone_number=caller,
        to_number=phone,
        from_number=caller.e164,
        attempt=intent.attempt,
        campaign_version=scene.campaign.version if scene.campaign else None,
        reference=intent.reference,
        callback_token=intent.address,
        created_by=SOURCE,
        due_at=None,
    )
    last = _make_room(intent, owner.pk, phone, recipient.pk if recipient else None)
    _claim(call, intent, Status.PLACING if last else Status.UNKNOWN)
    if not scene.phone:
        record_event(call, "restored", ENGINE, OTHER_NUMBER)
    return _conclude(call, answer, scene, last) or ANEW


def _recipient(campaign: Campaign, contact: Contact) -> Recipient:
    """Return the contact as recipient of the campaign. A later launch leaves one alone that is there."""
    status = Recipient.Status.CALLING
    return Recipient.objects.get_or_create(campaign=campaign, contact=contact, defaults={"status": status})[0]


def _means(intent: Intent, scene: Scene) -> tuple[ProviderAccount, Assistant, PhoneNumber] | None:
    """Return the account, assistant and caller number of a call, or others where the database lacks them."""
    account = scene.account
    own = scene.campaign.assistant if scene.campaign else None
    if account is None and own is not None:
        account = own.account
    if account is None:
        return None
    assistant = account.assistants.filter(uuid=intent.assistant).first() or account.assistants.order_by("pk").first()
    numbers = PhoneNumber.objects.filter(account=account).order_by("pk")
    caller = numbers.filter(uuid=intent.caller).first() or numbers.first()
    return (account, assistant, caller) if assistant and caller else None


def _keep_from_calls(intent: Intent, scene: Scene) -> None:
    """Keep a number from calls as long as any rule counts the call that cannot be made anew for it."""
    until = intent.at + HISTORY
    if until > timezone.now():
        list_number(scene.organization, intent.number, scene.phone, reason=CALLED_SINCE, source=SOURCE, until=until)


def learn_ids(answers: Mapping[tuple[UUID, int], Answer]) -> int:
    """Give calls that are in doubt, or about to be, the provider's ID that the journal has. Return how many."""
    learned = 0
    waiting = (Status.PLACING, Status.UNCONFIRMED)
    by_call = {key: (fence, answer) for (key, fence), answer in answers.items() if answer.kind == "placed"}
    keys = list(by_call)
    for start in range(0, len(keys), 1_000):
        some = Call.objects.filter(uuid__in=keys[start : start + 1_000], status__in=waiting, provider_call_id="")
        for pk, key in some.values_list("pk", "uuid"):
            learned += _learn_id(pk, *by_call[key])
    return learned


def _learn_id(pk: int, fence: int, answer: Answer) -> bool:
    with transaction.atomic():
        circuit_breaker.lock(list(Call.objects.filter(pk=pk).values_list("account_id", flat=True)))
        locked = lock_call(pk)
        call = locked.call
        if (
            call.placing_attempts != fence
            or call.provider_call_id
            or call.status
            not in (
                Status.PLACING,
                Status.UNCONFIRMED,
            )
        ):
            return False
        if with_provider_id(call.account_id, answer.provider_call_id):
            return False
        call.provider_call_id = answer.provider_call_id
        if call.status == Status.PLACING:
            mark_unconfirmed(locked, ENGINE, RESTORED, timezone.now())
        call.next_read_at = timezone.now()
        call.save()
        return True
