"""What cannot be is not believed: times, durations and prices against our clock and each other, by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calls.models import Status
from calls.outcomes.plausibility import believed, is_another_number
from providers.adapters.base import CallState, Reading
from tenants.money import Money
from tests.tables import cases

DIALED = datetime(2026, 5, 11, 13, 5, tzinfo=UTC)
NOW = DIALED + timedelta(seconds=60)


def at(seconds: float) -> datetime:
    return DIALED + timedelta(seconds=seconds)


def call(**fields: Any) -> SimpleNamespace:
    times = dict.fromkeys(("started_at", "answered_at", "ended_at", "terminal_at"))
    facts = {"status": Status.DIALING, "dialed_at": DIALED, "created_at": DIALED}
    return SimpleNamespace(**{**times, **facts, **fields})


def taken(found: SimpleNamespace | None = None, **reading: Any) -> tuple[dict[str, Any], set[str], set[str]]:
    """Return the believed values, the doubtful fields and the fields read tolerantly."""
    seen = believed(found or call(), Reading(CallState.COMPLETED, **reading), NOW)
    doubtful = {remark.field for remark in seen.remarks if not remark.taken}
    return seen.values, doubtful, {remark.field for remark in seen.remarks if remark.taken}


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (at(42), at(42)),
        (at(-40), at(0)),  # a clock 40 s behind: at our dial
        (at(100), at(60)),  # a clock 40 s ahead: at our reading
        (at(-61), None),
        (at(121), None),
        (at(42) - timedelta(hours=4), None),
        (at(42) + timedelta(hours=8), None),
        (datetime(1999, 12, 31, tzinfo=UTC), None),
        (datetime(9999, 12, 31, tzinfo=UTC), None),
        (datetime(2026, 5, 11, 13, 5, 42), None),  # noqa: DTZ001 - without a zone
    ],
)
def test_a_time_is_between_our_dial_and_our_reading_or_doubtful(sent: datetime, kept: datetime | None) -> None:
    values, doubtful, tolerated = taken(ended_at=sent)
    assert values.get("ended_at") == kept
    assert doubtful == (set() if kept else {"ended_at"})
    assert tolerated == ({"ended_at"} if kept and kept != sent else set()), "a moved time is told"


def test_the_end_that_we_saw_bounds_what_is_read_later() -> None:
    over = call(status=Status.COMPLETED, terminal_at=at(10))
    assert taken(over, ended_at=at(9))[0] == {"ended_at": at(9)}
    later = believed(over, Reading(CallState.COMPLETED, ended_at=at(3600)), at(7200))
    assert later.values == {}, "we had seen the end an hour before"
    given_up = call(status=Status.UNKNOWN, terminal_at=at(10))
    assert taken(given_up, ended_at=at(50))[0] == {"ended_at": at(50)}, "nobody saw that end"


@pytest.mark.parametrize(
    ("times", "doubtful"),
    [
        ({"started_at": at(1), "answered_at": at(9), "ended_at": at(51)}, set()),
        ({"started_at": at(20), "answered_at": at(9), "ended_at": at(51)}, {"answered_at"}),
        ({"answered_at": at(51), "ended_at": at(9)}, {"ended_at"}),
        ({"started_at": at(51), "ended_at": at(9)}, {"ended_at"}),
        ({"started_at": at(9), "answered_at": at(8), "ended_at": at(9)}, set()),  # whole seconds
    ],
)
def test_times_out_of_order_are_doubtful(times: dict[str, Any], doubtful: set[str]) -> None:
    values, found, _ = taken(**times)
    assert (found, set(values)) == (doubtful, set(times) - doubtful)
    assert sorted(values.values()) == [values[name] for name in times if name in values]


def test_a_time_has_to_be_in_order_with_those_stored_before() -> None:
    assert taken(call(answered_at=at(20)), ended_at=at(9)) == ({}, {"ended_at"}, set())
    assert taken(call(ended_at=at(20)), answered_at=at(30)) == ({}, {"answered_at"}, set())


TALK = {"answered_at": at(9), "ended_at": at(51)}  # 42 s


@cases(
    ("sent", "times", "kept"),
    [
        (42, TALK, 42),
        (42, {}, 42),
        (41, TALK, 41),
        (51, TALK, 51),  # counted from the dial
        (42_000, TALK, 42),  # milliseconds
        (42_499, TALK, 42),
        (42_000, {}, 42),  # 60 s after the dial
        (4_200, TALK, None),  # neither 4,200 s nor 4.2 s
        (42_000_000, TALK, None),
        (0, TALK, None),
        (1, TALK, None),  # minutes, perhaps
        (700, TALK, None),  # as seconds too long, and no milliseconds either
        (700, {}, None),
        (119, {}, 119),  # our clock may be a minute off
        (2**31 - 1, {}, None),
    ],
)
def test_a_duration_fits_the_times_and_our_clock(sent: int, times: dict[str, Any], kept: int | None) -> None:
    values, doubtful, tolerated = taken(duration_seconds=sent, **times)
    assert values.get("duration_seconds") == kept
    assert doubtful == (set() if kept is not None else {"duration_seconds"})
    assert tolerated == ({"duration_seconds"} if kept not in (None, sent) else set())


def test_doubtful_times_do_not_judge_a_duration() -> None:
    values, doubtful, _ = taken(answered_at=at(-7200), ended_at=at(-7000), duration_seconds=42)
    assert (values, doubtful) == ({"duration_seconds": 42}, {"answered_at", "ended_at"})


@pytest.mark.parametrize(
    ("sent", "others", "kept"),
    [
        (60, TALK, 60),  # a started minute
        (0, TALK, 0),  # free
        (30, TALK, 30),
        (60_000, TALK, 60),
        (60_000, {}, 60),
        (1_200, {"duration_seconds": 42}, None),  # 1.2 s is no bill for 42 s
        (86_400, TALK, 86),
        (99_999_999, TALK, None),
    ],
)
def test_a_billed_duration_may_be_rounded_up_or_nothing(sent: int, others: dict[str, Any], kept: int | None) -> None:
    values, doubtful, _ = taken(billed_duration_seconds=sent, **others)
    assert values.get("billed_duration_seconds") == kept
    assert doubtful == (set() if kept is not None else {"billed_duration_seconds"})


@pytest.mark.parametrize(
    ("price", "currency", "kept"),
    [
        ("0", "USD", "0"),
        ("5", "EUR", "5"),
        ("-0.01", "USD", None),
        ("100000000", "USD", None),
    ],
)
def test_a_price_can_be_charged(price: str, currency: str, kept: str | None) -> None:
    values, doubtful, _ = taken(price=Money(Decimal(price), currency))
    assert values.get("cost_price") == (Money(Decimal(kept), currency) if kept else None)
    assert doubtful == (set() if kept else {"price"})


@given(
    st.lists(st.none() | st.floats(-1e7, 1e7), min_size=3, max_size=3),
    st.none() | st.integers(0, 2**31 - 1),
    st.none() | st.integers(0, 2**31 - 1),
)
def test_what_is_kept_can_always_be(times: list[float | None], duration: int | None, billed: int | None) -> None:
    names = ("started_at", "answered_at", "ended_at")
    sent: dict[str, Any] = {
        name: at(value) if value is not None else None for name, value in zip(names, times, strict=True)
    }
    values, doubtful, _ = taken(**sent, duration_seconds=duration, billed_duration_seconds=billed)
    kept = [values[name] for name in names if name in values]
    assert kept == sorted(kept)
    assert all(DIALED <= moment <= NOW for moment in kept)
    assert 0 <= values.get("duration_seconds", 0) <= 120
    assert 0 <= values.get("billed_duration_seconds", 0) <= 120 + 300
    given_names = {name for name, value in sent.items() if value is not None}
    given_names |= {"duration_seconds"} if duration is not None else set()
    given_names |= {"billed_duration_seconds"} if billed is not None else set()
    assert given_names == set(values) | doubtful, "nothing is left out in silence"


@cases(
    ("said", "another"),
    [
        ("+14155550123", False),
        ("14155550123", False),
        ("(415) 555-0123", False),
        ("001 415.555.0123", False),
        ("4155550123", False),
        ("", False),
        ("+1415***0123", False),  # could be
        ("sip:someone@example.org", False),
        ("anonymous", False),
        ("0123", False),
        ("+14155550124", True),
        ("(415) 555-0199", True),
        ("+442079460123", True),
    ],
)
def test_another_number_is_told_from_another_spelling(said: str, another: bool) -> None:
    assert is_another_number(said, "+14155550123") is another


def test_a_digit_that_only_one_form_of_a_number_has_makes_no_other_number() -> None:
    # ITU-T, national numbering plans: Russia's trunk prefix 8; Mexico's and Argentina's digit for mobile phones.
    for said, number in (
        ("89121234567", "+79121234567"),
        ("+5215512345678", "+525512345678"),
        ("011 15 1234-5678", "+5491112345678"),
        ("+55 11 2345-6789", "+5511923456789"),
    ):
        assert not is_another_number(said, number), said


def test_a_number_in_other_digits_or_with_something_added_could_be_any() -> None:
    for said in ("\u0661" * 11, "\u200e+12125550101", "+1 (415) 555-0124/7", "\uff0b14155550124"):
        assert not is_another_number(said, "+14155550123"), said


def test_a_trunk_zero_is_no_other_number() -> None:
    for said in ("06 12 34 56 78", "+33 (0)6 12 34 56 78", "0033612345678", "612345678"):
        assert not is_another_number(said, "+33612345678"), said
