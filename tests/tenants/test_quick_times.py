"""Times that are read quickly are those that Django's own loader reads."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.backends.postgresql.psycopg_any import BaseTzLoader
from psycopg import DataError

from tenants.db.quick_times import QuickLoader


class Slow(BaseTzLoader):
    timezone = UTC


def loaded(loader: type[BaseTzLoader], sent: Any) -> Any:
    try:
        found = loader(1184).load(sent)
    except (DataError, ValueError) as error:
        return type(error)
    return found, found.tzinfo, found.utcoffset()


def test_each_form_of_a_time_is_read_as_by_djangos_loader() -> None:
    chance = random.Random(1)
    for _ in range(3_000):
        at = datetime(1, 1, 3, tzinfo=UTC) + timedelta(seconds=chance.randrange(315_537_000_000))
        fraction = chance.choice(["", *(f".{chance.randrange(1, 10**digits):0{digits}}" for digits in range(1, 7))])
        zone = chance.choice(["+00", "+00", "+00", "+02", "-05", "+05:30", "-04:56:02"])
        sent = f"{at:%Y-%m-%d %H:%M:%S}".rjust(19, "0") + fraction + zone
        assert loaded(QuickLoader, sent.encode()) == loaded(Slow, sent.encode()), sent
    odd = ("infinity", "-infinity", "0044-03-15 12:00:00+00 BC", "10000-01-01 00:00:00+00")
    for text in (*odd, "", "+00", "2026-01-01+00", "now-and-then-or-never+00"):
        assert loaded(QuickLoader, text.encode()) == loaded(Slow, text.encode()), text
    assert loaded(QuickLoader, memoryview(b"2026-01-01 00:00:00.5+00"))[0] == datetime(
        2026, 1, 1, microsecond=500_000, tzinfo=UTC
    )


@pytest.mark.django_db
def test_every_connection_reads_times_so() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("PostgreSQL alone sends times as text")
    with connection.cursor() as cursor:
        assert cursor.adapters.get_loader(1184, 0) is QuickLoader
        cursor.execute("SELECT '2026-11-29 22:46:25.5+02'::timestamptz, NULL::timestamptz")
        assert cursor.fetchone() == (datetime(2026, 11, 29, 20, 46, 25, 500_000, UTC), None)
