"""The audit log: what a team member, a program or Trunkline itself did, and when."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tenants.models import AuditEntry, Organization


def record(
    organization: Organization | int | None,
    *,
    actor: str,
    action: str,
    subject: str,
    detail: Mapping[str, Any] | None = None,
) -> AuditEntry:
    """Write one entry, in the caller's transaction.

    `organization`: the object or its key, or None for an action on the whole installation. `action`: dotted, like
    `campaign.paused`. `subject`: the public id of the changed object. `detail`: JSON.
    """
    key = organization.pk if isinstance(organization, Organization) else organization
    return AuditEntry.objects.create(
        organization_id=key, actor=actor, action=action, subject=subject, detail=dict(detail or {})
    )
