"""What calls add to the pages of organizations and the do-not-call list."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils import timezone

from calls.actions import kill_switch, quiescing
from calls.admin.shared.labels import budget
from calls.gate.budgets import spending_today
from calls.models import Call
from campaigns.admin.do_not_call import DoNotCallAdmin
from campaigns.models import DoNotCall
from campaigns.phones import national
from campaigns.wording import counted
from tenants.admin.organizations import OrganizationAdmin
from tenants.backoffice.buttons import Step
from tenants.backoffice.roles import reach_of
from tenants.models import Organization
from tenants.policy import Action

admin.site.unregister([Organization, DoNotCall])


def _stop(request: HttpRequest, obj: Organization, values: Mapping[str, Any]) -> str:
    kill_switch.stop_all_calls(obj, actor=reach_of(request).actor)
    return f"All calls of {obj.name} are stopped. It places no more calls."


def _allow(request: HttpRequest, obj: Organization, values: Mapping[str, Any]) -> str:
    kill_switch.allow_calls(obj, actor=reach_of(request).actor)
    return f"{obj.name} may place calls again."


def _stop_effect(obj: Organization) -> list[str]:
    count = Call.objects.open().filter(organization=obj).count()
    under_way = f"{counted(count, 'call')} under way continue{'s' if count == 1 else ''} to the end."
    return [
        f"{obj.name} places no more calls: no campaign, no single call, no call by API.",
        under_way if count else "No call is under way.",
        "Campaigns keep their status and continue when you allow calls again.",
    ]


@admin.register(Organization)
class SwitchedOrganizationAdmin(OrganizationAdmin):
    steps = (
        Step(
            "stop-calls",
            "Stop all calls",
            Action.STOP_CALLS,
            _stop_effect,
            _stop,
            offered=lambda obj: not obj.calls_stopped,
            tone="danger",
            icon="front_hand",
            button="Stop all calls now",
            stops=True,
        ),
        Step(
            "allow-calls",
            "Allow calls again",
            Action.ALLOW_CALLS,
            lambda obj: [f"Running campaigns and queued calls of {obj.name} continue within seconds."],
            _allow,
            offered=lambda obj: obj.calls_stopped,
            tone="primary",
            icon="call",
        ),
        *OrganizationAdmin.steps,
    )

    def panel_context(self, request: HttpRequest, obj: Organization) -> dict[str, Any]:
        found = super().panel_context(request, obj)
        if (limit := obj.daily_limit) is not None:
            found["budget"] = budget(spending_today(obj, timezone.now()).used, limit)
        return found


@admin.register(DoNotCall)
class SilencingDoNotCallAdmin(DoNotCallAdmin):
    def after_listing(self, request: HttpRequest, organization_id: int, phones: Collection[str]) -> None:
        open_calls = quiescing.silence_numbers(organization_id, phones).values_list("to_number", flat=True)
        numbers = list(open_calls[:2])
        if numbers:
            which = (
                f"A call to {national(numbers[0])} is" if len(numbers) == 1 else "Calls to some of these numbers are"
            )
            messages.warning(request, f"{which} under way and will continue to the end. No other call is placed.")
