"""Money, amounts by currency, and how they are written. Expected texts are by hand."""

from __future__ import annotations

from decimal import Decimal
from itertools import permutations

import pytest
from django.core.exceptions import ValidationError

from tenants.api.fields import money, moneys
from tenants.models import Organization
from tenants.money import NOTHING, Amounts, CurrenciesDiffer, Money, exact, money_text, not_counted, rounded
from tests.tables import cases


def of(amount: str, currency: str = "USD") -> Money:
    return Money(Decimal(amount), currency)


def test_money_of_one_currency_is_calculated_with() -> None:
    assert of("1.20") + of("0.30") == of("1.5") and of("1") - of("3") == of("-2") and of("0.10") * 3 == of("0.3")
    assert of("1") < of("2") and of("2") <= of("2.0") and of("3") > of("2") and of("2") >= of("2")
    assert (of("1") - of("3")).at_least_nothing() == of("0")
    assert not of("0.00") and of("0.000001")
    assert hash(of("1.50")) == hash(of("1.5"))


@pytest.mark.parametrize("operation", ["__add__", "__sub__", "__lt__", "__le__", "__gt__", "__ge__"])
def test_money_of_two_currencies_has_no_sum_and_no_order(operation: str) -> None:
    with pytest.raises(CurrenciesDiffer):
        getattr(of("1"), operation)(of("1", "EUR"))


@pytest.mark.parametrize(("amount", "currency"), [("NaN", "USD"), ("Infinity", "USD"), ("1", "")])
def test_money_is_finite_and_has_a_currency(amount: str, currency: str) -> None:
    with pytest.raises(ValueError, match="finite amount"):
        of(amount, currency)


def test_unknown_money_is_none() -> None:
    assert Money.known(None, "USD") is None
    assert Money.known(Decimal(0), "USD") == of("0")


def test_amounts_are_one_sum_for_each_currency_in_a_stable_order() -> None:
    parts = [of("1", "USD"), of("2", "EUR"), of("3", "USD"), of("0", "JPY"), None]
    for order in permutations(parts):
        assert Amounts.of(order).parts == (of("2", "EUR"), of("0", "JPY"), of("4", "USD"))
    found = Amounts.of(parts)
    assert found.within("USD") == of("4") and found.within("CHF") == of("0", "CHF")
    assert found.beyond("USD").parts == (of("2", "EUR"),), "a zero is not missed"
    assert found.positive().parts == (of("2", "EUR"), of("4", "USD"))
    assert (found + NOTHING) == found and (found + found).within("EUR") == of("4", "EUR")
    assert found.only() is None and NOTHING.only() is None and Amounts.of([of("1")]).only() == of("1")
    assert not NOTHING and len(found) == 3


@cases(
    ("amount", "currency", "text"),
    [
        ("0", "USD", "0.00 USD"),
        ("0.004", "USD", "<0.01 USD"),
        ("0.0099", "USD", "<0.01 USD"),
        ("0.01", "USD", "0.01 USD"),
        ("0.415", "EUR", "0.42 EUR"),
        ("1234567.5", "EUR", "1,234,567.50 EUR"),
        ("0.4", "JPY", "<1 JPY"),
        ("1230.5", "JPY", "1,231 JPY"),
        ("0.0004", "KWD", "<0.001 KWD"),
        ("1.2345", "KWD", "1.235 KWD"),
        ("2", "CLF", "2.0000 CLF"),
        ("-0.30", "USD", "-0.30 USD"),
    ],
)
def test_an_amount_has_the_decimals_of_its_currency(amount: str, currency: str, text: str) -> None:
    assert money_text(of(amount, currency)) == text


def test_unknown_is_never_a_zero_and_several_stand_side_by_side() -> None:
    assert money_text(None) == money_text(NOTHING) == "Not reported"
    assert money_text(Amounts.of([of("3.4"), of("1.2", "EUR")])) == "1.20 EUR · 3.40 USD"


def test_a_budget_says_what_it_does_not_count() -> None:
    assert not_counted(NOTHING) == ""
    assert not_counted(Amounts.of([of("3.2", "EUR")])) == "3.20 EUR in other currencies is not counted."
    several = Amounts.of([of("3.2", "EUR"), of("7", "JPY")])
    assert not_counted(several) == "3.20 EUR · 7 JPY in other currencies are not counted."


def test_an_exact_amount_keeps_what_it_needs() -> None:
    assert [exact(of(text)) for text in ("0.5", "0.0350", "2")] == ["0.50 USD", "0.035 USD", "2.00 USD"]
    assert rounded(of("0.125")) == of("0.13")


def test_the_api_writes_an_amount_as_text_with_its_currency() -> None:
    assert money(None) is None
    assert money(of("0.412500", "EUR")) == {"amount": "0.4125", "currency": "EUR"}
    assert moneys(Amounts.of([of("2"), of("30.5", "JPY")])) == [
        {"amount": "30.50", "currency": "JPY"},
        {"amount": "2.00", "currency": "USD"},
    ]


@pytest.mark.parametrize(("typed", "kept"), [("EUR", "EUR"), ("eur", "EUR"), ("$", None), ("EU", None), ("E1R", None)])
def test_forms_take_codes_of_currencies_alone(typed: str, kept: str | None) -> None:
    field = Organization._meta.get_field("daily_budget_currency")
    if kept:
        assert field.clean(typed, None) == kept
        return
    with pytest.raises(ValidationError):
        field.clean(typed, None)
