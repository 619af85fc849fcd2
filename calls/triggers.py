"""Database triggers, installed after every migrate on both databases.

One refuses to change how a call ended. Some record the contacts about whom the engine decides again, whoever changed
them and however (`dialing/reassessing.py`). Others keep counts (`tenants/db/counters.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import connections

from calls.gate import inputs
from calls.models import TERMINAL, UNRESOLVED, ContactChange, Status
from campaigns.models import Recipient
from campaigns.rules.spoken import REASON
from tenants.db import counters

_TERMINAL = ", ".join(f"'{status}'" for status in TERMINAL)
_UNRESOLVED = ", ".join(f"'{status}'" for status in UNRESOLVED)
_RESOLVED = ", ".join(f"'{status}'" for status in TERMINAL if status not in UNRESOLVED)

# `_CHANGED` needs no query, so that a call before its end does not run the function of the trigger.
# A terminal status changes in two cases alone: `expired` or `unknown` becomes a real end, which then cannot change; or
# a team member's decision to make exactly this change is stored and not applied yet.
_CHANGED = f"""
    OLD.status IN ({_TERMINAL}) AND NEW.status <> OLD.status
    AND NOT (OLD.status IN ({_UNRESOLVED}) AND NEW.status IN ({_RESOLVED}))
"""
_FORBIDDEN = f"""
    {_CHANGED} AND NOT EXISTS (
        SELECT 1 FROM calls_staffdecision d
        WHERE d.call_id = OLD.id AND d.from_status = OLD.status AND d.to_status = NEW.status AND NOT d.applied
    )
"""  # noqa: S608 - built from our own constants

MESSAGE = "the end of a call does not change"

_POSTGRESQL = f"""
CREATE OR REPLACE FUNCTION calls_freeze_end() RETURNS trigger AS $$
BEGIN
    IF {_FORBIDDEN} THEN
        RAISE EXCEPTION '{MESSAGE} (% to %)', OLD.status, NEW.status USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$ LANGUAGE plpgsql;
DROP TRIGGER IF EXISTS calls_freeze_end ON calls_call;
CREATE TRIGGER calls_freeze_end BEFORE UPDATE OF status ON calls_call
    FOR EACH ROW WHEN ({_CHANGED}) EXECUTE FUNCTION calls_freeze_end();
"""

_SQLITE = (
    "DROP TRIGGER IF EXISTS calls_freeze_end",
    f"""
    CREATE TRIGGER calls_freeze_end BEFORE UPDATE OF status ON calls_call FOR EACH ROW WHEN {_FORBIDDEN}
    BEGIN SELECT RAISE(ABORT, '{MESSAGE}'); END
    """,
)


@dataclass(frozen=True)
class _Recording:
    """A trigger that records the contacts which `contacts` selects (`c`), when something waits for one of them."""

    name: str
    event: str
    when: str
    contacts: str

    def statements(self, vendor: str) -> list[str]:
        chosen = f"SELECT c.id FROM campaigns_contact c WHERE {self.contacts} AND {_WAITS}"  # noqa: S608
        action = f"INSERT INTO {ContactChange._meta.db_table} (contact_id) {chosen}"
        on = self.event.rpartition(" ")[2]
        if vendor == "sqlite":
            body = f"CREATE TRIGGER {self.name} AFTER {self.event} FOR EACH ROW WHEN {self.when} BEGIN {action}; END"
            return [f"DROP TRIGGER IF EXISTS {self.name}", body]
        return [
            f"CREATE OR REPLACE FUNCTION {self.name}() RETURNS trigger AS $$ BEGIN {action}; RETURN NULL; END "
            "$$ LANGUAGE plpgsql",
            f"DROP TRIGGER IF EXISTS {self.name} ON {on}",
            f"CREATE TRIGGER {self.name} AFTER {self.event} FOR EACH ROW WHEN ({self.when}) "
            f"EXECUTE FUNCTION {self.name}()",
        ]


_LIVE = ", ".join(f"'{status}'" for status in (*Recipient.WAITING_STATUSES, Recipient.Status.CALLING))
_WAITS = f"""(
    EXISTS (
        SELECT 1 FROM campaigns_recipient r
        WHERE r.contact_id = c.id AND (r.status IN ({_LIVE}) OR r.reason LIKE '{REASON}%')
    )
    OR EXISTS (SELECT 1 FROM calls_call q WHERE q.contact_id = c.id AND q.status = '{Status.QUEUED}')
)"""  # noqa: S608 - built from our own constants


def _differs(column: str) -> str:
    return f"(OLD.{column} <> NEW.{column} OR (OLD.{column} IS NULL) <> (NEW.{column} IS NULL))"


_OWN = "c.id = NEW.contact_id"


def _has(number: str) -> str:
    """Return the condition that a contact has this number of the row's organization, as first or further one."""
    return f"""c.id IN (
        SELECT p.id FROM campaigns_contact p WHERE p.organization_id = NEW.organization_id AND p.phone = {number}
        UNION ALL
        SELECT n.contact_id FROM campaigns_contactnumber n
        WHERE n.organization_id = NEW.organization_id AND n.phone = {number}
    )"""  # noqa: S608 - built from our own constants


_LISTED = _has("NEW.phone")
RECORDINGS = (
    _Recording(
        "calls_note_contact",
        f"UPDATE OF {', '.join(inputs.CONTACT)} ON campaigns_contact",
        " OR ".join(map(_differs, inputs.CONTACT)),
        "c.id = NEW.id",
    ),
    _Recording("calls_note_listed", "INSERT ON campaigns_donotcall", "NEW.phone <> ''", _LISTED),
    _Recording("calls_note_relisted", "UPDATE ON campaigns_donotcall", "NEW.phone <> ''", _LISTED),
    _Recording("calls_note_number", "INSERT ON campaigns_contactnumber", "NEW.phone <> ''", _OWN),
    _Recording("calls_note_number_change", "UPDATE ON campaigns_contactnumber", "NEW.phone <> ''", _OWN),
    _Recording(
        "calls_note_number_end", "DELETE ON campaigns_contactnumber", "OLD.phone <> ''", "c.id = OLD.contact_id"
    ),
    _Recording("calls_note_callback", "INSERT ON calls_callback", "NEW.status = 'due'", _OWN),
    _Recording("calls_note_callback_end", "UPDATE OF status ON calls_callback", _differs("status"), _OWN),
    # A call that turns out never to have been sent counts for no gap and no cap.
    _Recording(
        "calls_note_undialed",
        "UPDATE OF dialed_at ON calls_call",
        "OLD.dialed_at IS NOT NULL AND NEW.dialed_at IS NULL",
        f"({_OWN} OR {_has('NEW.to_number')})",
    ),
)


def install(using: str = "default", **_: Any) -> None:
    """Install the triggers. A receiver of `post_migrate`, because SQLite drops triggers when a table is altered.

    A database that is migrated to an older state gets those of the tables that it has.
    """
    connection = connections[using]
    tables = set(connection.introspection.table_names())
    if ContactChange._meta.db_table not in tables:
        return
    freeze = (_POSTGRESQL,) if connection.vendor == "postgresql" else _SQLITE
    recordings = [statement for each in RECORDINGS for statement in each.statements(connection.vendor)]
    with connection.cursor() as cursor:
        for statement in (*freeze, *recordings):
            cursor.execute(statement)
    for counts in counters.tables():
        if {counts._meta.db_table, counts.counted.source} <= tables:
            counters.install(counts, using)
