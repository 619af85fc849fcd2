"""Which organizations a request can reach, and what it may do in each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from django.db import models
from rest_framework.exceptions import PermissionDenied

from tenants.grants import Grants
from tenants.models import ApiKey, Organization, levels_of
from tenants.policy import Action, Grant, scope_of

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

M = TypeVar("M", bound=models.Model)


@dataclass(frozen=True)
class Access(Grants):
    """What the caller of the API may do.

    `home` is the organization of a new object that names none: the one chosen with X-Organization, or the only one
    possible. A tenant-level key has no home, even while its tenant has a single organization.
    """

    key: ApiKey | None = None
    home: Organization | None = None

    def require(self, action: Action | None, organization: Organization) -> None:
        """Raise PermissionDenied if the caller may not do the action, or if it writes to an inactive organization."""
        if action is None or not self.may(action, organization.pk):
            raise PermissionDenied("Insufficient permissions")
        if not action.reads and not organization.is_active:
            raise PermissionDenied("Organization is inactive")

    def visible(
        self, queryset: models.QuerySet[M], path: str = "organization", action: Action = Action.SEE
    ) -> models.QuerySet[M]:
        """Return the rows of the organizations in which the caller may do `action`, which is one of seeing.

        `path` is the lookup of a row's organization.
        """
        return queryset.filter(**{f"{path}__in": self.where(action)})

    def visible_rows(self, rows: Iterable[M]) -> list[M]:
        """Return those of the rows that belong to the caller's organizations."""
        return [row for row in rows if self.may(Action.SEE, row.organization_id)]  # type: ignore[attr-defined]


def access_of_key(key: ApiKey) -> Access:
    """Return the access of a key: one organization, or all organizations of its tenant for a tenant-level key.

    A key of the organization may do what its scope allows. A maker's key may do no more than its maker may now.
    """
    level = key.level
    if level is None:
        return Access(actor=f"key {key.prefix}", key=key)
    if key.organization_id is not None:
        ids: Any = [key.organization_id]
    else:
        ids = Organization.objects.filter(tenant_id=key.tenant_id).values_list("pk", flat=True)
    grants = dict.fromkeys(ids, Grant(level, scope_of(key.scopes)))
    return Access(actor=f"key {key.prefix}", grants=grants, key=key, home=key.organization)


def access_of_user(user: AbstractBaseUser) -> Access:
    """Return the access of a team member: the organizations of the memberships, or all for a superuser."""
    grants = {pk: Grant(level) for pk, level in levels_of(user).items()}
    home = Organization.objects.get(pk=next(iter(grants))) if len(grants) == 1 else None
    return Access(actor=user.get_username(), grants=grants, home=home)
