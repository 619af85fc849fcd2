"""Reassess: when an input of decisions changes, decide again about the recipients and queued calls that wait.

Two kinds of inputs, two ways to see an edit, whoever makes it. What many calls share (rules of a campaign, settings of
an organization, its accounts, assistants and caller numbers) is compared with what the engine saw last
(`gate/inputs.py`). For what belongs to one contact (its own fields, the do-not-call list, scheduled callbacks) the
database records the contact (`calls/triggers.py`). docs/adr/0008-an-edit-reaches-who-waits.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import F, Max, Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from calls.dialing import fates, held_values
from calls.dialing.campaign_locks import campaigns_with_rules, locked_campaign
from calls.dialing.dequeueing import dequeue, follow_number, take_back
from calls.gate import inputs
from calls.gate.checks import CheckName
from calls.gate.decision import Decision, decide
from calls.gate.selection import Choices, choices_of, select_free, values_for
from calls.models import Call, ContactChange
from campaigns.models import Campaign, CampaignVersion, Recipient
from campaigns.models.recipient import load_numbers
from tenants.models import Organization

AT_ONCE = 200  # recipients or contacts of one step: its transaction holds the campaign's lock, and claims wait for it
CHECKS = list(CheckName)


def notice_edits() -> None:
    """Compare the shared inputs with those seen last; mark each running campaign with an edit for `reassess`.

    Queued calls that wait for a check are due at once: the claim decides again. The new digest is stored under the
    campaign's lock, so that a decision by the old inputs is stored before the campaign is reassessed.
    """
    running = dict(_running().values_list("pk", "inputs_digest"))
    organizations = set(_running().values_list("organization_id", flat=True).distinct())
    organizations |= set(_waiting_calls().values_list("organization_id", flat=True).distinct())
    shared = inputs.of_organizations(organizations)
    known = dict(Organization.objects.filter(pk__in=organizations).values_list("pk", "inputs_digest"))
    for pk, digest in shared.items():
        if digest != known.get(pk):
            _mark_organization(pk, digest)
    for pk, digest in inputs.of_campaigns(running).items():
        if digest != running[pk]:
            _mark_campaign(pk, digest)


def _running() -> QuerySet[Campaign]:
    return Campaign.objects.filter(status=Campaign.Status.RUNNING).order_by()


def _waiting_calls() -> QuerySet[Call]:
    return Call.objects.queued().filter(status_reason__in=CHECKS).order_by()


def _mark_organization(pk: int, digest: str) -> None:
    with transaction.atomic():
        Organization.objects.filter(pk=pk).update(inputs_digest=digest)
        started = Campaign.objects.filter(organization=pk, status__in=Campaign.STARTED).order_by("pk")
        locked = list(started.select_for_update(no_key=True).values_list("pk", flat=True))
        _look_again(Campaign.objects.filter(pk__in=locked))
        _wake_calls(_waiting_calls().filter(organization=pk))


def _mark_campaign(pk: int, digest: str) -> None:
    with transaction.atomic():
        _look_again(Campaign.objects.filter(pk=pk), inputs_digest=digest)
        _wake_calls(_waiting_calls().filter(campaign=pk))


def _look_again(campaigns: QuerySet[Campaign], **fields: str) -> None:
    """Mark campaigns for one round over all who wait, from where the present round is: edits never hold it up."""
    place = Coalesce(F("look_again_after"), 0)
    campaigns.update(look_again_after=place, look_again_until=place, **fields)


def _wake_calls(calls: QuerySet[Call]) -> None:
    """Make queued calls due. A call that a claim holds is left out: the claim reads the new inputs."""
    now = timezone.now()
    with transaction.atomic():
        locked = calls.filter(due_at__gt=now).select_for_update(skip_locked=True, of=("self",))
        Call.objects.filter(pk__in=list(locked.values_list("pk", flat=True))).update(due_at=now)


def campaigns_to_reassess() -> list[int]:
    """Return the keys of running campaigns with an edit since their recipients were last reassessed.

    A campaign of a stopped or inactive organization waits: its recipients would be deferred for that alone.
    """
    marked = _running().filter(look_again_after__isnull=False, organization__is_active=True)
    return list(marked.filter(organization__calls_stopped=False).values_list("pk", flat=True))


def reassess(campaign_id: int) -> bool:
    """Decide again about the next part of a campaign's waiting recipients. Return whether the round is over.

    An edit meanwhile makes the round longer, by as much as is done. While nothing can call (all accounts are blocked),
    the recipients wait as before.
    """
    now = timezone.now()
    _renew_queue(campaign_id, now)  # before the campaign is locked: a claim locks calls, then their campaigns
    with transaction.atomic():
        campaign = locked_campaign(campaign_id)
        choices = Choices(campaign, now)
        after, until = campaign.look_again_after, campaign.look_again_until
        if after is None or campaign.status != Campaign.Status.RUNNING or not choices.usable:
            return True
        later = Q(status__in=Recipient.WAITING_STATUSES, next_attempt_at__gt=now)
        waiting = campaign.recipients.filter(later | Recipient.HELD, pk__gt=after)
        if second_half := after < until:  # of the round: up to where its first half began
            waiting = waiting.filter(pk__lte=until)
        part = list(_locked(waiting)[:AT_ONCE])
        _decide_again(choices, part, now)
        place: int | None = None
        if len(part) == AT_ONCE:
            place = part[-1].pk
        elif until and not second_half:
            place = 0
        if second_half and place == until:
            place = None
        Campaign.objects.filter(pk=campaign_id).update(look_again_after=place)
    return place is None


def reassess_contacts() -> bool:
    """Decide again about the waiting recipients and queued calls of contacts that changed. Return whether all are done.

    A recipient that has room to be called is due; a queued call is due, and its claim decides.
    """
    now = timezone.now()
    with transaction.atomic():
        changes = list(ContactChange.objects.select_for_update(skip_locked=True).order_by("pk")[:AT_ONCE])
        contacts = {change.contact_id for change in changes}
        planned = Q(status__in=Recipient.WAITING_STATUSES, next_attempt_at__isnull=False)
        waiting = Recipient.objects.filter(planned | Recipient.HELD, contact__in=contacts)
        for campaign_id in waiting.order_by("campaign").values_list("campaign", flat=True).distinct():
            campaign = locked_campaign(campaign_id)
            _reassess_some(campaign, waiting.filter(campaign=campaign), now)
    # After the recipients: a step that was enqueuing one of them has ended, and its call is seen.
    _renew_copies(Call.objects.queued().filter(contact__in=contacts), now)
    _wake_calls(_waiting_calls().filter(contact__in=contacts))
    # Last: what was interrupted is done again.
    ContactChange.objects.filter(pk__in=[change.pk for change in changes]).delete()
    return len(changes) < AT_ONCE


def _reassess_some(campaign: Campaign, waiting: QuerySet[Recipient], now: datetime) -> None:
    """Decide again about recipients of a campaign. Where the gate cannot be asked now, they are due when it can."""
    organization = campaign.organization
    asks = campaign.status == Campaign.Status.RUNNING and organization.is_active and not organization.calls_stopped
    # All are locked, also those that are due: a step that decides by the contact's old fields ends first.
    locked = list(_locked(waiting))
    later = [each for each in locked if each.next_attempt_at and each.next_attempt_at > now]
    held = [each for each in locked if each.held]
    if asks and (choices := Choices(campaign, now)).usable:
        _decide_again(choices, [*later, *held], now)
    else:
        load_numbers(held)
        held_values.decide_again(choices_of(campaign, now), held, now)
        Recipient.objects.filter(pk__in=[each.pk for each in later]).update(next_attempt_at=now)


def _locked(waiting: QuerySet[Recipient]) -> QuerySet[Recipient]:
    return waiting.select_related("contact").select_for_update(of=("self",)).order_by("pk")


def _decide_again(choices: Choices, recipients: Sequence[Recipient], now: datetime) -> None:
    """Store what the gate says now. A recipient that may be called is due; enqueueing asks for room and pace.

    About a recipient that is held for a value, only its values decide.
    """
    load_numbers(recipients)
    held_values.decide_again(choices, [each for each in recipients if each.held], now)
    recipients = [each for each in recipients if each.status in Recipient.WAITING_STATUSES]
    calls = [choices.call_to(recipient) for recipient in recipients]
    batch = choices.read_facts(calls, now)
    decided: list[Recipient] = []
    due: list[int] = []
    busy: set[int] = set()

    def judge(call: Call) -> Decision:
        facts = batch.facts_of(call)
        return decide(facts.but(campaign_next_at=None, number_last_at=None, number_open=0, campaign_open=0), now)

    for recipient, call in zip(recipients, calls, strict=True):
        selected = select_free(choices, call, judge, busy)
        decision = selected and selected[1]
        if decision is None or decision.verdict == "allow":
            due.append(recipient.pk)
            continue
        if decision.verdict == "defer":
            fates.put_off(recipient, decision)
        else:
            fates.end(recipient, decision.reason)
        decided.append(recipient)
    Recipient.objects.filter(pk__in=due).update(next_attempt_at=now, waits_in="")
    fates.store(decided)


def _renew_queue(campaign_id: int, now: datetime) -> None:
    """Replace or renew the campaign's queued calls, once after each edit: the mark is where it was just set."""
    campaign = campaigns_with_rules().get(pk=campaign_id)
    just_marked = campaign.look_again_after == campaign.look_again_until
    if just_marked and campaign.status == Campaign.Status.RUNNING and Choices(campaign, now).usable:
        _dequeue_outdated(campaign_id, now)
        _renew_copies(campaign.calls.queued(), now)


