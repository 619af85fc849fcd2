"""Which organizations a request can reach, and what it may do in each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from django.db import models
from rest_framework.exceptions import PermissionDenied

from tenants.models import ApiKey, Membership, Organization, Scope

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

M = TypeVar("M", bound=models.Model)

RANK = {Scope.READ: 1, Scope.CALL: 2, Scope.MANAGE: 3}
ROLE_SCOPE = {
    Membership.Role.VIEWER: Scope.READ,
    Membership.Role.OPERATOR: Scope.CALL,
    Membership.Role.MANAGER: Scope.MANAGE,
    Membership.Role.ADMIN: Scope.MANAGE,
}


@dataclass(frozen=True)
class Access:
    """What the caller may do: a scope for each organization it can see, by internal key.

    `home` is the organization of a new object that names none: the one chosen with X-Organization, or the only one
    possible. A tenant-level key has no home, even while its tenant has a single organization.
    """

    actor: str
    scopes: Mapping[int, Scope] = field(default_factory=dict)
    key: ApiKey | None = None
    home: Organization | None = None

    def may(self, scope: Scope, organization_id: int | None = None) -> bool:
        """Return whether the caller has the scope in the organization, or in any organization when it is None."""
        held = self.scopes.values() if organization_id is None else [self.scopes.get(organization_id)]
        return any(found is not None and RANK[found] >= RANK[scope] for found in held)

    def require(self, scope: Scope, organization: Organization) -> None:
        """Raise PermissionDenied if the caller lacks the scope, or if it writes and the organization is inactive."""
        if not self.may(scope, organization.pk):
            raise PermissionDenied("Insufficient permissions")
        if scope != Scope.READ and not organization.is_active:
            raise PermissionDenied("Organization is inactive")

    def organizations(self) -> models.QuerySet[Organization]:
        return Organization.objects.filter(pk__in=self.scopes)

    def visible(self, queryset: models.QuerySet[M], path: str = "organization") -> models.QuerySet[M]:
        """Return the rows of the caller's organizations. `path` is the lookup of a row's organization."""
        return queryset.filter(**{f"{path}__in": list(self.scopes)})

    def visible_rows(self, rows: Iterable[M]) -> list[M]:
        """Return those of the rows that belong to the caller's organizations."""
        return [row for row in rows if row.organization_id in self.scopes]  # type: ignore[attr-defined]


def access_of_key(key: ApiKey) -> Access:
    """Return the access of a key: one organization, or all organizations of its tenant for a tenant-level key."""
    scope = max((Scope(name) for name in key.scopes), key=RANK.__getitem__)
    if key.organization_id is not None:
        ids: Any = [key.organization_id]
    else:
        ids = Organization.objects.filter(tenant_id=key.tenant_id).values_list("pk", flat=True)
    return Access(actor=f"key {key.prefix}", scopes=dict.fromkeys(ids, scope), key=key, home=key.organization)


def access_of_user(user: AbstractBaseUser) -> Access:
    """Return the access of a team member: the organizations of the memberships, or all for a superuser."""
    actor = user.get_username()
    if not user.is_active:
        return Access(actor=actor)
    if getattr(user, "is_superuser", False):
        scopes = dict.fromkeys(Organization.objects.values_list("pk", flat=True), Scope.MANAGE)
    else:
        roles = Membership.objects.filter(user_id=user.pk).values_list("organization_id", "role")
        scopes = {pk: ROLE_SCOPE[Membership.Role(role)] for pk, role in roles}
    home = Organization.objects.get(pk=next(iter(scopes))) if len(scopes) == 1 else None
    return Access(actor=actor, scopes=scopes, home=home)
