"""Moments are read from the database to the microsecond, in UTC."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from django.db import DataError, connection

from campaigns.models import Contact
from tenants.db.timestamps import UtcLoader
from tenants.models import Organization

pytestmark = pytest.mark.django_db
ONLY_POSTGRESQL = pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite has no type for moments")
TIMESTAMPTZ = 1184  # of pg_type


def some_moments() -> list[datetime]:
    chance = random.Random(7)
    found = [datetime(1, 1, 1, tzinfo=UTC), datetime.max.replace(tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)]
    for digits in (1, 10, 100, 1_000, 10_000, 100_000, 1_000_000) * 20:
        day = datetime(chance.randint(1, 9998), chance.randint(1, 12), chance.randint(1, 28), tzinfo=UTC)
        seconds = timedelta(seconds=chance.randrange(86_400))
        found.append(day + seconds + timedelta(microseconds=chance.randrange(digits) * (1_000_000 // digits)))
    return found


def test_every_moment_comes_back_as_it_was(organization: Organization) -> None:
    moments = some_moments()
    Contact.objects.bulk_create(
        Contact(organization=organization, phone=f"+336{place:08}", consent_at=moment)
        for place, moment in enumerate(moments)
    )
    found = list(Contact.objects.order_by("phone").values_list("consent_at", flat=True))
    assert found == moments
    assert {moment.utcoffset() for moment in found if moment} == {timedelta()}


@ONLY_POSTGRESQL
def test_what_python_cannot_read_is_an_error_as_before() -> None:
    assert connection.connection.adapters.get_loader(TIMESTAMPTZ, 0) is UtcLoader
    for text in ("infinity", "-infinity", "0044-03-15 BC"):
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT '{text}'::timestamptz")
            with pytest.raises(DataError):
                cursor.fetchone()


@ONLY_POSTGRESQL
def test_a_session_in_another_time_zone_reads_the_same_moment() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL TimeZone = 'Asia/Kolkata'")
        cursor.execute("SELECT '2026-03-01 12:00:00.5+00'::timestamptz")
        [found] = cursor.fetchone()
    assert found == datetime(2026, 3, 1, 12, 0, 0, 500_000, UTC)
