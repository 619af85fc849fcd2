"""PgBouncer in transaction mode, the real program: limits hold in each transaction, and nothing outlives one."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connection, connections, transaction
from django.test import Client

from config import findings
from tenants.db.postgresql import base, pooled
from tenants.db.postgresql.refusal import SET_DATABASE_POOLER, PoolerFound
from tenants.findings import Finding
from tests.pgbouncer import throwaway_pooler
from tests.postgresql import Unavailable
from tests.suite import ROOT, environment
from tests.waiting import PATIENCE

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no pooler"),
]
LIMITS = "-c statement_timeout=700 -c lock_timeout=1234 -c enable_seqscan=off -c search_path=public,pg_temp"


def url_of(settings: dict[str, Any]) -> str:
    return f"postgresql://{settings['USER']}@{settings['HOST'] or '127.0.0.1'}:{settings['PORT']}/{settings['NAME']}"


@contextmanager
def pooler(**options: Any) -> Iterator[str]:
    try:
        with throwaway_pooler(url_of(connection.settings_dict), **options) as url:
            yield url
    except Unavailable as reason:
        pytest.skip(str(reason))


@contextmanager
def connected(url: str, options: str = LIMITS, *, said: bool = True) -> Iterator[Any]:
    """Yield a connection of Django's through the pooler. `said`: whether the settings name the pooler."""
    made = connections["default"].copy()
    settings = copy.deepcopy(made.settings_dict)
    settings["PORT"] = url.rpartition(":")[2].partition("/")[0]
    settings["POOLER"] = settings["DISABLE_SERVER_SIDE_CURSORS"] = said
    settings["OPTIONS"]["options"] = options
    made.settings_dict = settings
    with closing(made):
        yield made


def ask(made: Any, statement: str, *params: Any) -> Any:
    with made.cursor() as cursor:
        cursor.execute(statement, params or None)
        return cursor.fetchone()[0]


def atomic(made: Any) -> Any:
    """Return a context like `transaction.atomic`, for a connection that is under no alias."""

    @contextmanager
    def block() -> Iterator[None]:
        made.set_autocommit(False)
        try:
            yield
            made.commit()
        except BaseException:
            made.rollback()
            raise
        finally:
            made.set_autocommit(True)

    return block()


def test_two_clients_share_one_connection_and_each_keeps_its_own_limits() -> None:
    other = "-c statement_timeout=0 -c lock_timeout=77"
    with pooler(size=1) as url, connected(url) as first, connected(url, other) as second, connected(url, "") as none:
        servers = {ask(each, "SELECT pg_backend_pid()") for each in (first, second, none)}
        assert len(servers) == 1, "the test is about one connection for all"
        for _ in range(2):
            for mine, limits in ((first, ["700ms", "1234ms", "off"]), (second, ["0", "77ms", "on"])):
                names = ["statement_timeout", "lock_timeout", "enable_seqscan"]
                assert [ask(mine, f"SELECT current_setting('{name}')") for name in names] == limits
                with atomic(mine):
                    assert [ask(mine, f"SHOW {name}") for name in names] == limits  # one message, then more
            assert ask(none, "SHOW lock_timeout") == "0", "nothing is left for others"
        assert ask(first, "SELECT current_setting('search_path')") == "public,pg_temp"
        assert ask(first, "SELECT %s || '%%'", "a%") == "a%%"
        with pytest.raises(DatabaseError, match="statement timeout"):
            ask(first, "SELECT pg_sleep(5)")
        with pytest.raises(DatabaseError, match="statement timeout"), atomic(first):
            ask(first, "SELECT pg_sleep(5)")
        assert ask(second, "SELECT 1") == 1


