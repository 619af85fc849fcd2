"""An organization that pays in dollars, euros and yen: the same amounts on pages, over the API, in files and webhooks.

The oracle is a table of calls with amounts computed by hand, and sums by plain dictionaries. Calls are claimed and
recorded by the real parts, and one account changes its price and currency while a call of it is open.
"""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from calls.actions import budget_watch
from calls.actions import campaigns as campaign_actions
from calls.dialing import placing
from calls.forecast import forecast as forecasting
from calls.gate import budgets
from calls.gate.checks import CheckName
from calls.gate.decision import LATER
from calls.models import Call, CallEvent, Status, WebhookDelivery
from calls.outcomes import recording
from calls.reports import preflight
from campaigns.models import Campaign, CampaignVariant, Contact, Recipient
from providers.adapters.base import CallState, Reading
from providers.models import PhoneNumber, ProviderAccount
from tenants.models import Alert, Membership, Organization, WebhookEndpoint
from tenants.money import Money
from tests.calls import support
from tests.calls.support import euros, usd
from tests.calls.test_campaign_page import words_of
from tests.conftest import ApiClient

pytestmark = pytest.mark.django_db(transaction=True)
NUMBERS = [f"+1646555{n}" for n in range(7001, 7008)]
# Recipient, what its calls cost by hand (currency, amount, whether it is our estimate).
LEDGER = [
    (0, "USD", "0.10", True),  # 60 s at 0.10 a minute
    (1, "USD", "0.20", True),  # 120 s at 0.10, the price at its claim: it ended after the change to 0.20 EUR
    (2, "EUR", "0.30", True),  # 90 s at 0.20, after the change
    (3, "USD", "0.07", False),  # CallingBox tells dollars, although its account is priced in euros
    (4, "JPY", "30.50", True),  # 61 s at 30 a minute
    (5, "USD", "0.05", True),  # 30 s at 0.10, before the change
    (5, "EUR", "0.20", True),  # 60 s at 0.20, the second call to the same recipient
]
SET_ASIDE = ("JPY", "90")  # of an open call: three minutes at 30


@dataclass
class Scene:
    campaign: Campaign
    lines: dict[str, PhoneNumber]

    def place(self, line: str, recipient: int, attempt: int = 1) -> Call:
        """Place a call of the campaign through an account, as the engine does."""
        number = self.lines[line]
        contact = Contact.objects.get(phone=NUMBERS[recipient])
        row, _ = Recipient.objects.get_or_create(campaign=self.campaign, contact=contact)
        Recipient.objects.filter(pk=row.pk).update(status="calling")
        asked = {"attempt": attempt, "asked_for": attempt > 1}  # who was reached is called on request alone
        call = support.single(
            number, contact.phone, campaign=self.campaign, recipient=row, priority=Call.PRIORITY_BULK, **asked
        )
        [claim] = placing.claim(number.account_id)
        placing.record(claim, Reading(CallState.DIALING, provider_call_id=f"p{call.pk}"))
        return call

    def end(self, call: Call, seconds: int, price: Money | None = None) -> None:
        said = Reading(
            CallState.COMPLETED, provider_call_id=f"p{call.pk}", duration_seconds=seconds, price=price, settled=True
        )
        Call.objects.filter(pk=call.pk).update(dialed_at=timezone.now() - timedelta(seconds=seconds))
        recording.record(call.pk, said, CallEvent.Source.READ)


@pytest.fixture
def scene(callers: Organization) -> Scene:
    priced = {
        "changing": ("allomia", "0.10", "USD", "+16465550101"),
        "told": ("callingbox", "0.30", "EUR", "+16465550102"),
        "yen": ("plumvoice", "30", "JPY", "+16465550103"),
    }
    lines = {}
    for name, (provider, price, currency, number) in priced.items():
        found = support.reach(
            callers, "http://127.0.0.1:9", provider, price_per_minute=price, price_per_minute_currency=currency
        )
        PhoneNumber.objects.filter(pk=found.pk).update(e164=number)
        lines[name] = PhoneNumber.objects.select_related("account", "organization").get(pk=found.pk)
    made = support.campaign(lines["changing"], support.people(callers, NUMBERS), retries=2, status="running")
    for name in ("told", "yen"):
        made.phone_numbers.add(lines[name])
        CampaignVariant.objects.create(campaign=made, assistant=lines[name].account.assistants.get(), weight=1)
    return Scene(made, lines)


