"""The steps in which a campaign is made: what each asks, how far a draft is, and where a problem is mended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.urls import reverse

from calls.admin.campaigns.form import RetryInline, VariantInline, WindowInline
from calls.gate.selection import weighted_assistants
from calls.reports.preflight import Problem
from campaigns.models import Campaign
from providers.models import Assistant


@dataclass(frozen=True)
class WizardStep:
    """One page. Its fields and rows are those of the whole form, which says what they may hold."""

    number: int
    name: str  # in the address
    title: str
    question: str
    fields: tuple[str, ...] = ()
    inline: type[Any] | None = None

    def url(self, campaign: Campaign) -> str:
        return reverse(f"admin:campaigns_campaign_{self.name}", args=[campaign.pk])

    @property
    def template(self) -> str:
        return f"trunkline/wizard/{self.name}.html"


WHOM = WizardStep(1, "whom", "Whom", "Whom do you want to call?", ("name", "contact_lists"))
WHAT = WizardStep(
    2,
    "what",
    "With what",
    "Who calls, and what is it told?",
    ("assistant", "assistant_weight", "phone_numbers", "number_choice", "variables"),
    VariantInline,
)
WHEN = WizardStep(
    3,
    "when",
    "When",
    "When may people be called?",
    ("starts_at", "ends_at", "timezone", "holidays", "legal_override"),
    WindowInline,
)
LIMITS = WizardStep(
    4,
    "limits",
    "Limits",
    "How often, how fast, for how much?",
    (
        *("max_attempts", "min_gap_minutes", "calls_per_minute", "max_open_calls", "priority"),
        *("budget", "budget_currency", "callback_url"),
    ),
    RetryInline,
)
CHECK = WizardStep(5, "check", "Check", "Is everything as you want it?")
STEPS = (WHOM, WHAT, WHEN, LIMITS, CHECK)
# Where each finding of the preflight and the forecast is mended.
MENDED_AT: Mapping[str, WizardStep] = {
    **dict.fromkeys(("no_contacts", "import_running", "do_not_call", "country", "hold", "on_hold"), WHOM),
    **dict.fromkeys(("no_assistant", "assistant_inactive", "account_inactive", "assistant", "caller_number"), WHAT),
    **dict.fromkeys(("no_phone_number", "assistant_faulty", "account_blocked", "variable_faulty"), WHAT),
    "missing_variables": WHAT,
    **dict.fromkeys(("no_window", "ends_in_the_past", "calling_hours", "no_open_window", "not_reached"), WHEN),
    **dict.fromkeys(("budget_without_price", "budget_currency", "budget", "attempts"), LIMITS),
}
# Of the campaign's only assistant or its account, and of the organization.
OF_THE_ASSISTANT = frozenset({"assistant_inactive", "assistant_faulty"})
OF_THE_ACCOUNT = frozenset({"account_inactive", "account_blocked", "budget_without_price"})
OF_THE_ORGANIZATION = frozenset({"organization_inactive", "calls_stopped", "country"})


def next_step(step: WizardStep) -> WizardStep:
    return STEPS[min(step.number, len(STEPS) - 1)]


def go_on(campaign: Campaign) -> WizardStep:
    """Where somebody who left a draft goes on."""
    return STEPS[min(campaign.drafted_through, len(STEPS) - 1)] if campaign.drafted_through else CHECK


@dataclass(frozen=True)
class Button:
    """A link among the buttons of a page."""

    label: str
    tone: str = "default"
    icon: str = ""


def go_on_button(campaign: Campaign) -> tuple[Button, str]:
    step = go_on(campaign)
    if not campaign.drafted_through:
        return Button("Look at it step by step", icon="checklist"), step.url(campaign)
    tone = "default" if step == CHECK else "primary"
    return Button(f"Go on with step {step.number}: {step.title}", tone, "checklist"), step.url(campaign)


def errors_by_step(problems: Iterable[Problem]) -> set[str]:
    """The names of the steps that keep the campaign from starting."""
    return {MENDED_AT[found.code].name for found in problems if found.severity == "error" and found.code in MENDED_AT}


def stepper(campaign: Campaign | None, current: WizardStep, problems: Iterable[Problem]) -> list[dict[str, str]]:
    """All steps with their marks. Only what has been answered can be wrong."""
    wrong = errors_by_step(problems)
    through = (campaign.drafted_through or len(STEPS)) if campaign else 0
    return [
        {
            "number": str(step.number),
            "title": step.title,
            "url": step.url(campaign) if campaign else "",
            "current": "step" if step == current else "",
            "state": "todo" if step.number > through or step == CHECK else "problem" if step.name in wrong else "done",
        }
        for step in STEPS
    ]


def mended(campaign: Campaign, problems: Iterable[Problem]) -> list[dict[str, Any]]:
    """Each problem with the way to where it is mended."""
    assistants = {assistant for assistant, _ in weighted_assistants(campaign)}
    only = assistants.pop() if len(assistants) == 1 else None
    return [
        {"message": found.message, "error": found.severity == "error", **_way(campaign, found.code, only)}
        for found in problems
    ]


def _way(campaign: Campaign, code: str, only: Assistant | None) -> dict[str, str]:
    if code in OF_THE_ORGANIZATION:
        address = reverse("admin:tenants_organization_change", args=[campaign.organization_id])
        return {"url": address, "way": "The organization"}
    if only and code in OF_THE_ASSISTANT:
        return {"url": reverse("admin:providers_assistant_change", args=[only.pk]), "way": "The assistant"}
    if only and code in OF_THE_ACCOUNT:
        address = reverse("admin:providers_provideraccount_change", args=[only.account_id])
        return {"url": address, "way": "The account"}
    step = MENDED_AT.get(code)
    return {"url": step.url(campaign), "way": f"Step {step.number}: {step.title}"} if step else {"url": "", "way": ""}
