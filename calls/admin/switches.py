"""What execution adds to the pages of organizations, accounts, people and the do-not-call list."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from calls import accounts, budgets, campaign_actions
from calls.admin.people_steps import CONTACT_STEPS, hold_words
from calls.admin.recipient import call_rows
from calls.models import OPEN, Call, Status
from campaigns.admin.contact import ContactAdmin
from campaigns.admin.do_not_call import DoNotCallAdmin
from campaigns.models import Contact, DoNotCall
from campaigns.phones import national
from providers.admin import ProviderAccountAdmin
from providers.models import ProviderAccount
from tenants.admin import OrganizationAdmin
from tenants.models import Organization
from tenants.staff import Level, Step, page_of, reach_of

admin.site.unregister([Organization, ProviderAccount, Contact, DoNotCall])


def _stop(request: HttpRequest, obj: Organization, values: Mapping[str, Any]) -> str:
    campaign_actions.stop_all_calls(obj, actor=reach_of(request).actor)
    return f"All calls of {obj.name} are stopped: nothing further can be placed."


def _allow(request: HttpRequest, obj: Organization, values: Mapping[str, Any]) -> str:
    campaign_actions.allow_calls(obj, actor=reach_of(request).actor)
    return f"{obj.name} may place calls again."


def _stop_effect(obj: Organization) -> list[str]:
    going = Call.objects.open().filter(organization=obj).count()
    return [
        f"Nothing is placed for {obj.name} any more: no campaign, no single call, no program.",
        f"{going} calls under way go on to their end." if going else "No call is under way.",
        "Campaigns keep their state and go on when you allow calls again.",
    ]


@admin.register(Organization)
class SwitchedOrganizationAdmin(OrganizationAdmin):
    steps = (
        Step(
            "stop-calls",
            "Stop all calls",
            Level.OPERATOR,
            _stop_effect,
            _stop,
            offered=lambda obj: not obj.calls_stopped,
            tone="danger",
            icon="front_hand",
            button="Stop all calls now",
        ),
        Step(
            "allow-calls",
            "Allow calls again",
            Level.MANAGER,
            lambda obj: [f"Running campaigns and queued calls of {obj.name} go on within seconds."],
            _allow,
            offered=lambda obj: obj.calls_stopped,
            tone="primary",
            icon="call",
        ),
        *OrganizationAdmin.steps,
    )

    def save_model(self, request: HttpRequest, obj: Organization, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        budgets.look_again(obj)


def _unblock(request: HttpRequest, obj: ProviderAccount, values: Mapping[str, Any]) -> str:
    accounts.unblock(obj.pk)
    page_of(ProviderAccount).audit(request, obj, "unblocked", {"was": obj.blocked_code})
    return f"“{obj.name}” is unblocked and places calls again."


@admin.register(ProviderAccount)
class WorkingAccountAdmin(ProviderAccountAdmin):
    steps = (
        Step(
            "unblock",
            "Unblock",
            Level.MANAGER,
            lambda obj: [
                f"It was blocked because: {obj.blocked_reason}",
                "Unblocked, it places calls again within seconds. If the cause remains, it is blocked again.",
                "Campaigns that were paused with it stay paused until you resume them.",
            ],
            _unblock,
            offered=lambda obj: obj.blocked(timezone.now()),
            tone="primary",
            icon="lock_open",
            button="Unblock (places calls again)",
        ),
        *ProviderAccountAdmin.steps,
    )

    def save_model(self, request: HttpRequest, obj: ProviderAccount, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        budgets.look_again(obj.organization)

    def panel_context(self, request: HttpRequest, obj: ProviderAccount) -> dict[str, Any]:
        mine = Call.objects.filter(account=obj)
        doubtful = mine.filter(status=Status.UNCONFIRMED).count()
        listed = f"{reverse('admin:calls_call_changelist')}?account__id__exact={obj.pk}"
        return {
            **super().panel_context(request, obj),
            "open_calls": mine.filter(status__in=OPEN).count(),
            "unconfirmed": doubtful,
            "calls_url": listed,
            "unconfirmed_url": f"{listed}&status__exact={Status.UNCONFIRMED.value}",
        }


@admin.register(Contact)
class CalledContactAdmin(ContactAdmin):
    steps = CONTACT_STEPS

    def panel_context(self, request: HttpRequest, obj: Contact) -> dict[str, Any]:
        calls = obj.calls.select_related("campaign")[:25]
        return {
            **super().panel_context(request, obj),
            "hold": hold_words(obj) if obj.held(timezone.now()) else "",
            "calls": call_rows(calls),
            "calls_url": f"{reverse('admin:calls_call_changelist')}?contact__id__exact={obj.pk}",
            "launch_url": f"{reverse('admin:calls_call_launch')}?to_number={obj.phone.replace('+', '%2B')}",
        }

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and (obj is None or campaign_actions.may_delete(obj))


@admin.register(DoNotCall)
class SilencingDoNotCallAdmin(DoNotCallAdmin):
    def after_listing(self, request: HttpRequest, organization_id: int, phones: Collection[str]) -> None:
        going = list(campaign_actions.silence_numbers(organization_id, phones).values_list("to_number", flat=True)[:2])
        if going:
            one = f"A call to {national(going[0])} was" if len(going) == 1 else "Calls to some of these numbers were"
            messages.warning(request, f"{one} already under way, to go on to the end. No other is placed.")