@pytest.fixture
def played(scene: Scene) -> Scene:
    """The calls of LEDGER, and one that is open."""
    scene.end(scene.place("changing", 0), 60)
    scene.end(scene.place("changing", 5), 30)
    during = scene.place("changing", 1)
    account = scene.lines["changing"].account
    ProviderAccount.objects.filter(pk=account.pk).update(price_per_minute="0.20", price_per_minute_currency="EUR")
    scene.end(during, 120)
    scene.end(scene.place("changing", 2), 90)
    scene.end(scene.place("told", 3), 60, usd("0.07"))
    scene.end(scene.place("yen", 4), 61)
    scene.end(scene.place("changing", 5, attempt=2), 60)
    scene.place("yen", 6)
    return scene


def sums(recipient: int | None = None) -> dict[str, Decimal]:
    found: defaultdict[str, Decimal] = defaultdict(Decimal)
    for who, currency, amount, _ in LEDGER:
        if recipient in (None, who):
            found[currency] += Decimal(amount)
    return dict(found)


def told(moneys: Any) -> dict[str, Decimal]:
    """Return amounts of the API by currency. They are sorted by currency and each is there once."""
    currencies = [each["currency"] for each in moneys]
    assert currencies == sorted(set(currencies))
    return {each["currency"]: Decimal(each["amount"]) for each in moneys}


@pytest.fixture
def manager(callers: Organization) -> Client:
    user = User.objects.create(username="mona", is_staff=True)
    Membership.objects.create(user=user, organization=callers, role="manager")
    client = Client()
    client.force_login(user)
    return client


def page(client: Client, name: str, *args: Any) -> str:
    answer = client.get(reverse(f"admin:{name}", args=args))
    assert answer.status_code == 200
    return words_of(answer.content.decode())


def test_the_api_tells_each_currency(played: Scene, client_for: Any, callers: Organization) -> None:
    api: ApiClient = client_for(callers)
    at = f"/api/v1/campaigns/{played.campaign.uuid}/"
    progress = api.get(f"{at}progress/").json()
    assert told(progress["spent_by_currency"]) == sums()
    assert progress["spent"] == {"amount": "0.42", "currency": "USD"}, "without a budget, the campaign's currency"
    assert progress["budget_not_counted"] == []
    variants = {row["name"]: row for row in api.get(f"{at}variants/").json()["variants"]}
    assert told(variants["allomia"]["cost_by_currency"]) == {"EUR": Decimal("0.50"), "USD": Decimal("0.35")}
    assert variants["allomia"]["cost"] is variants["allomia"]["cost_per_completed"] is None
    assert variants["callingbox"]["cost"] == {"amount": "0.07", "currency": "USD"}
    call = Call.objects.get(account=played.lines["told"].account)
    found = api.get(f"/api/v1/calls/{call.uuid}/").json()
    assert found["cost"] == found["cost_price"] == {"amount": "0.07", "currency": "USD"}
    assert found["cost_estimate"] == {"amount": "0.30", "currency": "EUR"}, "the estimate keeps its own"
    [row] = [row for row in api.get("/api/v1/calls/").json()["results"] if row["id"] == str(call.uuid)]
    assert {name: row[name] for name in ("cost", "cost_price", "cost_estimate")} == {
        name: found[name] for name in ("cost", "cost_price", "cost_estimate")
    }


def test_the_only_currency_is_the_campaigns(scene: Scene, client_for: Any, callers: Organization) -> None:
    scene.end(scene.place("yen", 4), 61)
    api: ApiClient = client_for(callers)
    at = f"/api/v1/campaigns/{scene.campaign.uuid}/progress/"
    assert api.get(at).json()["spent"] == {"amount": "30.50", "currency": "JPY"}
    Campaign.objects.update(budget=1)
    assert api.get(at).json()["spent"] == {"amount": "0.00", "currency": "USD"}, "in the currency of the budget"


