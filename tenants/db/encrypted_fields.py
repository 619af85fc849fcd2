"""Model fields encrypted at rest with MultiFernet, newest key first.

A row is loaded without decrypting its secrets; the first reading of one does that. So pages and rules that need other
columns work while a secret cannot be read, and saving such a row keeps what is stored.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import models
from django.db.models.query_utils import DeferredAttribute


class UndecryptableSecret(Exception):
    """None of FIELD_KEYS decrypts the value. The ciphertext is never returned: it would be sent to a provider."""

    def __init__(self, what: str = "A stored secret") -> None:
        super().__init__(f"{what} cannot be read: none of FIELD_KEYS decrypts it.")


def fernet() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.FIELD_KEYS])


@dataclass(frozen=True)
class Encrypted:
    """A value as its column has it."""

    stored: str = field(repr=False)

    def anew(self) -> str:
        """Return the value for storing: encrypted with the newest key, or as it is if no key fits."""
        try:
            return fernet().rotate(self.stored.encode()).decode()
        except InvalidToken:
            return self.stored


class SecretAttribute(DeferredAttribute):
    """The attribute of a secret. Reading it decrypts the value, once for each object."""

    def __get__(self, instance: Any, cls: Any = None) -> Any:
        if instance is None:
            return self
        value = instance.__dict__.get(self.field.attname, self)
        if value is self:  # deferred
            super().__get__(instance, cls)
            value = instance.__dict__[self.field.attname]
        if isinstance(value, Encrypted):
            value = self._decrypted(value)
            instance.__dict__[self.field.attname] = value
        return value

    def __set__(self, instance: Any, value: Any) -> None:
        instance.__dict__[self.field.attname] = value

    def _decrypted(self, value: Encrypted) -> Any:
        try:
            return json.loads(fernet().decrypt(value.stored.encode()))
        except InvalidToken as error:
            owner = self.field.model._meta.verbose_name
            raise UndecryptableSecret(f"The {self.field.verbose_name} of the {owner}") from error


class EncryptedJSONField(models.TextField):  # type: ignore[type-arg]
    """A JSON value, encrypted in its column. It cannot be searched. Reading it raises UndecryptableSecret.

    So does `refresh_from_db` without the names of other fields.

    `passing`: the value is needed for a short time only, or is made again, so that it may be lost with its key.
    """

    _pyi_private_set_type: Any  # any JSON value is set and read
    _pyi_private_get_type: Any
    descriptor_class = SecretAttribute

    def __init__(self, *args: Any, passing: bool = False, **kwargs: Any) -> None:
        self.passing = passing  # no part of the schema, so migrations do not name it
        super().__init__(*args, **kwargs)

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        """Return the value without decrypting it."""
        if self.attname in model_instance.__dict__:
            return model_instance.__dict__[self.attname]
        return super().pre_save(model_instance, add)

    def get_prep_value(self, value: Any) -> str | None:
        if value is None:
            return None
        if isinstance(value, Encrypted):
            return value.anew()
        return fernet().encrypt(json.dumps(value).encode()).decode()

    def from_db_value(self, value: str | None, *_: Any) -> Encrypted | None:
        return Encrypted(value) if value else None

    def to_python(self, value: Any) -> Any:
        return value

    def value_to_string(self, obj: models.Model) -> str:
        raise TypeError("Secrets are not serialized.")


def is_readable(row: models.Model, name: str) -> bool:
    """Return whether one of FIELD_KEYS decrypts this secret of the row."""
    try:
        getattr(row, name)
    except UndecryptableSecret:
        return False
    return True


def readable(row: models.Model, name: str) -> Any:
    """Return this secret of the row, or None when it cannot be read."""
    return getattr(row, name) if is_readable(row, name) else None


def hint(secret: str) -> str:
    """Return what pages show of a secret: its last four characters, or none of a secret shorter than 12."""
    return f"••••{secret[-4:]}" if len(secret) >= 12 else "••••"
