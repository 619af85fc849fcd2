"""The check of a connection: no round trip while it is quiet, and no request on one that has ended."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.db import connection, connections

from tenants.db.postgresql import base

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no connection that could end"),
]


@pytest.fixture
def mine() -> Iterator[Any]:
    """A second connection, which a test may lose."""
    made = connections["default"].copy()
    made.settings_dict = {**made.settings_dict, "CONN_HEALTH_CHECKS": True}
    made.connect()
    yield made
    made.close()


def sent(mine: Any, work: Any) -> list[str]:
    """Return the statements that reach the server while the work is done, as the driver sends them."""
    seen: list[str] = []
    kind = type(mine.connection)
    make, run = kind.cursor, kind.execute

    def noted(execute: Any) -> Any:
        def execute_and_note(*given: Any, **options: Any) -> Any:
            seen.append(str(next(each for each in given if isinstance(each, str))))
            return execute(*given, **options)

        return execute_and_note

    def cursor(*given: Any, **options: Any) -> Any:
        found = make(*given, **options)
        found.execute = noted(found.execute)
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kind, "cursor", cursor)
        patch.setattr(kind, "execute", noted(run))
        work()
    return list(dict.fromkeys(seen))


def test_a_connection_in_use_is_not_asked(mine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(mine, base.DatabaseWrapper)
    assert sent(mine, mine.is_usable) == []
    monkeypatch.setattr(base, "QUIET", 0.0)  # it has rested
    assert sent(mine, mine.is_usable) == ["SELECT 1"]


def test_a_connection_that_the_server_ended_is_made_anew(mine: Any) -> None:
    pid = mine.connection.info.backend_pid
    with psycopg.connect(mine.connection.info.dsn, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 10000)", [pid])  # returns when the process has ended
    assert not mine.is_usable()
    mine.close_if_unusable_or_obsolete()
    with mine.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        assert cursor.fetchone()[0] != pid


def test_a_closed_connection_is_not_usable(mine: Any) -> None:
    mine.connection.close()
    assert not mine.is_usable()
