"""What calls add to the pages of provider accounts, assistants and caller numbers: figures and a test call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib import admin
from django.db import transaction
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from unfold.decorators import display

from calls.admin.setup import account_health, number_use
from calls.admin.shared.labels import budget, spent_text
from calls.gate.budgets import spending_today_through
from calls.models import Call, Status
from calls.outcomes import circuit_breaker
from calls.reports import unfed_rules
from calls.reports.account_stats import Health, health_of
from calls.reports.figures.caller_numbers import DAYS, Use, use_of
from campaigns.phones import national
from providers.admin.accounts import ProviderAccountAdmin
from providers.admin.assistants import AssistantAdmin
from providers.admin.numbers import PhoneNumberAdmin
from providers.models import Assistant, PhoneNumber, ProviderAccount
from tenants.backoffice.buttons import Step
from tenants.backoffice.local_time import local_time
from tenants.backoffice.scoped_admin import page_of
from tenants.policy import Action

admin.site.unregister([ProviderAccount, Assistant, PhoneNumber])


COLOURS = {colour: colour for colour in ("success", "warning", "danger")}


def _unblock(request: HttpRequest, obj: ProviderAccount, values: Mapping[str, Any]) -> str:
    with transaction.atomic():
        circuit_breaker.unblock(obj.pk)
        page_of(ProviderAccount).audit(request, obj, "unblocked", {"was": obj.blocked_code})
    return f"“{obj.name}” is unblocked and places calls again."


@admin.register(ProviderAccount)
class WorkingAccountAdmin(ProviderAccountAdmin):
    list_display = ("name", "provider_name", "health", "lines", "ended", "failed", "rate")
    steps = (
        Step(
            "unblock",
            "Unblock",
            Action.CHANGE_ACCOUNT,
            lambda obj: [
                f"Reason for the block: {obj.blocked_reason}",
                "The account places calls again within seconds. If the cause remains, it is blocked again.",
                "Campaigns that were paused by the block stay paused until you resume them.",
            ],
            _unblock,
            offered=lambda obj: obj.blocked(timezone.now()),
            tone="primary",
            icon="lock_open",
            button="Unblock (places calls again)",
        ),
        *ProviderAccountAdmin.steps,
    )

    def prepare_rows(self, request: HttpRequest, rows: Sequence[Any]) -> None:
        found = health_of(rows, timezone.now())
        for row in rows:
            row.found_health = found[row.pk]

    @display(description="status", label=COLOURS)
    def health(self, row: Any) -> tuple[str, str]:
        found = account_health.state_of(row, row.found_health, timezone.now())
        return found.colour, found.label

    @admin.display(description="calls under way")
    def lines(self, row: Any) -> str:
        found: Health = row.found_health
        overdue = f", {found.overdue:,} overdue" if found.overdue else ""
        return f"{found.lines:,} of {row.max_open_calls:,}{overdue}"

    @admin.display(description="ended in the last hour")
    def ended(self, row: Any) -> str:
        found: Health = row.found_health
        return f"{found.ended:,}"

    @admin.display(description="failed")
    def failed(self, row: Any) -> str:
        return account_health.failed(row.found_health)

    def panel_context(self, request: HttpRequest, obj: ProviderAccount) -> dict[str, Any]:
        now = timezone.now()
        listed = f"{reverse('admin:calls_call_changelist')}?account__id__exact={obj.pk}"
        today, limit = spending_today_through(obj, now), obj.daily_limit
        return {
            **super().panel_context(request, obj),
            "fares": account_health.row_of(obj, health_of([obj], now)[obj.pk], now),
            "calls_url": listed,
            "unconfirmed_url": f"{listed}&status__exact={Status.UNCONFIRMED.value}",
            "overdue_url": f"{listed}&overdue=yes",
            "spent": spent_text(today.used, today.calls),
            "budget": None if limit is None else budget(today.used, limit),
            "live": True,
        }


@admin.register(Assistant)
class CallingAssistantAdmin(AssistantAdmin):
    panel_template = "trunkline/assistant.html"

    def panel_context(self, request: HttpRequest, obj: Assistant) -> dict[str, Any]:
        """Add a form for a test call. It opens the launch page with the variables' examples filled in."""
        shown = {**super().panel_context(request, obj), "opt_out_faults": unfed_rules.opt_out_faults(obj)}
        if not obj.is_active or not obj.account.is_active or not self.holds(request, Action.LAUNCH_CALL, obj):
            return shown
        filled = {f"variable-{item['name']}": _example(item) for item in obj.variables or []}
        return shown | {
            "launch_url": reverse("admin:calls_call_launch"),
            "filled": {"assistant": str(obj.pk), **filled},
            "has_number": obj.account.phone_numbers.filter(is_active=True).exists(),
            "numbers_url": f"{reverse('admin:providers_phonenumber_add')}?account={obj.account_id}",
        }


def _example(item: Mapping[str, Any]) -> str:
    return str(item.get("example") or item.get("default") or "")


@admin.register(PhoneNumber)
class CallingNumberAdmin(PhoneNumberAdmin):
    list_display = ("number", "label", "account", "today", "answered", "rests", "is_active")
    panel_template = "trunkline/number.html"

    def prepare_rows(self, request: HttpRequest, rows: Sequence[Any]) -> None:
        now = timezone.now()
        found = use_of(rows, now)
        for row in rows:
            row.found_use = found.get(row.pk, Use())
            row.rests_until = number_use.rests_until(row, row.found_use, now)

    @admin.display(description="number")
    def number(self, row: PhoneNumber) -> str:
        return format_html('<span class="tl-nowrap">{}</span>', national(row.e164))

    @admin.display(description="calls in 24 hours")
    def today(self, row: Any) -> str:
        return number_use.used(row, row.found_use)

    @admin.display(description="answered in 7 days")
    def answered(self, row: Any) -> str:
        return number_use.answered(row.found_use)

    @admin.display(description="rests until")
    def rests(self, row: Any) -> str:
        return format_html('<span class="tl-nowrap">{}</span>', local_time(row.rests_until))

    def panel_context(self, request: HttpRequest, obj: PhoneNumber) -> dict[str, Any]:
        now = timezone.now()
        use = use_of([obj], now).get(obj.pk, Use())
        count = Call.objects.holding_a_line(now).filter(phone_number=obj).count()
        return {
            **super().panel_context(request, obj),
            "number": national(obj.e164),
            "lines": f"{count:,} of {obj.max_open_calls:,}" if obj.max_open_calls is not None else f"{count:,}",
            "today": number_use.used(obj, use),
            "answered": number_use.answered(use),
            "rests_until": str(local_time(number_use.rests_until(obj, use, now), "")),  # within a sentence
            "last": local_time(use.last, f"none in {DAYS} days"),
        }
