"""Encrypt stored secrets anew with the first of FIELD_KEYS, so that the keys behind it can be removed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from django.apps import apps
from django.conf import settings
from django.db import connections, models
from django.db.models.functions import Cast

from tenants.db.encrypted_fields import EncryptedJSONField, fernet

BATCH = 500


@dataclass
class Rotated:
    """What became of the values of one column."""

    column: str
    passing: bool = False  # a value may be lost with its key
    current: int = 0  # the first key encrypts them already
    encrypted_anew: int = 0
    changed_meanwhile: int = 0  # by another process: the value is its own, under whichever key that process has
    undecryptable: int = 0  # none of the keys fits; the value is left as it is

    @property
    def done(self) -> bool:
        return not self.changed_meanwhile and not self.undecryptable

    @property
    def nothing_to_miss(self) -> bool:
        """Return whether every value that is needed later has the first key."""
        return self.done or (self.passing and not self.changed_meanwhile)


def rotate_all(batch: int = BATCH) -> Iterator[Rotated]:
    """Rotate every encrypted column of every model, and yield what became of each.

    What is encrypted with the first key is left alone. So a run that was interrupted is resumed by the next one.
    """
    for model, name in _columns():
        yield _rotate(model, name, batch)


def reads_one_of_each(using: str) -> bool:
    """Return whether the keys decrypt the newest value of every encrypted column whose table exists."""
    tables = connections[using].introspection.table_names()
    for model, name in _columns():
        if model._meta.db_table not in tables:
            continue
        stored = _stored(model, name).using(using).order_by("-pk").values_list("stored", flat=True).first()
        try:
            if stored:
                fernet().decrypt(stored.encode())
        except InvalidToken:
            return False
    return True


def _columns() -> Iterator[tuple[type[models.Model], str]]:
    for model in apps.get_models():
        for field in model._meta.local_concrete_fields:
            if isinstance(field, EncryptedJSONField):
                yield model, field.attname


def _stored(model: type[models.Model], name: str) -> models.QuerySet[models.Model]:
    """Return the rows with a value in an encrypted column, annotated with the value as it is stored."""
    rows = model._base_manager.annotate(stored=Cast(name, models.TextField()))
    return rows.exclude(stored=None).exclude(stored="")


def _rotate(model: type[models.Model], name: str, batch: int) -> Rotated:
    column: Any = model._meta.get_field(name)
    found = Rotated(f"{model._meta.db_table}.{name}", column.passing)
    rows = _stored(model, name).order_by("pk")
    page = list(rows.values_list("pk", "stored")[:batch])
    while page:
        for pk, stored in page:
            _rotate_value(rows.filter(pk=pk, stored=stored), name, stored, found)
        page = list(rows.filter(pk__gt=page[-1][0]).values_list("pk", "stored")[:batch])
    return found


def _rotate_value(as_read: models.QuerySet[models.Model], name: str, stored: str, found: Rotated) -> None:
    """Write one value, unless it has been changed since it was read.

    Each row is written by itself: a transaction of many rows would lock accounts against placing.
    """
    if _is_current(stored):
        found.current += 1
        return
    try:
        anew = fernet().rotate(stored.encode()).decode()
    except InvalidToken:
        found.undecryptable += 1
        return
    if as_read.order_by().update(**{name: models.Value(anew, output_field=models.TextField())}):
        found.encrypted_anew += 1
    else:
        found.changed_meanwhile += 1


def _is_current(stored: str) -> bool:
    try:
        Fernet(settings.FIELD_KEYS[0]).decrypt(stored.encode())
    except InvalidToken:
        return False
    return True
