"""How many of the newest contacts meet a condition: whatever many of them meet is soon met in the order of a list."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import connection

NEWEST = 1_000  # contacts that are read before an index
NEWEST_OF = 100  # organizations
COMMON = 10  # so many of them are many

Condition = tuple[str, Sequence[str]]  # SQL about `newest.value`, and its parameters


def met_among_newest(organizations: Sequence[int], value: str, conditions: Sequence[Condition]) -> list[int]:
    """Return how many of the newest contacts meet each condition. `value`: SQL about a contact's columns.

    None do on SQLite, whose tables are small.
    """
    if connection.vendor != "postgresql":
        return [0] * len(conditions)
    asked = sorted(organizations)[-NEWEST_OF:]
    counts = ", ".join(f"count(*) FILTER (WHERE {sql})" for sql, _ in conditions)
    given = [each for _, values in conditions for each in values]
    with connection.cursor() as cursor:
        # A range and the order of the index: otherwise PostgreSQL reads the newer contacts of others first.
        cursor.execute(
            f"SELECT {counts} FROM unnest(%s::bigint[]) AS home, LATERAL (SELECT {value} AS value "  # noqa: S608
            "FROM campaigns_contact WHERE organization_id BETWEEN home AND home ORDER BY organization_id, id DESC "
            "LIMIT %s) AS newest",
            [*given, asked, max(1, NEWEST // len(asked))],
        )
        return list(cursor.fetchone())
