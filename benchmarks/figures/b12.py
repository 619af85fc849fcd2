"""B12: results.csv of a campaign, against COPY (SELECT …) TO STDOUT of the same columns."""

from __future__ import annotations

import sys
import time

from benchmarks.shared import apart
from benchmarks.shared.figure import Found, Mark, Setting, alternate, main

MARK = Mark("B12", "results.csv of a campaign", "COPY (SELECT …) TO STDOUT", 4, 2, "seconds", less=True)
MOST_MEMORY = 150  # MB
ENDED = {
    "status": "'completed'", "due_at": "NULL", "placed_at": "now()", "started_at": "now()", "answered_at": "now()",
    "ended_at": "now()", "terminal_at": "now()", "duration_seconds": "g %% 180", "cost_price": "g %% 180 / 600.0",
    "provider_call_id": "'c-' || g", "answered_by": "'human'",
}  # fmt: skip
COPY = """COPY (
    SELECT r.uuid, c.uuid, c.phone, c.name, c.external_id, r.status, r.outcome, r.reason, r.attempts, l.uuid, l.status,
        l.started_at, l.answered_at, l.ended_at, l.duration_seconds, l.answered_by, s.paid, l.cost_currency, l.result,
        l.dynamic_variables, s.guessed, s.calls, s.others
    FROM campaigns_recipient r
    JOIN campaigns_contact c ON c.id = r.contact_id
    LEFT JOIN LATERAL (
        SELECT * FROM calls_call WHERE recipient_id = r.id AND (
            status IN ('completed', 'no_answer', 'busy', 'failed', 'expired', 'unknown')
            OR status = 'canceled' AND dialed_at IS NOT NULL
        ) ORDER BY (status = 'canceled')::int, id DESC LIMIT 1
    ) l ON true
    LEFT JOIN LATERAL (
        SELECT sum(coalesce(cost_price, cost_estimate)) AS paid,
            sum(cost_estimate) FILTER (WHERE cost_price IS NULL) AS guessed, count(*) AS calls,
            string_agg(attempt || ' ' || status || ' ' || uuid, '; ' ORDER BY id)
                FILTER (WHERE id IS DISTINCT FROM l.id) AS others
        FROM calls_call WHERE recipient_id = r.id
    ) s ON true
    ORDER BY r.id
) TO STDOUT (FORMAT csv)"""


def measure(setting: Setting) -> Found:
    from benchmarks.shared.rows import World, analyse

    url = setting.database()
    people = setting.size(1_000_000)
    World("https://example.org").calls(people, **ENDED)
    analyse()
    peaks: list[float] = []

    def ours() -> float:
        done = apart.run(url, written)
        assert done.result == people + 1, done.result  # noqa: S101
        peaks.append(done.peak)
        return done.seconds

    found = alternate(setting.rounds, ours, copied)
    found.notes |= {"recipients": people, f"peak memory in MB (at most {MOST_MEMORY})": max(peaks)}
    return found


def written() -> int:
    """Write the file of all recipients to nowhere. Return its lines."""
    from calls.reports import results_csv
    from campaigns.models import Recipient

    return sum(
        (piece if isinstance(piece, bytes) else piece.encode()).count(b"\n")
        for piece in results_csv.text(Recipient.objects.all())
    )


def copied() -> float:
    from django.db import connection

    began = time.perf_counter()
    with connection.cursor() as cursor, cursor.copy(COPY) as rows:
        for _ in rows:
            pass
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main(MARK, measure))
