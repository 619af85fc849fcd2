"""PostgreSQL's clock under a condition that moves the clock of Python: its functions return the moved time.

They are found before PostgreSQL's own. The server's own timers and its journal keep the real clock. (A library that
moves the clock of a whole process also stops the server's timeouts.)
"""

from __future__ import annotations

import os

import psycopg

SCHEMA = "moved_clock"
FUNCTIONS = {
    "clock_timestamp": "VOLATILE",
    "now": "STABLE",
    "statement_timestamp": "STABLE",
    "transaction_timestamp": "STABLE",
}


def move_clock(url: str) -> None:
    """Move the clock of a database and of its copies by TEST_CLOCK_OFFSET seconds, if it is set."""
    if not (offset := os.environ.get("TEST_CLOCK_OFFSET")):
        return
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {SCHEMA}".encode())
        for name, volatility in FUNCTIONS.items():
            moved = f"SELECT pg_catalog.{name}() + interval ''{float(offset)} seconds''"
            connection.execute(
                f"CREATE FUNCTION {SCHEMA}.{name}() RETURNS timestamptz LANGUAGE sql {volatility} AS '{moved}'".encode()
            )
        connection.execute(f"ALTER ROLE CURRENT_USER SET search_path = public, {SCHEMA}, pg_catalog".encode())
