"""The comparison of variants: which conclusions the figures allow."""

from __future__ import annotations

import random
from decimal import Decimal

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from calls.models import Call, Status
from calls.reports.variant_comparison import Variant, compare, judge
from campaigns.models import Campaign, CampaignVariant, Contact, Recipient
from providers.models import Assistant, PhoneNumber
from tenants.money import Amounts
from tests.calls.support import euros
from tests.conftest import an_assistant


def variant(name: str, people: int, completed: int) -> Variant:
    return Variant(name, name, people, people, completed, Amounts())


def test_few_people_say_nothing_and_how_much_would_show() -> None:
    found = judge([variant("A", 40, 20), variant("B", 38, 21)])
    assert found.statement == (
        "“A” and “B” may be equal (50 % and 55.3 %): with 40 and 38 contacts, "
        "only differences over 23 points would show."
    )


def test_a_difference_that_shows_is_named_with_the_better_one() -> None:
    found = judge([variant("A", 400, 100), variant("B", 400, 160)])
    assert found.statement == "“B” reaches more contacts than “A”, by about 15 points (25 % and 40 %)."


def test_the_same_figures_prove_less_among_many_variants() -> None:
    pair = [variant("A", 300, 90), variant("B", 300, 114)]
    assert "reaches more" in judge(pair).statement
    others = [variant(name, 300, 102) for name in "CDE"]
    first = judge([*pair, *others]).statement.split(". ")[0]
    assert "may be equal" in first


def test_nobody_called_and_nobody_to_compare() -> None:
    assert "nothing to compare" in judge([variant("A", 9, 9)]).statement
    assert judge([variant("A", 9, 9), variant("B", 0, 0)]).statement == (
        "Nothing can be said of “B” yet: nobody's outcome was decided by a call that rang."
    )
    assert "“A” and “B”" in judge([variant("A", 0, 0), variant("B", 0, 0)]).statement


def test_a_handful_of_successes_is_never_called_a_difference() -> None:
    assert "may be equal" in judge([variant("A", 20, 0), variant("B", 20, 4)]).statement


@given(st.lists(st.tuples(st.integers(0, 5000), st.floats(0, 1)), min_size=1, max_size=5))
def test_the_interval_holds_the_rate_and_every_pair_has_a_sentence(given_rows: list[tuple[int, float]]) -> None:
    rows = [variant(str(n), people, int(people * share)) for n, (people, share) in enumerate(given_rows)]
    found = judge(rows)
    for each in found.variants:
        assert 0 <= each.low <= each.high <= 1
        assert each.rate is None or each.low - 1e-9 <= each.rate <= each.high + 1e-9
    pairs = max(1, len(rows) * (len(rows) - 1) // 2)
    assert found.statement.count("reaches more") + found.statement.count("may be equal") <= pairs
    assert found.statement.endswith(".")


def test_equal_variants_are_rarely_called_different() -> None:
    """With three truly equal variants, at most one campaign in twenty reports a difference."""
    chance = random.Random(7)
    wrong = 0
    for _ in range(400):
        rows = [variant(name, 200, sum(chance.random() < 0.4 for _ in range(200))) for name in "ABC"]
        wrong += "reaches more" in judge(rows).statement
    assert wrong <= 30


def called(campaign: Campaign, assistant: Assistant, number: PhoneNumber, index: int, *statuses: str) -> None:
    contact = Contact.objects.create(organization=campaign.organization, phone=f"+336123{index:05}")
    recipient = Recipient.objects.create(campaign=campaign, contact=contact)
    for status in statuses:
        Call.objects.create(
            organization=campaign.organization,
            campaign=campaign,
            recipient=recipient,
            contact=contact,
            account=assistant.account,
            assistant=assistant,
            phone_number=number,
            to_number=contact.phone,
            from_number=number.e164,
            status=status,
            dialed_at=None if status == Status.CANCELED else timezone.now(),
            answered_by="machine" if index == 3 else "",
            cost_price=Decimal("0.25"),
            cost_currency="EUR",
        )


@pytest.mark.django_db
def test_a_campaign_is_counted_by_the_assistant_of_each_call(assistant: Assistant, phone_number: PhoneNumber) -> None:
    assistant.account.price_per_minute_currency = "EUR"
    assistant.account.save()
    second = an_assistant(assistant.account, name="Friendly")
    third = an_assistant(assistant.account, name="Idle")
    gone = an_assistant(assistant.account, name="Gone")
    campaign = Campaign.objects.create(organization=assistant.organization, name="March", assistant=assistant)
    for other in (second, third):
        CampaignVariant.objects.create(campaign=campaign, assistant=other, weight=1)
    called(campaign, assistant, phone_number, 1, "no_answer", "completed")
    called(campaign, assistant, phone_number, 2, "busy", "canceled")
    called(campaign, assistant, phone_number, 3, "completed")  # a machine answered, so the contact was not reached
    called(campaign, second, phone_number, 4, "completed")
    called(campaign, gone, phone_number, 5, "failed", "unknown")  # what decided it may not have rung
    elsewhere = Campaign.objects.create(organization=assistant.organization, name="April", assistant=assistant)
    called(elsewhere, assistant, phone_number, 6, "completed")

    found = {row.name: row for row in compare(campaign).variants}
    counts = {name: (row.people, row.calls, row.completed, row.cost.parts) for name, row in found.items()}
    assert counts == {
        "Reminder": (3, 4, 1, (euros("1.00"),)),
        "Friendly": (1, 1, 1, (euros("0.25"),)),
        "Idle": (0, 0, 0, ()),
        "Gone": (0, 1, 0, (euros("0.25"),)),
    }
    shown = compare(campaign).as_json()
    assert set(shown) == {"variants", "statement"}
    first = shown["variants"][0]
    assert first["rate"] == 0.3333
    assert first["cost"] == first["cost_per_completed"] == {"amount": "1.00", "currency": "EUR"}
    assert shown["variants"][2]["rate"] is None
    Call.objects.filter(assistant=second).update(cost_currency="USD")
    called(campaign, second, phone_number, 7, "completed")
    mixed = compare(campaign).as_json()["variants"][1]
    assert (mixed["cost"], mixed["cost_per_completed"]) == (None, None), "no sum of two currencies"
    quarters = [{"amount": "0.25", "currency": "EUR"}, {"amount": "0.25", "currency": "USD"}]
    assert mixed["cost_by_currency"] == quarters
