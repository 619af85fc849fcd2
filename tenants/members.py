"""Change the members of an organization: its last admin stays, and the API keys of a removed member are settled."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from enum import Enum
from typing import Any

from django.db.models import Q

from tenants import key_owners
from tenants.models import ApiKey, Membership, Organization
from tenants.models.members import member_level


class Keys(Enum):
    """What becomes of the keys that belong to the member."""

    REVOKE = "revoke"
    HAND_OVER = "hand-over"
    LEAVE = "leave"  # each is refused and revoked at its next use, unless the member is back by then


def lock_with_admins(organization: Organization, users: Collection[Any]) -> list[Membership]:
    """Lock and return the memberships of these users and of the admins, in the caller's transaction.

    They are locked in one order for everybody. Whoever changes a role holds these locks, so that two who each take the
    role of another admin at once do not leave none.
    """
    theirs = Q(user__in=users) | Q(role=Membership.Role.ADMIN)
    rows = Membership.objects.filter(theirs, organization=organization).select_related("user").order_by("pk")
    return list(rows.select_for_update(of=("self",)))


def takes_last_admin(held: Iterable[Membership], given: Mapping[Any, str | None]) -> bool:
    """Return whether nobody could administer the organization any more.

    `held`: what `lock_with_admins` returned. `given`: the new roles, by user; None removes the user.
    """
    before = {row.user: row.role for row in held}
    return _have_admin(before) and not _have_admin({**before, **given})


def _have_admin(roles: Mapping[Any, str | None]) -> bool:
    """Return whether somebody of these is an admin who may sign in."""
    return any(role == Membership.Role.ADMIN and member_level(user, role) for user, role in roles.items())


def remove(gone: Membership, *, actor: str, keys: Keys) -> list[ApiKey]:
    """Remove a member, unless that was done a moment ago, in the caller's transaction.

    Return the keys of the organization that the member made and may still know. The audit log names them.
    """
    Membership.objects.filter(pk=gone.pk).delete()  # of the same user there may be another one by now
    for key in key_owners.keys_of(gone.user).filter(organization=gone.organization_id):
        if keys is Keys.HAND_OVER:
            key_owners.hand_over(key, actor)
        elif keys is Keys.REVOKE:
            key_owners.revoke(key, actor, "Its maker was removed from the organization.")
    known = list(key_owners.left_behind(gone.user, gone.organization_id))
    for key in known:
        key_owners.note_left_behind(key, actor)
    return known


def admins_of(organization: Organization) -> list[str]:
    """Return the names of the organization's admins, the first one first."""
    theirs = Membership.objects.filter(organization=organization, role=Membership.Role.ADMIN).order_by("pk")
    return list(theirs.values_list("user__username", flat=True))
