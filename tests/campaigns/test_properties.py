"""What holds for every number and every retry, whatever is written or configured."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.phones import E164, NotCallable, normalise
from campaigns.retries import AGAIN, MACHINES, Rule, next_attempt

COUNTRIES = {"FR", "GB", "US", "CA", "DE", "IT"}
WRITTEN = ("+33123456789", "01 23 45 67 89", "(514) 555-1234", "030/123456", "+442079460018")
END = datetime(2026, 6, 1, 12, tzinfo=UTC)

outcomes = st.sampled_from(("no_answer", "busy", "failed", "voicemail", "completed", "canceled", "unknown", "expired"))
waits = st.timedeltas(timedelta(0), timedelta(days=60))
rules = st.lists(st.builds(Rule, outcomes, waits, st.integers(1, 50)), max_size=6, unique_by=lambda rule: rule.outcome)


@settings(deadline=None)
@given(
    st.sampled_from(WRITTEN),
    st.sampled_from(("ext", "ext.", "x", "#", ",", "poste", "Durchwahl ", "int ", ";", ";ext=", ";ani=")),
    st.integers(0, 99_999),
    st.sampled_from(("FR", "US", "DE")),
)
def test_no_extension_or_parameter_slips_into_a_number(number: str, mark: str, digits: int, region: str) -> None:
    try:
        found = normalise(f"{number}{mark}{digits}", region, COUNTRIES)
    except NotCallable:
        return
    raise AssertionError(f"taken for {found}")


@settings(deadline=None)
@given(st.sampled_from(WRITTEN), st.text(" \u00a0.-()\u202a\u200b", max_size=4), st.sampled_from(("FR", "CA", "DE")))
def test_a_number_however_decorated_stays_one_e164_number(number: str, around: str, region: str) -> None:
    try:
        found = normalise(f"{around}{number}{around}", region, COUNTRIES)
    except NotCallable:
        return
    assert E164.fullmatch(found)
    assert normalise(found, "US", COUNTRIES) == found


@settings(deadline=None)
@given(rules, outcomes, st.booleans(), st.integers(0, 60), st.integers(1, 50), waits)
def test_a_retry_keeps_the_wait_the_gap_and_both_limits(
    given_rules: list[Rule], outcome: str, voicemail: bool, attempts: int, most: int, gap: timedelta
) -> None:
    again = next_attempt(given_rules, outcome, voicemail, attempts, most, END, gap)
    if again is None:
        return
    assert attempts < most
    assert outcome in AGAIN | MACHINES
    by_outcome = {rule.outcome: rule for rule in given_rules}
    rule = by_outcome.get("voicemail") if voicemail and outcome in MACHINES else None
    rule = rule or by_outcome[outcome]
    assert attempts < rule.max_attempts
    assert again == END + max(rule.wait, gap)
