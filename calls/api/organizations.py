"""Organizations, with the switch "Stop all calls"."""

from __future__ import annotations

from calls.actions import kill_switch
from tenants.api.organizations import OrganizationViewSet
from tenants.models import Organization


class CallingOrganizationViewSet(OrganizationViewSet):
    def switch_calls(self, organization: Organization, stopped: bool) -> None:
        switch = kill_switch.stop_all_calls if stopped else kill_switch.allow_calls
        switch(organization, actor=self.reach.actor)
