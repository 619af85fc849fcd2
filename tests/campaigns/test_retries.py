from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from campaigns.retries import Rule, next_attempt

END = datetime(2026, 6, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
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
def test_not_even_when_a_machine_is_said_to_have_answered(outcome: str) -> None:
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
