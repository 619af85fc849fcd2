"""Start, pause, resume, cancel: compare-and-set, idempotent. And the switches that must be silent when they answer."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from calls import outbox, outcomes
from calls.choosing import weighted_assistants
from calls.models import Call, CallBack, Status
from calls.timing import SEND_WITHIN
from campaigns import variables, versions
from campaigns.models import Campaign, Contact, ContactImport, ContactListMember, DoNotCall, Recipient
from providers.models import Assistant, ProviderAccount
from tenants.models import AuditEntry, Organization

S = Campaign.Status
IMPORTING = (ContactImport.Status.PENDING, ContactImport.Status.RUNNING)


class IllegalNow(Exception):
    """The campaign is in a status that forbids it. A sentence."""


@dataclass(frozen=True)
class Problem:
    """One finding of the preflight. `error` forbids the start, `warning` does not."""

    code: str
    severity: Literal["error", "warning"]
    message: str
    count: int | None = None


class NotReady(Exception):
    """The preflight found errors."""

    def __init__(self, problems: list[Problem], sentence: str = "The campaign cannot start yet.") -> None:
        errors = " ".join(problem.message for problem in problems if problem.severity == "error")
        super().__init__(f"{sentence} {errors}")
        self.problems = problems


def problems(campaign: Campaign) -> list[Problem]:
    """What stands between a campaign and its start."""
    found: list[Problem] = []

    def error(code: str, message: str) -> None:
        found.append(Problem(code, "error", message))

    if campaign.assistant is None:
        error("no_assistant", "Choose an assistant.")
    assistants = [assistant for assistant, _ in weighted_assistants(campaign)]
    accounts = list({assistant.account_id: assistant.account for assistant in assistants}.values())
    found += _of_assistants(campaign, assistants)
    found += _of_money(campaign, accounts)
    if not campaign.windows.exists():
        error("no_window", "Add at least one calling window; without one nobody may be called at any hour.")
    for name, text in variables.faults(campaign.variables).items():
        error("variable_faulty", f"{name}: {text}")
    if not ContactListMember.objects.filter(contact_list__campaigns=campaign).exists():
        error("no_contacts", "Choose a contact list that has contacts.")
    if campaign.ends_at and campaign.ends_at <= timezone.now():
        error("ends_in_the_past", "The campaign's end is in the past.")
    if not campaign.organization.is_active:
        error("organization_inactive", "Organization is inactive")
    lists = campaign.contact_lists.order_by().values("pk")
    if imports := ContactImport.objects.filter(contact_list__in=lists, status__in=IMPORTING).count():
        message = "People are still being imported into its lists; they are called, too, as they come in."
        found.append(Problem("import_running", "warning", message, imports))
    if campaign.organization.calls_stopped:
        found.append(Problem("calls_stopped", "warning", "All calls of the organization are stopped at present."))
    now = timezone.now()
    for account in accounts:
        if account.blocked(now):
            found.append(Problem("account_blocked", "warning", f"The account is blocked: {account.blocked_reason}"))
    return found


def _of_assistants(campaign: Campaign, assistants: Sequence[Assistant]) -> list[Problem]:
    """What keeps each assistant from calling. Where another can stand in, that is a warning."""
    assistants = [assistant for assistant, _ in weighted_assistants(campaign)]
    numbers = {number.account_id for number in campaign.phone_numbers.all() if number.is_active}
    idle: list[Problem] = []
    faulty: list[Problem] = []
    can_call = 0
    for assistant in assistants:
        name = "The assistant" if len(assistants) == 1 else f"Assistant '{assistant.name}'"
        before = len(idle)
        if not assistant.is_active:
            idle.append(Problem("assistant_inactive", "error", f"{name} is switched off."))
        if not assistant.account.is_active:
            idle.append(Problem("account_inactive", "error", f"{name}'s account is switched off."))
        if assistant.account_id not in numbers:
            whose = name[0].lower() + name[1:]
            idle.append(Problem("no_phone_number", "error", f"Choose a caller number of the account of {whose}."))
        for field, text in assistant.faults().items():
            faulty.append(Problem("assistant_faulty", "error", f"{name} cannot place calls: {field}: {text}"))
        can_call += len(idle) == before
    if can_call:
        idle = [replace(problem, severity="warning") for problem in idle]
    return idle + faulty


def _of_money(campaign: Campaign, accounts: Sequence[ProviderAccount]) -> list[Problem]:
    """A budget is kept in one currency, and can be kept to the cent only where calls have a price."""
    found = []
    if campaign.budget is not None:
        for account in accounts:
            if account.price_per_minute is None:
                message = (
                    f"'{account.name}' has no price per minute: nothing is set aside for its calls, so those under way "
                    "may cost more than the budget has left."
                )
                found.append(Problem("budget_without_price", "warning", message))
            elif account.price_per_minute_currency != campaign.budget_currency:
                message = (
                    f"The budget is in {campaign.budget_currency}, but '{account.name}' is priced in "
                    f"{account.price_per_minute_currency}. Use one currency."
                )
                found.append(Problem("budget_currency", "error", message))
    return found


def start(campaign: Campaign, *, actor: str) -> None:
    """Draft becomes running, or scheduled when its time is to come. Raises NotReady, IllegalNow."""
    campaign.refresh_from_db()
    if campaign.status in {S.RUNNING, S.SCHEDULED}:
        return
    if campaign.status != S.DRAFT:
        raise IllegalNow(f"A {campaign.status} campaign cannot be started.")
    found = problems(campaign)
    if any(problem.severity == "error" for problem in found):
        raise NotReady(found)
    now = timezone.now()
    if campaign.starts_at and campaign.starts_at > now:
        _change(campaign, {S.DRAFT}, S.SCHEDULED, actor=actor)
    else:
        _change(campaign, {S.DRAFT}, S.RUNNING, actor=actor, started_at=now)


def launching_now() -> list[int]:
    """Started campaigns whose recipients are still being filled in."""
    going = Campaign.objects.filter(status__in=[S.RUNNING, S.PAUSED], launched_at=None)
    return list(going.values_list("pk", flat=True))


def start_scheduled() -> None:
    """Campaigns whose time has come."""
    now = timezone.now()
    due = Campaign.objects.filter(Q(starts_at=None) | Q(starts_at__lte=now), status=S.SCHEDULED)
    outbox.move_campaigns(due, S.RUNNING, started_at=now)


def resume(campaign: Campaign, *, actor: str) -> None:
    if campaign.starts_at and campaign.starts_at > timezone.now() and not campaign.started_at:
        _change(campaign, {S.PAUSED}, S.SCHEDULED, actor=actor)
    else:
        _change(campaign, {S.PAUSED}, S.RUNNING, actor=actor, started_at=campaign.started_at or timezone.now())


def pause(campaign: Campaign, *, actor: str) -> None:
    """Returns when nothing of the campaign can be placed any more."""
    _change(campaign, {S.RUNNING, S.SCHEDULED}, S.PAUSED, actor=actor)
    wait_for_silence(Call.objects.filter(campaign=campaign))


def cancel(campaign: Campaign, *, actor: str) -> None:
    """For good: queued calls are canceled, recipients not yet dialled withdrawn, open calls followed to their end."""
    _change(campaign, {S.DRAFT, S.SCHEDULED, S.RUNNING, S.PAUSED}, S.CANCELED, actor=actor, finished_at=timezone.now())
    wind_up(campaign)
    wait_for_silence(Call.objects.filter(campaign=campaign))


def wind_up(campaign: Campaign, limit: int = 10_000) -> None:
    """What a canceled campaign leaves behind: a bounded part at a time, the engine comes back for the rest."""
    for call in Call.objects.queued().filter(campaign=campaign)[:limit]:
        outcomes.cancel(call, "campaign_canceled", "The campaign was canceled.")
    idle = campaign.recipients.filter(status__in=[Recipient.Status.PENDING, Recipient.Status.WAITING])
    idle.filter(attempts=0).update(status=Recipient.Status.WITHDRAWN, reason="campaign_canceled", next_attempt_at=None)
    idle.filter(attempts__gt=0).update(status=Recipient.Status.DONE, next_attempt_at=None)


def wind_up_canceled() -> None:
    """The rest of what canceled campaigns left behind."""
    left = Call.objects.queued().filter(campaign__status=S.CANCELED).values("campaign")
    for campaign in Campaign.objects.filter(pk__in=left):
        wind_up(campaign)


def finish_where_done() -> int:
    """Campaigns nobody of is left to call. Finished is a query, not a timer."""
    live = [Recipient.Status.PENDING, Recipient.Status.CALLING, Recipient.Status.WAITING]
    left = Recipient.objects.filter(campaign=OuterRef("pk"), status__in=live)
    promised = CallBack.objects.filter(recipient__campaign=OuterRef("pk"), status=CallBack.Status.DUE)
    coming = ContactImport.objects.filter(
        contact_list__campaigns=OuterRef("pk"), status__in=IMPORTING, created_at__lt=OuterRef("launched_at")
    )
    over = (~Exists(left), ~Exists(promised), ~Exists(coming))
    launched = Campaign.objects.filter(*over, status=S.RUNNING, launched_at__isnull=False)
    return outbox.move_campaigns(launched, S.FINISHED, finished_at=timezone.now())


def _change(campaign: Campaign, allowed: Iterable[str], to: str, *, actor: str, **fields: object) -> None:
    """Compare-and-set. Reaching a status twice is no error; a status that forbids it is IllegalNow."""
    with transaction.atomic():
        won = Campaign.objects.filter(pk=campaign.pk, status__in=list(allowed)).update(
            status=to, status_reason="", **fields
        )
        campaign.refresh_from_db()
        if not won and campaign.status != to:
            verb = {S.RUNNING: "resumed", S.PAUSED: "paused", S.CANCELED: "canceled"}.get(S(to), "started")
            raise IllegalNow(f"A {campaign.status} campaign cannot be {verb}.")
        if won and S.DRAFT in allowed and to != S.CANCELED:
            versions.begin(campaign, actor=actor)
        if won:
            AuditEntry.objects.create(
                organization=campaign.organization, actor=actor, action=f"campaign.{to}", subject=str(campaign.uuid)
            )
            outbox.tell_of_campaign(campaign.pk)


def stop_all_calls(organization: Organization, *, actor: str) -> None:
    """The kill switch. Returns when nothing of the organization can be placed any more."""
    _switch(organization, True, actor)
    wait_for_silence(Call.objects.filter(organization=organization))


def allow_calls(organization: Organization, *, actor: str) -> None:
    _switch(organization, False, actor)


def _switch(organization: Organization, stopped: bool, actor: str) -> None:
    with transaction.atomic():
        Organization.objects.filter(pk=organization.pk).update(calls_stopped=stopped)
        action = "organization.stop_calls" if stopped else "organization.allow_calls"
        AuditEntry.objects.create(organization=organization, actor=actor, action=action, subject=str(organization.uuid))
    organization.calls_stopped = stopped


def silence_number(entry: DoNotCall) -> QuerySet[Call]:
    """After an entry on the do-not-call list: wait until nothing to it can be placed; answers its open calls."""
    calls = Call.objects.filter(organization=entry.organization_id, to_number=entry.phone)
    wait_for_silence(calls)
    return calls.open()


def silence_numbers(organization_id: int, phones: Collection[str]) -> QuerySet[Call]:
    """The same for many numbers. Those of open calls are few, however many are listed."""
    mine = Call.objects.filter(organization=organization_id)
    going = set(phones).intersection(mine.open().values_list("to_number", flat=True))
    calls = mine.filter(to_number__in=going)
    wait_for_silence(calls)
    return calls.open()


def wait_for_silence(calls: QuerySet[Call]) -> None:
    """Until no claim among these calls can still send its request. At most SEND_WITHIN seconds.

    A claim older than that has sent its request or never will (`placing.send`).
    """
    deadline = time.monotonic() + SEND_WITHIN + 0.5
    while time.monotonic() < deadline:
        young = timezone.now() - timedelta(seconds=SEND_WITHIN)
        if not calls.filter(status=Status.PLACING, dialed_at__gt=young).exists():
            return
        time.sleep(0.05)


def may_delete(contact: Contact) -> bool:
    """Whether nothing refers to the person."""
    return not (contact.calls.exists() or contact.recipients.exists())
