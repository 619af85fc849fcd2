"""Remove a team member from an organization, and settle the API keys that the member made there."""

from __future__ import annotations

from enum import Enum

from tenants import key_owners
from tenants.models import ApiKey, Membership


class Keys(Enum):
    """What becomes of the keys that belong to the member."""

    REVOKE = "revoke"
    HAND_OVER = "hand-over"
    LEAVE = "leave"  # each is refused and revoked at its next use, unless the member is back by then


def remove(gone: Membership, *, actor: str, keys: Keys) -> list[ApiKey]:
    """Remove a member, who may have been removed a moment ago, in the caller's transaction.

    Return the keys of the organization that the member made and may still know. The audit log names them.
    """
    Membership.objects.filter(user=gone.user, organization=gone.organization_id).delete()
    for key in key_owners.keys_of(gone.user).filter(organization=gone.organization_id):
        if keys is Keys.HAND_OVER:
            key_owners.hand_over(key, actor)
        elif keys is Keys.REVOKE:
            key_owners.revoke(key, actor, "Its maker was removed from the organization.")
    known = list(key_owners.left_behind(gone.user, gone.organization_id))
    for key in known:
        key_owners.note_left_behind(key, actor)
    return known
