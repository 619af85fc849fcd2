"""Money is added and written in one place: no sum elsewhere without its currency, and no currency beside an amount.

The rules read the syntax of all modules, and each is shown to find what it forbids.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("calls", "campaigns", "config", "providers", "tenants")
COLUMNS = {"cost_price", "cost_estimate", "cost_reserved", "cost_known", "priced", "estimated"}
EXPRESSIONS = {"COST", "COUNTED", "KNOWN"}
CURRENCIES = {"cost_currency", "price_per_minute_currency", "budget_currency", "daily_budget_currency"}
# Modules that read a column of currency, and why. All others take a property that gives `Money`.
READERS = {
    "calls/models/costing.py": "makes the money of a call",
    "calls/outcomes/costs.py": "keeps the price of a call's claim",
    "calls/outcomes/folding.py": "makes the price that is compared with the provider's",
    "calls/gate/budgets.py": "keeps the price at the claim; sums by currency",
    "calls/gate/facts.py": "asks whether a daily budget counts an account",
    "calls/reports/progress.py": "a campaign without a budget has the currency of its form",
    "campaigns/copying.py": "copies the column",
    "campaigns/models/campaign.py": "makes the money of a budget",
    "providers/api.py": "reads and writes the column",
    "providers/models.py": "makes the money of a price",
    "tenants/models/organization.py": "makes the money of a budget",
}
# Modules that write an amount as text, and why. Pages and messages take `money_text`.
WRITERS = {
    "tenants/money.py": "the one formatter",
    "calls/outcomes/plausibility.py": "what a provider said and is not believed, as it came",
    "calls/actions/budget_watch.py": "the key of an alert, which nobody reads",
    "calls/reports/results_csv.py": "amounts for programs, as the API writes them",
}


def modules() -> Iterator[tuple[str, ast.Module]]:
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            if "migrations" not in path.parts:
                yield str(path.relative_to(ROOT)), ast.parse(path.read_text())


def sums_without_currency(tree: ast.Module) -> Iterator[int]:
    """Yield the lines of sums of money in functions that name no currency."""
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    for function in functions:
        words = {node.value for node in ast.walk(function) if isinstance(node, ast.Constant)}
        named = any("currency" in word for word in words if isinstance(word, str))
        if not named:
            yield from (node.lineno for node in ast.walk(function) if isinstance(node, ast.expr) and is_sum(node))


def is_sum(node: ast.expr) -> bool:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return "SUM(" in node.value and "cost_" in node.value
    if not isinstance(node, ast.Call) or getattr(node.func, "id", "") != "Sum":
        return False
    parts = list(ast.walk(node.args[0]))
    columns = {part.value for part in parts if isinstance(part, ast.Constant)}
    return bool(columns & COLUMNS or {part.id for part in parts if isinstance(part, ast.Name)} & EXPRESSIONS)


def currencies_read(tree: ast.Module) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in CURRENCIES:
            yield node.lineno


def amounts_written(tree: ast.Module) -> Iterator[int]:
    """Yield the lines of texts that have an amount or a currency in them, unless as a word of a sentence."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            attributes = {part.attr for part in ast.walk(node) if isinstance(part, ast.Attribute)}
            if "amount" in attributes or ("currency" in attributes and _looks_like_money(node)):
                yield node.lineno


def _looks_like_money(text: ast.JoinedStr) -> bool:
    """Return whether the text puts one value and a currency side by side."""
    pairs = zip(text.values, text.values[1:], text.values[2:], strict=False)
    return any(
        isinstance(one, ast.FormattedValue)
        and isinstance(gap, ast.Constant)
        and gap.value == " "
        and isinstance(two, ast.FormattedValue)
        and getattr(two.value, "attr", "") == "currency"
        for one, gap, two in pairs
    )


def test_no_money_is_added_across_currencies() -> None:
    assert [f"{name}:{line}" for name, tree in modules() for line in sums_without_currency(tree)] == []


def test_an_amount_and_its_currency_are_one_value() -> None:
    found = {name: list(currencies_read(tree)) for name, tree in modules()}
    assert {name for name, lines in found.items() if lines} == set(READERS)


def test_money_is_written_by_one_formatter() -> None:
    found = {name: list(amounts_written(tree)) for name, tree in modules()}
    assert {name for name, lines in found.items() if lines} == set(WRITERS)


@pytest.mark.parametrize(
    "code",
    [
        'def f(calls):\n    return calls.aggregate(total=Sum("cost_price"))',
        "def f(calls):\n    return calls.aggregate(total=Sum(COST))",
        'def f():\n    return "SELECT SUM(cost_estimate) FROM calls_call"',
    ],
)
def test_a_sum_across_currencies_is_found(code: str) -> None:
    assert list(sums_without_currency(ast.parse(code))) == [2]


def test_a_label_of_another_object_is_found() -> None:
    assert list(currencies_read(ast.parse("money(total, campaign.budget_currency)"))) == [1]
    assert list(amounts_written(ast.parse('f"{total:.2f} {account.currency}"'))) == [1]
    assert list(amounts_written(ast.parse('f"{cost.amount:.2f}"'))) == [1]
    assert list(amounts_written(ast.parse('f"The budget is in {limit.currency} today."'))) == []
