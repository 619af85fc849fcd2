"""When to retry a recipient. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from campaigns.rules.windows import Hours, is_open, next_opening, zone_named

RETRYABLE = frozenset({"no_answer", "busy", "failed"})  # outcomes that prove that nobody was reached
MACHINES = frozenset({"no_answer", "completed"})  # outcomes of a call that a machine answered
LONGEST = timedelta(days=365)  # the cap of a multiplied wait without `max_wait`
NOON, EVENING = 12, 17  # hours: morning ends at NOON, afternoon at EVENING
SEARCH_HORIZON = timedelta(days=8)  # to find another part of the day: windows repeat every week
SPREAD = timedelta(hours=1)  # so that the moved recipients are not all due in the same minute


@dataclass(frozen=True)
class Rule:
    """The retry rule of one outcome: how long to wait, and the maximum number of calls to the recipient in total.

    The wait after the first call is `wait`. After each further call it is `multiplier` times the previous wait, never
    more than `max_wait`, whatever the outcomes in between.
    """

    outcome: str
    wait: timedelta
    max_attempts: int
    multiplier: Decimal = Decimal(1)
    max_wait: timedelta | None = None
    other_time_of_day: bool = False

    def wait_after(self, attempts: int) -> timedelta:
        """Return the wait after `attempts` calls."""
        most = LONGEST if self.max_wait is None else self.max_wait
        wait = self.wait
        for _ in range(attempts - 1):
            if wait >= most or self.multiplier == 1:
                break
            wait = min(most, wait * float(self.multiplier))
        return min(wait, most)

    def earliest(self, attempts: int, seen_ended: datetime, min_gap: timedelta) -> datetime:
        """Return the earliest time of the next call, after `attempts` calls, without regard to windows.

        `seen_ended`: when we saw the end of the last call, by our clock.
        """
        return seen_ended + max(self.wait_after(attempts), min_gap)


def rule_after(rules: Iterable[Rule], outcome: str, voicemail: bool) -> Rule | None:
    """Return the rule for an outcome, or None. The rule for voicemail takes precedence over the one for no answer."""
    by_outcome = {rule.outcome: rule for rule in rules}
    rule = by_outcome.get("voicemail") if voicemail and outcome in MACHINES else None
    if rule is None and outcome in RETRYABLE:
        rule = by_outcome.get(outcome)
    return rule


def next_attempt(
    rules: Iterable[Rule],
    outcome: str,
    voicemail: bool,
    attempts: int,
    max_attempts: int,
    seen_ended: datetime,
    min_gap: timedelta,
) -> datetime | None:
    """Return the earliest time of the next call, without regard to windows; None if there is no retry.

    `outcome` is our status of the ended call. Outcomes that reached the recipient, or may have (`unknown`, `expired`),
    are never retried.
    """
    rule = rule_after(rules, outcome, voicemail)
    if rule is None or attempts >= min(rule.max_attempts, max_attempts):
        return None
    return rule.earliest(attempts, seen_ended, min_gap)


def part_of_day(zone: ZoneInfo, moment: datetime) -> int:
    """Return the part of the day in this zone: 0 for morning, 1 for afternoon, 2 for evening."""
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
    """Return the first open moment from `earliest` on that is in another part of the day than `last`.

    The first of `zones` decides the part of the day; all hours must be open in all zones. A recipient who has to wait
    is spread over the hour after the opening, by `seed`. If no other part opens in time, the next opening is returned.
    If nothing opens before `not_after`, `earliest` is returned, and the gate gives the reason.
    """
    zone = zone_named(zones[0]) if zones else None
    opening = next_opening(hours, zones, earliest)
    if zone is None or opening is None or (not_after and opening >= not_after):
        return earliest
    tried, part = opening, part_of_day(zone, last)
    while part_of_day(zone, tried) == part:
        found = next_opening(hours, zones, _next_part(zone, tried))
        if found is None or found > earliest + SEARCH_HORIZON or (not_after and found >= not_after):
            return opening
        tried = found
    return tried if tried == earliest else _spread(tried, hours, zones, not_after, seed)


def _next_part(zone: ZoneInfo, moment: datetime) -> datetime:
    """Return the end of the part of the day that `moment` is in."""
    local = moment.astimezone(zone)
    day = local.date() + timedelta(days=local.hour >= EVENING)
    begins = {0: NOON, 1: EVENING, 2: 0}[part_of_day(zone, moment)]
    end = datetime.combine(day, time(begins), tzinfo=zone).astimezone(UTC)
    return max(end, moment + timedelta(minutes=1))


def _spread(
    opening: datetime, hours: Sequence[Hours], zones: Sequence[str], not_after: datetime | None, seed: int
) -> datetime:
    """Return a moment in the hour after an opening, closer to it if the window closes or the part of the day ends."""
    zone = zone_named(zones[0])
    assert zone is not None  # noqa: S101
    # The multiplication gives neighbouring seeds distant moments.
    later = timedelta(seconds=seed * 2_654_435_761 % 2**32 % int(SPREAD.total_seconds()))
    while later:
        moment = opening + later
        in_time = not not_after or moment < not_after
        if in_time and is_open(hours, zones, moment) and part_of_day(zone, moment) == part_of_day(zone, opening):
            return moment
        later = timedelta(seconds=int(later.total_seconds()) // 2)
    return opening
