"""What calls cost and what budgets count, added up from rows by currency in a few lines of Python.

A row is a mapping of columns. A currency without a known amount is not there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_UP, Decimal

from tests.oracle.figures import Row

ByCurrency = dict[str, Decimal]
DIGITS = {"JPY": 0, "KWD": 3}  # of the currencies in use that do not have two (ISO 4217)


def cost(call: Row) -> Decimal | None:
    """Return the provider's price, else our estimate. It is in `cost_currency`."""
    amount: Decimal | None = call["cost_estimate"] if call["cost_price"] is None else call["cost_price"]
    return amount


def total(parts: Iterable[tuple[str, Decimal | None]]) -> ByCurrency:
    found: ByCurrency = {}
    for currency, amount in parts:
        if amount is not None:
            found[currency] = found.get(currency, Decimal(0)) + amount
    return dict(sorted(found.items()))


def spent(calls: Iterable[Row]) -> ByCurrency:
    return total((call["cost_currency"], cost(call)) for call in calls)


def estimated(calls: Iterable[Row]) -> ByCurrency:
    return spent(call for call in calls if call["cost_price"] is None)


def counted(calls: Iterable[Row], of_account: str) -> ByCurrency:
    """Return what budgets count: of each call its cost, and what is set aside for it at least.

    `of_account`: the currency of the account's price, for what was set aside before calls kept theirs.
    """
    parts: list[tuple[str, Decimal | None]] = []
    for call in calls:
        own, known, aside = call["price_per_minute_currency"] or of_account, cost(call), call["cost_reserved"]
        if own == call["cost_currency"]:
            parts.append((own, max(known or Decimal(0), aside) if aside else known))
        else:
            parts += [(call["cost_currency"], known), (own, aside or None)]
    return total(parts)


def beyond(amounts: ByCurrency, currency: str) -> ByCurrency:
    """Return what a budget in a currency cannot count."""
    return {code: amount for code, amount in amounts.items() if code != currency and amount}


def positive(amounts: ByCurrency) -> ByCurrency:
    return {code: amount for code, amount in amounts.items() if amount}


def written(amounts: ByCurrency) -> str:
    """Return amounts as pages write them."""
    return " · ".join(_written(amount, code) for code, amount in sorted(amounts.items())) or "Not reported"


def _written(amount: Decimal, code: str) -> str:
    smallest = Decimal(10) ** -DIGITS.get(code, 2)
    if 0 < amount < smallest:
        return f"<{smallest} {code}"
    return f"{amount.quantize(smallest, ROUND_HALF_UP):,} {code}"


def budget(used: ByCurrency, amount: Decimal | None, code: str) -> tuple[str, str, int, str] | None:
    """Return what a page says of a budget: used, limit, per cent, and what it does not count. None: no budget."""
    if amount is None:
        return None
    mine, others = used.get(code, Decimal(0)), beyond(used, code)
    sentence = f"{written(others)} in other currencies {'is' if len(others) == 1 else 'are'} not counted."
    percent = int(mine * 100 / amount) if amount else 100
    return _written(mine, code), _written(amount, code), percent, sentence if others else ""


def each(amounts: ByCurrency, people: int) -> ByCurrency:
    """Return what each of some people cost, as the API rounds it."""
    return {code: round(amount / people, 4) for code, amount in amounts.items()} if people else {}


def only(amounts: ByCurrency) -> tuple[str, Decimal] | None:
    """Return the amount, if it is in one currency."""
    return next(iter(amounts.items())) if len(amounts) == 1 else None


def of_campaign(amounts: ByCurrency, budget_in: str, *, limited: bool) -> tuple[str, Decimal]:
    """Return `spent` of a campaign's progress: in the currency of the budget, else in the only one there is."""
    one = only(amounts)
    return one if one and not limited else (budget_in, amounts.get(budget_in, Decimal(0)))


def cells(calls: Sequence[Row]) -> tuple[Decimal | None, str, Decimal | None, ByCurrency]:
    """Return `cost`, `currency`, `cost_estimated` and `other_costs` of a recipient with these calls."""
    amounts = spent(calls)
    if not amounts:
        return None, "", None, {}
    first, *others = amounts
    return amounts[first], first, estimated(calls).get(first), {code: amounts[code] for code in others}
