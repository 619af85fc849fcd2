"""Fair share: turns by priority, campaigns that join late, and no more turns than capacity."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calls.gate import fair_share
from calls.gate.fair_share import Contender, turns


def contender(pk: int, priority: int = 1, used: float = 0, accounts: str = "a", due: int = 10_000) -> Contender:
    return Contender(pk, priority, used, frozenset(map(ord, accounts)), due)


def run(contenders: list[Contender], rooms: dict[str, int], rounds: int) -> Counter[int]:
    """Run many rounds of enqueueing; each campaign's count of turns carries over."""
    given_in_all: Counter[int] = Counter()
    used = {each.campaign: each.share_used for each in contenders}
    for _ in range(rounds):
        now = [Contender(c.campaign, c.priority, used[c.campaign], c.accounts, c.due) for c in contenders]
        for turn in turns(now, {ord(name): room for name, room in rooms.items()}):
            priority = next(c.priority for c in contenders if c.campaign == turn.campaign)
            used[turn.campaign] = max(used[turn.campaign], turn.share_used) + turn.calls / priority
            given_in_all[turn.campaign] += turn.calls
    return given_in_all


def test_three_campaigns_share_an_account_by_priority() -> None:
    found = run([contender(1, 1), contender(2, 2), contender(3, 5)], {"a": 3}, 200)
    assert sum(found.values()) == 600
    for campaign, share in ((1, 1 / 8), (2, 2 / 8), (3, 5 / 8)):
        assert found[campaign] / 600 == pytest.approx(share, abs=0.01)


def test_who_comes_late_does_not_get_the_turns_it_missed() -> None:
    found = run([contender(1, 1, used=5_000), contender(2, 1, used=0)], {"a": 2}, 50)
    assert abs(found[1] - found[2]) <= fair_share.CATCH_UP + 1


def test_an_account_of_its_own_is_not_divided() -> None:
    found = run([contender(1, 1, accounts="a"), contender(2, 9, accounts="b")], {"a": 3, "b": 3}, 10)
    assert found == {1: 30, 2: 30}


def test_a_busy_account_does_not_upset_the_shares_of_another() -> None:
    contenders = [contender(1, 1, used=900, accounts="a"), contender(2, 1, accounts="b"), contender(3, 3, accounts="b")]
    found = run(contenders, {"a": 50, "b": 4}, 100)
    assert found[3] / found[2] == pytest.approx(3, rel=0.02)


def test_what_one_cannot_use_the_others_get() -> None:
    found = turns([contender(1, 9, due=1), contender(2, 1)], {ord("a"): 10})
    assert {turn.campaign: turn.calls for turn in found} == {1: 1, 2: 9}


@given(
    st.lists(
        st.tuples(st.integers(1, 100), st.floats(0, 1e6), st.sampled_from(["a", "b", "ab"]), st.integers(0, 30)),
        max_size=8,
    ),
    st.dictionaries(st.sampled_from("ab"), st.integers(-5, 40)),
)
def test_never_more_than_there_is_room_or_demand_for(
    rows: list[tuple[int, float, str, int]], rooms: dict[str, int]
) -> None:
    contenders = [contender(n, priority, used, accounts, due) for n, (priority, used, accounts, due) in enumerate(rows)]
    found = turns(contenders, {ord(name): room for name, room in rooms.items()})
    assert sum(turn.calls for turn in found) <= sum(max(0, room) for room in rooms.values())
    for turn in found:
        assert 0 < turn.calls <= contenders[turn.campaign].due
        assert turn.share_used >= contenders[turn.campaign].share_used
