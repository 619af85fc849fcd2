"""Moments that PostgreSQL writes are read to the microsecond, in UTC."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from psycopg import DataError

from tenants.db.timestamps import UtcLoader

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif("connection.vendor != 'postgresql'", reason="PostgreSQL's text of a moment"),
]


def _random_moments() -> list[datetime]:
    chance = random.Random(7)
    spans = (0, 1, 10, 999, 1000, 999_999, 1_000_000, 86_400_000_000)
    found = [datetime(1, 1, 1, tzinfo=UTC), datetime.max.replace(tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)]
    for _ in range(500):
        base = datetime(chance.randint(1, 9998), chance.randint(1, 12), chance.randint(1, 28), tzinfo=UTC)
        found.append(base + timedelta(microseconds=chance.randrange(1 + chance.choice(spans))))
    return found


def test_every_moment_comes_back_as_it_was() -> None:
    assert connection.connection.adapters.get_loader(1184, 0) is UtcLoader
    moments = _random_moments()
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM unnest(%s::timestamptz[]) WITH ORDINALITY ORDER BY 2", [moments])
        found = [row[0] for row in cursor.fetchall()]
    assert found == moments
    assert {moment.tzinfo for moment in found} == {UTC}


def test_what_python_cannot_read_is_an_error_as_before() -> None:
    with connection.cursor() as cursor:
        for text in ("infinity", "-infinity", "0044-03-15 BC"):
            with pytest.raises(DataError):
                cursor.execute(f"SELECT '{text}'::timestamptz").fetchone()


def test_a_session_in_another_time_zone_reads_the_same_moment() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL TimeZone = 'Asia/Kolkata'")
        cursor.execute("SELECT '2026-03-01 12:00:00.5+00'::timestamptz")
        [found] = cursor.fetchone()
    assert found == datetime(2026, 3, 1, 12, 0, 0, 500_000, UTC)
