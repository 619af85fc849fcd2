"""The clock changes of the tz database, read from its compiled files (RFC 8536) without any code of the product."""

from __future__ import annotations

import re
import struct
import zoneinfo
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import NamedTuple

RULE = re.compile(r"M(\d+)\.(\d)\.(\d)(?:/([-+]?\d+)(?::(\d+))?)?")
FOOTER = re.compile(r"(?:<[^>]+>|[A-Za-z]+)([-+]?\d+(?::\d+)?)(?:<[^>]+>|[A-Za-z]+)([-+]?\d+(?::\d+)?)?,(M.+),(M.+)")


class Jump(NamedTuple):
    """At `at`, in UTC, the offset of a zone changes."""

    at: datetime
    before: timedelta
    after: timedelta


def jumps_of(zone: str, first: int, last: int) -> list[Jump]:
    """Return the changes of the zone's offset in these years, both included."""
    data = _file(zone)
    counts = _counts(data, 0)
    start = 44 + counts[3] * 5 + counts[4] * 6 + counts[5] + counts[2] * 8 + counts[1] + counts[0]
    isut, isstd, leap, times, types, letters = _counts(data, start)
    at = start + 44
    moments = struct.unpack(f">{times}q", data[at : at + 8 * times])
    kinds = data[at + 8 * times : at + 9 * times]
    at += 9 * times
    offsets = [struct.unpack(">i", data[at + 6 * n : at + 6 * n + 4])[0] for n in range(types)]
    footer = data[at + 6 * types + letters + 12 * leap + isstd + isut :].decode().strip()
    found: dict[int, int] = dict(zip(moments, (offsets[kind] for kind in kinds), strict=True))
    if rule := FOOTER.fullmatch(footer):
        end = max(found, default=-(2**40))
        found |= {moment: offset for moment, offset in _by_rule(rule, first - 1, last + 1) if moment > end}
    past, jumps = offsets[0], []
    for moment, offset in sorted(found.items()):
        if offset != past and first <= (1970 + moment / 31_556_952) < last + 1:
            jumps.append(
                Jump(
                    datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=moment),
                    timedelta(seconds=past),
                    timedelta(seconds=offset),
                )
            )
        past = offset
    return jumps


def _file(zone: str) -> bytes:
    for folder in zoneinfo.TZPATH:
        if (path := Path(folder, zone)).is_file():
            return path.read_bytes()
    *packages, name = zone.split("/")
    return resources.files(".".join(["tzdata.zoneinfo", *packages])).joinpath(name).read_bytes()


def _counts(data: bytes, start: int) -> tuple[int, ...]:
    assert data[start : start + 4] == b"TZif"
    return struct.unpack(">6l", data[start + 20 : start + 44])


def _by_rule(rule: re.Match[str], first: int, last: int) -> Iterator[tuple[int, int]]:
    """Yield the moments of a POSIX rule such as CET-1CEST,M3.5.0,M10.5.0/3, and the offset from then on."""
    standard = -_seconds(rule[1])
    summer = -_seconds(rule[2]) if rule[2] else standard + 3600
    for year in range(first, last + 1):
        yield _local(year, rule[3]) - standard, summer
        yield _local(year, rule[4]) - summer, standard


def _local(year: int, text: str) -> int:
    found = RULE.fullmatch(text)
    assert found, text
    month, week, weekday = (int(found[n]) for n in (1, 2, 3))
    day = datetime(year, month, 1, tzinfo=UTC)
    day += timedelta(days=(weekday - day.isoweekday() % 7) % 7 + 7 * (week - 1))
    while day.month != month:
        day -= timedelta(days=7)  # week 5 is the last of the month
    clock = _seconds(f"{found[4]}:{found[5] or 0}") if found[4] else 7200
    return int(day.timestamp()) + clock


def _seconds(text: str) -> int:
    hours, _, minutes = text.partition(":")
    return (abs(int(hours)) * 3600 + int(minutes or 0) * 60) * (-1 if text.startswith("-") else 1)
