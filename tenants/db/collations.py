"""Whether the server still sorts texts as it did when the database's indexes were built.

The order comes from the operating system's C library or from ICU, and changes with their versions: another image of
PostgreSQL, an upgrade of the distribution, files copied to another machine. An index in the old order misses rows, and
a unique one may take the same text twice. PostgreSQL keeps the version and only logs a difference (its documentation,
ALTER COLLATION, "Notes"; version 17, 2024).
"""

from __future__ import annotations

from django.db import connection

KEPT_SINCE = 150_000  # the version of PostgreSQL that records the one of a database's own order
# What refreshes the version, the version when the indexes were built, and the one of now: NULL where the server's C
# library has none, as musl of Alpine. PostgreSQL then refuses to refresh it.
CHANGED = """
    SELECT 'DATABASE ' || quote_ident(datname) || ' REFRESH COLLATION VERSION', datcollversion,
        pg_database_collation_actual_version(oid)
    FROM pg_database
    WHERE datname = current_database() AND datcollversion IS NOT NULL
      AND datcollversion IS DISTINCT FROM pg_database_collation_actual_version(oid)
    UNION ALL
    SELECT 'COLLATION ' || found.oid::regcollation || ' REFRESH VERSION', found.collversion,
        pg_collation_actual_version(found.oid)
    FROM pg_collation found
    WHERE found.collversion IS NOT NULL AND found.collversion IS DISTINCT FROM pg_collation_actual_version(found.oid)
      AND EXISTS (SELECT FROM pg_index WHERE found.oid = ANY (indcollation))
"""


def what_is_wrong() -> str:
    """Return what changed and what to do, or an empty string. Databases that record no version are not judged."""
    if connection.vendor != "postgresql" or connection.pg_version < KEPT_SINCE:  # type: ignore[attr-defined]
        return ""
    with connection.cursor() as cursor:
        cursor.execute(CHANGED)
        return sentence(cursor.fetchall())


def sentence(changed: list[tuple[str, str, str | None]]) -> str:
    """Return what rows of CHANGED mean, or an empty string without any."""
    if not changed:
        return ""
    versions = ", ".join(sorted({f"{was} to {now or 'none'}" for _, was, now in changed}))
    mend = "run REINDEX DATABASE; then " + "; ".join(f"ALTER {words}" for words, _, _ in changed)
    if any(now is None for _, _, now in changed):
        mend = "go back to the former image of PostgreSQL, or dump the database there and restore it here"
    return (
        f"PostgreSQL sorts texts otherwise than when its indexes were built (version {versions}): searches may miss "
        f"rows, and unique texts may occur twice. Stop web and workers and {mend}."
    )
