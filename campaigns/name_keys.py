"""Keep how the names of contacts are compared, whoever writes them: docs/adr/0019-names-are-found.md.

A new name without a new key, such as one that the version before this one writes, loses its key by a trigger. A step of
the upkeep computes the keys that are missing. Until then such a contact is found by how its name begins.
"""

from __future__ import annotations

from typing import Any

from django.db import connections, transaction

from campaigns.models import Contact
from tenants.db.among import Among
from tenants.db.bulk_values import update_values
from tenants.search_keys import search_key

FILLED_AT_ONCE = 2_000

_STALE = "NEW.name <> OLD.name AND NEW.name_key IS NOT NULL AND NEW.name_key = OLD.name_key"
_POSTGRESQL = (
    "CREATE OR REPLACE FUNCTION campaigns_void_name_key() RETURNS trigger AS $$ BEGIN "
    "NEW.name_key := NULL; RETURN NEW; END $$ LANGUAGE plpgsql",
    "CREATE OR REPLACE TRIGGER campaigns_void_name_key BEFORE UPDATE OF name ON campaigns_contact "
    f"FOR EACH ROW WHEN ({_STALE}) EXECUTE FUNCTION campaigns_void_name_key()",
)
_VOID = "BEGIN UPDATE campaigns_contact SET name_key = NULL WHERE id = NEW.id; END"
_SQLITE = (
    "CREATE TRIGGER IF NOT EXISTS campaigns_void_name_key AFTER UPDATE OF name ON campaigns_contact "
    f"FOR EACH ROW WHEN {_STALE} {_VOID}",
)


def install(using: str = "default", **_: Any) -> None:
    """Install the trigger. A receiver of `post_migrate`, because SQLite drops triggers when a table is altered."""
    connection, table = connections[using], Contact._meta.db_table
    with connection.cursor() as cursor:
        if table not in connection.introspection.table_names(cursor):
            return  # only other rooms are migrated so far
        described = connection.introspection.get_table_description(cursor, table)
    if "name_key" not in {column.name for column in described}:
        return  # migrated to an earlier version
    with transaction.atomic(using), connection.cursor() as cursor:
        for statement in _POSTGRESQL if connection.vendor == "postgresql" else _SQLITE:
            cursor.execute(statement)


def fill(limit: int = FILLED_AT_ONCE) -> int:
    """Compute missing keys, of at most so many contacts. Return how many there were. It can be stopped at any time."""
    found = list(Contact.objects.filter(name_key=None).order_by().values_list("pk", flat=True)[:limit])
    if not found:
        return 0
    with transaction.atomic():
        # Locked in the order of all code. Who changes a contact meanwhile computes its key, or the trigger voids it.
        rows = Contact.objects.select_for_update(no_key=True).filter(Among("pk", found), name_key=None).order_by("pk")
        named = rows.values_list("pk", "name")
        update_values(Contact, [{"pk": pk, "name_key": search_key(name)} for pk, name in named], ["name_key"])
    return len(found)