def _dequeue_outdated(campaign_id: int, now: datetime) -> None:
    """Dequeue calls made by the old rules: their number, variables or due time may be wrong now."""
    changed_at = CampaignVersion.objects.filter(campaign=campaign_id).aggregate(at=Max("at"))["at"]
    if changed_at is None:
        return
    outdated = Call.objects.queued().filter(campaign=campaign_id, asked_for=False, created_at__lt=changed_at)
    for call in outdated.exclude(recipient=None):
        dequeue(call, "rules_changed", "The campaign's rules were changed; another call replaces this one.", now)


def _renew_copies(calls: QuerySet[Call], now: datetime) -> None:
    """Give queued calls of campaigns the values that a call queued now would have.

    A call without a required value is dequeued; enqueueing ends its recipient for that. So is a call with a value that
    nobody means to speak, and a call to another number than the recipient is called at now.
    """
    related = ("campaign", "contact", "assistant", "phone_number", "recipient")
    found = list(calls.exclude(recipient=None).select_related(*related))
    for call in found:
        assert call.recipient is not None  # noqa: S101
        call.recipient.contact = call.contact
    load_numbers(call.recipient for call in found if call.recipient)
    for call in found:
        assert call.campaign is not None and call.recipient is not None  # noqa: S101
        if call.to_number != call.recipient.number:
            follow_number(call, call.recipient.number, now)
            continue
        spoken = values_for(call.campaign, call)
        if spoken.reason and not (call.asked_for and spoken.missing):
            take_back(call, "rules_changed", f"It cannot go out as it is. {spoken.sentence}", now)
            continue
        fresh = {
            "customer_name": spoken.name,
            "from_number": call.phone_number.e164,
            "callback_url": call.campaign.callback_url,
            "dynamic_variables": call.dynamic_variables if spoken.missing else spoken.values,
        }
        if any(getattr(call, name) != value for name, value in fresh.items()):
            Call.objects.queued().filter(pk=call.pk).update(**fresh)
