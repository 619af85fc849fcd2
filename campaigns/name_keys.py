"""Keep how the names of contacts are compared, whoever writes them: docs/adr/0019-names-are-found.md.

A new name without a new key, such as one that the version before this one writes, loses its key by a trigger. A step of
the upkeep computes the keys that are missing. Until then such a contact is found by how its name begins.

When a new version computes other keys, the same step goes through all contacts once, and once more a day later, because
the version before may have written keys of its own meanwhile. It writes only the keys that differ.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db import connections, transaction
from django.utils import timezone

from campaigns.models import Contact, NameKeyRenewal
from tenants.db.among import Among
from tenants.db.bulk_values import update_values
from tenants.search_keys import FORM, name_key

FILLED_AT_ONCE = 2_000
AGAIN_AFTER = timedelta(days=1)

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
        _write(found, name_key=None)
    return len(found)


def renew(limit: int = FILLED_AT_ONCE) -> int:
    """Compute the next keys anew, if their form has changed. Return how many contacts were looked at.

    It can be stopped at any time: the place is stored with the keys.
    """
    state, now = NameKeyRenewal.objects.first(), timezone.now()
    if state is not None and not _is_due(state, now):
        return 0
    with transaction.atomic():
        state, _ = NameKeyRenewal.objects.select_for_update().get_or_create(pk=1)
        if not _is_due(state, now):
            return 0  # another process has done it meanwhile
        if state.form != FORM:
            state.form, state.after, state.again_at = FORM, 0, now + AGAIN_AFTER
        elif state.after is None:
            state.after, state.again_at = 0, None
        following = Contact.objects.filter(pk__gt=state.after).order_by("pk")
        found = list(following.values_list("pk", "name", "name_key")[:limit])
        _write([pk for pk, name, key in found if key not in (None, name_key(name))], name_key__isnull=False)
        state.after = found[-1][0] if len(found) == limit else None
        state.save()
    return len(found)


def _is_due(state: NameKeyRenewal, now: datetime) -> bool:
    return state.form != FORM or state.after is not None or (state.again_at is not None and state.again_at <= now)


def _write(contacts: Iterable[int], **still: Any) -> None:
    """Write the keys of contacts of which that is still true.

    They are locked in the order of all code. Who changes a contact meanwhile computes its key, or the trigger voids it.
    """
    rows = Contact.objects.select_for_update(no_key=True).filter(Among("pk", list(contacts)), **still).order_by("pk")
    named = rows.values_list("pk", "name")
    update_values(Contact, [{"pk": pk, "name_key": name_key(name)} for pk, name in named], ["name_key"])
