"""The schema of the database against that of this version: missing, half migrated, newer, or of other tables."""

from __future__ import annotations

from functools import cache

from django.apps import apps
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

MIGRATE = "Run manage.py migrate."
NAMED = 3  # migrations named in a sentence

Migration = tuple[str, str]
Column = tuple[str, str]


def what_is_wrong() -> str:
    """Return in a sentence how the database differs from this version, or "". Raise DatabaseError."""
    applied = _applied()
    if not applied:
        return f"The database has no tables. {MIGRATE}"
    if newer := applied - _known():
        return (
            f"The database is newer than this program, which does not know {_named(newer)}. "
            "Start the version that migrated it, or a later one."
        )
    if missing := frozenset(_loader().graph.nodes) - applied:
        verb = "migration is" if len(missing) == 1 else "migrations are"
        return f"{len(missing)} {verb} not applied: {_named(missing)}. {MIGRATE}"
    if absent := expected_columns() - _columns():
        table, column = min(absent)
        return (
            f"The database was made by another version: {len(absent)} columns are missing, such as {table}.{column}. "
            "Restore a backup of it, or begin with an empty database."
        )
    return ""


@cache
def _loader() -> MigrationLoader:
    """Return the migrations of the code, read once a process and without a database."""
    return MigrationLoader(None)


def _known() -> frozenset[Migration]:
    """Return every migration that the code knows, also those that a later one has replaced."""
    found = _loader().disk_migrations
    return frozenset({*found, *(name for migration in found.values() for name in migration.replaces)})


@cache
def expected_columns() -> frozenset[Column]:
    models = [model for model in apps.get_models(include_auto_created=True) if model._meta.managed]
    return frozenset(
        (model._meta.db_table, str(field.column))
        for model in models
        if not model._meta.proxy
        for field in model._meta.local_concrete_fields
    )


def _applied() -> frozenset[Migration]:
    """Return the migrations of the installed apps that the database has, and those that replace some of them."""
    labels = {config.label for config in apps.get_app_configs()}
    found = {name for name in MigrationRecorder(connection).applied_migrations() if name[0] in labels}
    replacing = _loader().replacements.items()
    return frozenset(found | {name for name, migration in replacing if found.issuperset(migration.replaces)})


def _columns() -> frozenset[Column]:
    """Return every column of every table in one query. Django's introspection asks for each table."""
    with connection.cursor() as cursor:
        cursor.execute(_COLUMNS[connection.vendor])
        return frozenset((table, column) for table, column in cursor.fetchall())


_COLUMNS = {
    "sqlite": "SELECT m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table'",
    "postgresql": """
        SELECT t.relname, c.attname
        FROM pg_attribute c JOIN pg_class t ON t.oid = c.attrelid JOIN pg_namespace n ON n.oid = t.relnamespace
        WHERE n.nspname = ANY (current_schemas(false)) AND pg_table_is_visible(t.oid)
            AND t.relkind IN ('r', 'p') AND c.attnum > 0 AND NOT c.attisdropped
    """,
}


def _named(migrations: frozenset[Migration]) -> str:
    names = sorted(".".join(name) for name in migrations)
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
