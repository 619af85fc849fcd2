"""Fill the tables of calls: rows as a year of use leaves them, without the engine (benchmarks/filling.py)."""

from __future__ import annotations

import json
from typing import Any

DECISION = json.dumps(
    {
        "at": "2026-03-02T10:00:00+00:00",
        "decision": "allow",
        "checks": [{"name": f"check_{n}", "result": "allow", "detail": "3 of 3 calls made."} for n in range(14)],
    }
)

# Each attempt of each recipient, and single calls for the rest, spread over a month in the order of their ids.
_INSERT_CALLS = """
        INSERT INTO calls_call (uuid, organization_id, recipient_id, campaign_id, contact_id, account_id, assistant_id,
            phone_number_id, to_number, from_number, customer_name, dynamic_variables, metadata, attempt, asked_for,
            reference, callback_token, callback_url, callback_outcome, created_by, created_at, updated_at, status,
            status_reason, priority, due_at, placing_attempts, dialed_at, decision, provider_call_id, provider_status,
            placed_at, answered_at, ended_at, duration_seconds, ended_reason, provider_reason, answered_by, error_code,
            error_message, result_status, cost_reserved, cost_estimate, cost_currency, terminal_at, polling_id)
        WITH number AS (SELECT DISTINCT ON (account_id) account_id, id, e164 FROM providers_phonenumber),
        tried AS (
            SELECT r.id AS recipient_id, r.campaign_id, r.contact_id, r.assistant_id, n AS attempt,
                CASE WHEN n < r.attempts THEN (ARRAY['no_answer', 'busy'])[1 + r.id %% 2]
                    WHEN r.status = 'done' THEN r.outcome WHEN r.status = 'waiting' THEN 'no_answer'
                    WHEN r.status = 'review' THEN 'unconfirmed'
                    ELSE (ARRAY['queued', 'dialing', 'in_progress'])[1 + r.id %% 3] END AS status,
                CASE WHEN r.status IN ('calling', 'review') THEN 1
                    ELSE (r.sort_key::float / 600000 + 0.1 * n) / 1.3 END AS place
            FROM campaigns_recipient r CROSS JOIN LATERAL generate_series(1, r.attempts) n
        ),
        alone AS (
            SELECT NULL::bigint, NULL::bigint, c.id, a.id, 1,
                (ARRAY['completed', 'no_answer', 'failed', 'canceled'])[1 + c.id %% 4], random()
            FROM campaigns_contact c
            JOIN (SELECT organization_id, min(id) AS id FROM providers_assistant GROUP BY 1) a USING (organization_id)
            ORDER BY c.id DESC LIMIT greatest(0, %(calls)s - (SELECT sum(attempts) FROM campaigns_recipient))
        ),
        every AS (
            SELECT *, now() - interval '30 days' * (1 - place) - interval '1 minute' AS at
            FROM (SELECT * FROM tried UNION ALL SELECT * FROM alone) t
        )
        SELECT gen_random_uuid(), c.organization_id, e.recipient_id, e.campaign_id, c.id, a.account_id, a.id, p.id,
            c.phone, p.e164, c.name, '{"slot": "Monday at 9"}', '{}', e.attempt, false,
            substr(md5(random()::text || c.id), 1, 16), md5(random()::text) || md5(c.id::text), '', '', 'olga', at, at,
            e.status, CASE e.status WHEN 'canceled' THEN 'canceled_by_staff' ELSE '' END, 0,
            CASE e.status WHEN 'queued' THEN now() END, 1,
            CASE WHEN e.status NOT IN ('queued', 'canceled') THEN at END, %(decision)s::jsonb,
            CASE WHEN e.status NOT IN ('queued', 'canceled', 'unconfirmed') THEN md5(random()::text || c.id) ELSE ''
                END,
            e.status, at, CASE e.status WHEN 'completed' THEN at + interval '10 seconds' END,
            CASE WHEN e.status IN ('completed', 'no_answer', 'busy', 'failed') THEN at + interval '70 seconds' END,
            CASE e.status WHEN 'completed' THEN (c.id %% 180)::int END,
            CASE e.status WHEN 'completed' THEN 'hangup_callee' ELSE '' END, '', '', '',
            CASE e.status WHEN 'unconfirmed' THEN 'The provider answered 502.' ELSE '' END, '',
            CASE WHEN e.status IN ('dialing', 'in_progress', 'unconfirmed') THEN 0.3 ELSE 0 END,
            CASE e.status WHEN 'completed' THEN (c.id %% 180) / 600.0 WHEN 'no_answer' THEN 0 END, 'USD',
            CASE WHEN e.status NOT IN ('queued', 'dialing', 'in_progress', 'unconfirmed')
                THEN at + interval '75 seconds' END,
            CASE WHEN e.status IN ('dialing', 'in_progress', 'unconfirmed')
                THEN nextval(pg_get_serial_sequence('calls_polling', 'id')) END
        FROM every e JOIN campaigns_contact c ON c.id = e.contact_id
            JOIN providers_assistant a ON a.id = e.assistant_id JOIN number p ON p.account_id = a.account_id
        ORDER BY at
"""


def insert_calls(cursor: Any, calls: int) -> None:
    """Insert the calls, and the events, webhook deliveries and status callbacks of the latest ones."""
    cursor.execute(_INSERT_CALLS, {"calls": calls, "decision": DECISION})
    cursor.execute(
        """
        INSERT INTO calls_polling (id, account_id, next_read_at, reads, read_errors)
        SELECT polling_id, account_id, now() + interval '1 minute', 5, 0 FROM calls_call WHERE polling_id IS NOT NULL
        """
    )
    cursor.execute(
        """
        INSERT INTO calls_callevent (call_id, at, type, from_status, to_status, source, detail, raw)
        SELECT id, created_at + interval '5 seconds' * n, (ARRAY['placed', 'status', 'status', 'ended'])[n], '',
            status, 'read', '', '{"status": "completed"}'
        FROM (SELECT id, created_at, status FROM calls_call ORDER BY id DESC LIMIT %s) c, generate_series(1, 4) n
        """,
        [calls // 10],
    )
    cursor.execute(
        """
        INSERT INTO calls_webhookdelivery (uuid, organization_id, call_id, url, host, event, body, status, attempts,
            next_attempt_at, created_at, last_error)
        SELECT gen_random_uuid(), organization_id, id, 'https://example.org/hook', 'example.org', 'call.ended', '',
            (ARRAY['delivered', 'delivered', 'failed', 'pending'])[1 + id %% 4], 1, now(), created_at, ''
        FROM (SELECT * FROM calls_call ORDER BY id DESC LIMIT %s) c ORDER BY id
        """,
        [calls // 5],
    )
    cursor.execute(
        """
        INSERT INTO calls_providercallback (call_id, account_id, received_at, verification, headers, body,
            processed_at, attempts, next_attempt_at, error)
        SELECT id, account_id, created_at, 'unsigned', '{}', '{"status": "ended"}', created_at, 0, created_at, ''
        FROM (SELECT * FROM calls_call ORDER BY id DESC LIMIT %s) c ORDER BY id
        """,
        [calls // 5],
    )
