"""The lines of `results.csv` as PostgreSQL writes them: the same text as Python writes, in a fraction of the time.

A row that the two would write in different ways is marked, and its line comes from Python.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.db import connections
from django.db.models import OuterRef, QuerySet, Subquery

from calls.models import Call, deciding_call
from campaigns.models import Contact, Recipient

# As `tenants.spreadsheets.GUARDED` and `PLAIN_NUMBER`. Each guarded text begins with a character up to "@".
_GUARDED, _PLAIN_NUMBER = "E'^''*[-=+@\\t\\r\\n]'", r"'^\+[0-9]{7,15}$'"
# As `GUARDED_INSIDE`.
_GUARDED_INSIDE = """E'[;\\t\\r\\n][''"]*[-=+@]'"""
_TIME = "to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"  # as `tenants.spreadsheets.time_cell`
_NOTHING = "('null', '{{}}', '[]', '\"\"', '0', 'false')"  # JSON that is false in Python


@dataclass(frozen=True)
class Line:
    """A line without its end. `text` is None where Python has to write it."""

    recipient: int
    text: bytes | None


def lines_of(recipients: QuerySet[Recipient]) -> Iterator[Line]:
    """Yield the lines of these recipients by key, with one statement."""
    decided = recipients.values("pk").annotate(decided_by=Subquery(deciding_call(OuterRef("pk")).values("pk")))
    chosen, params = decided.query.sql_with_params()
    with connections[recipients.db].cursor() as cursor:
        statement = cursor.mogrify(f"COPY ({_query(chosen)}) TO STDOUT WITH (FORMAT csv)", params)
        with cursor.copy(statement) as rows:
            for row in rows:
                key, odd, text = bytes(row).split(b",", 2)
                yield Line(int(key), None if odd else text[:-1])


def _query(chosen: str) -> str:
    texts = {name: f"COALESCE({value}, '')" for name, value in _TEXTS.items()}
    cells = ", ".join(_cell(name, texts) for name in _CELLS)
    calls, contact = Call._meta.db_table, Contact._meta.db_table
    return (
        f"SELECT r.id, CASE WHEN {_odd(texts)} THEN 1 END, {cells} FROM ({chosen}) chosen(id, decided_by) "  # noqa: S608
        f"JOIN {Recipient._meta.db_table} r ON r.id = chosen.id JOIN {contact} c ON c.id = r.contact_id "
        f"LEFT JOIN {calls} k ON k.id = chosen.decided_by "
        "LEFT JOIN LATERAL (SELECT count(*) AS calls, "
        "string_agg(attempt || ' ' || status || ' ' || uuid, '; ' ORDER BY id) "
        "FILTER (WHERE id IS DISTINCT FROM chosen.decided_by) AS others "
        f"FROM {calls} WHERE recipient_id = r.id) o ON true "
        f"LEFT JOIN LATERAL ({_costs(calls)}) s ON true ORDER BY r.id"
    )


def _costs(calls: str) -> str:
    """Return the query of what a recipient's calls cost: in the first of their currencies, and in the others."""
    by_currency = (
        'SELECT cost_currency COLLATE "C" AS currency, SUM(COALESCE(cost_price, cost_estimate)) AS paid, '  # noqa: S608
        "SUM(cost_estimate) FILTER (WHERE cost_price IS NULL) AS guessed "
        f"FROM {calls} k WHERE k.recipient_id = r.id AND COALESCE(cost_price, cost_estimate) IS NOT NULL GROUP BY 1"
    )
    first, one = "row_number() OVER (ORDER BY currency)", "FILTER (WHERE n = 1)"
    others = f"string_agg({_money('paid')} || ' ' || currency, '; ' ORDER BY currency) FILTER (WHERE n > 1)"
    return (
        f"SELECT MAX(paid) {one} AS paid, MAX(guessed) {one} AS guessed, MAX(currency) {one} AS currency, "  # noqa: S608
        f"{others} AS others FROM (SELECT c.*, {first} AS n FROM ({by_currency}) c) c"
    )


def _json(column: str) -> str:
    return f"CASE WHEN {column} NOT IN {_NOTHING.format()} THEN {column}::text END"


def _money(amount: str) -> str:
    return f"regexp_replace(({amount})::numeric(20, 6)::text, '0{{1,4}}$', '')"


_TEXTS = {
    "phone": "CASE WHEN c.erased_at IS NULL THEN c.phone END",
    "name": "c.name",
    "external_id": "c.external_id",
    "status": "r.status",
    "outcome": "r.outcome",
    "reason": "r.reason",
    "call_status": "k.status",
    "answered_by": "k.answered_by",
    "currency": "s.currency",
    "result": f"COALESCE({_json('k.result')}, k.result_text)",
    "variables": _json("k.dynamic_variables"),
}
# In the order of `results_csv.COLUMNS`. A name of `_TEXTS` alone stands for its guarded text.
_CELLS = (
    *("r.uuid", "c.uuid", "phone", "name", "external_id", "status", "outcome", "reason", "r.attempts"),
    *("k.uuid", "call_status", *map(_TIME.format, ("k.started_at", "k.answered_at", "k.ended_at"))),
    *("k.duration_seconds", "answered_by", _money("s.paid"), "currency", "result", "variables"),
    *(_money("s.guessed"), "s.others", "o.calls", "o.others"),
)


def _cell(name: str, texts: dict[str, str]) -> str:
    if name not in texts:
        return name
    text = texts[name]
    guards = f"ascii({text}) <= 64 AND {text} ~ {_GUARDED} AND {text} !~ {_PLAIN_NUMBER}"
    return f"CASE WHEN {guards} THEN '''' || {text} ELSE NULLIF({text}, '') END"


def _odd(texts: dict[str, str]) -> str:
    """Return the condition that Python may write the row in another way.

    PostgreSQL writes the number 1.50 of a JSON as it came, Python as 1.5. Python takes digits of other scripts for
    digits of a phone number. A text that is guarded inside is rare, and Python writes it.
    """
    broken = (f"strpos({text}, '.') > 0 AND {text} ~ '[0-9][.][0-9]'" for text in (texts["result"], texts["variables"]))
    foreign = (f"ascii({text}) = 43 AND octet_length({text}) > char_length({text})" for text in texts.values())
    inside = f"concat_ws(' ', {', '.join(texts.values())}) ~ {_GUARDED_INSIDE}"
    return " OR ".join((*broken, *foreign, inside))
