"""Folding evidence: in any order, any number of times, never back, never out of an outcome."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from calls.models import FOLLOWED, TERMINAL, UNRESOLVED, Status
from calls.outcomes import folding
from calls.outcomes.folding import RULES, STATUS_OF, Fold
from providers.adapters.base import CallState, Reading

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
@settings(max_examples=400)
def test_evidence_that_agrees_gives_the_same_call_in_any_order(pair: tuple[list[Reading], list[Reading]]) -> None:
    evidence, shuffled = pair
    start = call(Status.PLACING)
    assert vars(folded(start, evidence)) == vars(folded(start, shuffled))


@given(agreeing_evidence())
@settings(max_examples=200)
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
        assert str(STATUS_OF[state]) in found.conflicts[0]
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
