"""Secrets at rest: model fields encrypted with MultiFernet, newest key first."""

from __future__ import annotations

import json
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import models


class UndecryptableSecret(Exception):
    """None of FIELD_KEYS fits. Never answered with the ciphertext, which would travel on to a provider."""


def fernet() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.FIELD_KEYS])


class EncryptedJSONField(models.TextField):  # type: ignore[type-arg]
    """A JSON value, encrypted in its column. It cannot be searched. Raises UndecryptableSecret on a wrong key."""

    _pyi_private_set_type: Any  # any JSON value goes in and comes out
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
            raise UndecryptableSecret("A stored secret fits none of FIELD_KEYS.") from error

    def to_python(self, value: Any) -> Any:
        return value

    def value_to_string(self, obj: models.Model) -> str:
        raise TypeError("Secrets are not serialised.")


def hint(secret: str) -> str:
    """The last four characters, as staff see a secret; nothing of a short one."""
    return f"••••{secret[-4:]}" if len(secret) >= 12 else "••••"