def test_every_way_to_begin_a_transaction_sets_the_limits() -> None:
    def copied_in(cursor: Any) -> None:
        with cursor.copy("COPY pooled_rows FROM STDIN") as rows:
            rows.write_row([1])

    begin: dict[str, Callable[[Any], object]] = {
        "read": lambda cursor: cursor.execute("SELECT 1"),
        "with values": lambda cursor: cursor.execute("INSERT INTO pooled_rows VALUES (%s)", [1]),
        "many": lambda cursor: cursor.executemany("INSERT INTO pooled_rows VALUES (%s)", [(1,), (2,)]),
        "copy": copied_in,
        "set": lambda cursor: cursor.execute("SET LOCAL synchronous_commit = off"),
    }
    with pooler(size=1) as url, connected(url) as mine:
        with mine.cursor() as cursor:
            cursor.execute("CREATE TABLE pooled_rows (n integer)")
        for name, work in begin.items():
            with atomic(mine):
                with mine.cursor() as cursor:
                    work(cursor)
                assert ask(mine, "SHOW lock_timeout") == "1234ms", name
        with mine.cursor() as cursor:
            cursor.execute("INSERT INTO pooled_rows VALUES (3) RETURNING n")
            assert (cursor.rowcount, cursor.fetchall()) == (1, [(3,)])
            cursor.execute("UPDATE pooled_rows SET n = n + 1")
            assert cursor.rowcount == 5
            cursor.execute("VACUUM pooled_rows")  # runs in no transaction
            cursor.execute("DROP TABLE pooled_rows")


def test_a_process_that_freezes_in_a_transaction_loses_its_locks() -> None:
    frozen = "-c idle_in_transaction_session_timeout=300"
    with pooler(size=2) as url, connected(url, frozen) as mine, connected(url, "-c lock_timeout=20000") as other:
        mine.set_autocommit(False)
        ask(mine, "SELECT 1 FROM (SELECT pg_advisory_xact_lock(4711)) AS taken")
        assert ask(other, "SELECT 1 FROM (SELECT pg_advisory_xact_lock(4711)) AS taken") == 1
        with pytest.raises(DatabaseError):
            ask(mine, "SELECT 1")


@pytest.mark.parametrize("ignored", ["extra_float_digits", "extra_float_digits,options"], ids=["refuses", "ignores"])
def test_a_pooler_that_the_settings_do_not_name_is_refused_with_a_sentence(
    ignored: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "_without_pooler", set())
    with pooler(ignored=ignored) as url:
        with connected(url, said=False) as mine, pytest.raises(PoolerFound, match="Set DATABASE_POOLER=true"):
            mine.connect()
        extra = environment({"DATABASE_URL": url})
        command = [sys.executable, "manage.py", "worker"]
        ended = subprocess.run(command, cwd=ROOT, env=extra, capture_output=True, text=True, timeout=PATIENCE)
    assert ended.returncode != 0
    assert ended.stderr.strip().endswith(SET_DATABASE_POOLER) and "Traceback" not in ended.stderr
    assert base._without_pooler == set()


def test_readiness_names_a_pooler(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def found(_: findings.Look) -> Finding:
        raise PoolerFound()

    checks = [replace(check, run=found) if check.name == "database" else check for check in findings.CHECKS]
    monkeypatch.setattr(findings, "CHECKS", checks)
    answer = client.get("/readyz")
    assert json.loads(answer.content)["database"] == {"ok": False, "message": SET_DATABASE_POOLER}


def test_postgresql_itself_is_no_pooler_and_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "_without_pooler", set())
    made = connections["default"].copy()
    with closing(made):
        made.connect()
        assert len(base._without_pooler) == 1
    assert made.settings_dict["OPTIONS"]["options"]
    with transaction.atomic():
        assert ask(connection, "SHOW idle_in_transaction_session_timeout") == "1min"


def test_options_are_read_as_postgresql_reads_them() -> None:
    given = r"-c a=1 -cb=2 --c=3 -c search_path=one,two -c d=with\ space\\"
    assert pooled.parameters(given) == {"a": "1", "b": "2", "c": "3", "search_path": "one,two", "d": "with space\\"}
    assert pooled.parameters("") == {}
    for wrong in ("-B 12", "-c a", "a=1", "-c a=1 -W"):
        with pytest.raises(ImproperlyConfigured, match="-c name=value"):
            pooled.parameters(wrong)


def test_nothing_is_prepared_on_the_server() -> None:
    assert connections["default"].get_connection_params()["prepare_threshold"] is None
    assert os.environ.get("PGOPTIONS") is None
