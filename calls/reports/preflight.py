"""Check a campaign before its start: errors prevent the start, warnings are shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from django.db.models import Count, Exists, Q
from django.utils import timezone

from calls.gate import budgets
from calls.gate.checks import CheckName
from calls.gate.selection import weighted_assistants
from calls.reports import unfed_rules
from calls.reports.problem import Problem
from campaigns import segments
from campaigns.models import Campaign, Contact, ContactImport, ContactListMember
from campaigns.rules import variables
from providers.models import Assistant, ProviderAccount
from tenants.money import Amounts, Money, not_counted

IMPORTING = (ContactImport.Status.PENDING, ContactImport.Status.RUNNING)


class NotReady(Exception):
    """The preflight found errors."""

    def __init__(self, problems: list[Problem], sentence: str = "The campaign cannot start yet.") -> None:
        errors = " ".join(problem.message for problem in problems if problem.severity == "error")
        super().__init__(f"{sentence} {errors}")
        self.problems = problems


def problems(campaign: Campaign) -> list[Problem]:
    """Return the errors and warnings of a campaign."""
    found: list[Problem] = []

    def error(code: str, message: str) -> None:
        found.append(Problem(code, "error", message))

    if campaign.assistant is None:
        error("no_assistant", "Choose an assistant.")
    assistants = [assistant for assistant, _ in weighted_assistants(campaign)]
    accounts = list({assistant.account_id: assistant.account for assistant in assistants}.values())
    found += _of_assistants(campaign, assistants)
    found += _of_money(campaign, accounts)
    if not campaign.windows.all():
        error("no_window", "Add at least one calling window. Without one, nobody can be called.")
    for name, text in variables.faults(campaign.variables).items():
        error("variable_faulty", f"{name}: {text}")
    found += _of_lists(campaign)
    if campaign.ends_at and campaign.ends_at <= timezone.now():
        error("ends_in_the_past", "The campaign's end is in the past.")
    if not campaign.organization.is_active:
        error("organization_inactive", "Organization is inactive")
    if campaign.organization.calls_stopped:
        found.append(Problem(CheckName.CALLS_STOPPED, "warning", CheckName.CALLS_STOPPED.words))
    now = timezone.now()
    for account in accounts:
        if account.blocked(now):
            found.append(
                Problem("account_blocked", "warning", f"The provider account is blocked: {account.blocked_reason}")
            )
    return found + unfed_rules.problems(campaign, assistants)


def _of_lists(campaign: Campaign) -> Iterator[Problem]:
    lists = campaign.contact_lists.order_by().values("pk")
    members = ContactListMember.objects.filter(contact_list__in=lists)
    matching = Contact.objects.filter(segments.of_campaign(campaign))
    running = Q(contact_lists__imports__status__in=IMPORTING)
    asked = Campaign.objects.annotate(  # one query: the page that starts a campaign has few left
        peopled=Q(Exists(members)) | Q(Exists(matching)),
        importing=Count("contact_lists__imports", filter=running, distinct=True),
    )
    peopled, importing = asked.values_list("peopled", "importing").get(pk=campaign.pk)
    if not peopled:
        if campaign.ongoing and (lists.exists() or campaign.segments.all()):
            message = "Its lists and segments have no contacts yet. Contacts are called as they are added."
            yield Problem("no_contacts_yet", "warning", message)
        else:
            yield Problem("no_contacts", "error", "Choose a contact list or a segment that has contacts.")
    if importing:
        message = "Contacts are still being imported into its lists. They are called as well."
        yield Problem("import_running", "warning", message, importing)


def _of_assistants(campaign: Campaign, assistants: Sequence[Assistant]) -> list[Problem]:
    """Return what keeps each assistant from calling: a warning when another assistant can stand in, else an error."""
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
            idle.append(Problem("account_inactive", "error", f"{name}'s provider account is switched off."))
        if assistant.account_id not in numbers:
            whose = name[0].lower() + name[1:]
            idle.append(
                Problem("no_phone_number", "error", f"Choose a caller number at the provider account of {whose}.")
            )
        for field, text in assistant.faults().items():
            faulty.append(Problem("assistant_faulty", "error", f"{name} cannot place calls: {field}: {text}"))
        can_call += len(idle) == before
    if can_call:
        idle = [replace(problem, severity="warning") for problem in idle]
    return idle + faulty


def _of_money(campaign: Campaign, accounts: Sequence[ProviderAccount]) -> list[Problem]:
    """Return what keeps budgets from being exact: each has one currency, and reserves need a price per minute."""
    found = [*_not_counted(campaign, accounts)]
    limit = campaign.spending_limit
    if limit is not None:
        for account in accounts:
            if account.price is None:
                message = unfed_rules.budget_fault(account) or (
                    f"'{account.name}' has no price per minute. Nothing is set aside for its calls, so open calls "
                    "can cost more than the budget has left."
                )
                found.append(Problem("budget_without_price", "warning", message))
            elif account.price.currency != limit.currency:
                message = (
                    f"The budget is in {limit.currency}, but '{account.name}' is priced in {account.price.currency}. "
                    "Use one currency."
                )
                found.append(Problem(CheckName.BUDGET_CURRENCY, "error", message))
    return found


def _not_counted(campaign: Campaign, accounts: Sequence[ProviderAccount]) -> Iterator[Problem]:
    """Yield what is spent and set aside in other currencies than those of the budgets that bound the campaign."""
    now, home = timezone.now(), campaign.organization
    limits: list[tuple[str, Money | None, Callable[[], Amounts]]] = [
        ("The campaign's budget", campaign.spending_limit, partial(budgets.spent_on, campaign)),
        ("The daily budget", home.daily_limit, lambda: budgets.spending_today(home, now).used),
        *(
            (f"The daily budget of '{each.name}'", each.daily_limit, partial(_spent_through, each, now))
            for each in accounts
        ),
    ]
    for name, limit, spent in limits:
        if limit is not None and (others := spent().beyond(limit.currency)):
            yield Problem("budget_not_counted", "warning", f"{name} is in {limit.currency}: {not_counted(others)}")


def _spent_through(account: ProviderAccount, now: datetime) -> Amounts:
    return budgets.spending_today_through(account, now).used
