"""Whether FIELD_KEYS are the keys of this database, asked of a value that was encrypted at its set-up."""

from __future__ import annotations

from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections, models
from django.db.models.functions import Cast

from tenants.db import key_rotation
from tenants.findings import Finding, Severity, fault, warning
from tenants.models import KeyCanary

PK = 1
LOST = (
    "None of FIELD_KEYS is a key of this database, so stored credentials cannot be read and no call is placed. Put the "
    "former key behind the new one in FIELD_KEYS and restart all processes. If it is lost, enter all credentials "
    "again, rebuild the do-not-call list with manage.py rebuild_do_not_call, and then run manage.py rotate_field_keys "
    "--lost."
)
NONE_STORED = "It is not known whether FIELD_KEYS are the keys of this database. Run manage.py migrate."


def install(using: str = "default", **_: Any) -> None:
    """Encrypt the canary once. A receiver of `post_migrate`.

    A database with secrets that the keys do not fit gets none: the canary would say that they fit.
    """
    rows = KeyCanary.objects.using(using)
    there = KeyCanary._meta.db_table in connections[using].introspection.table_names()
    if there and not rows.exists() and key_rotation.reads_one_of_each(using):
        rows.create(pk=PK, value="canary")


def renew() -> None:
    """Encrypt the canary with the first key, because the former keys are lost and nothing needs them any more."""
    if not KeyCanary.objects.update(value="canary"):
        KeyCanary.objects.create(pk=PK, value="canary")


def fitting() -> int | None:
    """Return the place of the key that encrypted the canary: 1 for the first, 0 if none did. None: there is none."""
    stored = KeyCanary.objects.values_list(Cast("value", models.TextField()), flat=True).first()
    if not stored:
        return None
    return next((place for place, key in enumerate(settings.FIELD_KEYS, 1) if _fits(key, stored)), 0)


def finding() -> Finding:
    """Return which of the keys fits. Raise DatabaseError."""
    place, count = fitting(), len(settings.FIELD_KEYS)
    if place is None:
        return warning(NONE_STORED) if key_rotation.reads_one_of_each(DEFAULT_DB_ALIAS) else fault(LOST)
    if place == 0:
        return fault(LOST)
    if place == 1:
        return Finding(Severity.FINE, f"Key 1 of {count} in FIELD_KEYS is the key of this database.")
    return warning(
        f"Key {place} of {count} in FIELD_KEYS is the key of this database, and not the first. When all processes have "
        "the new first key, run manage.py rotate_field_keys."
    )


def _fits(key: str, stored: str) -> bool:
    try:
        Fernet(key).decrypt(stored.encode())
    except InvalidToken:
        return False
    return True
