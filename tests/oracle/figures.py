"""Every figure of calls and recipients, counted from rows in a few lines of Python, with `zoneinfo` as the clock.

A row is a mapping of columns. Hours are found minute by minute, and nothing is grouped by a database.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

Row = Mapping[str, Any]
Hour = tuple[datetime, timedelta | None]  # its naive start on the clock, and the clock's offset

OPEN = ("placing", "unconfirmed", "placed", "dialing", "ringing", "in_progress")
ENDS = ("completed", "no_answer", "busy", "failed", "canceled", "expired", "unknown")
SERIES = {
    "Answered": ("completed",),
    "No answer or busy": ("no_answer", "busy"),
    "Failed or unknown": ("failed", "expired", "unknown"),
    "Canceled": ("canceled",),
}
MINUTE, WEEK = timedelta(minutes=1), timedelta(days=7)


def rang(call: Row) -> bool:
    return call["dialed_at"] is not None and call["status"] in ("completed", "no_answer", "busy", "failed")


def answered(call: Row) -> bool:
    return rang(call) and call["status"] == "completed"


def reached(call: Row) -> bool:
    return answered(call) and call["answered_by"] != "machine" and call["ended_reason"] != "voicemail"


def overdue(call: Row, now: datetime, minutes: int) -> bool:
    dialed = call["dialed_at"]
    return call["status"] in OPEN[1:] and dialed is not None and dialed <= now - timedelta(minutes=minutes)


def share(rows: Iterable[Row], part: Callable[[Row], bool], whole: Callable[[Row], bool] = rang) -> tuple[int, int]:
    found = [row for row in rows if whole(row)]
    return sum(map(part, found)), len(found)


# Clocks.


def hour_of(moment: datetime, zone: ZoneInfo) -> Hour:
    local = moment.astimezone(zone)
    return datetime(local.year, local.month, local.day, local.hour), local.utcoffset()  # noqa: DTZ001


def hours_between(first: datetime, last: datetime, zone: ZoneInfo) -> list[Hour]:
    moment, found = first.replace(second=0, microsecond=0), []
    while moment <= last:
        if (hour := hour_of(max(moment, first), zone)) not in found:
            found.append(hour)
        moment += MINUTE
    return found


def day_of(now: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return the first minute of the clock's day, and that of the next one."""
    today = now.astimezone(zone).date()
    start = end = now.astimezone(UTC).replace(second=0, microsecond=0)
    while (start - MINUTE).astimezone(zone).date() == today:
        start -= MINUTE
    while end.astimezone(zone).date() == today:
        end += MINUTE
    return start, end


def names(hours: Sequence[Hour], zone: ZoneInfo, spelling: str) -> list[str]:
    """Return the labels of hours. Only of one that occurs twice the label names its time."""
    found = []
    for local, offset in hours:
        label = f"{local:{spelling}}"
        if [other for other, _ in hours].count(local) > 1:
            last = (local - (offset or timedelta()) + 59 * MINUTE).replace(tzinfo=UTC)  # of its minutes
            name = last.astimezone(zone).tzname() or ""
            label += f" {name}" if name[0].isalpha() else f" UTC{name}"
        found.append(label)
    return found


# The dashboard.


def today(calls: Sequence[Row], now: datetime, zone: ZoneInfo) -> dict[str, Any]:
    start, end = day_of(now, zone)
    then = (now.astimezone(zone).replace(tzinfo=None) - WEEK).replace(tzinfo=zone)
    before, _ = day_of(then, zone)
    ended = [call for call in calls if call["status"] in ENDS and call["terminal_at"] is not None]
    lately = [call for call in ended if call["terminal_at"] >= start]
    past = [call for call in ended if before <= call["terminal_at"] < then]
    hours = hours_between(start, end - MINUTE, zone)
    parts: list[list[int]] = [[0, 0, 0, 0] for _ in hours]
    for call in calls:
        if call["dialed_at"] is not None and start <= call["dialed_at"] < end:
            place = 0 if reached(call) else 1 if rang(call) else 2 if call["status"] in OPEN else 3
            parts[hours.index(hour_of(call["dialed_at"], zone))][place] += 1
    return {
        "ended": (len(lately), len(past)),
        "reached": (share(lately, reached), share(past, reached)),
        "statuses": {
            status: (n, m)
            for status in (*ENDS, "voicemail")
            if (n := _ended(lately, status)) + (m := _ended(past, status))  # one row for each
        },
        "hours": names(hours, zone, "%H:%M"),
        "parts": parts,
    }


def _ended(calls: Sequence[Row], end: str) -> int:
    """Return how many calls have this badge: what a voicemail took is a voicemail, whatever the provider calls it.

    A busy line, a canceled call and one without a known outcome were taken by nobody.
    """
    by_voicemail = [
        call
        for call in calls
        if call["status"] in ("completed", "no_answer", "failed")
        and (call["answered_by"] == "machine" or call["ended_reason"] == "voicemail")
    ]
    return len(by_voicemail) if end == "voicemail" else _of(calls, end) - _of(by_voicemail, end)


