"""Create the plan's rows in the product's database."""

from __future__ import annotations

from typing import Any

from campaigns.models import (
    CallingWindow,
    Campaign,
    CampaignVariant,
    Contact,
    ContactList,
    ContactListMember,
    Recipient,
    RetryRule,
)
from campaigns.rules.windows import DAYS
from providers.models import Assistant, PhoneNumber, ProviderAccount
from tenants.models import ApiKey, Organization, Tenant
from tests.conftest import ApiClient
from tests.simulation import plan


class Home:
    """One organization's rows, keyed by the plan's names."""

    def __init__(self, tenant: Tenant, wanted: plan.Organization) -> None:
        self.plan = wanted
        self.row = Organization.objects.create(
            tenant=tenant,
            name=wanted.name,
            timezone=wanted.zone,
            allowed_countries=list(wanted.countries),
            min_gap_minutes=int(wanted.gap.total_seconds() // 60),
            max_attempts_per_day=wanted.per_day,
            max_attempts_per_30_days=wanted.per_30_days,
            daily_budget=wanted.daily_budget,
        )
        self.accounts = {each.name: self._account(each) for each in wanted.accounts}
        self.assistants = {name: self._assistant(account) for name, account in self.accounts.items()}
        self.numbers = {each.e164: self._number(each) for each in wanted.numbers}
        everybody = {person.phone: person for each in wanted.campaigns for person in each.people}
        Contact.objects.bulk_create(
            [Contact(organization=self.row, phone=p.phone, timezone=p.place.timezone) for p in everybody.values()],
            batch_size=2_000,
        )
        self.contacts = dict(Contact.objects.filter(organization=self.row).values_list("phone", "pk"))
        self.campaigns = {each.name: self._campaign(each) for each in wanted.campaigns}
        _, key = ApiKey.issue(tenant=tenant, organization=self.row, name="month", scopes=["manage", "call"])
        self.program = ApiClient(key, host="localhost")

    def recipient(self, campaign: str, phone: str) -> Recipient:
        return self.campaigns[campaign].recipients.get(contact=self.contacts[phone])

    def _account(self, wanted: plan.Account) -> ProviderAccount:
        return ProviderAccount.objects.create(
            organization=self.row,
            provider="callingbox" if wanted.price else "allomia",  # only the first tells prices
            name=wanted.name,
            base_url="https://example.org",
            credentials={"api_key": "k"},
            calls_per_second=wanted.calls_per_second,
            max_open_calls=wanted.max_open,
            max_unconfirmed=None,
            price_per_minute=wanted.price,
            reserved_minutes=wanted.reserved_minutes,
            daily_budget=wanted.daily_budget,
        )

    def _assistant(self, account: ProviderAccount) -> Assistant:
        return Assistant.objects.create(
            organization=self.row,
            account=account,
            name=account.name,
            external_id="6f1c2d3e-4a5b-4c6d-8e7f-901a2b3c4d5e",
            opt_out_rules=[{"field": "result.opt_out", "equals": "true"}],
        )

    def _number(self, wanted: plan.Number) -> PhoneNumber:
        return PhoneNumber.objects.create(
            organization=self.row,
            account=self.accounts[wanted.account],
            e164=wanted.e164,
            external_id="0a9b8c7d-6e5f-4a3b-9c2d-1e0f9a8b7c6d",
            max_calls_per_day=wanted.per_day,
            max_open_calls=wanted.max_open,
            rest_seconds=wanted.rest,
        )

    def _campaign(self, wanted: plan.Campaign) -> Campaign:
        (first, weight), *others = wanted.assistants
        made = Campaign.objects.create(
            organization=self.row,
            name=wanted.name,
            assistant=self.assistants[first],
            assistant_weight=weight,
            **_rules(wanted),
        )
        for name, share in others:
            CampaignVariant.objects.create(campaign=made, assistant=self.assistants[name], weight=share)
        made.phone_numbers.set([self.numbers[e164] for e164 in wanted.numbers])
        group = ContactList.objects.create(organization=self.row, name=wanted.name)
        made.contact_lists.add(group)
        ContactListMember.objects.bulk_create(
            [ContactListMember(contact_list=group, contact_id=self.contacts[p.phone]) for p in wanted.people],
            batch_size=2_000,
        )
        for each in wanted.windows:
            days = [DAYS[day] for day in each.days]
            CallingWindow.objects.create(campaign=made, days=days, opens=each.opens, closes=each.closes)
        for outcome, minutes, most in wanted.retries:
            RetryRule.objects.create(campaign=made, outcome=outcome, wait_minutes=minutes, max_attempts=most)
        return made


def _rules(wanted: plan.Campaign) -> dict[str, Any]:
    return {
        "timezone": wanted.zone,
        "holidays": [day.isoformat() for day in wanted.holidays],
        "max_attempts": wanted.max_attempts,
        "min_gap_minutes": None if wanted.gap is None else int(wanted.gap.total_seconds() // 60),
        "max_open_calls": wanted.max_open,
        "calls_per_minute": wanted.per_minute,
        "priority": wanted.priority,
        "budget": wanted.budget,
        "legal_override": "agreed with every contact" if wanted.lawless else "",
        "starts_at": wanted.starts_at,
        "ends_at": wanted.ends_at,
    }


def build(wanted: plan.Plan) -> list[Home]:
    tenant = Tenant.objects.create(name="Month")
    return [Home(tenant, organization) for organization in wanted.organizations]
