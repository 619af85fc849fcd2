"""DATABASE_URL as Django gets it: on a real server, what the operator gave and what Trunkline needs both hold."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
from django.db import connection, connections

from config.environment import read
from config.settings import database
from tests.test_environment import GIVEN, NOWHERE

pytestmark = pytest.mark.django_db


def test_an_sqlite_file_does_not_depend_on_where_a_process_was_started(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    given = GIVEN | {"DATABASE_URL": "sqlite:///var/mine.sqlite3"}
    web = database(read(NOWHERE, given).database_url)["NAME"]
    monkeypatch.chdir(tmp_path)
    assert database(read(NOWHERE, given).database_url)["NAME"] == web
    assert Path(web).is_absolute()


def test_options_and_schema_of_the_operator_are_kept_beside_ours() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has neither")
    here = connection.settings_dict
    url = f"postgresql://{here['USER']}:{quote(here['PASSWORD'])}@/{here['NAME']}?port={here['PORT']}"
    url += f"&host={quote(str(here['HOST']), safe='')}&currentSchema=other_schema"
    url += "&options=" + quote("-c lock_timeout=4321 -c idle_in_transaction_session_timeout=1")
    given = database(read(NOWHERE, GIVEN | {"DATABASE_URL": url}).database_url)
    other = connections.create_connection("default")
    other.settings_dict = {**here, **given}
    try:
        with other.cursor() as cursor:
            cursor.execute("CREATE SCHEMA other_schema")
            cursor.execute("CREATE TABLE a_table (id int)")
            cursor.execute("SELECT schemaname FROM pg_tables WHERE tablename = 'a_table'")
            assert cursor.fetchall() == [("other_schema",)]
            cursor.execute("SELECT current_setting('lock_timeout')")
            assert cursor.fetchone() == ("4321ms",)
            cursor.execute("SELECT current_setting('idle_in_transaction_session_timeout')")
            assert cursor.fetchone() == ("1min",), "a frozen process frees its locks"
            assert other.introspection.table_names(cursor) == ["a_table"]
    finally:
        with other.cursor() as cursor:
            cursor.execute("DROP SCHEMA IF EXISTS other_schema CASCADE")
        other.close()
