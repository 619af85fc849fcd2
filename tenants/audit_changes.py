"""What a change did to an object, for the audit log: the fields that differ, before and after.

Secrets are recorded as the beginning of a keyed hash, so that it is seen that they changed and whether one came back.
Values that belong to a person are kept apart, so that they can be erased.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import models
from django.utils.crypto import salted_hmac

from tenants import audit_log
from tenants.db.encrypted_fields import EncryptedJSONField, UndecryptableSecret
from tenants.masking import masked

NAMES = ("name", "label", "e164", "filename", "description", "username")  # columns that name an object


# How actions name objects of a model, where it is not the model's name.
KINDS = {
    "apikey": "api_key",
    "callback": "call_back",
    "donotcall": "do_not_call",
    "provideraccount": "account",
    "webhookendpoint": "webhook_endpoint",
}


@dataclass
class Facts:
    """Values by field. `personal` values can be erased later."""

    plain: dict[str, Any] = field(default_factory=dict)
    personal: dict[str, Any] = field(default_factory=dict)


def stored(instance: models.Model) -> models.Model | None:
    """Return the object as the database has it now, or None if it is new."""
    return type(instance)._default_manager.filter(pk=instance.pk).first() if instance.pk else None


def facts(instance: models.Model | None, names: Iterable[str]) -> Facts:
    """Return the values of these fields, and of all secrets, as the log shows them. Other names are left out."""
    found = Facts()
    if instance is None:
        return found
    columns = columns_of(instance)
    secret = [name for name, column in columns.items() if isinstance(column, EncryptedJSONField)]
    personal: frozenset[str] = getattr(instance, "personal_fields", frozenset())
    for name in {*names, *secret} & columns.keys():
        into = found.personal if name in personal else found.plain
        into[name] = _shown(instance, columns[name])
    return found


def before(instance: models.Model | None, names: Iterable[str]) -> Facts:
    """Return what the database has of these fields, before a change: nothing of a new object."""
    return facts(stored(instance) if instance is not None else None, names)


def since(old: Facts, instance: models.Model, names: Iterable[str]) -> Facts:
    """Return what has changed of these fields since `before`."""
    return differences(old, facts(instance, names))


def columns_of(instance: models.Model) -> dict[str, Any]:
    return {column.name: column for column in [*instance._meta.concrete_fields, *instance._meta.many_to_many]}


def audited(instance: models.Model, names: Iterable[str]) -> list[str]:
    """Return the fields whose changes have no audit entry of their own."""
    apart: frozenset[str] = getattr(instance, "audited_apart", frozenset())
    return [name for name in names if name not in apart]


def differences(before: Facts, after: Facts) -> Facts:
    """Return the fields whose values differ, each with the value before and the value after."""
    return Facts(_pairs(before.plain, after.plain), _pairs(before.personal, after.personal))


def kind_of(model: models.Model | type[models.Model]) -> str:
    """Return how actions name objects of a model: pages and the API alike."""
    name = str(model._meta.model_name)
    return KINDS.get(name, name)


def object_name(instance: models.Model) -> str:
    """Return the name of an object, or an empty string if it has none or it is the name of a person."""
    if hasattr(instance, "personal_fields"):
        return ""
    return next((str(name)[:200] for column in NAMES if (name := getattr(instance, column, ""))), "")


def record(
    organization: Any,
    instance: models.Model,
    *,
    actor: str,
    action: str,
    detail: Mapping[str, Any],
    changes: Facts | None = None,
) -> None:
    """Write the entry of a change of one object. What the log knows about a deleted person is forgotten."""
    name = object_name(instance)
    if action.endswith(".deleted") and hasattr(instance, "personal_fields"):
        audit_log.forget(organization, [str(getattr(instance, "uuid", instance.pk))])
    audit_log.record(
        organization,
        actor=actor,
        action=action,
        subject=str(getattr(instance, "uuid", instance.pk)),
        detail={
            **({"object": name} if name else {}),
            **detail,
            **({"changes": changes.plain} if changes and changes.plain else {}),
        },
        personal=changes.personal if changes else None,
    )


def _pairs(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    old, new = audit_log.shortened(before), audit_log.shortened(after)
    return {
        name: [old.get(name), new.get(name)]
        for name in [*after, *(before.keys() - after)]
        if old.get(name) != new.get(name)
    }


def _shown(instance: models.Model, column: Any) -> Any:
    if isinstance(column, EncryptedJSONField):
        return _hashed(instance, column)
    if column.many_to_many:
        return sorted(str(each) for each in getattr(instance, column.name).all())
    if column.is_relation:
        related = getattr(instance, column.name)
        return None if related is None else object_name(related) or str(related.pk)
    value = getattr(instance, column.attname)
    return masked(value) if isinstance(value, str) and "://" in value else value  # an address may contain a secret


def _hashed(instance: models.Model, column: Any) -> Any:
    try:
        value = getattr(instance, column.attname)
    except UndecryptableSecret:
        return "unreadable"
    if isinstance(value, dict):
        return {name: _hash(each) for name, each in value.items()}
    return _hash(value)


def _hash(secret: Any) -> str | None:
    """Return the first 8 hex digits of a keyed hash."""
    if secret in (None, ""):
        return None
    return salted_hmac("tenants.audit", audit_log.canonical(secret), algorithm="sha256").hexdigest()[:8]