def test_a_budget_counts_its_own_currency_and_names_the_others(
    played: Scene, client_for: Any, callers: Organization, manager: Client
) -> None:
    Campaign.objects.update(budget=Decimal("0.80"), budget_currency="EUR")
    Organization.objects.filter(pk=callers.pk).update(daily_budget=Decimal(2), daily_budget_currency="EUR")
    ProviderAccount.objects.filter(pk=played.lines["changing"].account_id).update(daily_budget=Decimal(1))
    beyond = sums() | {"JPY": sums()["JPY"] + Decimal(SET_ASIDE[1])}
    spent = beyond.pop("EUR")
    api: ApiClient = client_for(callers)
    progress = api.get(f"/api/v1/campaigns/{played.campaign.uuid}/progress/").json()
    assert progress["spent"] == {"amount": "0.50", "currency": "EUR"} and spent == Decimal("0.50")
    assert told(progress["budget_not_counted"]) == beyond == {"USD": Decimal("0.42"), "JPY": Decimal("120.50")}
    sentence = "121 JPY · 0.42 USD in other currencies are not counted."
    panel = page(manager, "campaigns_campaign_panel", played.campaign.pk)
    assert "0.50 EUR · 31 JPY · 0.42 USD" in panel and "of which 0.50 EUR · 31 JPY · 0.35 USD estimated" in panel
    assert "0.50 EUR of 0.80 EUR spent or set aside for calls under way (62 %)" in panel and sentence in panel
    assert sentence in page(manager, "tenants_organization_change", callers.pk)
    account = page(manager, "providers_provideraccount_change", played.lines["changing"].account_id)
    assert "0.50 EUR of 1.00 EUR" in account and "0.35 USD in other currencies is not counted." in account
    assert "Spent or set aside today 0.50 EUR · 0.35 USD" in account
    today = page(manager, "calls_call_today")
    assert "0.50 EUR · 31 JPY · 0.42 USD spent" in today and "0.50 EUR of 2.00 EUR" in today and sentence in today
    campaign = Campaign.objects.get()
    named = [each.message for each in preflight.problems(campaign) if each.code == "budget_not_counted"]
    assert len(named) == 3 and all("in other currencies" in text for text in named)
    budget_watch.watch(timezone.now())
    alert = Alert.objects.get(key__startswith=f"budget.50:campaign:{campaign.uuid}")
    assert f"0.50 EUR of 0.80 EUR. {sentence}" in alert.message


def test_a_forecast_tells_each_currency(scene: Scene, client_for: Any, callers: Organization) -> None:
    """Seven recipients for three assistants, of which two are priced in euros and dollars, and one in yen."""
    api: ApiClient = client_for(callers)
    Campaign.objects.update(budget=Decimal("0.01"), budget_currency="EUR")
    found = forecasting.forecast(Campaign.objects.get(), timezone.now())
    assert [each.currency for each in found.cost_high] == ["EUR", "JPY", "USD"]
    assert found.cost_high.within("EUR") == euros("0.01"), "the budget allows no more"
    problems = {each.code: each.message for each in forecasting.warnings(found)}
    assert set(problems) == {"budget", "budget_not_counted"}
    assert "JPY" in problems["budget_not_counted"] and "EUR" not in problems["budget_not_counted"]
    answer = api.get(f"/api/v1/campaigns/{Campaign.objects.get().uuid}/preflight/").json()
    assert answer["estimated_cost"] is None, "three currencies have no sum"
    assert set(told(answer["estimated_cost_by_currency"])) == {"EUR", "JPY", "USD"}


def test_a_budget_stops_calls_that_it_cannot_count(scene: Scene) -> None:
    Campaign.objects.update(budget=Decimal(9), budget_currency="EUR")
    campaign = Campaign.objects.get()
    now = timezone.now()
    call = support.single(scene.lines["yen"], NUMBERS[0], campaign=campaign)
    assert placing.claim(call.account_id) == []
    call.refresh_from_db()
    assert (call.status, call.status_reason) == (Status.QUEUED, "budget_currency")
    assert call.due_at is not None and call.due_at >= now + LATER
    assert call.events.get(type="deferred").detail == CheckName.BUDGET_CURRENCY.words
    other = support.single(scene.lines["told"], NUMBERS[1], campaign=campaign)
    assert [claim.call.pk for claim in placing.claim(other.account_id)] == [other.pk]
    for _ in range(2):
        budget_watch.watch(now)
    told_of = Alert.objects.filter(key__startswith=f"budget.currency:{campaign.uuid}:EUR:")
    assert sorted(alert.message for alert in told_of) == [
        f"'{campaign.name}' does not call through '{name}': its budget is in EUR, but the account is priced in "
        f"{currency}. Use one currency."
        for name, currency in (("allomia", "USD"), ("plumvoice", "JPY"))
    ]


def test_a_budget_is_spent_when_no_call_in_its_currency_fits(scene: Scene) -> None:
    """Calls in other currencies are not placed, so what they would set aside keeps no campaign running."""
    scene.end(scene.place("changing", 0), 60)  # 0.10 USD; the next call sets 0.30 aside
    Campaign.objects.update(budget=Decimal("0.40"))
    budget_watch.watch(timezone.now())
    assert Campaign.objects.get().status == Campaign.Status.RUNNING
    Campaign.objects.update(budget=Decimal("0.39"))
    budget_watch.watch(timezone.now())
    assert Campaign.objects.get().status_reason == "The budget is spent: 0.10 USD of 0.39 USD."


