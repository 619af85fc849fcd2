"""Organizations, with the switch "Stop all calls"."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from calls.actions import budget_watch, kill_switch
from tenants.api.organizations import OrganizationViewSet
from tenants.models import Organization


class CallingOrganizationViewSet(OrganizationViewSet):
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        answer = super().partial_update(request, *args, **kwargs)
        budget_watch.wake_recipients_waiting_for_budget(self.get_object())
        return answer

    def switch_calls(self, organization: Organization, stopped: bool) -> None:
        switch = kill_switch.stop_all_calls if stopped else kill_switch.allow_calls
        switch(organization, actor=self.reach.actor)
