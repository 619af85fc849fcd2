"""What a call costs: the price of the provider whenever it comes, our estimate until then, and what is set aside."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from time_machine import Traveller, travel

from calls.actions import budget_watch
from calls.following import polling
from calls.gate import budgets
from calls.models import Call, CallEvent, Status, WebhookDelivery
from calls.outcomes import recording, staff_decisions
from campaigns.models import Campaign
from providers.adapters.base import CallState, Reading
from providers.adapters.errors import MayBeRinging, NotFound, NotSent, ProviderError, Rejected
from providers.models import PhoneNumber
from tenants.models import Organization, WebhookEndpoint
from tests.calls import support
from tests.calls.support import dollars, usd

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 3, 12, 0, tzinfo=UTC)

PRICE = Decimal("0.10")  # a minute
RESERVE = Decimal("0.30")  # three minutes are set aside


@pytest.fixture(autouse=True)
def frozen() -> Iterator[Traveller]:
    with travel(NOON, tick=False) as clock:
        yield clock


def line_of(organization: Organization, provider: str, **fields: Any) -> PhoneNumber:
    return support.reach(organization, "http://127.0.0.1:9", provider, **{"price_per_minute": PRICE, **fields})


def placed(line: PhoneNumber, to: str = "+16465557001", **fields: Any) -> Call:
    """Return a call that was placed ten minutes ago, with its reserve."""
    now = timezone.now()
    then = now - timedelta(minutes=10)
    given = {"dialed_at": then, "placed_at": then, "next_read_at": now, "cost_reserved": RESERVE, **fields}
    return support.single(line, to, status=Status.DIALING, provider_call_id=f"p{to}", **given)


def campaign_of(line: PhoneNumber, **fields: Any) -> Campaign:
    return support.campaign(line, support.people(line.organization, []), status="running", **fields)


def read(call: Call, reading: Reading | ProviderError) -> Call:
    """Store an answer as the poller does. Return the call as it is afterwards."""
    fresh = Call.objects.select_related("account", "polling").get(pk=call.pk)
    polling.record(polling.DueRead(fresh, fresh.account.adapter), reading, b"{}")
    return Call.objects.select_related("account").get(pk=call.pk)


def ended(state: CallState = CallState.COMPLETED, **fields: Any) -> Reading:
    return Reading(state, provider_status=state.value, **fields)


def unpriced(**fields: Any) -> Reading:
    """Return what CallingBox says of a call that has ended and is not charged yet."""
    return ended(settled=False, **fields)


def money(call: Call) -> tuple[str | None, str | None, str | None]:
    """Return what counts, the price and the estimate, as texts without trailing zeros."""
    found = (None if call.cost is None else call.cost.amount, call.cost_price, call.cost_estimate)
    return tuple(None if amount is None else f"{amount.normalize():f}" for amount in found)  # type: ignore[return-value]


def test_the_estimate_is_the_price_of_the_time_that_is_paid(
    organization: Organization, frozen: Traveller, subtests: Any
) -> None:
    """At 0.10 a minute; each expectation is worked out by hand."""
    talked = CallState.COMPLETED
    cases: list[tuple[str, str, CallState, dict[str, Any], int, dict[str, Any], str | None]] = [
        (
            "the billed time wins",
            "allomia",
            talked,
            {"billed_duration_seconds": 60, "duration_seconds": 42},
            50,
            {},
            "0.1",
        ),
        ("only the duration", "allomia", talked, {"duration_seconds": 42}, 50, {}, "0.07"),
        (
            "billed nothing is a fact",
            "allomia",
            talked,
            {"billed_duration_seconds": 0, "duration_seconds": 36},
            50,
            {},
            "0",
        ),
        ("lasted nothing is a fact", "allomia", talked, {"duration_seconds": 0}, 50, {}, "0"),
        ("a long call costs what it costs", "allomia", talked, {"duration_seconds": 600}, 610, {}, "1"),
        ("no duration: our own clock", "allomia", talked, {}, 30, {}, "0.05"),
        ("seen after three hours: what was set aside", "allomia", talked, {}, 3 * 3600, {}, "0.3"),
        ("nobody answered", "allomia", CallState.NO_ANSWER, {}, 30, {}, "0"),
        ("busy", "allomia", CallState.BUSY, {}, 3, {}, "0"),
        ("failed", "allomia", CallState.FAILED, {}, 3, {}, "0"),
        ("failed with a duration", "allomia", CallState.FAILED, {"duration_seconds": 6}, 9, {}, "0.01"),
        ("the provider tells no durations", "polyai", talked, {}, 30, {}, None),
        ("the outcome is lost", "allomia", CallState.EXPIRED, {}, 30, {}, None),
        ("the account has no price", "allomia", talked, {"duration_seconds": 42}, 50, {"price_per_minute": None}, None),
    ]
    for n, (name, provider, state, said, seconds, account, expected) in enumerate(cases):
        with subtests.test(name):
            Call.objects.all().delete()
            line = PhoneNumber.objects.filter(account__provider=provider).first() or line_of(organization, provider)
            for field, value in {"price_per_minute": PRICE, **account}.items():
                setattr(line.account, field, value)
            line.account.save()
            call = placed(line, f"+16465557{n:03d}", dialed_at=timezone.now())
            frozen.shift(seconds)
            call = read(call, ended(state, **said))
            assert money(call) == (expected, None, expected)
            assert call.cost_reserved == 0 and call.next_read_at is None


def test_a_doubtful_duration_is_bounded_by_our_own_clock(organization: Organization, frozen: Traveller) -> None:
    line = line_of(organization, "allomia")
    doubt = {"field": "duration_seconds", "said": "42000", "why": "The call lasted at most 90 seconds."}
    call = placed(line, dialed_at=timezone.now(), doubts=[doubt])
    frozen.shift(90)
    assert money(read(call, ended(CallState.FAILED))) == ("0.15", None, "0.15")


def test_a_price_replaces_the_estimate_whenever_it_comes(
    organization: Organization, frozen: Traveller, subtests: Any
) -> None:
    """CallingBox says `reserved` first and `settled` with the price later."""
    line = line_of(organization, "callingbox", daily_budget=Decimal(5))
    account = line.account
    waits = {"at the next read": 10, "half an hour later": 1799, "hours later": 5 * 3600, "the next week": 7 * 86400}
    for n, (name, wait) in enumerate(waits.items()):
        for price in (Decimal("0.50"), Decimal("0.01"), Decimal(0)):
            with subtests.test(f"{price} {name}"):
                Call.objects.all().delete()
                made = campaign_of(line, budget=Decimal(5))
                call = placed(line, f"+16465557{n:03d}", campaign=made)
                since = timezone.now()
                frozen.shift(20)
                assert money(read(call, unpriced(duration_seconds=36))) == ("0.06", None, "0.06")
                assert (
                    dollars(budgets.spent_on(made))
                    == dollars(budgets.spending_today_through(account, since).used)
                    == RESERVE
                )
                assert budgets.paid_for(made).amount == 0, "the price may be lower"
                frozen.shift(wait)
                if wait > 1800:  # reading has ended long ago, without a price
                    read(call, MayBeRinging("No answer."))
                    assert dollars(budgets.spent_on(made)) == budgets.paid_for(made).amount == Decimal("0.06")
                recording.record(call.pk, ended(price=usd(price)), CallEvent.Source.CALLBACK)
                call.refresh_from_db()
                assert call.cost == usd(price) and call.cost_price == price and not call.cost_reserved
                assert call.cost_estimate == Decimal("0.06")
                assert dollars(budgets.spent_on(made)) == budgets.paid_for(made).amount == price
                assert dollars(budgets.spending_today_through(account, since).used) == price


def test_a_long_call_without_its_price_counts_as_its_estimate(organization: Organization) -> None:
    line = line_of(organization, "callingbox")
    made = campaign_of(line)
    read(placed(line, campaign=made), unpriced(duration_seconds=600))
    assert dollars(budgets.spent_on(made)) == Decimal(1)


def test_a_free_call_costs_nothing(organization: Organization) -> None:
    call = read(placed(line_of(organization, "callingbox")), ended(price=usd(0), duration_seconds=36))
    assert money(call) == ("0", "0", "0.06")
    assert call.cost_reserved == 0


def test_a_duration_that_comes_later_changes_the_estimate(organization: Organization, frozen: Traveller) -> None:
    line = line_of(organization, "callingbox")
    call = placed(line, dialed_at=timezone.now())
    frozen.shift(30)
    assert money(read(call, unpriced())) == ("0.05", None, "0.05")
    line.account.price_per_minute = Decimal("0.20")
    line.account.save()
    assert money(read(call, unpriced())) == ("0.05", None, "0.05"), "the price of the end holds while nothing is new"
    call = read(call, ended(duration_seconds=12))
    assert money(call) == ("0.02", None, "0.02") and call.cost_reserved == 0, "at the price of its claim"


def test_the_reserve_is_kept_while_the_price_is_awaited_and_no_longer(
    organization: Organization, frozen: Traveller, subtests: Any
) -> None:
    """Reading for the result ends half an hour after the end, whatever the provider answers then."""
    line = line_of(organization, "callingbox")
    answers: dict[str, Reading | ProviderError] = {
        "still no price": unpriced(duration_seconds=36),
        "no answer": MayBeRinging("No answer."),
        "the call is forgotten": NotFound("Unknown call."),
        "an old report": Reading(CallState.IN_PROGRESS, provider_status="in_progress"),
    }
    for n, (name, answer) in enumerate(answers.items()):
        with subtests.test(name):
            call = read(placed(line, f"+16465557{n:03d}"), unpriced(duration_seconds=36))
            assert call.cost_reserved == RESERVE
            frozen.shift(1750)
            call = read(call, answer)
            assert call.cost_reserved == RESERVE and call.next_read_at is not None
            frozen.shift(60)
            call = read(call, answer)
            assert call.cost_reserved == 0 and call.next_read_at is None
            assert money(call) == ("0.06", None, "0.06")


def test_a_price_that_may_still_change_releases_no_reserve(organization: Organization, frozen: Traveller) -> None:
    """Without a word about the hold, CallingBox's first amount may be a small part of the price."""
    line = line_of(organization, "callingbox")
    made = campaign_of(line, budget=Decimal(1))
    call = placed(line, campaign=made)
    first = unpriced(duration_seconds=36, price=usd("0.01"), amounts_settled=False)
    call = read(call, first)
    assert call.cost_price == Decimal("0.01") and call.cost_reserved == dollars(budgets.spent_on(made)) == RESERVE
    call = read(call, Reading(CallState.IN_PROGRESS, provider_status="in_progress"))  # an old report
    assert dollars(budgets.spent_on(made)) == RESERVE
    frozen.shift(60)
    call = read(call, unpriced(price=usd("0.50"), amounts_settled=True))  # only the result is awaited now
    assert call.cost_reserved == 0 and call.next_read_at is not None
    assert dollars(budgets.spent_on(made)) == Decimal("0.50")


