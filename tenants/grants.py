"""In which organizations a caller may do what: the rule that pages and the API share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from django.db.models import QuerySet

from tenants.models import Organization
from tenants.policy import Action, Grant


@dataclass(frozen=True)
class Grants:
    """What a caller may do: a grant for each organization that it can see, by internal key."""

    actor: str
    grants: Mapping[int, Grant] = field(default_factory=dict)

    def may(self, action: Action | None, organization_id: int | None = None) -> bool:
        """Return whether the caller may do the action in the organization, or in any organization when it is None."""
        if organization_id is None:
            return any(grant.may(action) for grant in self.grants.values())
        grant = self.grants.get(organization_id)
        return grant is not None and grant.may(action)

    def where(self, action: Action | None) -> list[int]:
        """Return the keys of the organizations in which the caller may do the action."""
        return [pk for pk, grant in self.grants.items() if grant.may(action)]

    def organizations(self, action: Action | None = Action.SEE) -> QuerySet[Organization]:
        return Organization.objects.filter(pk__in=self.where(action))
