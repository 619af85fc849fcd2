"""Whose turn it is: campaigns that wait for the same accounts share them by priority.

Each campaign keeps an account of its turns: the calls fed so far, divided by its priority. Who has used least is next,
so over time twice the priority gets twice the calls (stride scheduling). Who was idle, paused or new does not get the
turns it missed: nobody starts further behind the most advanced rival than CATCH_UP.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from django.db.models import F
from django.db.models.functions import Greatest

from campaigns.models import Campaign

CATCH_UP = 2.0


@dataclass(frozen=True)
class Contender:
    """A running campaign: what it has used, the accounts it can call through, and how many recipients are due."""

    campaign: int
    priority: int
    share_used: float
    accounts: frozenset[int]
    due: int


@dataclass(frozen=True)
class Turn:
    """So many calls for a campaign, whose account of turns begins at `share_used`."""

    campaign: int
    calls: int
    share_used: float


def turns(contenders: Sequence[Contender], rooms: Mapping[int, int]) -> list[Turn]:
    """Divide the room of the accounts among the campaigns, one call after the other to whom is next."""
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
    """Those who may want more, with what they have had: who could not use all of its turns now is not among them."""
    had = {turn.campaign: (turn, calls) for turn, calls in zip(turns, fed, strict=True)}
    found = []
    for contender in contenders:
        turn, calls = had.get(contender.campaign, (None, 0))
        if turn is None:
            found.append(contender)
        elif calls >= turn.calls:
            share = max(contender.share_used, turn.share_used) + calls / contender.priority
            found.append(replace(contender, share_used=share, due=contender.due - calls))
    return found


def _begins(contender: Contender, waiting: Sequence[Contender]) -> float:
    rivals = [rival.share_used for rival in waiting if rival.accounts & contender.accounts]
    return max(contender.share_used, max(rivals) - CATCH_UP)


def used(campaign: Campaign, calls: int, starting_from: float | None) -> None:
    """Write down the turns a campaign has had."""
    begins = F("share_used") if starting_from is None else Greatest(F("share_used"), starting_from)
    Campaign.objects.filter(pk=campaign.pk).update(share_used=begins + calls / campaign.priority)
