"""Rotation: turns of several members by their weights, such as assistants or caller numbers. Pure.

While the members and weights of a rotation stay the same, the number of turns that a member took differs from its exact
share by less than one, after every turn. So members of equal weight differ by at most one turn. Each turn has a
release and a deadline (Pfair scheduling; Baruah, Cohen, Plaxton and Varvel, 1996): a member's turn number n may be
taken from the moment at which its share exceeds n - 1, and must be taken when its share reaches n. Of the members whose
turn is released, the one with the earliest deadline is next. Shares add up to one, so no deadline is missed.

A turn that is given back leaves the members apart for as many turns as were given back; then the bound holds again.
Each set of members has a rotation of its own. So a member that was added, or away for a while, has no turns to make
up for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

Members = tuple[tuple[int, int], ...]  # internal key and weight of each member, in a fixed order
KEPT = 256  # rotations stored for a campaign; of more, those longest unused start anew
MASK = 0xFFFFFFFF


@dataclass(frozen=True)
class Turn:
    """The turn of one member of a rotation. `kind` separates rotations of the same members."""

    kind: str
    members: Members
    key: int


class Rotation:
    """The turns of one set of members. `credits`: each member's share less its turns taken, times the total weight."""

    __slots__ = ("credits", "keys", "total", "weights")

    def __init__(self, members: Members, credits: Iterable[int] | None = None) -> None:
        self.keys = [key for key, _ in members]
        self.weights = [weight for _, weight in members]
        self.total = sum(self.weights)
        self.credits = [0] * len(members) if credits is None else list(credits)

    def next(self, seed: int) -> int:
        """Return the key of the member that is next. Where several may be, `seed` chooses one of them."""
        total, earliest, tied = self.total, None, [0]
        for place, (weight, credit) in enumerate(zip(self.weights, self.credits, strict=True)):
            due = credit + weight
            if due <= 0:
                continue  # its next turn is not released
            left = (total - due + weight - 1) // weight  # turns that others may take before
            if earliest is None or left < earliest:
                earliest, tied = left, [place]
            elif left == earliest:
                tied.append(place)
        return self.keys[tied[(seed & MASK) * len(tied) >> 32]]

    def move(self, key: int, by: int) -> None:
        """Count a turn of a member (`by` is 1), or give it back (-1)."""
        for place, weight in enumerate(self.weights):
            self.credits[place] += by * weight
        self.credits[self.keys.index(key)] -= by * self.total


class Turns:
    """The rotations of a campaign, as stored with it: pairs of a name and credits, the longest unused first."""

    def __init__(self, stored: Iterable[tuple[str, list[int]]] = ()) -> None:
        self.changed = False
        self._stored = dict(stored)
        self._known: dict[tuple[str, Members], tuple[str, Rotation]] = {}

    def next(self, kind: str, members: Members, seed: int) -> Turn:
        """Return the turn that is next. Nothing is counted."""
        if len(members) == 1:
            return Turn(kind, members, members[0][0])
        return Turn(kind, members, self._rotation(kind, members)[1].next(seed))

    def take(self, turn: Turn) -> None:
        """Count a turn."""
        self._move(turn, 1)

    def give_back(self, turn: Turn) -> None:
        """Give back a turn whose call is not placed. A rotation that is not known any more has nothing to take back."""
        known = (turn.kind, turn.members) in self._known or _name(turn.kind, turn.members) in self._stored
        if known and any(key == turn.key for key, _ in turn.members):
            self._move(turn, -1)

    def stored(self) -> list[tuple[str, list[int]]]:
        """Return what to store. Rotations used since they were read come last."""
        return list(self._stored.items())[-KEPT:]

    def _move(self, turn: Turn, by: int) -> None:
        if len(turn.members) == 1:
            return
        name, rotation = self._rotation(turn.kind, turn.members)
        rotation.move(turn.key, by)
        self._stored.pop(name, None)
        self._stored[name] = rotation.credits
        self.changed = True

    def _rotation(self, kind: str, members: Members) -> tuple[str, Rotation]:
        found = self._known.get((kind, members))
        if found is None:
            name = _name(kind, members)
            found = self._known[kind, members] = (name, Rotation(members, self._stored.get(name)))
        return found


def _name(kind: str, members: Members) -> str:
    """Return a short name. Members themselves may be hundreds of numbers."""
    return kind + hashlib.sha256(repr(members).encode()).hexdigest()[:20]


def scattered(*parts: int) -> int:
    """Return 32 bits that depend on all parts and look like chance, but are the same each time (MurmurHash3)."""
    found = 0
    for part in parts:
        found = (found * 5 + 0xE6546B64 ^ part * 0xCC9E2D51) & MASK
        found = (found ^ found >> 16) * 0x85EBCA6B & MASK
        found = (found ^ found >> 13) * 0xC2B2AE35 & MASK
        found ^= found >> 16
    return found
