"""Each figure is computed in one place, which docs/figures.md names."""

from __future__ import annotations

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest

from tests.suite import ROOT

PACKAGE = ROOT / "calls/reports/figures"
# What shows figures: it may lay out what the package returns.
SHOWING = ("calls/admin", "calls/api", "calls/serializers", "calls/webhooks", "calls/reports")
# Names without which nothing is counted anew, wherever they come from.
COUNTING = {
    "Count",
    "Sum",
    "Avg",
    "Min",
    "Max",
    "RecipientCount",
    "CallCount",
    "PersonCount",
    "RANG",
    "REACHED",
    "ANSWERED",
}
MAY_COUNT = {
    "calls/admin/dashboard/attention.py": "held recipients, as items of work: the same rows as the recipients' filter",
    "calls/admin/dashboard/page.py": "heartbeats",
    "calls/admin/dashboard/today.py": "money: what the calls of today cost",
    "calls/admin/people/contact_columns.py": "moments: when each contact is called next",
    "calls/admin/people/recipient.py": "the size of the list under its filters",
    "calls/reports/account_metrics.py": "of the whole installation, for /metrics",
    "calls/reports/account_stats.py": "provider accounts in the last hour",
    "calls/reports/idle_reasons.py": "reasons with the first moment of each",
    "calls/reports/metrics.py": "of the whole installation, for /metrics",
    "calls/reports/preflight.py": "imports into the campaign's lists that are under way",
    "calls/reports/results_csv.py": "money: what the calls of a recipient cost",
    "calls/reports/variant_comparison.py": "assistants, from counts that triggers keep",
    "calls/webhooks/maintenance.py": "deliveries that were held",
    "calls/webhooks/outbox.py": "how often one call has ended",
}


def names_of(source: str) -> set[str]:
    """Return what a module imports for counting, and the words of SQL with which it would."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            found |= {alias.name for alias in node.names if alias.name in COUNTING}
            found |= {alias.name for alias in node.names if re.match("(Trunc|Extract)[A-Z]", alias.name)}
        elif isinstance(node, ast.Attribute) and node.attr in COUNTING | {"aggregate"}:
            found.add(node.attr)
        elif isinstance(node, ast.keyword) and node.arg == "answered_by" and isinstance(node.value, ast.Constant):
            found.add("the rule who was reached")
    return found


def test_nothing_that_shows_a_figure_counts_it_anew() -> None:
    modules = [path for folder in SHOWING for path in (ROOT / folder).rglob("*.py") if PACKAGE not in path.parents]
    counting = {str(path.relative_to(ROOT)) for path in modules if names_of(path.read_text())}
    assert counting == set(MAY_COUNT), "ask a function of calls/reports/figures, or say what else is counted"


@pytest.mark.parametrize(
    "source",
    [
        "from django.db.models import Count",
        "from django.db.models.functions import TruncHour",
        "from django.db import models\nn = models.Count('pk')",
        "rows.aggregate(n=1)",
        "from campaigns.models import RecipientCount",
        "x = dict(answered_by='machine')",
    ],
)
def test_every_way_to_count_is_seen(source: str) -> None:
    assert names_of(source)


def named() -> set[str]:
    """Return the functions that the document names, by their whole path."""
    rows = [line for line in (ROOT / "docs/figures.md").read_text().splitlines() if line.startswith("| ")]
    found = {match[1] for line in rows if (match := re.search(r"\| `([\w.]+)` \|$", line))}
    return {name if name.startswith("calls.") else f"calls.reports.figures.{name}" for name in found}


def functions_of(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")}


def test_the_document_names_every_function_and_no_other() -> None:
    for name in named():
        module, _, function = name.rpartition(".")
        assert callable(getattr(import_module(module), function)), name
    helpers = {"percent", "whole_percent", "code_of", "having"}  # of conditions and recipients
    here = {
        f"calls.reports.figures.{path.stem}.{name}"
        for path in PACKAGE.glob("*.py")
        for name in functions_of(path) - helpers
    }
    assert here <= named() and {"today.ended", "recipients.counts_of"} <= {name.split("figures.")[-1] for name in here}
