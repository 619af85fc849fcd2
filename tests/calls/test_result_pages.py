"""The pages of results: a card for each field, the columns of the recipients, the choice of fields, two campaigns."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from campaigns.models import Campaign
from providers.models import Assistant, PhoneNumber
from tenants.models import AuditEntry, Organization
from tests.calls.test_api_calls import a_call
from tests.calls.test_campaign_comparison import filled
from tests.calls.test_result_fields import HOSTILE
from tests.calls.test_results_csv import campaign, recipients
from tests.tenants.test_routes import staff_of
from tests.test_query_budgets import MOST, asked

__all__ = ["campaign"]  # a fixture
pytestmark = pytest.mark.django_db


@pytest.fixture
def manager(organization: Organization) -> Client:
    return staff_of(organization, "manager")


@pytest.fixture
def answered(campaign: Campaign, assistant: Assistant, phone_number: PhoneNumber) -> Campaign:
    """Thirty recipients who answered, with a result, of whom the last has a hostile one."""
    for place, person in enumerate(recipients(campaign, 30, status="done", outcome="completed", attempts=1)):
        said: Any = {"confirmed": place < 20, "score": place % 10, "why": f"text {place}", "plan": "AB"[place % 2]}
        result = said if place < 29 else {**HOSTILE, **dict.fromkeys(list(HOSTILE)[-9_900:], "<script>x</script>")}
        a_call(assistant, phone_number, person.contact.phone, campaign=campaign, recipient=person, result=result)
    return campaign


def part(client: Client, campaign: Campaign, name: str, **query: str) -> Any:
    answer = client.get(reverse(f"admin:campaigns_campaign_{name}", args=[campaign.pk]), query)
    assert answer.status_code == 200
    return answer


def fields_form(client: Client, campaign: Campaign) -> tuple[str, dict[str, str]]:
    """Return the address of the form and what a browser would send."""
    url = reverse("admin:campaigns_campaign_result_fields", args=[campaign.pk])
    page = client.get(url).content.decode()
    names = re.findall(r'<input type="hidden" name="(rows-\d+-name)" value="([^"]*)"', page)
    sent = {"rows-rows": str(len(names)), **dict(names)}
    for number in range(len(names)):
        sent |= {f"rows-{number}-place": str(number + 1), f"rows-{number}-kind": "", f"rows-{number}-shown": "1"}
        if re.search(rf'name="rows-{number}-column"[^>]*checked', page):
            sent[f"rows-{number}-column"] = "1"
    return url, sent


def test_each_field_has_a_card_with_its_numbers(manager: Client, answered: Campaign) -> None:
    cards = {card["title"]: card for card in part(manager, answered, "result_figures").context["cards"]}
    assert [row["share"] for row in cards["confirmed"]["rows"]] == ["69 %", "31 %"], "20 and 9 of 29"
    assert [row["count"] for row in cards["score"]["rows"]] == ["3"] * 9 + ["2"]
    assert dict(cards["score"]["facts"])["Median"] == "4" and cards["why"]["rows"] == []
    assert cards["plan"]["rows"][0] == {"label": "A", "count": "15", "share": "51.7 %", "part": 15, "whole": 29}


def test_a_chart_needs_three_values(
    manager: Client, campaign: Campaign, assistant: Assistant, phone_number: PhoneNumber
) -> None:
    for person in recipients(campaign, 2, status="done", outcome="completed", attempts=1):
        a_call(
            assistant, phone_number, person.contact.phone, campaign=campaign, recipient=person,
            result={"<b>שם</b>": True},
        )  # fmt: skip
    answer = part(manager, campaign, "result_figures")
    [card] = answer.context["cards"]
    assert card["few"] and card["rows"] == [] and card["values"] == "2 values"
    assert '<bdi translate="no">&lt;b&gt;שם&lt;/b&gt;</bdi>' in answer.content.decode()


def test_the_recipients_have_the_chosen_columns(manager: Client, answered: Campaign) -> None:
    found = part(manager, answered, "result_rows")
    assert found.context["columns"] == ["confirmed", "plan", "score", "why"]
    assert len(found.context["rows"]) == 25 and found.context["rows"][1]["cells"] == ["no", "A", "8", "text 28"]
    assert found.context["rows"][0]["cells"] == ["-"] * 4 and "<script>" not in found.content.decode()
    older = manager.get(found.context["older"])
    assert len(older.context["rows"]) == 5 and older.context["newer"] and not older.context["older"]
    answered.result_fields = [{"name": "why", "title": "Reason", "kind": "", "shown": True, "column": True}]
    answered.save()
    assert part(manager, answered, "result_rows").context["columns"] == ["Reason"]


def test_chosen_columns_are_not_looked_for_in_the_results(manager: Client, answered: Campaign) -> None:
    page = reverse("admin:campaigns_campaign_result_rows", args=[answered.pk])
    looked_for = len(asked(manager, page))
    answered.result_fields = [{"name": "why", "title": "", "kind": "", "shown": True, "column": True}]
    answered.save()
    assert len(asked(manager, page)) == looked_for - 4  # counts, recipients, deciding calls, opt-outs


def test_a_manager_names_orders_and_hides_fields(manager: Client, answered: Campaign) -> None:
    url, sent = fields_form(manager, answered)
    names = [sent[f"rows-{n}-name"] for n in range(4)]
    assert names == ["confirmed", "plan", "score", "why"]
    assert manager.post(url, sent).status_code == 302
    answered.refresh_from_db()
    assert answered.result_fields is None and not AuditEntry.objects.exists(), "saved as it was shown"
    sent |= {"rows-2-place": "0", "rows-2-title": " Score\n(0 to 9) ", "rows-2-kind": "choice", "_once": "2"}
    del sent["rows-3-shown"], sent["rows-0-column"]
    assert manager.post(url, sent).status_code == 302
    answered.refresh_from_db()
    stored: Any = answered.result_fields
    assert stored[0] == {"name": "score", "title": "Score (0 to 9)", "kind": "choice", "shown": True, "column": True}
    assert [(row["name"], row["shown"], row["column"]) for row in stored[1:]] == [
        ("confirmed", True, False),
        ("plan", True, True),
        ("why", False, True),
    ]
    assert AuditEntry.objects.get().action == "campaign.result_fields"
    titles = [card["title"] for card in part(manager, answered, "result_figures").context["cards"]]
    assert titles == ["Score (0 to 9)", "confirmed", "plan"]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"rows-0-title": "x" * 81}, "too long"),
        ({"rows-0-kind": "date"}, "Choose a kind"),
        ({"rows-0-name": "a\u202eb"}, "not the name of a field"),
        ({"rows-0-name": "why"}, "listed twice"),
    ],
)
def test_a_wrong_choice_says_what_to_do(
    manager: Client, answered: Campaign, changed: dict[str, str], said: str
) -> None:
    url, sent = fields_form(manager, answered)
    answer = manager.post(url, sent | changed)
    assert answer.status_code == 200 and said in answer.content.decode()
    answered.refresh_from_db()
    assert answered.result_fields is None


def test_only_who_may_change_campaigns_chooses_fields(organization: Organization, answered: Campaign) -> None:
    operator = staff_of(organization, "operator")
    assert operator.get(reverse("admin:campaigns_campaign_result_fields", args=[answered.pk])).status_code == 404
    assert part(operator, answered, "result_figures").context["fields_url"] == ""


# Two campaigns.


def test_two_campaigns_are_chosen_in_the_list(
    manager: Client, organization: Organization, assistant: Assistant, phone_number: PhoneNumber
) -> None:
    a = filled(organization, "EUR", [True, True, False, None], phone_number)
    b = filled(organization, "USD", [True, False, False, False, None, None], phone_number)
    lists = reverse("admin:campaigns_campaign_changelist")
    one = manager.post(lists, {"action": "compare", "_selected_action": [b.pk]}, follow=True)
    assert "Choose two campaigns" in one.content.decode()
    found = manager.post(lists, {"action": "compare", "_selected_action": [b.pk, a.pk]})
    assert found["Location"] == f"{reverse('admin:campaigns_campaign_compare')}?a={a.pk}&b={b.pk}"
    shown = manager.get(found["Location"]).context["found"]
    assert [row["label"] for row in shown["shares"]] == ["Called", "Answered", "Reached in person", "Opted out"]
    opted_out = shown["shares"][3]
    assert [cell["counts"] for cell in opted_out["cells"]] == ["1 of 4", "3 of 6"]
    assert opted_out["points"] == "+25" and opted_out["sentence"] == "chance may explain it"
    others = {row["label"]: row["cells"] for row in shown["others"]}
    assert others["Spent"] == ["0.50 EUR", "0.80 USD"] and others["Duration"] == ["31", "31.5"]
    assert {field["title"] for field in shown["fields"]} == {"ok", "n"}


def test_the_comparison_shows_nothing_of_another_organization(
    manager: Client, organization: Organization, sister: Organization
) -> None:
    mine, other, theirs = (
        Campaign.objects.create(organization=home, name=f"Campaign of {home.pk}")
        for home in (organization, organization, sister)
    )
    url = reverse("admin:campaigns_campaign_compare")
    assert manager.get(url, {"a": mine.pk, "b": other.pk}).context["found"]
    asked = manager.get(url, {"a": mine.pk})
    assert asked.context["found"] is None and theirs not in asked.context["offered"]
    for query in ({"a": mine.pk, "b": theirs.pk}, {"a": theirs.pk}, {"a": "x"}, {"a": 10**30}):
        assert manager.get(url, query).status_code == 404, query
    assert "Choose two campaigns" in manager.get(url, {"a": mine.pk, "b": mine.pk}).content.decode()


def test_the_pages_of_results_ask_fifteen_questions_at_most(
    manager: Client, answered: Campaign, organization: Organization, phone_number: PhoneNumber
) -> None:
    few = filled(organization, "EUR", [True, True, False, None], phone_number)
    compare = reverse("admin:campaigns_campaign_compare")
    for name in ("result_figures", "result_rows", "result_fields"):
        of_few, of_many = (
            asked(manager, reverse(f"admin:campaigns_campaign_{name}", args=[each.pk])) for each in (few, answered)
        )
        assert len(of_many) <= min(MOST, len(of_few)), name
    assert len(asked(manager, f"{compare}?a={few.pk}&b={answered.pk}")) <= MOST