def _of(calls: Iterable[Row], status: str) -> int:
    return sum(call["status"] == status for call in calls)


def last_hour(calls: Sequence[Row], now: datetime) -> tuple[int, int]:
    """Return the calls that failed and those that ended, but canceled ones, in the last hour."""
    ended = [call for call in calls if call["terminal_at"] and call["terminal_at"] > now - timedelta(hours=1)]
    placed = [call for call in ended if call["status"] in ENDS and call["status"] != "canceled"]
    return sum(call["status"] in ("failed", "expired", "unknown") for call in placed), len(placed)


# A campaign.


def over_time(calls: Sequence[Row], zone: ZoneInfo) -> dict[str, dict[str, int]]:
    """Return how many calls ended, by hour or day and by series."""
    ended = [call for call in calls if call["status"] in ENDS and call["terminal_at"] is not None]
    if not ended:
        return {}
    first, last = min(call["terminal_at"] for call in ended), max(call["terminal_at"] for call in ended)
    places: list[Any]
    if last - first < timedelta(hours=48):
        places = hours_between(first, last, zone)
        labels, place_of = names(places, zone, "%d %b %H:%M"), hour_of
    else:
        day, places = first.astimezone(zone).date(), []
        while day <= last.astimezone(zone).date():
            places.append(day)
            day += timedelta(days=1)
        labels, place_of = [f"{day:%d %b}" for day in places], _date
    found: dict[str, dict[str, int]] = {label: dict.fromkeys(SERIES, 0) for label in labels}
    for call in ended:
        [series] = [name for name, statuses in SERIES.items() if call["status"] in statuses]
        found[labels[places.index(place_of(call["terminal_at"], zone))]][series] += 1
    return found


def _date(moment: datetime, zone: ZoneInfo) -> Any:
    return moment.astimezone(zone).date()


def by_hour_of_week(calls: Sequence[Row], zone: ZoneInfo) -> dict[tuple[int, int], tuple[int, int]]:
    found: dict[tuple[int, int], list[Row]] = {}
    for call in filter(rang, calls):
        local = call["dialed_at"].astimezone(zone)
        found.setdefault((local.weekday(), local.hour), []).append(call)
    return {hour: share(rows, reached) for hour, rows in found.items()}


def by_attempt(calls: Sequence[Row]) -> dict[int, tuple[int, int]]:
    """Return the recipients reached and called by each attempt."""
    numbers = sorted({call["attempt"] for call in calls if rang(call)})
    return {number: _people([call for call in calls if call["attempt"] == number]) for number in numbers}


def by_assistant(calls: Sequence[Row]) -> dict[int, tuple[int, int, int]]:
    """Return of each assistant the recipients reached, those its calls decided and rang, and the calls that rang."""
    of_person: dict[int, list[Row]] = {}
    for call in calls:
        if call["recipient_id"] is not None:
            of_person.setdefault(call["recipient_id"], []).append(call)
    decided = [last for rows in of_person.values() if (last := deciding(rows)) is not None]
    found = {}
    for key in {call["assistant_id"] for call in calls if rang(call)}:
        mine = [call for call in calls if call["assistant_id"] == key]
        found[key] = (*share([call for call in decided if call["assistant_id"] == key], reached), sum(map(rang, mine)))
    return found


def _people(calls: Iterable[Row]) -> tuple[int, int]:
    called = [call for call in calls if rang(call)]
    return len({call["recipient_id"] for call in called if reached(call)}), len({c["recipient_id"] for c in called})


def deciding(calls: Iterable[Row]) -> Row | None:
    """Return the call that decided the outcome of the recipient of these calls."""
    ended = sorted((call for call in calls if call["status"] in ENDS), key=lambda call: call["id"])
    certain = [call for call in ended if call["status"] != "canceled"]
    dialed = [call for call in ended if call["dialed_at"] is not None]
    return next(reversed(certain or dialed), None)


def recipients(rows: Sequence[Row]) -> dict[str, Any]:
    statuses = Counter(row["status"] for row in rows)
    left = sum(statuses[name] for name in ("pending", "calling", "waiting", "review"))
    never = [row for row in rows if row["status"] in ("skipped", "withdrawn") and not row["attempts"]]
    completed = [row for row in rows if row["outcome"] == "completed"]
    return {
        "statuses": dict(statuses),
        "outcomes": dict(Counter(row["outcome"] for row in rows if row["status"] == "done" and row["outcome"])),
        "done": (len(rows) - left, len(rows)),
        "attempts": sum(row["attempts"] for row in rows),
        "funnel": [
            len(rows),
            len(rows) - len(never),
            sum(row["attempts"] > 0 for row in rows),
            len(completed),
            sum(row["reason"] != "voicemail" for row in completed),
        ],
    }
