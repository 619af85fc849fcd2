"""Rotation: turns by weights, after every turn; turns given back; members that come and go."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calls.gate.rotation import KEPT, Members, Turn, Turns, scattered

WEIGHTS = st.lists(st.integers(1, 1000), min_size=1, max_size=7)
SEEDS = st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=150)


def of(weights: Sequence[int]) -> Members:
    return tuple((10 + place, weight) for place, weight in enumerate(weights))


def taken(turns: Turns, members: Members, seed: int = 0) -> Turn:
    turn = turns.next("n", members, seed)
    turns.take(turn)
    return turn


def furthest(used: Counter[int], members: Members) -> Fraction:
    """Return how far the use of any member is from its exact share, in turns."""
    total, weights = sum(used.values()), sum(weight for _, weight in members)
    return max(abs(used[key] - Fraction(total * weight, weights)) for key, weight in members)


@given(WEIGHTS, SEEDS)
def test_use_is_within_one_turn_of_the_exact_share_after_every_turn(weights: list[int], seeds: list[int]) -> None:
    turns, members, used = Turns(), of(weights), Counter[int]()
    for seed in seeds:
        used[taken(turns, members, seed).key] += 1
        assert furthest(used, members) < 1


@given(st.integers(1, 7), SEEDS)
def test_members_of_equal_weight_differ_by_one_turn_at_most(members: int, seeds: list[int]) -> None:
    turns, used = Turns(), Counter[int]()
    for seed in seeds:
        used[taken(turns, of([1] * members), seed).key] += 1
        counts = [used[key] for key, _ in of([1] * members)]
        assert max(counts) - min(counts) <= 1


@given(WEIGHTS, SEEDS, st.data())
def test_the_bound_holds_again_when_turns_given_back_were_taken_anew(
    weights: list[int], seeds: list[int], data: st.DataObject
) -> None:
    turns, members, made = Turns(), of(weights), list[Turn]()
    most = 0
    for seed in seeds:
        made.append(taken(turns, members, seed))
        most = max(most, len(made))
        if len(made) == most:
            assert furthest(Counter(turn.key for turn in made), members) < 1
        if seed % 7 == 0:  # a few at once, chosen with malice: all of one member, or any
            victims = data.draw(st.sampled_from([made[-1].key, None]))
            for turn in [turn for turn in made if victims in (None, turn.key)][: data.draw(st.integers(0, 20))]:
                made.remove(turn)
                turns.give_back(turn)
    while len(made) < most:
        made.append(taken(turns, members))
    assert furthest(Counter(turn.key for turn in made), members) < 1


@given(WEIGHTS, SEEDS)
def test_stored_and_read_again_makes_no_difference(weights: list[int], seeds: list[int]) -> None:
    members, kept, stored = of(weights), Turns(), Turns()
    for seed in seeds:
        stored = Turns(json.loads(json.dumps(stored.stored())))
        assert taken(stored, members, seed) == taken(kept, members, seed)
    assert json.loads(json.dumps(stored.stored())) == json.loads(json.dumps(kept.stored()))


@given(st.lists(st.tuples(st.sets(st.integers(0, 4), min_size=1), st.integers(0, 2**32 - 1)), max_size=200))
def test_each_set_of_members_keeps_its_own_balance_while_members_come_and_go(
    steps: list[tuple[set[int], int]],
) -> None:
    turns, used = Turns(), dict[Members, Counter[int]]()
    for present, seed in steps:
        members = tuple((key, 1) for key in sorted(present))
        turn = taken(turns, members, seed)
        counts = used.setdefault(members, Counter())
        counts[turn.key] += 1
        assert furthest(counts, members) < 1


@pytest.mark.parametrize("others", [1, 2, 6])
def test_who_joins_or_comes_back_makes_up_for_nothing(others: int) -> None:
    turns, without, everybody = Turns(), of([1] * others), of([1] * (others + 1))
    for seed in range(500):
        taken(turns, without, scattered(seed))
    joined = Counter(taken(turns, everybody, scattered(seed)).key for seed in range(2 * (others + 1)))
    assert set(joined.values()) == {2}
    for seed in range(500):
        taken(turns, without, scattered(seed))
    back = Counter(taken(turns, everybody, scattered(seed)).key for seed in range(2 * (others + 1)))
    assert set(back.values()) == {2}


def test_a_turn_of_an_unknown_rotation_or_member_gives_nothing_back() -> None:
    turns, members = Turns(), of([1, 1, 1])
    turns.give_back(Turn("n", members, 10))
    assert turns.stored() == [] and not turns.changed
    for _ in range(3):
        taken(turns, members)
    before = json.dumps(turns.stored())
    turns.give_back(Turn("n", members, 99))
    turns.give_back(Turn("l", members, 10))
    assert json.dumps(turns.stored()) == before


def test_a_rotation_of_one_stores_nothing() -> None:
    turns = Turns()
    assert {taken(turns, of([3]), seed).key for seed in range(5)} == {10}
    assert turns.stored() == [] and not turns.changed


def test_what_is_stored_has_a_bound_and_the_longest_unused_goes_first() -> None:
    turns, first = Turns(), of([1, 1])
    taken(turns, first)
    for key in range(KEPT):
        taken(turns, ((1000 + key, 1), (5000 + key, 1)))
        taken(turns, first)
    kept = turns.stored()
    assert len(kept) == KEPT and len({name for name, _ in kept}) == KEPT
    assert kept[-1] == turns.stored()[-1]
    oldest = ((1000, 1), (5000, 1))
    turns_read = Turns(json.loads(json.dumps(kept)))
    turns_read.give_back(Turn("n", oldest, 1000))
    assert not turns_read.changed, "forgotten"
    turns_read.give_back(Turn("n", first, 10))
    assert turns_read.changed, "still known"


def test_neighbours_do_not_all_begin_with_the_same_member() -> None:
    """Campaigns of one recipient each, and every second contact: the first turn is scattered."""
    for stride in range(1, 51):
        for members in (2, 3, 7):
            begins = Counter(Turns().next("n", of([1] * members), scattered(5, n * stride, 2)).key for n in range(700))
            assert all(350 / members < begins[key] < 1050 / members for key, _ in of([1] * members))


def test_the_assistant_does_not_go_with_the_caller_number() -> None:
    """Otherwise a comparison of two assistants would compare their numbers."""
    turns, pairs = Turns(), Counter[tuple[int, int]]()
    for n in range(2000):
        kinds = ((kind, scattered(1, 2 * n, place)) for place, kind in enumerate(("a", "n"), 1))
        both = [turns.next(kind, of([1, 1]), seed) for kind, seed in kinds]
        for turn in both:
            turns.take(turn)
        pairs[both[0].key, both[1].key] += 1
    assert len(pairs) == 4 and min(pairs.values()) > 400
