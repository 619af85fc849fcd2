"""Find and lease the calls that are due for a read. The polling rows alone are locked and written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from django.db import connection

from calls.models import Call
from calls.models.sharing import share_related

# A due row without a provider ID is searched for, not read: `reconciling` moves it. It takes no place of a batch here.
_DUE = """
    p.next_read_at <= %s
    AND EXISTS (SELECT 1 FROM calls_call c WHERE c.polling_id = p.id AND c.provider_call_id <> '')
"""
# In the order of the index, so that PostgreSQL follows it, and stops where enough are found.
_COUNT = f"""
    SELECT a.id, (
        SELECT count(*) FROM (
            SELECT 1 FROM calls_polling p WHERE p.account_id = a.id AND {_DUE} ORDER BY p.next_read_at LIMIT %s
        ) AS due
    )
    FROM providers_provideraccount a
    WHERE EXISTS (SELECT 1 FROM calls_polling d WHERE d.account_id = a.id AND d.next_read_at <= %s)
"""  # noqa: S608 - built from our own constants
# Materialized, so that the rows are chosen and locked once. The rows that another worker holds are passed over.
_LEASE_POSTGRESQL = f"""
    WITH due AS MATERIALIZED (
        SELECT d.id FROM unnest(%s::bigint[], %s::integer[]) AS wanted(account_id, reads)
        CROSS JOIN LATERAL (
            SELECT p.id FROM calls_polling p WHERE p.account_id = wanted.account_id AND {_DUE}
            ORDER BY p.next_read_at LIMIT wanted.reads FOR UPDATE OF p SKIP LOCKED
        ) d
    )
    UPDATE calls_polling AS p SET next_read_at = %s, reads = p.reads + 1 FROM due WHERE p.id = due.id RETURNING p.id
"""  # noqa: S608 - built from our own constants
_LEASE_SQLITE = f"""
    UPDATE calls_polling SET next_read_at = %s, reads = reads + 1 WHERE id IN (
        SELECT p.id FROM calls_polling p WHERE p.account_id = %s AND {_DUE} ORDER BY p.next_read_at LIMIT %s
    ) RETURNING id
"""  # noqa: S608 - built from our own constants

# Neither the fold, nor the schedule, nor a provider asks for these.
_NOT_NEEDED = (
    *("decision", "metadata", "dynamic_variables", "customer_name", "to_number_hash", "created_by", "updated_at"),
    *("callback_token", "callback_url", "callback_outcome", "due_at", "not_before", "not_after", "lease_until"),
)


def count_by_account(now: datetime, at_most: int) -> dict[int, int]:
    """Return how many reads of each account are due, counted no further than `at_most`."""
    moment = connection.ops.adapt_datetimefield_value(now)
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, [moment, at_most, moment])
        return {pk: count for pk, count in cursor.fetchall() if count}


def lease(wanted: Mapping[int, int], now: datetime, until: datetime) -> list[int]:
    """Lease up to so many due reads of each account, the longest due first. Return the keys of the polling rows."""
    if not wanted:
        return []
    adapt = connection.ops.adapt_datetimefield_value
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(_LEASE_POSTGRESQL, [list(wanted), list(wanted.values()), adapt(now), adapt(until)])
            return [pk for (pk,) in cursor.fetchall()]
        found: list[int] = []
        for account_id, count in wanted.items():
            cursor.execute(_LEASE_SQLITE, [adapt(until), account_id, adapt(now), count])
            found += [pk for (pk,) in cursor.fetchall()]
        return found


def load(leased: Sequence[int]) -> list[Call]:
    """Return the calls of leased rows, the oldest first, with the objects that they share loaded once.

    A call that ended or lost its ID since is left out: the claim of its read has not locked it.
    """
    calls = Call.objects.filter(polling__in=leased).exclude(provider_call_id="").select_related("polling")
    calls = calls.order_by("pk")
    found = list(calls.defer(*_NOT_NEEDED))
    share_related(found)
    return found
