"""Which organizations a request may reach, and what it may do in each."""

from __future__ import annotations

from collections.abc import Mapping
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

    `home` is where new objects go that name nothing: the organization chosen, or the only one there can be. A
    tenant-level key has none, even while its tenant has a single organization.
    """

    actor: str
    scopes: Mapping[int, Scope] = field(default_factory=dict)
    key: ApiKey | None = None
    home: Organization | None = None

    def may(self, scope: Scope, organization_id: int | None = None) -> bool:
        """Whether the scope is held in one organization, or in any where none is named."""
        held = self.scopes.values() if organization_id is None else [self.scopes.get(organization_id)]
        return any(found is not None and RANK[found] >= RANK[scope] for found in held)

    def require(self, scope: Scope, organization: Organization) -> None:
        """Raises PermissionDenied unless the scope is held there and, for more than reading, it is active."""
        if not self.may(scope, organization.pk):
            raise PermissionDenied("Insufficient permissions")
        if scope != Scope.READ and not organization.is_active:
            raise PermissionDenied("Organization is inactive")

    def organizations(self) -> models.QuerySet[Organization]:
        return Organization.objects.filter(pk__in=self.scopes)

    def visible(self, queryset: models.QuerySet[M], path: str = "organization") -> models.QuerySet[M]:
        """The rows whose organization (found over `path`) this caller can see; the others do not exist."""
        return queryset.filter(**{f"{path}__in": list(self.scopes)})


def of_key(key: ApiKey) -> Access:
    """An organization-level key reaches one organization, a tenant-level key all of its tenant."""
    scope = max((Scope(name) for name in key.scopes), key=RANK.__getitem__)
    if key.organization_id is not None:
        ids: Any = [key.organization_id]
    else:
        ids = Organization.objects.filter(tenant_id=key.tenant_id).values_list("pk", flat=True)
    return Access(actor=f"key {key.prefix}", scopes=dict.fromkeys(ids, scope), key=key, home=key.organization)


def of_user(user: AbstractBaseUser) -> Access:
    """Staff reach the organizations they are members of, superusers all."""
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
