"""Organizations, with the switch that stops their calls."""

from __future__ import annotations

from calls import campaign_actions
from tenants.api import OrganizationViewSet
from tenants.models import Organization


class CallingOrganizationViewSet(OrganizationViewSet):
    def switch_calls(self, organization: Organization, stopped: bool) -> None:
        switch = campaign_actions.stop_all_calls if stopped else campaign_actions.allow_calls
        switch(organization, actor=self.reach.actor)
