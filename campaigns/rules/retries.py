"""When a person is called again. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from campaigns.rules.windows import Hours, is_open, next_opening, zone_named

AGAIN = frozenset({"no_answer", "busy", "failed"})  # the endings that prove nobody was reached
MACHINES = frozenset({"no_answer", "completed"})  # the endings a machine can bring about
LONGEST = timedelta(days=365)  # however often a wait is multiplied
NOON, EVENING = 12, 17  # morning before the first, afternoon before the second
ELSEWHEN = timedelta(days=8)  # how far another time of day is looked for: windows come back every week
SPREAD = timedelta(hours=1)  # so that not everybody moved is due at the same minute


@dataclass(frozen=True)
class Rule:
    """After this outcome: how long to wait, and how many calls at most in all.

    The wait after a person's first call is `wait`, after each further call `multiplier` times the one before, whatever
    the calls between ended as; never more than `max_wait`.
    """

    outcome: str
    wait: timedelta
    max_attempts: int
    multiplier: Decimal = Decimal(1)
    max_wait: timedelta | None = None
    other_time_of_day: bool = False

    def wait_after(self, attempts: int) -> timedelta:
        """How long to wait when `attempts` calls have been made."""
        most = LONGEST if self.max_wait is None else self.max_wait
        wait = self.wait
        for _ in range(attempts - 1):
            if wait >= most or self.multiplier == 1:
                break
            wait = min(most, wait * float(self.multiplier))
        return min(wait, most)


def rule_after(rules: Iterable[Rule], outcome: str, voicemail: bool) -> Rule | None:
    """The rule for a call that ended so: the one for voicemail goes before the one for no answer."""
    by_outcome = {rule.outcome: rule for rule in rules}
    rule = by_outcome.get("voicemail") if voicemail and outcome in MACHINES else None
    if rule is None and outcome in AGAIN:
        rule = by_outcome.get(outcome)
    return rule


def next_attempt(
    rules: Iterable[Rule],
    outcome: str,
    voicemail: bool,
    attempts: int,
    max_attempts: int,
    ended_at: datetime,
    min_gap: timedelta,
) -> datetime | None:
    """The earliest moment of the next call, before any window is asked; None when there is none.

    `outcome` is how the call ended in our words. What is not known to have missed the person (`unknown`, `expired`) and
    what reached them is never tried again.
    """
    rule = rule_after(rules, outcome, voicemail)
    if rule is None or attempts >= min(rule.max_attempts, max_attempts):
        return None
    return ended_at + max(rule.wait_after(attempts), min_gap)


def part_of_day(zone: ZoneInfo, moment: datetime) -> int:
    """0 in the morning, 1 in the afternoon, 2 in the evening of that zone."""
    hour = moment.astimezone(zone).hour
    return (hour >= NOON) + (hour >= EVENING)


def at_another_time_of_day(
    earliest: datetime,
    last: datetime,
    hours: Sequence[Hours],
    zones: Sequence[str],
    not_after: datetime | None,
    seed: int,
) -> datetime:
    """The first open moment from `earliest` on in another part of the day than `last`.

    The part is that of the first of `zones`; everything must be open in all of them. Who has to wait for the part, or
    for it to open, is put somewhere in the hour after that, by `seed`. Where no other part opens in time, the next
    opening stands; where nothing opens before `not_after`, `earliest` does, and the gate says why.
    """
    zone = zone_named(zones[0]) if zones else None
    opening = next_opening(hours, zones, earliest)
    if zone is None or opening is None or (not_after and opening >= not_after):
        return earliest
    tried, part = opening, part_of_day(zone, last)
    while part_of_day(zone, tried) == part:
        found = next_opening(hours, zones, _next_part(zone, tried))
        if found is None or found > earliest + ELSEWHEN or (not_after and found >= not_after):
            return opening
        tried = found
    return tried if tried == earliest else _spread(tried, hours, zones, not_after, seed)


def _next_part(zone: ZoneInfo, moment: datetime) -> datetime:
    """When the part of the day that `moment` is in ends."""
    local = moment.astimezone(zone)
    day = local.date() + timedelta(days=local.hour >= EVENING)
    begins = {0: NOON, 1: EVENING, 2: 0}[part_of_day(zone, moment)]
    end = datetime.combine(day, time(begins), tzinfo=zone).astimezone(UTC)
    return max(end, moment + timedelta(minutes=1))


def _spread(
    opening: datetime, hours: Sequence[Hours], zones: Sequence[str], not_after: datetime | None, seed: int
) -> datetime:
    """A moment in the hour after an opening; nearer to it where that hour closes, or the part of the day ends."""
    zone = zone_named(zones[0])
    assert zone is not None  # noqa: S101
    later = timedelta(seconds=seed * 2_654_435_761 % 2**32 % int(SPREAD.total_seconds()))  # neighbours land far apart
    while later:
        moment = opening + later
        in_time = not not_after or moment < not_after
        if in_time and is_open(hours, zones, moment) and part_of_day(zone, moment) == part_of_day(zone, opening):
            return moment
        later = timedelta(seconds=int(later.total_seconds()) // 2)
    return opening
