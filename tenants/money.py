"""Money: an amount with the currency it was incurred in, and sums for each currency. Knows no Django and no database.

It is in the lowest room, so that adapters, models, the API and pages use one type. Nothing converts: amounts in
different currencies have no sum, so adding or comparing them raises.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

ZERO = Decimal(0)
CODE = "[A-Z]{3}"  # of a currency
NOT_REPORTED = "Not reported"
SEPARATOR = " · "
# Decimals of the currencies that do not have two: ISO 4217, list one, as published on 2025-05-12 (amendment 179).
DIGITS = {
    **dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF"), 0),
    **dict.fromkeys(("UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}


class CurrenciesDiffer(TypeError):
    """Amounts in different currencies were added or compared."""


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in a currency, which is a code of ISO 4217 such as "USD"."""

    amount: Decimal
    currency: str

    def __post_init__(self) -> None:
        if not self.amount.is_finite() or not self.currency:
            raise ValueError("Money is a finite amount with a currency.")

    @classmethod
    def known(cls, amount: Decimal | None, currency: str) -> Money | None:
        """Return the money of two columns, or None when the amount is not known."""
        return None if amount is None else cls(amount, currency)

    def __add__(self, other: Money) -> Money:
        return Money(self.amount + self._same(other), self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.amount - self._same(other), self.currency)

    def __mul__(self, times: Decimal | int) -> Money:
        return Money(self.amount * times, self.currency)

    def __lt__(self, other: Money) -> bool:
        return self.amount < self._same(other)

    def __le__(self, other: Money) -> bool:
        return self.amount <= self._same(other)

    def __gt__(self, other: Money) -> bool:
        return self.amount > self._same(other)

    def __ge__(self, other: Money) -> bool:
        return self.amount >= self._same(other)

    def __bool__(self) -> bool:
        """Whether it is not zero."""
        return bool(self.amount)

    def counted_in(self, currency: str) -> Money:
        """Return what of it is in a currency: all or nothing."""
        return self if self.currency == currency else Money(ZERO, currency)

    def at_least_nothing(self) -> Money:
        return Money(max(self.amount, ZERO), self.currency)

    def _same(self, other: Money) -> Decimal:
        if self.currency != other.currency:
            raise CurrenciesDiffer(f"{self.currency} and {other.currency} have no sum and no order.")
        return other.amount


@dataclass(frozen=True, slots=True)
class Amounts:
    """One amount for each currency, in the order of the codes. Empty: nothing is known. A zero is known."""

    parts: tuple[Money, ...] = ()

    @classmethod
    def of(cls, moneys: Iterable[Money | None]) -> Amounts:
        """Return the sums by currency. None adds nothing."""
        totals: dict[str, Money] = {}
        for money in moneys:
            if money is not None:
                totals[money.currency] = totals[money.currency] + money if money.currency in totals else money
        return cls(tuple(totals[code] for code in sorted(totals)))

    def __iter__(self) -> Iterator[Money]:
        return iter(self.parts)

    def __len__(self) -> int:
        return len(self.parts)

    def __add__(self, other: Iterable[Money]) -> Amounts:
        return Amounts.of((*self, *other))

    def within(self, currency: str) -> Money:
        """Return the amount in a currency, zero if there is none."""
        return next((money for money in self if money.currency == currency), Money(ZERO, currency))

    def beyond(self, currency: str) -> Amounts:
        """Return the amounts in other currencies that are not zero: what a budget in this currency cannot count."""
        return Amounts(tuple(money for money in self if money and money.currency != currency))

    def positive(self) -> Amounts:
        return Amounts(tuple(money for money in self if money))

    def only(self) -> Money | None:
        """Return the amount if there is one currency, else None: several have no sum."""
        return self.parts[0] if len(self) == 1 else None


NOTHING = Amounts()


def money_text(found: Money | Amounts | None) -> str:
    """Return money as every page and message shows it: "1,234.50 USD", "<0.01 USD", "1.20 EUR · 3.40 USD".

    Unknown money is "Not reported", and never a zero.
    """
    parts = (found,) if isinstance(found, Money) else tuple(found or ())
    return SEPARATOR.join(map(_shown, parts)) or NOT_REPORTED


def exact(money: Money) -> str:
    """Return money with its currency's decimals, or with as many more as the amount needs."""
    short = rounded(money).amount
    return f"{short if short == money.amount else money.amount.normalize():,f} {money.currency}"


def rounded(money: Money) -> Money:
    """Return money rounded to its currency's decimals."""
    return Money(money.amount.quantize(_smallest(money.currency), ROUND_HALF_UP), money.currency)


def _smallest(currency: str) -> Decimal:
    return Decimal(1).scaleb(-DIGITS.get(currency, 2))


def _shown(money: Money) -> str:
    smallest = _smallest(money.currency)
    if 0 < money.amount < smallest:
        return f"<{smallest:f} {money.currency}"
    return f"{rounded(money).amount:,f} {money.currency}"


def not_counted(others: Amounts) -> str:
    """Return a sentence about what a budget cannot count, or "" if it counts everything."""
    if not others:
        return ""
    return f"{money_text(others)} in other currencies {'is' if len(others) == 1 else 'are'} not counted."