def test_a_price_that_never_settles_counts_when_it_is_not_awaited_any_more(
    organization: Organization, frozen: Traveller
) -> None:
    line = line_of(organization, "callingbox")
    made = campaign_of(line)
    first = unpriced(price=usd("0.01"), amounts_settled=False)
    call = read(placed(line, campaign=made), first)
    frozen.shift(1810)
    call = read(call, first)
    assert call.next_read_at is None and call.cost_reserved == 0
    assert dollars(budgets.spent_on(made)) == Decimal("0.01")


def test_giving_up_a_call_whose_price_is_awaited_releases_its_reserve(organization: Organization) -> None:
    expired = ended(CallState.EXPIRED, settled=False)
    call = read(placed(line_of(organization, "callingbox")), expired)
    assert call.cost_reserved == RESERVE
    recording.give_up(call.pk, Status.EXPIRED, "The provider forgot it.")
    call.refresh_from_db()
    assert call.next_read_at is None and call.cost_reserved == 0


def test_an_ended_call_that_its_provider_forgot_is_not_read_for_ever(
    organization: Organization, frozen: Traveller
) -> None:
    """PolyAI forgets a call after two hours. Without a worker for three, its result is not awaited any more."""
    call = read(placed(line_of(organization, "polyai")), unpriced())
    assert call.next_read_at is not None
    frozen.shift(3 * 3600)
    call = read(call, NotFound("Unknown call."))
    assert (call.next_read_at, call.status) == (None, Status.COMPLETED)


