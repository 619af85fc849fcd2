"""Apply an assistant's opt-out rules: ends that mean "do not call me again" add a do-not-call entry."""

from __future__ import annotations

from collections.abc import Iterable

from calls.models import OPT_OUT, Call, record_event
from calls.outcomes.opt_out_matching import Rule, matching_rule
from calls.outcomes.transitions import LockedCall
from campaigns.contact_locks import holder_keys, lock_keys, lock_numbers
from campaigns.do_not_call import entries
from campaigns.models import Campaign
from campaigns.undoable import supersede
from providers.adapters.base import Reading
from providers.models import ProviderAccount
from tenants import alerts, audit_log
from tenants.db.encrypted_fields import UndecryptableSecret
from tenants.journal.notes import note

SOURCE, HELD, ACTOR = "opt-out", "opt_out_held", "Trunkline"


class NeedsContactLock(Exception):
    """The number has to go on the do-not-call list, but its contact was not locked before the call."""


def lock_contact(call: Call) -> None:
    """Lock account, campaign and the contacts of the number in the order of a claim. Lock the call afterwards.

    An opt-out under an ID that two calls share counts for both of their numbers.
    """
    shared = Call.objects.filter(uuid=call.id_shared_with) if call.id_shared_with else Call.objects.none()
    calls = [call, *shared.only("campaign", "contact", "to_number")]
    numbers = {each.to_number for each in calls}
    campaigns = {each.campaign_id or 0 for each in calls}
    list(ProviderAccount.objects.select_for_update(no_key=True).filter(pk=call.account_id).values_list("pk"))
    list(Campaign.objects.select_for_update(no_key=True).filter(pk__in=campaigns).order_by("pk").values_list("pk"))
    lock_numbers(call.organization_id, numbers)
    lock_keys({*(each.contact_id for each in calls), *holder_keys(call.organization_id, numbers)})


def apply_rules(locked: LockedCall, call: Call, *readings: Reading, source: str) -> None:
    """Put the number on the do-not-call list when the evidence meets a rule, once for each call.

    `call`: the locked one, or one that shares its ID. `readings`: one piece of evidence, in the provider's words and in
    those that the account gives them.

    Raises NeedsContactLock: the caller then begins its transaction again with `lock_contact`.
    """
    rule = _new_rule(call, readings)
    if rule is None:
        return
    if not locked.contact_locked:
        raise NeedsContactLock
    condition = f"{rule['field']} is {rule['equals']}"
    reason = f"Call {call.uuid}: {condition}."[:500]
    try:
        entry, created = entries.add(call.organization, call.to_number, reason=reason, source=SOURCE)
    except UndecryptableSecret as error:
        _hold_instead(call, f"{condition}. {error}", source)
        return
    audit_log.record(
        call.organization,
        actor=ACTOR,
        action="do_not_call.opt_out",
        subject=f"call {call.uuid}",
        detail={**rule, "entry": str(entry.uuid), "listed_already": not created},
    )
    record_event(call, OPT_OUT, source, f"The number is on the do-not-call list: {condition}."[:2000])


def _hold_instead(call: Call, why: str, source: str) -> None:
    """Hold all who have the number from calls, because its entry cannot be made. The outcome is stored all the same.

    The contacts are locked, as for the entry. Evidence that comes again makes the entry, once the key can be read.
    """
    if call.events.filter(type=HELD).exists():
        return
    reason = f"Do not call: opted out in call {call.uuid}. Add the number to the do-not-call list, then end the hold."
    contacts = lock_keys({call.contact_id, *holder_keys(call.organization_id, {call.to_number})})
    supersede(about="contact", keys=[contact.pk for contact in contacts], contact_list=None)
    for contact in contacts:
        contact.on_hold, contact.hold_until, contact.hold_reason = True, None, reason
        contact.save(update_fields=["on_hold", "hold_until", "hold_reason", "updated_at"])
        audit_log.record(
            call.organization,
            actor=ACTOR,
            action="contact.hold",
            subject=str(contact.uuid),
            detail={"until": None},
            personal={"reason": reason},
        )
        note(call.organization, "held", contact=str(contact.uuid), until=None)
    record_event(call, HELD, source, f"The contact is on hold, and not on the do-not-call list: {why}"[:2000])
    message = f"A contact asked not to be called again and is on hold. The do-not-call list did not take it: {why}"
    alerts.tell(call.organization, f"do_not_call.not_listed:{call.uuid}", message, str(call.uuid))


def is_new(call: Call, reading: Reading) -> bool:
    """Return whether a reading meets a rule, and the call has not put its number on the list yet."""
    return _new_rule(call, [reading]) is not None


def _new_rule(call: Call, readings: Iterable[Reading]) -> Rule | None:
    rule = matching_rule(call.assistant.opt_out_rules, *readings)
    return None if rule is None or call.events.filter(type=OPT_OUT).exists() else rule
