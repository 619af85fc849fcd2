"""The audit log: what a team member, a program or Trunkline itself did, from where, and what changed."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Iterable, Mapping
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction

from tenants.audit_origin import current_origin
from tenants.models import AuditEntry, AuditPersonal, Organization

LONGEST = 500  # characters of a text in an entry


def record(
    organization: Organization | int | None,
    *,
    actor: str,
    action: str,
    subject: str,
    detail: Mapping[str, Any] | None = None,
    personal: Mapping[str, Any] | None = None,
) -> AuditEntry:
    """Write one entry, in the caller's transaction.

    `organization`: the object or its key, or None for an action on the whole installation. `action`: dotted, like
    `campaign.paused`. `subject`: the public id of the changed object. `detail`: JSON without secrets. `personal`:
    values that belong to a contact, which `forget` deletes.
    """
    values = {name: value for name, value in shortened(personal or {}).items() if value not in (None, "")}
    salts = {name: secrets.token_hex(16) for name in values}
    made = entry(organization, actor=actor, action=action, subject=subject, detail=detail)
    made.commitments = {name: commitment(salts[name], value) for name, value in values.items()}
    if not values:
        made.save(force_insert=True)
        return made
    with transaction.atomic(savepoint=False):
        made.save(force_insert=True)
        AuditPersonal.objects.bulk_create(
            AuditPersonal(entry=made, name=name, salt=salts[name], value=value) for name, value in values.items()
        )
    return made


def entry(
    organization: Organization | int | None,
    *,
    actor: str,
    action: str,
    subject: str,
    detail: Mapping[str, Any] | None = None,
) -> AuditEntry:
    """Return an unsaved entry, for `record_many`."""
    origin = current_origin()
    return AuditEntry(
        organization_id=organization.pk if isinstance(organization, Organization) else organization,
        actor=actor[:200],
        action=action,
        subject=subject[:200],
        detail=shortened(detail or {}),
        channel=origin.channel,
        address=origin.address,
    )


def record_many(entries: Iterable[AuditEntry]) -> None:
    """Write entries without personal values, in the caller's transaction."""
    AuditEntry.objects.bulk_create(entries)


def forget(organization: Organization | int, subjects: Iterable[str]) -> None:
    """Delete the personal values of all entries about these objects. The entries and their chain stay as they are."""
    key = organization.pk if isinstance(organization, Organization) else organization
    AuditPersonal.objects.filter(entry__organization=key, entry__subject__in=list(subjects)).delete()


def commitment(salt: str, value: Any) -> str:
    """Return what an entry keeps of a personal value: without the salt nobody can guess it from this."""
    return hmac.new(bytes.fromhex(salt), canonical(value).encode(), hashlib.sha256).hexdigest()


def canonical(value: Any) -> str:
    """Return the JSON of a value in one form, whatever the database did with it."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def shortened(value: Any) -> Any:
    """Return the value as JSON holds it, with long texts cut."""
    return _cut(json.loads(json.dumps(value, cls=DjangoJSONEncoder)))


def _cut(value: Any) -> Any:
    if isinstance(value, str):
        return value if len(value) <= LONGEST else f"{value[: LONGEST - 1]}…"
    if isinstance(value, list):
        return [_cut(each) for each in value]
    return {name: _cut(each) for name, each in value.items()} if isinstance(value, dict) else value
