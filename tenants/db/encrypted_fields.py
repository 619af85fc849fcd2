"""Model fields encrypted at rest with MultiFernet, newest key first."""

from __future__ import annotations

import json
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import models


class UndecryptableSecret(Exception):
    """None of FIELD_KEYS decrypts the value. The ciphertext is never returned: it would be sent to a provider."""


def fernet() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.FIELD_KEYS])


class EncryptedJSONField(models.TextField):  # type: ignore[type-arg]
    """A JSON value, encrypted in its column. It cannot be searched. Reading it raises UndecryptableSecret."""

    _pyi_private_set_type: Any  # any JSON value is set and read
    _pyi_private_get_type: Any

    def get_prep_value(self, value: Any) -> str | None:
        if value is None:
            return None
        return fernet().encrypt(json.dumps(value).encode()).decode()

    def from_db_value(self, value: str | None, *_: Any) -> Any:
        if not value:
            return None
        try:
            return json.loads(fernet().decrypt(value.encode()))
        except InvalidToken as error:
            raise UndecryptableSecret("None of FIELD_KEYS decrypts a stored secret.") from error

    def to_python(self, value: Any) -> Any:
        return value

    def value_to_string(self, obj: models.Model) -> str:
        raise TypeError("Secrets are not serialized.")


def hint(secret: str) -> str:
    """Return what pages show of a secret: its last four characters, or none of a secret shorter than 12."""
    return f"••••{secret[-4:]}" if len(secret) >= 12 else "••••"
