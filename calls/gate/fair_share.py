"""Fair share: campaigns that wait for the same provider accounts share them by priority (stride scheduling).

Each campaign stores its share: the calls enqueued so far, divided by its priority. The campaign with the smallest share
is next, so over time twice the priority gets twice the calls. A campaign that was idle, paused or new does not get the
turns it missed: it starts at most CATCH_UP behind the rival with the largest share.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from django.db.models import F
from django.db.models.expressions import Combinable
from django.db.models.functions import Greatest

from campaigns.models import Campaign

CATCH_UP = 2.0


@dataclass(frozen=True)
class Contender:
    """A running campaign: its share, the accounts it can call through, and how many of its recipients are due."""

    campaign: int
    priority: int
    share_used: float
    accounts: frozenset[int]
    due: int


@dataclass(frozen=True)
class Turn:
    """How many calls a campaign may enqueue now. Its share is counted from `share_used`."""

    campaign: int
    calls: int
    share_used: float


def turns(contenders: Sequence[Contender], rooms: Mapping[int, int]) -> list[Turn]:
    """Divide the room of the accounts among the campaigns: each call to the campaign that is next."""
    left = {account: max(0, room) for account, room in rooms.items()}
    waiting = [contender for contender in contenders if contender.due and contender.accounts]
    begins = {contender.campaign: _begins(contender, waiting) for contender in waiting}
    queue = [(begins[contender.campaign], contender.campaign, contender) for contender in waiting]
    heapq.heapify(queue)
    given: Counter[int] = Counter()
    while queue:
        used, campaign, contender = heapq.heappop(queue)
        roomiest = max(contender.accounts, key=lambda account: (left.get(account, 0), account))
        if left.get(roomiest, 0) <= 0 or given[campaign] >= contender.due:
            continue
        left[roomiest] -= 1
        given[campaign] += 1
        heapq.heappush(queue, (used + 1 / contender.priority, campaign, contender))
    order = sorted(given, key=lambda campaign: (begins[campaign], campaign))
    return [Turn(campaign, given[campaign], begins[campaign]) for campaign in order]


def after(contenders: Sequence[Contender], turns: Sequence[Turn], fed: Sequence[int]) -> list[Contender]:
    """Return the contenders that may use further turns, with their new shares.

    A contender that did not use all of its turns is left out.
    """
    results = {turn.campaign: (turn, calls) for turn, calls in zip(turns, fed, strict=True)}
    remaining = []
    for contender in contenders:
        turn, calls = results.get(contender.campaign, (None, 0))
        if turn is None:
            remaining.append(contender)
        elif calls >= turn.calls:
            share = max(contender.share_used, turn.share_used) + calls / contender.priority
            remaining.append(replace(contender, share_used=share, due=contender.due - calls))
    return remaining


def _begins(contender: Contender, waiting: Sequence[Contender]) -> float:
    rivals = [rival.share_used for rival in waiting if rival.accounts & contender.accounts]
    return max(contender.share_used, max(rivals) - CATCH_UP)


def used(campaign: Campaign, calls: int, starting_from: float | None) -> Combinable:
    """Return the campaign's share to store, with the enqueued calls added."""
    begins = F("share_used") if starting_from is None else Greatest(F("share_used"), starting_from)
    return begins + calls / campaign.priority
