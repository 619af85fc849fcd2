"""The keyed hash of a phone number. The do-not-call list keeps it after the contact is erased."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from typing import Any

from django.apps import AppConfig
from django.db import DEFAULT_DB_ALIAS, connections, models, router, transaction
from django.db.models.signals import post_migrate

from tenants.db.encrypted_fields import EncryptedJSONField, UndecryptableSecret, is_readable
from tenants.findings import Finding, fault

KEY_NAME = "do-not-call"
UNREADABLE = (
    "The key of the do-not-call list cannot be read with FIELD_KEYS, so no call is placed. Put the key that encrypted "
    "it into FIELD_KEYS and restart all processes. Nobody can enter it again: if that key is lost, the list has to be "
    "rebuilt from the numbers that are stored (manage.py rebuild_do_not_call)."
)

_keys: dict[str, bytes] = {}  # by database alias and name


class InstallationKey(models.Model):
    """A random key of this installation, created on first use and never rotated."""

    name = models.CharField(max_length=32, unique=True)
    value = EncryptedJSONField()

    def __str__(self) -> str:
        return self.name


def finding() -> Finding:
    """Return whether the key of the do-not-call list can be read. Raise DatabaseError."""
    row = InstallationKey.objects.filter(name=KEY_NAME).first()
    return fault("" if row is None or is_readable(row, "value") else UNREADABLE)


def replace_key() -> None:
    """Put a new random key in the place of the lost one. The hashes that are stored fit no number any more."""
    InstallationKey.objects.filter(name=KEY_NAME).update(value=secrets.token_hex(32))
    forget_hash_key()


def number_hash(e164: str) -> str:
    """Return the HMAC-SHA256 of a number under this installation's random key, as 64 hexadecimal characters."""
    return hmac.new(_hash_key(), e164.encode(), hashlib.sha256).hexdigest()


def begin_number_hashes(app_config: AppConfig | None = None, using: str = DEFAULT_DB_ALIAS, **_: Any) -> None:
    """Create the key if there is none. A receiver of `post_migrate`, so that every backup has it."""
    if app_config is not None and app_config.label != InstallationKey._meta.app_label:
        return
    if InstallationKey._meta.db_table in connections[using].introspection.table_names():
        _stored_key(using)


def forget_hash_key(**_: Any) -> None:
    """Drop the cached keys: after a flush or a migration the database may have another key."""
    _keys.clear()


def _hash_key() -> bytes:
    using = router.db_for_write(InstallationKey)
    database = f"{using} {connections[using].settings_dict['NAME']}"
    if key := _keys.get(database):
        return key
    row = _stored_key(using)
    if not is_readable(row, "value"):
        raise UndecryptableSecret("The key of the do-not-call list")
    key = bytes.fromhex(row.value)

    def remember() -> None:
        _keys[database] = key

    transaction.on_commit(remember, using=using)  # a key created in a transaction that rolls back must not be cached
    return key


def _stored_key(using: str) -> InstallationKey:
    given = {"value": secrets.token_hex(32)}
    return InstallationKey.objects.using(using).get_or_create(name=KEY_NAME, defaults=given)[0]


def number_hashes(phones: Iterable[str]) -> dict[str, str]:
    """Return the numbers by their hash."""
    key = _hash_key()
    return {hmac.new(key, phone.encode(), hashlib.sha256).hexdigest(): phone for phone in phones}


post_migrate.connect(forget_hash_key, dispatch_uid="campaigns.forget_hash_key")
post_migrate.connect(begin_number_hashes, dispatch_uid="campaigns.begin_number_hashes")