def test_nothing_is_set_aside_for_a_call_without_a_price_to_come(organization: Organization, subtests: Any) -> None:
    """A provider without prices, an end without a dial, and an end that nobody reads any further."""
    line, boxed = line_of(organization, "allomia"), line_of(organization, "callingbox")
    claim = {"status": Status.PLACING, "placing_attempts": 1, "lease_until": timezone.now(), "provider_call_id": ""}

    def claimed(n: int) -> Call:
        call = placed(boxed, f"+16465558{n:03d}")
        Call.objects.filter(pk=call.pk).update(**claim)
        return call

    def refused() -> Call:
        support.answer_placing((call := claimed(1)), 1, Rejected("No."))
        return call

    def not_sent() -> Call:
        support.answer_placing((call := claimed(2)), 1, NotSent("No."))
        return call

    def refused_after_a_doubt() -> Call:
        support.answer_placing((call := claimed(3)), 1, MayBeRinging("?"))
        support.answer_placing(call, 1, Rejected("No."))
        return call

    def released() -> Call:
        support.answer_placing((call := claimed(4)), 1, MayBeRinging("?"))
        staff_decisions.release(call.pk, actor="ann", reason="It is not in the list.")
        return call

    def given_up() -> Call:
        recording.give_up((call := placed(boxed, "+16465558005")).pk, Status.UNKNOWN, "Nobody knows.")
        return call

    def unpriced_elsewhere() -> Call:
        return read(placed(line, "+16465558006"), unpriced(duration_seconds=36))

    free = {
        refused: "0",
        not_sent: None,
        refused_after_a_doubt: "0",
        released: "0",
        given_up: None,
        unpriced_elsewhere: "0.06",
    }
    for end, expected in free.items():
        with subtests.test(end.__name__):
            call = Call.objects.get(pk=end().pk)
            assert call.cost_reserved == 0 and money(call)[0] == expected


