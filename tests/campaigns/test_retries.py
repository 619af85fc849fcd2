from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from campaigns.rules.retries import Rule, at_another_time_of_day, next_attempt
from campaigns.rules.windows import Hours, Window

END = datetime(2026, 6, 1, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
RULES = [Rule("no_answer", HOUR, 3), Rule("busy", HOUR / 4, 5), Rule("voicemail", 24 * HOUR, 2)]


def ask(
    outcome: str, voicemail: bool = False, attempts: int = 1, at_most: int = 10, gap: timedelta = timedelta()
) -> object:
    return next_attempt(RULES, outcome, voicemail, attempts, at_most, END, gap)


def test_each_outcome_waits_as_its_rule_says() -> None:
    assert ask("no_answer") == END + HOUR
    assert ask("busy") == END + HOUR / 4


def test_an_outcome_without_a_rule_is_not_tried_again() -> None:
    assert ask("failed") is None


@pytest.mark.parametrize("outcome", ["unknown", "expired", "completed", "canceled", "", "surprise"])
def test_what_may_have_reached_the_person_is_never_tried_again(outcome: str) -> None:
    generous = [Rule(outcome, HOUR, 50)]
    assert next_attempt(generous, outcome, False, 0, 50, END, timedelta()) is None


@pytest.mark.parametrize("outcome", ["unknown", "expired", "canceled"])
def test_other_outcomes_are_not_retried_even_if_a_machine_answered(outcome: str) -> None:
    assert ask(outcome, voicemail=True) is None


def test_the_rule_for_voicemail_goes_before_the_one_for_no_answer() -> None:
    assert ask("no_answer", voicemail=True) == END + 24 * HOUR
    assert ask("no_answer", voicemail=True, attempts=2) is None


def test_a_call_completed_by_a_machine_follows_the_rule_for_voicemail() -> None:
    assert ask("completed", voicemail=True) == END + 24 * HOUR


def test_without_a_rule_for_voicemail_no_answer_stays_no_answer() -> None:
    rules = [Rule("no_answer", HOUR, 3)]
    assert next_attempt(rules, "no_answer", True, 1, 10, END, timedelta()) == END + HOUR
    assert next_attempt(rules, "completed", True, 1, 10, END, timedelta()) is None


def test_the_lower_of_the_two_limits_holds() -> None:
    assert ask("no_answer", attempts=2) is not None
    assert ask("no_answer", attempts=3) is None
    assert ask("no_answer", attempts=2, at_most=2) is None


def test_the_later_of_gap_and_wait_holds() -> None:
    assert ask("no_answer", gap=4 * HOUR) == END + 4 * HOUR
    assert ask("no_answer", gap=HOUR / 2) == END + HOUR


@pytest.mark.parametrize(("attempts", "hours"), [(1, 1), (2, 2), (3, 4), (4, 5), (5, 5), (49, 5)])
def test_each_wait_is_a_multiple_of_the_previous_one_up_to_the_longest(attempts: int, hours: int) -> None:
    rules = [Rule("busy", HOUR, 50, multiplier=Decimal(2), max_wait=5 * HOUR)]
    assert next_attempt(rules, "busy", False, attempts, 50, END, timedelta()) == END + hours * HOUR


def test_a_wait_that_grows_without_a_limit_stays_a_date() -> None:
    rules = [Rule("busy", 60 * DAY, 50, multiplier=Decimal(10))]
    assert next_attempt(rules, "busy", False, 49, 50, END, timedelta()) == END + 365 * DAY


def test_the_gap_holds_beside_the_longest_wait() -> None:
    rules = [Rule("busy", HOUR, 50, max_wait=HOUR / 2)]
    assert next_attempt(rules, "busy", False, 1, 50, END, timedelta()) == END + HOUR / 2
    assert next_attempt(rules, "busy", False, 1, 50, END, 2 * HOUR) == END + 2 * HOUR


# Another part of the day. A week in Paris in June 2026: Monday is the first, and noon is 10:00 UTC.

PARIS = ("Europe/Paris",)
DAYTIME = Hours((Window(frozenset(range(5)), 9 * 60, 20 * 60),))
MORNINGS = Hours((Window(frozenset(range(5)), 9 * 60, 11 * 60),))


def at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 6, day, hour, minute, tzinfo=ZoneInfo("Europe/Paris")).astimezone(UTC)


def elsewhen(earliest: datetime, last: datetime, *hours: Hours, ends: datetime | None = None, seed: int = 0) -> object:
    return at_another_time_of_day(earliest, last, hours, PARIS, ends, seed)


def test_a_recipient_called_in_the_morning_is_retried_in_the_afternoon() -> None:
    assert elsewhen(at(1, 11), at(1, 10), DAYTIME) == at(1, 12)


def test_what_is_another_time_of_day_already_stays() -> None:
    assert elsewhen(at(1, 13, 37), at(1, 10), DAYTIME, seed=77) == at(1, 13, 37)


def test_after_an_evening_comes_the_next_morning() -> None:
    assert elsewhen(at(1, 19), at(1, 18), DAYTIME) == at(2, 9)


def test_after_a_friday_evening_comes_monday() -> None:
    assert elsewhen(at(5, 19), at(5, 18), DAYTIME) == at(8, 9)


def test_where_the_windows_know_one_time_of_day_alone_it_stays() -> None:
    assert elsewhen(at(1, 10), at(1, 9, 30), MORNINGS) == at(1, 10)
    assert elsewhen(at(1, 11, 30), at(1, 10, 30), MORNINGS) == at(2, 9)


def test_an_end_that_comes_before_the_other_time_of_day_leaves_it_where_it_is() -> None:
    assert elsewhen(at(1, 11), at(1, 10), DAYTIME, ends=at(1, 12)) == at(1, 11)


def test_where_nothing_opens_before_the_end_the_gate_is_asked_at_once() -> None:
    assert elsewhen(at(1, 21), at(1, 10), DAYTIME, ends=at(2, 9)) == at(1, 21)
    assert elsewhen(at(1, 21), at(1, 10), Hours(())) == at(1, 21)


@pytest.mark.parametrize("zones", [(), ("Nowhere/Land",)])
def test_an_unknown_zone_has_no_times_of_day(zones: tuple[str, ...]) -> None:
    assert at_another_time_of_day(at(1, 11), at(1, 10), (DAYTIME,), zones, None, 1) == at(1, 11)


def test_recipients_who_wait_for_noon_are_not_all_due_at_noon() -> None:
    moments = [at_another_time_of_day(at(1, 11), at(1, 10), (DAYTIME,), PARIS, None, seed) for seed in range(600)]
    minutes = Counter(moment.replace(second=0) for moment in moments)
    assert min(moments) >= at(1, 12) and max(moments) < at(1, 13)
    assert len(minutes) == 60 and max(minutes.values()) <= 30
    assert moments == [at_another_time_of_day(at(1, 11), at(1, 10), (DAYTIME,), PARIS, None, n) for n in range(600)]


def test_a_window_of_a_quarter_of_an_hour_is_not_missed() -> None:
    short = Hours((Window(frozenset({0}), 9 * 60, 11 * 60), Window(frozenset({0}), 12 * 60, 12 * 60 + 15)))
    for seed in range(200):
        found = at_another_time_of_day(at(1, 11), at(1, 10), (short,), PARIS, None, seed)
        assert at(1, 12) <= found < at(1, 12, 15)
