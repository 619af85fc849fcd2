"""Two campaigns beside each other. The intervals are those that the literature prints, the counts are made by hand."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from calls.models import OPT_OUT, CallEvent
from calls.reports.figures.conditions import Share
from calls.reports.intervals import difference_of, interval_of
from campaigns.models import Campaign, Contact, Recipient
from providers.models import Assistant, PhoneNumber
from tenants.models import Organization
from tests.calls.test_api_calls import a_call
from tests.conftest import ApiClient, KeyMaker, an_account, an_assistant

COMPARE = "/api/v1/campaigns/compare/"


# R. G. Newcombe, Statistics in Medicine 17 (1998): 857-872 (one share, Wilson) and 873-890 (two, method 10).
@pytest.mark.parametrize(
    ("share", "low", "high"),
    [(Share(81, 263), 0.2553, 0.3662), (Share(15, 148), 0.0624, 0.1605), (Share(0, 20), 0.0, 0.1611),
     (Share(1, 29), 0.0061, 0.1718)],
)  # fmt: skip
def test_the_interval_of_a_share_is_the_printed_one(share: Share, low: float, high: float) -> None:
    assert [round(bound, 4) for bound in interval_of(share)] == [low, high]


@pytest.mark.parametrize(
    ("one", "other", "low", "high"),
    [(Share(56, 70), Share(48, 80), 0.0524, 0.3339), (Share(9, 10), Share(3, 10), 0.1705, 0.8090),
     (Share(6, 7), Share(2, 7), 0.0582, 0.8062), (Share(10, 10), Share(0, 20), 0.6791, 1.0)],
)  # fmt: skip
def test_the_interval_of_a_difference_is_the_printed_one(one: Share, other: Share, low: float, high: float) -> None:
    found = difference_of(one, other)
    assert found and (round(found.low, 4), round(found.high, 4)) == (low, high) and found.shows


def test_a_part_that_exceeds_its_whole_for_a_moment_is_all_of_it() -> None:
    assert interval_of(Share(6, 5)) == interval_of(Share(5, 5))


SHARES = st.integers(0, 5_000).flatmap(lambda whole: st.builds(Share, st.integers(0, whole), st.just(whole)))


@given(SHARES, SHARES)
def test_the_other_way_round_the_difference_is_the_opposite(one: Share, other: Share) -> None:
    found, back = difference_of(one, other), difference_of(other, one)
    if found is None or back is None:
        assert not one.whole or not other.whole
        return
    assert found.by == pytest.approx(-back.by) and found.low == pytest.approx(-back.high)
    assert -1 - 1e-9 <= found.low <= found.by <= found.high <= 1 + 1e-9


def filled(organization: Organization, name: str, answers: list[bool | None], number: PhoneNumber) -> Campaign:
    """Return a campaign with one recipient more than there are answers. None: nobody answered, after two calls."""
    assistant = Assistant.objects.get(account=number.account)
    made = Campaign.objects.create(organization=organization, name=name, assistant=assistant)
    waiting = Contact.objects.create(organization=organization, phone=f"+3362{made.pk % 1000:03d}0000")
    Recipient.objects.create(campaign=made, contact=waiting)
    for place, said in enumerate(answers):
        contact = Contact.objects.create(organization=organization, phone=f"+3361{made.pk % 1000:03d}{place:04d}")
        ended: dict[str, Any] = {"status": "completed", "duration_seconds": 30 + place}
        ended["result"] = {"ok": said, "n": place}
        if said is None:
            ended = {"status": "no_answer"}
        row = Recipient.objects.create(
            campaign=made, contact=contact, status="done", outcome=ended["status"], attempts=1 + (said is None)
        )
        of_row: dict[str, Any] = {"campaign": made, "recipient": row, "dialed_at": timezone.now(), **ended}
        for _ in range(row.attempts):
            call = a_call(assistant, number, contact.phone, cost_price=Decimal("0.1"), cost_currency=name, **of_row)
        if said is False:
            CallEvent.objects.create(call=call, type=OPT_OUT, source="read")
    return made


@pytest.mark.django_db
def test_two_campaigns_are_compared(
    api: ApiClient, organization: Organization, assistant: Assistant, phone_number: PhoneNumber
) -> None:
    a = filled(organization, "EUR", [True, True, False, None], phone_number)
    b = filled(organization, "USD", [True, False, False, False, None, None], phone_number)
    answer = api.get(COMPARE, {"a": str(a.uuid), "b": str(b.uuid)})
    assert answer.status_code == 200, answer.json()
    found = answer.json()
    assert found["campaigns"]["b"] == {"id": str(b.uuid), "name": "USD", "sample_every": 1}
    counts = {
        (row["figure"], row["of"]): tuple((row[side]["part"], row[side]["whole"]) for side in "ab")
        for row in found["shares"]
    }
    assert counts == {
        ("called", "may_be_called"): ((4, 5), (6, 7)),
        ("answered", "called"): ((3, 4), (4, 6)),
        ("reached", "called"): ((3, 4), (4, 6)),
        ("opted_out", "decided"): ((1, 4), (3, 6)),
    }
    opted_out = found["shares"][3]["difference"]
    assert opted_out["by"] == 0.25 and opted_out["low"] < 0 < opted_out["high"]
    assert found["attempts"] == {"a": 5, "b": 8} and found["recipients"] == {"a": 5, "b": 7}
    assert found["attempts_per_recipient_called"] == {"a": 1.25, "b": 1.3333}
    assert found["median_duration_seconds"] == {"a": 31, "b": 31.5}
    assert found["cost_by_currency"] == {
        "a": [{"amount": "0.50", "currency": "EUR"}],
        "b": [{"amount": "0.80", "currency": "USD"}],
    }
    by_name = {field["name"]: field for field in found["fields"]}
    yes, no = by_name["ok"]["answers"]
    of_yes = [(yes[side]["part"], yes[side]["whole"]) for side in "ab"]
    assert (yes["value"], of_yes) == ("yes", [(2, 3), (1, 4)])
    assert (no["value"], no["difference"]["by"]) == ("no", round(3 / 4 - 1 / 3, 4))
    assert by_name["n"]["median"] == {"a": 1, "b": 1.5} and by_name["n"]["answers"] == []


@pytest.mark.django_db
def test_campaigns_without_calls_have_no_shares(api: ApiClient, organization: Organization) -> None:
    a, b = (Campaign.objects.create(organization=organization, name=name) for name in "AB")
    found = api.get(COMPARE, {"a": str(a.uuid), "b": str(b.uuid)}).json()
    assert {row["difference"] for row in found["shares"]} == {None}
    assert found["attempts_per_recipient_called"] == {"a": None, "b": None} and found["fields"] == []


@pytest.mark.django_db
def test_a_comparison_needs_two_campaigns_of_one_organization(
    api: ApiClient, client_for: KeyMaker, organization: Organization, sister: Organization, stranger: Organization
) -> None:
    mine, other, theirs, strange = (
        Campaign.objects.create(organization=home, name="C", assistant=an_assistant(an_account(home, name=str(n))))
        for n, home in enumerate((organization, organization, sister, stranger))
    )
    of_all = client_for(tenant=organization.tenant)

    def status(client: ApiClient, **named: Any) -> int:
        return int(client.get(COMPARE, {name: str(getattr(c, "uuid", c)) for name, c in named.items()}).status_code)

    assert status(api, a=mine, b=other) == status(of_all, a=mine, b=other) == status(of_all, a=theirs, b=theirs) - 200
    for wrong in ({"a": mine}, {"a": mine, "b": "x"}, {"a": mine, "b": mine}, {"a": mine, "b": other, "c": 1}):
        assert status(api, **wrong) == 400, wrong
    assert status(of_all, a=mine, b=theirs) == 400, "never the data of two organizations at once"
    for hidden in (theirs, strange):
        assert status(api, a=mine, b=hidden) == status(api, a=hidden, b=mine) == 404
    assert status(of_all, a=strange, b=mine) == 404
