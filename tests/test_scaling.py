"""docs/scaling.md lists what the models say about spreading the tables over several databases."""

from __future__ import annotations

from benchmarks.sharding import report
from calls.models import Call
from campaigns.models import Contact
from tests.suite import ROOT


def test_the_page_has_the_list_that_the_models_give() -> None:
    lines = list(report())
    page = (ROOT / "docs/scaling.md").read_text("utf-8")
    assert "\n".join(lines) in page, "run python -m benchmarks.sharding, and put its lines into the page"


def test_the_list_knows_what_holds_the_organization_and_what_lacks_it() -> None:
    """By hand, from two models: rules of one organization are left out, identities of all are named."""
    row = {line.split("`")[1]: line for line in report() if line.startswith("| `")}
    mine = {constraint.name for constraint in Call._meta.constraints}
    assert {"one_open_call_per_number", "one_call_per_reference"} <= mine
    call = row[Call._meta.db_table]
    assert "one_call_per_reference" in call and "one_open_call_per_number" not in call
    assert "`contact_id`" in call and "`recipient_id`" not in call  # a recipient's table lacks the column
    assert "| `uuid` |" in row[Contact._meta.db_table]