def test_a_call_that_was_given_up_and_is_followed_again_has_its_reserve_again(organization: Organization) -> None:
    line = line_of(organization, "callingbox")
    call = placed(line)
    recording.give_up(call.pk, Status.UNKNOWN, "Nobody knows.")
    staff_decisions.confirm_placed(call.pk, call.provider_call_id, actor="ann", reason="It is under way.")
    call.refresh_from_db()
    assert (call.cost_reserved, call.cost) == (RESERVE, None)
    assert money(read(call, ended(duration_seconds=36, price=usd("0.08")))) == ("0.08", "0.08", "0.06")


def test_the_database_refuses_a_reserve_that_nobody_will_release(organization: Organization) -> None:
    call = read(placed(line_of(organization, "callingbox")), unpriced(duration_seconds=36))
    with pytest.raises(IntegrityError), transaction.atomic():
        Call.objects.filter(pk=call.pk).update(polling=None)


def test_what_a_campaign_has_paid_is_read_from_counts(organization: Organization) -> None:
    made = campaign_of(line_of(organization, "callingbox"))
    with CaptureQueriesContext(connection) as asked:
        budgets.sums_of([made.pk])
    [query] = [each["sql"] for each in asked if "cost_reserved" in each["sql"]]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":  # it prefers to read a small table as a whole
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("SET LOCAL enable_bitmapscan = off")
        cursor.execute(f"EXPLAIN {'' if connection.vendor == 'postgresql' else 'QUERY PLAN '}{query}")
        plan = " ".join(str(cell) for row in cursor.fetchall() for cell in row)
    assert "call_count" in plan, "no call that is paid is read"
    if connection.vendor == "postgresql":  # of so few rows it takes any index of the campaign
        assert 'cost_reserved" > ' in query, "the condition of the index `call_reserved`"
        assert "Seq Scan on calls_call" not in plan
    else:
        assert "call_reserved" in plan, "what is set aside is read from an index"


def test_a_campaign_pauses_itself_for_prices_and_not_for_estimates(organization: Organization) -> None:
    line = line_of(organization, "callingbox")
    made = campaign_of(line, budget=Decimal("1.00"))
    call = read(placed(line, campaign=made), unpriced(duration_seconds=540))
    assert dollars(budgets.spent_on(made)) == Decimal("0.90")
    assert not budget_watch.pause_if_spent(made), "the price may be lower than 0.90"
    read(call, ended(price=usd("0.75"), duration_seconds=540))
    assert budget_watch.pause_if_spent(made)
    made.refresh_from_db()
    assert made.status_reason == "The budget is spent: 0.75 USD of 1.00 USD."


def test_a_customer_learns_the_final_price(organization: Organization) -> None:
    WebhookEndpoint.objects.create(
        organization=organization, url="https://example.org/hook", events=["call.ended", "call.result"]
    )
    line = line_of(organization, "callingbox")

    def told() -> list[tuple[str, str | None, str | None]]:
        rows = WebhookDelivery.objects.order_by("pk").values_list("event", "body")
        found = []
        for event, body in rows:
            data = json.loads(body)["data"]
            amounts = (data["cost"], data["cost_price"])
            found.append((event, *(amount and amount["amount"] for amount in amounts)))
        return found

    call = read(placed(line), unpriced(duration_seconds=36))
    expected: list[tuple[str, str | None, str | None]] = [("call.ended", "0.06", None)]
    assert told() == expected
    for _ in range(2):  # the same news again is no news
        read(call, unpriced(duration_seconds=36))
    assert told() == expected
    for _ in range(2):
        read(call, ended(price=usd("0.06"), duration_seconds=36))
    expected.append(("call.result", "0.06", "0.06"))
    assert told() == expected, "the amount is the same, and now certain"
    read(placed(line, "+16465557002"), ended(price=usd("0.02"), duration_seconds=36))
    assert told() == [*expected, ("call.ended", "0.02", "0.02")]
