"""The steps of the wizard: the fields of each, how far a draft is, and where a problem is fixed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Prefetch
from django.db.models import prefetch_related_objects as prefetch
from django.urls import reverse

from calls.admin.campaigns.form import ZONE_FIELDS, RetryInline, VariantInline, WindowInline
from calls.gate.selection import weighted_assistants
from calls.reports import preflight
from calls.reports.problem import Problem
from campaigns.models import Campaign, CampaignVariant
from providers.models import Assistant
from tenants.backoffice.buttons import Finding


@dataclass(frozen=True)
class WizardStep:
    """One page of the wizard. Its fields and rows are a part of the one-page form, which validates them."""

    number: int
    name: str  # in the page's address
    title: str
    question: str
    fields: tuple[str, ...] = ()
    inline: type[Any] | None = None

    def url(self, campaign: Campaign) -> str:
        return reverse(f"admin:campaigns_campaign_{self.name}", args=[campaign.pk])

    @property
    def template(self) -> str:
        return f"trunkline/wizard/{self.name}.html"


CONTACTS = WizardStep(
    1, "whom", "Contacts", "Which contacts do you want to call?", ("name", "contact_lists", "segments", "ongoing")
)
ASSISTANT = WizardStep(
    2,
    "what",
    "Assistant",
    "Which assistant calls, and with which variables?",
    ("assistant", "assistant_weight", "phone_numbers", "number_choice", "variables", "placeholder_values"),
    VariantInline,
)
SCHEDULE = WizardStep(
    3,
    "when",
    "Schedule",
    "When may contacts be called?",
    ("starts_at", "ends_at", *ZONE_FIELDS, "holidays", "legal_override"),
    WindowInline,
)
LIMITS = WizardStep(
    4,
    "limits",
    "Limits",
    "How often, how fast and at what cost?",
    (
        *("max_attempts", "min_gap_minutes", "try_next_number", "calls_per_minute", "max_open_calls", "priority"),
        *("budget", "budget_currency", "callback_url"),
    ),
    RetryInline,
)
REVIEW = WizardStep(5, "check", "Review", "Is everything correct?")
STEPS = (CONTACTS, ASSISTANT, SCHEDULE, LIMITS, REVIEW)
# The step at which each finding of the preflight and the forecast is fixed.
FIXED_AT: Mapping[str, WizardStep] = {
    **dict.fromkeys(("no_contacts", "no_contacts_yet", "import_running"), CONTACTS),
    **dict.fromkeys(("do_not_call", "country", "hold", "on_hold"), CONTACTS),
    **dict.fromkeys(
        ("no_assistant", "assistant_inactive", "account_inactive", "assistant", "caller_number"), ASSISTANT
    ),
    **dict.fromkeys(("no_phone_number", "assistant_faulty", "account_blocked", "variable_faulty"), ASSISTANT),
    **dict.fromkeys(("missing_variables", "placeholder_values"), ASSISTANT),
    **dict.fromkeys(("no_common_hour", "zones_contradict", "never_open"), SCHEDULE),
    **dict.fromkeys(("no_window", "ends_in_the_past", "calling_hours", "no_open_window", "not_reached"), SCHEDULE),
    **dict.fromkeys(("budget_without_price", "budget_currency", "budget_not_counted", "budget", "attempts"), LIMITS),
    **dict.fromkeys(("outcome_not_reported", "cost_not_reported"), LIMITS),
    "opt_out_not_reported": ASSISTANT,
}
# Findings about the campaign's only assistant, its provider account, and the organization.
OF_THE_ASSISTANT = frozenset({"assistant_inactive", "assistant_faulty", "opt_out_not_reported"})
OF_THE_ACCOUNT = frozenset({"account_inactive", "account_blocked", "budget_without_price", "cost_not_reported"})
OF_THE_ORGANIZATION = frozenset({"organization_inactive", "calls_stopped", "country"})


def next_step(step: WizardStep) -> WizardStep:
    return STEPS[min(step.number, len(STEPS) - 1)]


def continue_at(campaign: Campaign) -> WizardStep:
    """Return the first step of a draft that is not done yet."""
    return STEPS[min(campaign.drafted_through, len(STEPS) - 1)] if campaign.drafted_through else REVIEW


@dataclass(frozen=True)
class Button:
    """A link shown among the buttons of a page."""

    label: str
    tone: str = "default"
    icon: str = ""


def continue_button(campaign: Campaign) -> tuple[Button, str]:
    step = continue_at(campaign)
    if not campaign.drafted_through:
        return Button("Review step by step", icon="checklist"), step.url(campaign)
    tone = "default" if step == REVIEW else "primary"
    return Button(f"Continue with step {step.number}: {step.title}", tone, "checklist"), step.url(campaign)


def errors_by_step(problems: Iterable[Problem]) -> set[str]:
    """Return the names of the steps with errors that prevent the start."""
    return {FIXED_AT[found.code].name for found in problems if found.severity == "error" and found.code in FIXED_AT}


def stepper(campaign: Campaign | None, current: WizardStep, problems: Iterable[Problem]) -> list[dict[str, str]]:
    """Return all steps with their state: todo, problem or done. A step not saved yet is never a problem."""
    with_errors = errors_by_step(problems)
    saved = (campaign.drafted_through or len(STEPS)) if campaign else 0
    return [
        {
            "number": str(step.number),
            "title": step.title,
            "url": step.url(campaign) if campaign else "",
            "current": "step" if step == current else "",
            "state": "todo"
            if step.number > saved or step == REVIEW
            else "problem"
            if step.name in with_errors
            else "done",
        }
        for step in STEPS
    ]


def findings_of(campaign: Campaign) -> list[Finding]:
    """Return what the preflight finds: what prevents the start, and warnings."""
    load_parts(campaign)
    return with_links(campaign, preflight.problems(campaign))


def load_parts(campaign: Campaign) -> None:
    """Load once what several parts of a page read."""
    assistants = CampaignVariant.objects.select_related("assistant__account").order_by("pk")
    prefetch([campaign], Prefetch("variants", assistants), "phone_numbers", "windows", "segments")


def with_links(campaign: Campaign, problems: Iterable[Problem]) -> list[Finding]:
    """Return each problem with a link to the page on which it is fixed."""
    assistants = {assistant for assistant, _ in weighted_assistants(campaign)}
    only = assistants.pop() if len(assistants) == 1 else None
    return [
        Finding(found.message, *_link(campaign, found.code, only), prevents=found.severity == "error")
        for found in problems
    ]


def _link(campaign: Campaign, code: str, only: Assistant | None) -> tuple[str, str]:
    if code in OF_THE_ORGANIZATION:
        address = reverse("admin:tenants_organization_change", args=[campaign.organization_id])
        return address, "Open the organization"
    if only and code in OF_THE_ASSISTANT:
        return reverse("admin:providers_assistant_change", args=[only.pk]), "Open the assistant"
    if only and code in OF_THE_ACCOUNT:
        address = reverse("admin:providers_provideraccount_change", args=[only.account_id])
        return address, "Open the provider account"
    step = FIXED_AT.get(code) if campaign.status == Campaign.Status.DRAFT else None
    return (step.url(campaign), f"Step {step.number}: {step.title}") if step else ("", "")