def test_pages_tell_nothing_spent_from_costs_that_are_not_reported(scene: Scene, manager: Client) -> None:
    account = scene.lines["changing"].account
    ProviderAccount.objects.update(price_per_minute=None)
    Campaign.objects.update(started_at=timezone.now())

    def shown() -> list[str]:
        listed = manager.get(reverse("admin:campaigns_campaign_changelist")).context["cl"]
        pages = [("campaigns_campaign_panel", scene.campaign.pk), ("providers_provideraccount_panel", account.pk)]
        contexts = [manager.get(reverse(f"admin:{name}", args=[key])).context for name, key in pages]
        contexts.append(manager.get(reverse("admin:calls_call_today")).context)
        return [listed.model_admin.spent(listed.result_list[0]), *(context["spent"] for context in contexts)]

    assert shown() == ["Nothing"] * 4
    call = scene.place("changing", 0)
    Recipient.objects.update(attempts=1)
    scene.end(call, 60)
    assert shown() == ["Not reported"] * 4


def test_webhooks_tell_each_currency(played: Scene, callers: Organization) -> None:
    WebhookEndpoint.objects.create(organization=callers, url="https://example.org/", events=["campaign.paused"])
    campaign_actions.pause(played.campaign, actor="mona")
    body = json.loads(WebhookDelivery.objects.get(event="campaign.paused").body)
    assert told(body["data"]["progress"]["spent_by_currency"]) == sums()


def test_results_never_add_across_currencies(played: Scene, client_for: Any, callers: Organization) -> None:
    api: ApiClient = client_for(callers)
    answer: Any = api.get(f"/api/v1/campaigns/{played.campaign.uuid}/results.csv", headers={"accept": "text/csv"})
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    rows = {row["phone"]: row for row in csv.DictReader(io.StringIO(text, newline=""))}
    for n, phone in enumerate(NUMBERS):
        expected = sums(n)
        row = rows[phone]
        found = {row["currency"]: Decimal(row["cost"])} if row["cost"] else {}
        for other in filter(None, row["other_costs"].split("; ")):
            amount, currency = other.split(" ")
            found[currency] = Decimal(amount)
        assert found == expected, phone
    assert (rows[NUMBERS[5]]["cost"], rows[NUMBERS[5]]["currency"]) == ("0.20", "EUR")
    assert (rows[NUMBERS[5]]["cost_estimated"], rows[NUMBERS[5]]["other_costs"]) == ("0.20", "0.05 USD")
    assert (rows[NUMBERS[3]]["cost"], rows[NUMBERS[3]]["cost_estimated"]) == ("0.07", "")


def test_a_new_price_changes_no_earlier_call(scene: Scene) -> None:
    """What is set aside, the estimate of an open call, and the days before stay as they were."""
    account = scene.lines["changing"].account
    open_call, ended = scene.place("changing", 0), scene.place("changing", 1)
    scene.end(ended, 60)
    before = budgets.spending_today_through(account, timezone.now())
    assert before.used.parts == (usd("0.40"),)
    for price, currency in ((None, "USD"), ("7", "EUR"), ("0.01", "USD")):
        ProviderAccount.objects.update(price_per_minute=price, price_per_minute_currency=currency)
        account.refresh_from_db()
        assert budgets.spending_today_through(account, timezone.now()) == before
        assert budgets.spending_today(account.organization, timezone.now()) == before
        assert budgets.spent_on(scene.campaign) == before.used
    ProviderAccount.objects.update(price_per_minute="7", price_per_minute_currency="EUR")
    scene.end(open_call, 120)
    open_call.refresh_from_db()
    assert open_call.cost == usd("0.20") and not open_call.cost_reserved
    assert budgets.spent_on(scene.campaign).parts == (usd("0.30"),)
    recording.record(
        ended.pk,
        Reading(CallState.COMPLETED, provider_call_id=f"p{ended.pk}", billed_duration_seconds=30, settled=True),
        CallEvent.Source.READ,
    )
    ended.refresh_from_db()
    assert ended.cost == usd("0.05"), "a later duration, at the price of the claim"


def test_a_call_counts_in_both_currencies_while_its_price_may_change(scene: Scene) -> None:
    """Its price came in dollars, and euros are set aside for it until the price is final."""
    call = scene.place("told", 0)
    said = Reading(CallState.COMPLETED, provider_call_id=f"p{call.pk}", price=usd("0.07"), settled=False)
    recording.record(call.pk, said, CallEvent.Source.READ)
    assert budgets.spent_on(scene.campaign).parts == (euros("0.90"), usd("0.07"))
    recording.record(call.pk, Reading(**(vars(said) | {"settled": True})), CallEvent.Source.READ)
    assert budgets.spent_on(scene.campaign).parts == (usd("0.07"),)
