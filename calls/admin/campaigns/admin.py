"""Admin pages of campaigns: the list, and the form of one campaign. `tabs` has the page around it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django.contrib import admin, messages
from django.db.models import Exists, OuterRef, QuerySet, prefetch_related_objects
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.urls import URLPattern, path
from unfold.decorators import display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from calls.actions import campaign_edits, quiescing
from calls.admin.campaigns import finish_wording, result_fields_page
from calls.admin.campaigns.buttons import STEPS
from calls.admin.campaigns.comparison import ComparisonPages
from calls.admin.campaigns.form import (
    DAYS,
    ZONE_FIELDS,
    CampaignForm,
    RetryInline,
    VariantInline,
    WindowInline,
    offer_once,
)
from calls.admin.campaigns.list_columns import ListColumns
from calls.admin.campaigns.tabs import TabbedPages
from calls.admin.shared.labels import CAMPAIGN_LABELS
from calls.reports import calls_csv, preflight, results_csv
from campaigns.models import Campaign, Recipient
from campaigns.rules.number_zones import country_name
from tenants import audit_changes
from tenants.backoffice.filters import CreatedFilter
from tenants.backoffice.lists import ScopedRelatedFilter
from tenants.backoffice.local_time import local_time_column
from tenants.backoffice.roles import reach_of
from tenants.policy import Action

S = Campaign.Status

FILES: dict[str, Callable[[Campaign, str], HttpResponseBase]] = {
    "results": lambda obj, actor: results_csv.download(obj, obj.recipients.all(), actor),
    "calls": lambda obj, actor: calls_csv.download(obj, obj.calls.all(), actor),
}


@admin.register(Campaign)
class CampaignAdmin(TabbedPages, ComparisonPages, ListColumns):
    form = CampaignForm
    inlines = (WindowInline, RetryInline, VariantInline)
    add_action = change_action = delete_action = Action.CHANGE_CAMPAIGN
    add_title = "New campaign"
    empty_words = (
        "No campaigns yet. A campaign calls the contacts of its lists and segments, within the hours and rules you set."
    )
    labels = {
        "assistant_weight": "Share of this assistant",
        "phone_numbers": "Caller numbers",
        "number_choice": "Choice of caller number",
        "placeholder_values": "Values that nobody means to speak",
        "starts_at": "Starts at",
        "ends_at": "Ends at",
        "timezone": "Campaign's time zone",
        "contact_zone_rule": "If a contact's time zone is none of its number's",
        "campaign_zone_reason": "Reason for the campaign's time zone",
        "legal_override": "Reason to call outside the legal hours",
        "max_attempts": "Maximum attempts per recipient",
        "min_gap_minutes": "Minimum minutes between calls",
        "try_next_number": "Try the next number",
        "ongoing": "Adds new contacts",
        "calls_per_minute": "Maximum calls per minute",
        "max_open_calls": "Maximum calls under way",
        "callback_url": "Webhook address",
        "budget_currency": "Currency",
    }
    list_display = ("name", "state", "progress", "answered", "spent", "started")
    list_filter = ("status", CreatedFilter, ("assistant", ScopedRelatedFilter))
    list_select_related = ("assistant", "organization")
    text_fields = ("name",)
    steps = STEPS
    started = local_time_column("started_at", "started")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "name",
                    "assistant",
                    "assistant_weight",
                    "phone_numbers",
                    "number_choice",
                    "contact_lists",
                    "segments",
                    "ongoing",
                )
            },
        ),
        ("Variables", {"fields": ("variables", "placeholder_values")}),
        ("Schedule", {"fields": ("starts_at", "ends_at", "holidays", "legal_override")}),
        ("Time zones", {"fields": ZONE_FIELDS}),
        (
            "Limits",
            {
                "fields": (
                    *("max_attempts", "min_gap_minutes", "try_next_number"),
                    *("calls_per_minute", "max_open_calls", "priority"),
                )
            },
        ),
        ("Budget and webhook", {"fields": ("budget", "budget_currency", "callback_url")}),
    )

    @display(description="status", label=CAMPAIGN_LABELS)
    def state(self, row: Campaign) -> str:
        return str(row.get_status_display())

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        held = Exists(Recipient.objects.filter(Recipient.HELD, campaign=OuterRef("pk")))  # for the buttons
        found = super().get_queryset(request).select_related("organization", "assistant__account")
        annotated: QuerySet[Any] = found.annotate(has_held=held)
        return annotated

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or obj.editable)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and (obj is None or obj.status == S.DRAFT)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None or self.has_change_permission(request, obj):
            swap = {"starts_at": "starts"} if obj is not None and obj.status == S.RUNNING else {}
            return [
                (title, {"fields": [swap.get(name, name) for name in part["fields"]]}) for title, part in self.fieldsets
            ]
        swap = {
            "variables": "variables_shown",
            "holidays": "holidays_shown",
            "campaign_zone_countries": "zone_countries_shown",
            "starts_at": "starts",
            "ends_at": "ends",
        }
        found = [
            (title, {"fields": [swap.get(name, name) for name in part["fields"]]}) for title, part in self.fieldsets
        ]
        parts: dict[str | None, list[str]] = {title: part["fields"] for title, part in found}
        parts["Schedule"].insert(0, "windows_shown")
        parts["Limits"].append("rules_shown")
        return found

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        return self.inlines if obj is None or self.has_change_permission(request, obj) else ()

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[str]:
        computed = ("variables_shown", "holidays_shown", "zone_countries_shown")
        shown = (*computed, "starts", "ends", "windows_shown", "rules_shown")
        return (*shown, "assistant") if obj is not None and obj.status == S.RUNNING else shown

    starts = local_time_column("starts_at", "Starts at")
    ends = local_time_column("ends_at", "Ends at")

    @admin.display(description="Variables")
    def variables_shown(self, row: Campaign) -> str:
        return ", ".join(f"{name}: {value}" for name, value in (row.variables or {}).items()) or "-"

    @admin.display(description="Calling windows")
    def windows_shown(self, row: Campaign) -> str:
        named = dict(DAYS)
        shown = [
            f"{' '.join(named[day] for day in named if day in each.days)} {each.as_window().text}"
            for each in row.windows.all()
        ]
        return "; ".join(shown) or "none"

    @admin.display(description="Retries")
    def rules_shown(self, row: Campaign) -> str:
        rules = [
            f"{rule.get_outcome_display()}: after {rule.wait_minutes} minutes, {rule.max_attempts} attempts in all"
            for rule in row.retry_rules.all()
        ]
        return "; ".join(rules) or "never"

    @admin.display(description="Countries called by the campaign's time zone")
    def zone_countries_shown(self, row: Campaign) -> str:
        return ", ".join(map(country_name, row.campaign_zone_countries)) or "-"

    @admin.display(description="Holidays")
    def holidays_shown(self, row: Campaign) -> str:
        return ", ".join(row.holidays or []) or "-"

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if db_field.name == "assistant":
            offer_once(field, request)
        return field

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Prefetch related rows for a read-only page, which shows some of them more than once."""
        obj = super().get_object(request, object_id, from_field)
        if obj is not None and request.method == "GET" and not self.has_change_permission(request, obj):
            prefetch_related_objects([obj], "windows", "retry_rules", "phone_numbers", "contact_lists", "segments")
        return obj

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        kwargs["widget"] = UnfoldAdminCheckboxSelectMultipleWidget()
        field = super().formfield_for_manytomany(db_field, request, **kwargs)
        if field is not None:
            field.help_text = ""
        return field

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """Save a change as one edit with one version; a refused change saves nothing. The wizard adds campaigns."""
        if object_id is None:
            return self.first_view(request)
        obj = self.get_object(request, object_id) if object_id and request.method == "POST" else None
        if obj is None:
            return super().changeform_view(request, object_id, form_url, extra_context)
        try:
            with campaign_edits.edit(obj, actor=reach_of(request).actor):
                return super().changeform_view(request, object_id, form_url, extra_context)
        except (quiescing.IllegalTransition, preflight.NotReady) as error:
            list(messages.get_messages(request))  # drop the message of success: the save was rolled back
            messages.error(request, f"Nothing was changed. {error}")
            return redirect(self.settings_url(obj))

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        context["adminform"].form.formsets = [each.formset for each in context["inline_admin_formsets"]]
        return super().render_change_form(request, context, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if not change:
            super().save_model(request, obj, form, change)
            campaign_edits.record_first_choices(obj, actor=reach_of(request).actor)
            return
        # Only the columns of the form: the engine may write the others at the same time.
        names = {field.name for field in obj._meta.concrete_fields}
        request._audited_before = audit_changes.before(obj, form.changed_data)  # type: ignore[attr-defined]
        if form.changed_data:
            obj.save(update_fields=[name for name in form.cleaned_data if name in names])

    def save_related(self, request: HttpRequest, form: Any, formsets: Sequence[Any], change: bool) -> None:
        super().save_related(request, form, formsets, change)
        if change:
            self.audit_change(request, form, formsets)

    def audit_change(self, request: HttpRequest, form: Any, formsets: Sequence[Any]) -> None:
        """Record which fields and which rows below the campaign were changed, if any."""
        given = [*form.changed_data, *(rows.prefix for rows in formsets if rows.has_changed())]
        if names := audit_changes.audited(form.instance, given):
            changes = audit_changes.since(request._audited_before, form.instance, names)  # type: ignore[attr-defined]
            self.audit(request, form.instance, "changed", {"fields": names}, changes)

    def get_urls(self) -> list[URLPattern]:
        view, name = self.admin_site.admin_view, "campaigns_campaign"
        ours = [
            *(
                path(f"<int:pk>/{file}.csv", view(self.file_view), {"file": file}, name=f"{name}_{file}")
                for file in FILES
            ),
            path("<int:pk>/end/", view(finish_wording.view), name=f"{name}_end"),
            path("<int:pk>/result-fields/", view(result_fields_page.view), name=f"{name}_result_fields"),
        ]
        return [*ours, *super().get_urls()]

    def file_view(self, request: HttpRequest, pk: int, file: str) -> HttpResponseBase:
        obj = self.found(request, pk, Action.EXPORT)
        return self.not_found(request) if obj is None else FILES[file](obj, reach_of(request).actor)
