"""Preflight errors and warnings of campaigns with several assistants or with a budget."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from calls.reports.preflight import problems
from campaigns.models import Campaign, CampaignVariant
from providers.models import Assistant, PhoneNumber, ProviderAccount
from tenants.models import Organization
from tests.calls import support

pytestmark = pytest.mark.django_db


@pytest.fixture
def made(organization: Organization) -> Campaign:
    lines = [support.reach(organization, "http://127.0.0.1:9", name) for name in ("allomia", "callingbox")]
    found = support.campaign(lines[0], support.people(organization, ["+12125551200"]))
    found.phone_numbers.add(lines[1])
    CampaignVariant.objects.create(campaign=found, assistant=lines[1].account.assistants.get(), weight=0)
    return found


def found(**changes: Any) -> set[tuple[str, str]]:
    Campaign.objects.update(**changes)
    return {(problem.code, problem.severity) for problem in problems(Campaign.objects.get())}


def test_all_is_well(made: Campaign) -> None:
    assert found() == set()


def test_an_assistant_that_another_stands_in_for_is_a_warning(made: Campaign) -> None:
    Assistant.objects.filter(name="allomia").update(is_active=False)
    assert found() == {("assistant_inactive", "warning")}


def test_where_none_can_call_each_says_why(made: Campaign) -> None:
    Assistant.objects.filter(name="allomia").update(is_active=False)
    ProviderAccount.objects.filter(provider="callingbox").update(is_active=False)
    assert found() == {("assistant_inactive", "error"), ("account_inactive", "error")}


def test_a_variant_without_a_caller_number_is_told(made: Campaign) -> None:
    made.phone_numbers.remove(PhoneNumber.objects.get(account__provider="callingbox"))
    assert found() == {("no_phone_number", "warning")}


def test_a_budget_needs_one_currency_and_a_price(made: Campaign) -> None:
    ProviderAccount.objects.filter(provider="allomia").update(price_per_minute=Decimal("0.10"))
    assert found(budget=Decimal(10)) == {("budget_without_price", "warning")}
    ProviderAccount.objects.update(price_per_minute=Decimal("0.10"), price_per_minute_currency="EUR")
    assert found() == {("budget_currency", "error"), ("cost_not_reported", "warning")}, "CallingBox tells dollars"


def test_what_a_contact_would_hear_is_shown(made: Campaign, api: Any) -> None:
    Campaign.objects.update(variables={"clinic": "Main street", "who": "{{ contact.name }}"})
    Assistant.objects.filter(name="allomia").update(variables=[{"name": "slot", "required": True}])
    contact = made.contact_lists.get().contacts.get()
    at = f"/api/v1/campaigns/{made.uuid}/preview/"
    answer = api.get(f"{at}?contact={contact.uuid}").json()
    assert answer["assistant"] == str(Assistant.objects.get(name="allomia").uuid)
    values = {row["name"]: (row["value"], row["source"], row["missing"]) for row in answer["variables"]}
    assert values["clinic"] == ("Main street", "campaign", False)
    assert values["slot"][2] is True
    assert api.get(at).status_code == 400
    assert api.get(f"{at}?contact=nonsense").status_code == 400
    assert api.get(f"{at}?contact={made.uuid}").status_code == 404


def test_the_comparison_of_assistants_says_when_it_says_nothing(made: Campaign, api: Any) -> None:
    answer = api.get(f"/api/v1/campaigns/{made.uuid}/variants/").json()
    assert {"variants", "statement"} <= set(answer)
