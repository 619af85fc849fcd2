"""Rules that depend on what a provider does not report are warned of, wherever a campaign is looked at."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import transaction
from django.urls import reverse

from calls.forecast.forecast import forecast
from calls.forecast.outcome_mix import DEFAULTS, as_reported
from calls.models import Call, Status
from calls.outcomes.transitions import finish, lock_call
from calls.reports import preflight
from campaigns.models import Campaign, CampaignVariant, RetryRule
from providers.adapters.base import AccountConfig
from providers.adapters.registry import PROVIDERS, provider
from providers.models import Assistant, ProviderAccount
from tenants.models import Organization
from tests.calls import support
from tests.conftest import ApiClient
from tests.test_admin import SignIn, sign_in

__all__ = ["sign_in"]  # a fixture
pytestmark = pytest.mark.django_db
NOON = datetime(2026, 5, 13, 10, tzinfo=UTC)
UNFED = {"outcome_not_reported", "cost_not_reported", "opt_out_not_reported", "budget_without_price"}
# From the providers' pages (docs/providers.md), as of 2026-05: which outcomes no call of theirs ever has.
NEVER_TOLD = {
    "allomia": {"voicemail"},
    "polyai": {"voicemail", "no_answer", "busy"},
    "plumvoice": {"voicemail"},
    "callingbox": set[str](),
}
# Fields of an opt-out rule that no call ever has.
NEVER_GIVEN = {
    "allomia": {"result.opt_out", "answered_by"},
    "polyai": {"result.opt_out", "answered_by"},
    "plumvoice": {"result.opt_out", "answered_by"},
    "callingbox": set[str](),
}
FIELDS = ("result.opt_out", "answered_by", "provider_reason", "ended_reason", "provider_status")


def a_campaign(organization: Organization, *providers: str, status: str = "draft") -> Campaign:
    """A campaign with an assistant of each provider, and without retry rules."""
    lines = [support.reach(organization, "http://127.0.0.1:9", name) for name in providers]
    made = support.campaign(lines[0], support.people(organization, ["+12125551200"]), retries=3, status=status)
    made.retry_rules.all().delete()
    for line in lines[1:]:
        made.phone_numbers.add(line)
        CampaignVariant.objects.create(campaign=made, assistant=line.account.assistants.get(), weight=1)
    return made


def rule(campaign: Campaign, outcome: str) -> None:
    RetryRule.objects.create(campaign=campaign, outcome=outcome, wait_minutes=60, max_attempts=3)


def found(campaign: Campaign) -> list[tuple[str, str]]:
    """Return code and message of the warnings about rules that cannot work."""
    problems = [each for each in preflight.problems(Campaign.objects.get(pk=campaign.pk)) if each.code in UNFED]
    assert all(each.severity == "warning" for each in problems)
    return [(each.code, each.message) for each in problems]


def test_every_provider_is_in_the_tables() -> None:
    assert set(NEVER_TOLD) == set(NEVER_GIVEN) == set(PROVIDERS)


def test_an_own_word_feeds_a_rule(organization: Organization) -> None:
    made = a_campaign(organization, "polyai")
    for outcome in RetryRule.Outcome.values:
        rule(made, outcome)
    assert len(found(made)) == 3
    for own, left in (
        ({"reason": {"left message": "voicemail"}}, 2),
        ({"answered_by": {"robot": "machine"}}, 2),
        ({"reason": {"gave up": "no_answer", "taken": "busy"}}, 1),
        ({"reason": {"gave up": "other"}}, 3),
    ):
        ProviderAccount.objects.update(words=own)
        assert len(found(made)) == left, own


@pytest.mark.parametrize("name", PROVIDERS)
def test_each_retry_rule_that_is_never_applied_is_named_and_no_other(organization: Organization, name: str) -> None:
    made = a_campaign(organization, name)
    for outcome in RetryRule.Outcome.values:
        rule(made, outcome)
        expected = [("outcome_not_reported", True)] if outcome in NEVER_TOLD[name] else []
        assert [(code, f"“{name}”" in message) for code, message in found(made)] == expected, outcome
        made.retry_rules.all().delete()


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_next_number_that_is_never_tried_is_named(organization: Organization, name: str) -> None:
    made = a_campaign(organization, name)
    Campaign.objects.update(try_next_number=True)
    expected = [("outcome_not_reported", True)] if "no_answer" in NEVER_TOLD[name] else []
    assert [(code, "next number is never tried" in message) for code, message in found(made)] == expected


@pytest.mark.parametrize("name", PROVIDERS)
def test_each_opt_out_rule_that_no_call_meets_is_named_and_no_other(organization: Organization, name: str) -> None:
    made = a_campaign(organization, name)
    for field in FIELDS:
        Assistant.objects.update(opt_out_rules=[{"field": field, "equals": "true"}])
        expected = ["opt_out_not_reported"] if field in NEVER_GIVEN[name] else []
        assert [code for code, _ in found(made)] == expected, field


def test_the_sentence_says_which_rule_which_assistant_and_what_to_do(organization: Organization) -> None:
    made = a_campaign(organization, "allomia", "callingbox", "polyai")
    assert found(made) == []
    rule(made, "voicemail")
    assert [message for _, message in found(made)] == [
        "The retry rule after voicemail is never applied to calls of “allomia”: AlloMia does not report that a "
        "voicemail answered. Such a call counts as answered. Remove the rule, or choose an assistant of a provider "
        "that reports it.",
        "The retry rule after voicemail is never applied to calls of “polyai”: PolyAI does not report that a "
        "voicemail answered. Such a call counts as answered. Remove the rule, or choose an assistant of a provider "
        "that reports it.",
    ]
    second = Assistant.objects.create(
        organization=organization, account=ProviderAccount.objects.get(provider="allomia"), name="Second"
    )
    CampaignVariant.objects.create(campaign=made, assistant=second, weight=1)
    assert "calls of “allomia” and “Second”: AlloMia" in found(made)[0][1]
    made.retry_rules.all().delete()
    rule(made, "busy")
    [(_, alone)] = found(made)
    assert "calls of “polyai”: PolyAI does not report that the line was busy. Such a call counts as failed." in alone
    assert alone.endswith("Add a retry rule after failed, or choose an assistant of a provider that reports it.")
    rule(made, "failed")
    [(_, beside)] = found(made)
    assert beside.endswith("The rule after failed decides about a retry.")


def test_a_budget_that_bounds_nothing_is_named(organization: Organization) -> None:
    made = a_campaign(organization, "allomia", "polyai", "callingbox")
    ProviderAccount.objects.update(price_per_minute=Decimal("0.10"), price_per_minute_currency="USD")
    assert found(made) == []
    for owner in ("campaign", "organization", "account"):
        Campaign.objects.update(budget=Decimal(5) if owner == "campaign" else None)
        Organization.objects.update(daily_budget=Decimal(5) if owner == "organization" else None)
        ProviderAccount.objects.update(daily_budget=Decimal(5) if owner == "account" else None)
        [(code, message)] = found(made)
        assert code == "cost_not_reported" and "calls of 'polyai'" in message, owner
        assert "neither the cost nor the duration" in message
    ProviderAccount.objects.exclude(provider="polyai").update(price_per_minute=None)
    said = dict.fromkeys(message.split("'")[1] for _, message in found(made))
    assert list(said) == ["allomia", "polyai"], "CallingBox reports the cost itself"
    Campaign.objects.update(budget=Decimal(5))
    codes = sorted((code, message.split("'")[1]) for code, message in found(made))
    assert codes == [
        ("budget_without_price", "allomia"),
        ("budget_without_price", "callingbox"),
        ("cost_not_reported", "polyai"),
    ]


def test_the_budget_really_counts_such_a_call_as_free(organization: Organization) -> None:
    """What the warning says is what the engine does when a call ends without a cost and a duration."""
    line = support.reach(organization, "http://127.0.0.1:9", "polyai", price_per_minute=Decimal("0.10"))
    call = support.single(
        line, "+12125551200", status=Status.IN_PROGRESS, dialed_at=NOON, next_read_at=NOON, cost_reserved=Decimal("0.3")
    )
    with transaction.atomic():
        finish(lock_call(call.pk), Status.COMPLETED, "test", "", NOON)
    ended = Call.objects.get()
    assert (ended.cost, ended.cost_reserved) == (None, Decimal(0))


def test_a_prompt_without_results_meets_no_rule_about_its_result(organization: Organization) -> None:
    made = a_campaign(organization, "callingbox")
    assistant = made.assistant
    assert assistant is not None
    assistant.opt_out_rules = [{"field": "result.opt_out", "equals": "true"}]
    assistant.options = {"prompt": "Confirm the delivery."}
    assistant.save()
    [(code, message)] = found(made)
    assert code == "opt_out_not_reported" and "does not report a structured result" in message


def test_the_api_and_the_pages_say_it(organization: Organization, api: ApiClient, sign_in: SignIn) -> None:
    made = a_campaign(organization, "allomia", "callingbox")
    rule(made, "voicemail")
    Assistant.objects.filter(name="allomia").update(opt_out_rules=[{"field": "answered_by", "equals": "machine"}])
    preflight_of = api.get(f"/api/v1/campaigns/{made.uuid}/preflight/").json()
    assert preflight_of["ok"] is True
    warned = [(each["code"], each["severity"]) for each in preflight_of["problems"]]
    assert warned == [("outcome_not_reported", "warning"), ("opt_out_not_reported", "warning")]
    client = sign_in(organization, "manager")

    def text(address: str) -> str:
        return client.get(address).content.decode()

    sentence = "The retry rule after voicemail is never applied to calls of “allomia”"
    for step in ("limits", "check"):
        assert sentence in text(reverse(f"admin:campaigns_campaign_{step}", args=[made.pk])), step
    assert sentence in text(reverse("admin:campaigns_campaign_step", args=[made.pk, "start"]))
    assert sentence in text(reverse("admin:campaigns_campaign_change", args=[made.pk]))
    Campaign.objects.update(status=Campaign.Status.RUNNING)
    page = text(reverse("admin:campaigns_campaign_settings", args=[made.pk]))
    assert sentence in page and "Rules without effect" in page
    RetryRule.objects.all().delete()
    page = text(reverse("admin:campaigns_campaign_settings", args=[made.pk]))
    assert sentence not in page and "opt-out rule “answered_by is machine”" in page
    assistant = Assistant.objects.get(name="allomia")
    assert "is never applied" in text(reverse("admin:providers_assistant_change", args=[assistant.pk]))


def test_figures_say_whose_voicemails_count_as_reached(organization: Organization, sign_in: SignIn) -> None:
    made = a_campaign(organization, "callingbox", status="running")
    line = made.phone_numbers.get()
    support.single(line, "+12125551200", status=Status.COMPLETED, campaign=made, dialed_at=NOON, terminal_at=NOON)
    client = sign_in(organization, "viewer")
    figures = reverse("admin:campaigns_campaign_figures", args=[made.pk])
    assert "count as reached" not in client.get(figures).content.decode()
    other = support.reach(organization, "http://127.0.0.1:9", "plumvoice")
    CampaignVariant.objects.create(campaign=made, assistant=other.account.assistants.get(), weight=1)
    assert "At Plum Voice, a voicemail is not reported and counts as reached" in client.get(figures).content.decode()


# The forecast counts no retries that no provider's report can cause.


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_rule_that_is_never_applied_adds_no_calls_to_the_forecast(organization: Organization, name: str) -> None:
    calls = {}
    made = a_campaign(organization, name)
    made.contact_lists.set([support.people(organization, [f"+1212555{1000 + n}" for n in range(200)])])
    calls[""] = forecast(made, NOON).calls
    for outcome in NEVER_TOLD["polyai"]:
        rule(made, outcome)
        calls[outcome] = forecast(Campaign.objects.get(), NOON).calls
        made.retry_rules.all().delete()
    grown = {outcome for outcome, n in calls.items() if n > calls[""]}
    assert grown == NEVER_TOLD["polyai"] - NEVER_TOLD[name]


def test_the_mix_is_what_each_provider_makes_of_it_by_its_share() -> None:
    """By hand: 15 % voicemail at a quarter of the calls; 37 % no answer and 7 % busy at a half of them."""
    adapters = {name: provider(name, AccountConfig("http://127.0.0.1:9", {})) for name in PROVIDERS}
    shares = [(adapters["callingbox"], 0.25), (adapters["allomia"], 0.25), (adapters["polyai"], 0.5)]
    mix = as_reported(DEFAULTS, shares)
    assert sum(ending.share for ending in mix) == pytest.approx(1)
    assert sum(ending.share for ending in mix if ending.voicemail) == pytest.approx(0.15 * 0.25)
    by_status: dict[str, float] = {}
    for ending in mix:
        by_status[str(ending.status)] = by_status.get(str(ending.status), 0) + ending.share
    expected = {"completed": 0.5, "no_answer": 0.37 / 2, "busy": 0.07 / 2, "failed": 0.06 + 0.44 / 2}
    assert by_status == pytest.approx(expected)
    before = sum((ending.billed * ending.share for ending in DEFAULTS), timedelta())
    after = sum((ending.billed * ending.share for ending in mix), timedelta())
    assert abs(after - before) < timedelta(milliseconds=1), "lengths and costs do not change"
    assert as_reported(DEFAULTS, [(adapters["callingbox"], 1.0)]) == DEFAULTS
