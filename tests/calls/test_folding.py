"""Folding evidence: in any order, any number of times, never back, never out of an outcome."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calls.models import FOLLOWED, TERMINAL, UNRESOLVED, Status
from calls.outcomes import folding
from calls.outcomes.folding import RULES, STATUS_OF, Fold
from providers.adapters.base import CallState, Reading
from tenants.money import Money
from tests.calls.belief_rules import PAGE, generated
from tests.conftest import examples

T0 = datetime(2026, 5, 11, 13, 5, tzinfo=UTC)


NOW = T0 + timedelta(minutes=5)
TEXTS = ("provider_call_id", "provider_status", "ended_reason", "provider_reason", "answered_by", "error_code",
         "error_message", "result_text", "result_status")  # fmt: skip


def call(status: str = Status.PLACED, **fields: Any) -> SimpleNamespace:
    """A call that was dialed at T0, as the fold sees it."""
    empty: dict[str, Any] = {rule.field: "" if rule.field in TEXTS else None for rule in RULES}
    facts = {"reference": "f00d", "to_number": "+12125550150", "from_number": "+12125550199", "cost_currency": "USD",
             "created_at": T0, "dialed_at": T0, "terminal_at": None, "next_read_at": T0}  # fmt: skip
    return SimpleNamespace(**{**empty, **facts, "status": status, **fields})


def fold(found: SimpleNamespace, reading: Reading, source: str = "read") -> Fold:
    return folding.fold(found, reading, NOW, source)


def folded(start: SimpleNamespace, evidence: list[Reading]) -> SimpleNamespace:
    result = SimpleNamespace(**vars(start))
    for seen in evidence:
        for name, value in fold(result, seen).changes.items():
            setattr(result, name, value)
    return result


LIVE = [CallState.QUEUED, CallState.DIALING, CallState.RINGING, CallState.IN_PROGRESS]
END = Reading(
    CallState.COMPLETED,
    provider_call_id="x1",
    provider_status="completed",
    answered_at=T0 + timedelta(seconds=9),
    ended_at=T0 + timedelta(seconds=51),
    duration_seconds=42,
    ended_reason="hangup_callee",
    result={"ok": True},
    result_status="completed",
)


@st.composite
def agreeing_evidence(draw: st.DrawFn) -> list[Reading]:
    """Reports of one call: states and perhaps its outcome, each with some of the true facts."""
    steps = [
        Reading(state, provider_call_id=draw(st.sampled_from(["", "x1"])), provider_status=state.value)
        for state in draw(st.lists(st.sampled_from(LIVE), max_size=6))
    ]
    ends = draw(st.integers(0, 3))
    known = ["answered_at", "ended_at", "duration_seconds", "ended_reason", "result"]
    for _ in range(ends):
        hidden = draw(st.sets(st.sampled_from(known)))
        blank: dict[str, Any] = {name: "" if name == "ended_reason" else None for name in hidden}
        steps.append(replace(END, **blank))
    return steps


@given(agreeing_evidence().flatmap(lambda found: st.tuples(st.just(found), st.permutations(found))))
@examples(80)
def test_evidence_that_agrees_gives_the_same_call_in_any_order(pair: tuple[list[Reading], list[Reading]]) -> None:
    evidence, shuffled = pair
    start = call(Status.PLACING)
    assert vars(folded(start, evidence)) == vars(folded(start, shuffled))


@given(agreeing_evidence())
@examples(60)
def test_the_same_evidence_twice_changes_nothing_more(evidence: list[Reading]) -> None:
    once = folded(call(), evidence)
    assert vars(folded(once, evidence)) == vars(once)


@given(st.sampled_from(FOLLOWED), st.sampled_from(LIVE))
def test_a_live_call_never_moves_down(status: Status, state: CallState) -> None:
    ranks = {found: rank for rank, found in enumerate(FOLLOWED)}
    after = folded(call(status), [Reading(state)])
    assert ranks[Status(after.status)] >= ranks[status]


@given(st.sampled_from([s for s in TERMINAL if s not in UNRESOLVED]), st.sampled_from(list(STATUS_OF)))
def test_an_end_stays_and_a_different_end_is_kept_as_a_conflict(status: Status, state: CallState) -> None:
    found = fold(call(status), Reading(state, ended_reason="other"))
    assert found.status is None
    if state.is_terminal and STATUS_OF[state] != status:
        assert STATUS_OF[state].label in found.conflicts[0]
        assert found.changes == {}


@given(st.sampled_from(UNRESOLVED), st.sampled_from(list(STATUS_OF)))
def test_an_end_for_want_of_evidence_gives_way_to_a_real_one_alone(status: Status, state: CallState) -> None:
    found = fold(call(status), Reading(state))
    real = state.is_terminal and STATUS_OF[state] not in UNRESOLVED
    assert (found.status == STATUS_OF[state]) if real else (found.status is None)


def test_an_unheard_of_word_concludes_nothing() -> None:
    found = fold(call(), Reading(CallState.UNRECOGNISED, provider_status="transmogrified", ended_at=T0))
    assert found.changes == {}


def test_a_report_of_another_call_of_the_provider_is_not_believed() -> None:
    found = fold(call(provider_call_id="x1"), replace(END, provider_call_id="x2"))
    assert found.changes == {}
    assert "x2" in found.conflicts[0]


def test_a_provider_between_two_attempts_of_its_own_may_go_back() -> None:
    assert fold(call(Status.DIALING), Reading(CallState.QUEUED, may_go_back=True)).status == Status.PLACED
    assert fold(call(Status.COMPLETED), Reading(CallState.QUEUED, may_go_back=True)).status is None


def test_a_pending_result_gives_way_to_a_finished_one_and_not_back() -> None:
    pending = replace(END, result=None, result_status="pending")
    assert folded(call(), [pending, END]).result_status == "completed"
    assert folded(call(), [END, pending]).result_status == "completed"


# Each field's rule.


def ended(status: str = Status.COMPLETED, **fields: Any) -> SimpleNamespace:
    """A call whose end is stored and that is not read any more."""
    return call(status, provider_call_id="x1", terminal_at=NOW, next_read_at=None, **fields)


def test_no_rule_lets_a_reading_move_what_decisions_count_from() -> None:
    fields = {rule.field for rule in RULES}
    assert not fields & {"dialed_at", "terminal_at", "created_at", "placed_at", "attempt", "due_at", "to_number"}


anything = st.none() | st.booleans() | st.integers() | st.text(max_size=20)
moments = st.none() | st.integers(-(10**9), 10**9).map(lambda seconds: T0 + timedelta(seconds=seconds))
seconds = st.none() | st.integers(0, 2**31 - 1)
amounts = st.none() | st.builds(
    Money, st.decimals(allow_nan=False, allow_infinity=False), st.sampled_from(["USD", "EUR"])
)
texts = st.text(max_size=30)
readings = st.builds(
    Reading,
    state=st.sampled_from(CallState),
    provider_call_id=st.sampled_from(["", "x1", "X1", "x2"]),
    provider_status=texts,
    reference=st.sampled_from(["", "f00d", "beef"]),
    to_number=st.sampled_from(["", "+12125550150", "(212) 555-0150", "+33612345678", "anonymous"]),
    started_at=moments,
    answered_at=moments,
    ended_at=moments,
    duration_seconds=seconds,
    billed_duration_seconds=seconds,
    price=amounts,
    ended_reason=st.sampled_from(["", "other", "voicemail", "busy", "hangup_callee"]),
    provider_reason=texts,
    answered_by=st.sampled_from(["", "human", "machine", "amd"]),
    error_code=texts,
    error_message=texts,
    result=st.none() | st.dictionaries(texts, anything, max_size=3),
    result_text=texts,
    result_status=st.sampled_from(["", "pending", "completed", "failed", "odd"]),
    settled=st.booleans(),
    may_go_back=st.booleans(),
)
calls = st.builds(
    lambda status, known: call(status, **known),
    st.sampled_from([Status.PLACING, Status.UNCONFIRMED, *FOLLOWED, *TERMINAL]),
    st.fixed_dictionaries({}, optional={"provider_call_id": st.just("x1"), "terminal_at": st.just(NOW),
                                        "result": st.just({"a": 1}), "answered_by": st.just("human")}),
)  # fmt: skip


@given(calls, st.lists(readings, max_size=4), st.sampled_from(["response", "read", "callback", "listing"]))
@examples(100, 500)
def test_whatever_is_read_a_real_end_stays_and_only_columns_of_the_table_change(
    found: SimpleNamespace, several: list[Reading], source: str
) -> None:
    for reading in several:
        before = SimpleNamespace(**vars(found))
        fold_of = fold(found, reading, source)
        assert set(fold_of.changes) <= {rule.field for rule in RULES} | {"cost_currency"}
        for name, value in fold_of.changes.items():
            setattr(found, name, value)
        if before.status in TERMINAL and before.status not in UNRESOLVED:
            assert found.status == before.status
        if before.status in (*FOLLOWED, *TERMINAL):
            assert found.status not in (Status.QUEUED, Status.PLACING, Status.UNCONFIRMED)
        for name in ("started_at", "answered_at", "ended_at"):
            moment = getattr(found, name)
            assert moment is None or T0 <= moment <= NOW
        assert found.cost_price is None or 0 <= found.cost_price < 1_000_000
        if fold_of.foreign:
            assert fold_of.changes == {}


@given(calls, readings)
@examples(80)
def test_whatever_was_read_once_changes_nothing_the_second_time(found: SimpleNamespace, reading: Reading) -> None:
    once = folded(found, [reading])
    assert vars(folded(once, [reading])) == vars(once)


def test_a_reading_about_another_number_is_about_another_call_unless_it_has_our_reference() -> None:
    other = replace(END, to_number="+33612345678")
    assert fold(call(), other).foreign
    assert not fold(call(), replace(other, reference="f00d")).foreign
    assert not fold(call(), replace(END, to_number="(212) 555-0199")).foreign, "the provider swapped the two numbers"
    assert fold(call(from_number=""), other).foreign


def price(amount: str, **fields: Any) -> Reading:
    return replace(END, price=Money(Decimal(amount), "USD"), **fields)


def test_a_price_counts_whenever_it_comes_and_a_settled_read_has_the_last_word() -> None:
    assert fold(ended(), price("0.05")).changes["cost_price"] == Decimal("0.05")
    failed = replace(price("0.05"), state=CallState.FAILED, provider_reason="late")
    found = fold(ended(), failed)
    assert found.changes == {"cost_price": Decimal("0.05"), "cost_currency": "USD"}, "another end, but it was charged"
    known = ended(cost_price=Decimal("0.03"))
    assert fold(known, price("0.05")).changes["cost_price"] == Decimal("0.05")
    assert "0.03" in fold(known, price("0.05")).conflicts[0]
    late = fold(known, price("0.05"), "callback")
    assert (late.changes.get("cost_price"), len(late.conflicts)) == (None, 1), "a callback may be older than the read"
    assert fold(known, price("0.03")).conflicts == ()


def test_zero_of_an_unsettled_call_is_not_said_yet_and_of_a_settled_one_a_fact() -> None:
    zero = price("0", duration_seconds=0, billed_duration_seconds=0, answered_at=None, ended_at=None)
    names = ("cost_price", "duration_seconds", "billed_duration_seconds")
    assert not set(names) & set(fold(call(), replace(zero, settled=False)).changes)
    assert [fold(call(), zero).changes[name] for name in names] == [0, 0, 0]
    assert "cost_price" not in fold(call(), replace(zero, state=CallState.IN_PROGRESS)).changes
    so_far = call(Status.IN_PROGRESS, cost_price=Decimal("0.01"))
    assert fold(so_far, price("0.05"), "callback").changes["cost_price"] == Decimal("0.05")
    first = folded(call(), [replace(zero, settled=False)])
    assert folded(first, [price("0.06", billed_duration_seconds=60)]).billed_duration_seconds == 60


def result(value: Any, status: str = "completed", **fields: Any) -> Reading:
    return replace(END, result=value, result_status=status, **fields)


@pytest.mark.parametrize(
    ("several", "kept", "conflicts"),
    [
        ([result({}), result({"a": 1})], {"a": 1}, 0),
        ([result({}, "pending"), result({"a": 1})], {"a": 1}, 0),
        ([result({"a": None}), result({"a": 1})], {"a": 1}, 0),
        ([result({"a": 1}), result({"a": 1, "b": 2})], {"a": 1, "b": 2}, 0),
        ([result({"a": 1, "b": 2}), result({"a": 1})], {"a": 1, "b": 2}, 0),
        ([result({"a": 1}), result({})], {"a": 1}, 0),
        ([result({"a": 1}), result(None)], {"a": 1}, 0),
        ([result({"a": 0}, "pending"), result({"a": 1})], {"a": 1}, 0),
        ([result({"a": 1}), result({"a": 0}, "pending")], {"a": 1}, 0),
        ([result({"a": 1}), result({"a": 2})], {"a": 1}, 1),
        ([result({"a": True}), result({"b": True})], {"a": True}, 1),
    ],
)
def test_a_fuller_result_wins_and_of_two_final_ones_the_first(
    several: list[Reading], kept: Any, conflicts: int
) -> None:
    found = ended()
    seen = 0
    for reading in several:
        each = fold(found, reading)
        seen += len(each.conflicts)
        for name, value in each.changes.items():
            setattr(found, name, value)
    assert (found.result, seen) == (kept, conflicts)


def test_a_final_result_stays_while_only_the_price_is_awaited() -> None:
    settling = call(
        Status.COMPLETED, provider_call_id="x1", terminal_at=NOW, result={"a": 1}, result_status="completed"
    )
    found = fold(settling, result({"a": 2}))
    assert ("result" in found.changes, len(found.conflicts)) == (False, 1)
    settling.result_status = ""  # a provider that does not say whether its result is final
    assert fold(settling, result({"a": 2}, "")).changes["result"] == {"a": 2}
    settling.result_status = "failed"
    assert folded(settling, [result({"a": 2})]).result == {"a": 2}


def test_a_text_for_a_result_is_kept_and_a_provisional_one_gives_way() -> None:
    said = replace(END, result=None, result_text="opt_out: yes")
    assert folded(call(), [said]).result_text == "opt_out: yes"
    pending = replace(END, result=None, result_text="in progress", result_status="pending")
    found = folded(ended(), [pending, result({"a": 1})])
    assert (found.result, found.result_text, found.result_status) == ({"a": 1}, "", "completed")
    kept = folded(ended(), [said, result({"a": 1})])
    assert (kept.result, kept.result_text) == ({"a": 1}, "opt_out: yes")


@pytest.mark.parametrize(
    ("before", "said", "kept", "conflicts"),
    [
        ("", "other", "other", 0),
        ("other", "hangup_callee", "hangup_callee", 0),
        ("hangup_callee", "other", "hangup_callee", 0),
        ("hangup_callee", "voicemail", "voicemail", 0),
        ("voicemail", "hangup_callee", "voicemail", 0),
        ("hangup_callee", "queue_timeout", "hangup_callee", 1),
    ],
)
def test_a_specific_reason_wins_and_a_late_voicemail_counts(before: str, said: str, kept: str, conflicts: int) -> None:
    found = ended(ended_reason=before)
    each = fold(found, replace(END, ended_reason=said))
    assert (each.changes.get("ended_reason", before), len(each.conflicts)) == (kept, conflicts)


def test_a_real_end_brings_its_own_reason_after_a_call_was_given_up() -> None:
    for ours in ("poll_deadline", "status_expired", "ended_by_staff"):
        lost = call(Status.UNKNOWN, terminal_at=NOW, ended_reason=ours)
        assert folded(lost, [replace(END, ended_reason="voicemail")]).ended_reason == "voicemail"
        assert folded(lost, [replace(END, ended_reason="")]).ended_reason == ""


def test_who_answered_is_what_the_end_says() -> None:
    talking = Reading(CallState.IN_PROGRESS, answered_by="human")
    machine = replace(END, answered_by="machine")
    for several in ([talking, machine], [machine, talking]):
        assert folded(call(), several).answered_by == "machine"
    assert folded(ended(answered_by="amd_v2"), [machine]).answered_by == "machine"
    late = fold(ended(answered_by="human"), machine)
    assert (late.changes.get("answered_by"), len(late.conflicts)) == (None, 1)


def test_what_is_only_so_at_the_end_is_not_taken_before() -> None:
    """A call that goes on has lasted for a time already, which is not its duration."""
    going = replace(END, state=CallState.IN_PROGRESS, duration_seconds=10, ended_reason="other")
    found = folded(call(), [going, END])
    assert (found.duration_seconds, found.ended_reason, found.ended_at) == (42, "hangup_callee", END.ended_at)


def test_the_error_of_a_doubt_gives_way_to_the_providers() -> None:
    doubted = call(Status.UNCONFIRMED, error_message="The provider did not answer in time.")
    assert folded(doubted, [replace(END, error_message="SIP 486")]).error_message == "SIP 486"


def test_a_second_different_value_is_told_and_rounding_is_not() -> None:
    found = ended(provider_reason="NORMAL_CLEARING", duration_seconds=42, ended_at=T0 + timedelta(seconds=51))
    near = replace(END, ended_at=T0 + timedelta(seconds=53), duration_seconds=43, answered_at=None)
    assert fold(found, near).conflicts == ()
    said = fold(found, replace(near, provider_reason="USER_BUSY")).conflicts
    assert len(said) == 1
    assert "USER_BUSY" in said[0]


def test_the_page_of_the_rules_is_as_the_rules_are() -> None:
    expected = "\n".join(generated())
    assert expected in PAGE.read_text("utf-8"), "run python -m tests.calls.belief_rules"
