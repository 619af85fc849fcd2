"""Admin pages of campaigns: the list, the page of one campaign with its buttons, and its live progress."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.contrib import admin, messages
from django.db.models import Exists, OuterRef, QuerySet, prefetch_related_objects
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from unfold.decorators import display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from calls.actions import campaign_edits, quiescing
from calls.admin.campaigns import finish_wording
from calls.admin.campaigns.button_effects import zone_choices
from calls.admin.campaigns.buttons import STEPS
from calls.admin.campaigns.figures import figures_of, forecast_of, settings_of
from calls.admin.campaigns.form import (
    DAYS,
    ZONE_FIELDS,
    CampaignForm,
    RetryInline,
    VariantInline,
    WindowInline,
    offer_once,
)
from calls.admin.campaigns.wizard import WizardPages
from calls.admin.campaigns.wizard_steps import continue_button
from calls.admin.people import recipient_list
from calls.admin.people.counts import funnel_rows
from calls.admin.shared.labels import (
    CAMPAIGN_COLOURS,
    CAMPAIGN_LABELS,
    OUTCOME_PARTS,
    RECIPIENT_PARTS,
    bar,
    budget,
    money,
)
from calls.gate import budgets
from calls.gate.selection import weighted_assistants
from calls.reports import calls_csv, preflight, results_csv, unfed_rules
from calls.reports.figures.recipients import counts_of
from calls.reports.idle_reasons import idle_reasons
from calls.reports.problem import Problem
from campaigns.models import Campaign, Recipient
from campaigns.rules.number_zones import country_name
from campaigns.wording import counted
from tenants import audit_changes
from tenants.backoffice.local_time import local_time, local_time_column
from tenants.backoffice.roles import reach_of
from tenants.policy import Action

S = Campaign.Status
UNFINISHED = {S.DRAFT, S.SCHEDULED, S.RUNNING, S.PAUSED}


def _idle(row: Mapping[str, Any]) -> dict[str, str]:
    return {
        "message": row["message"],
        "recipients": counted(row["count"], "recipient") if row["count"] else "",
        "until": local_time(row["until"], ""),
    }


def _idle_part(request: HttpRequest, obj: Campaign) -> dict[str, Any]:
    """Return why the campaign is not calling. For a draft: what prevents its start."""
    draft = obj.status == S.DRAFT
    return {
        "draft": draft,
        "problems": preflight.problems(obj) if draft else [],
        "unfed": _unfed(obj) if not draft and obj.status in UNFINISHED else [],
        "live": obj.status in UNFINISHED,
        "idle_url": request.path,
        "idle": [_idle(row) for row in idle_reasons(obj)],
    }


def _unfed(obj: Campaign) -> list[Problem]:
    return unfed_rules.problems(obj, [assistant for assistant, _ in weighted_assistants(obj)])


PARTS: dict[str, Callable[[HttpRequest, Campaign], dict[str, Any]]] = {
    "idle": _idle_part,
    "people": recipient_list.recipients_of,
    "forecast": lambda request, obj: forecast_of(obj, "all" in request.GET) | {"forecast_url": f"{request.path}?all"},
    "figures": lambda request, obj: figures_of(obj, ZoneInfo(reach_of(request).zone)),
    "settings": lambda request, obj: settings_of(obj),
}

FILES: dict[str, Callable[[Campaign, str], HttpResponseBase]] = {
    "results": lambda obj, actor: results_csv.download(obj, obj.recipients.all(), actor),
    "calls": lambda obj, actor: calls_csv.download(obj, obj.calls.all(), actor),
}


@admin.register(Campaign)
class CampaignAdmin(WizardPages):
    form = CampaignForm
    inlines = (WindowInline, RetryInline, VariantInline)
    add_action = change_action = delete_action = Action.CHANGE_CAMPAIGN
    add_title = "New campaign"
    empty_words = "No campaigns yet. A campaign calls the contacts on its lists, within the hours and rules you set."
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
        "calls_per_minute": "Maximum calls per minute",
        "max_open_calls": "Maximum calls under way",
        "callback_url": "Webhook address",
        "budget_currency": "Currency",
    }
    list_display = ("name", "state", "assistant", "started", "created")
    list_filter = ("status",)
    list_select_related = ("assistant", "organization")
    text_fields = ("name",)
    steps = STEPS
    panel_template = "trunkline/campaign.html"
    parts = tuple(PARTS)
    started = local_time_column("started_at", "started")
    created = local_time_column("created_at", "created")
    fieldsets = (
        (
            None,
            {"fields": ("name", "assistant", "assistant_weight", "phone_numbers", "number_choice", "contact_lists")},
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
            prefetch_related_objects([obj], "windows", "retry_rules", "phone_numbers", "contact_lists")
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
            return redirect(request.path)

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
            *(
                path(f"<int:pk>/{part}/", view(self.part_view), {"part": part}, name=f"{name}_{part}")
                for part in self.parts
            ),
        ]
        return [*ours, *super().get_urls()]

    def file_view(self, request: HttpRequest, pk: int, file: str) -> HttpResponseBase:
        obj = self.found(request, pk, Action.EXPORT)
        return self.not_found(request) if obj is None else FILES[file](obj, reach_of(request).actor)

    def part_view(self, request: HttpRequest, pk: int, part: str) -> HttpResponse:
        """Return a part of the page that loads after the rest, because it is slow or has pages of its own."""
        obj = self.found(request, pk)
        if obj is None and "HX-Request" in request.headers:
            return HttpResponse(status=204)  # the panel's own refresh leaves the page
        if obj is None:
            return self.not_found(request)
        return TemplateResponse(request, f"trunkline/campaign_{part}.html", PARTS[part](request, obj))

    def _panel(self, request: HttpRequest, obj: Campaign) -> dict[str, Any]:
        found = super()._panel(request, obj)
        if obj.status == S.DRAFT and self.has_change_permission(request, obj):
            found["steps"].insert(0, continue_button(obj))
        return found

    def panel_context(self, request: HttpRequest, obj: Campaign) -> dict[str, Any]:
        return {
            "campaign": obj,
            "live": obj.status in UNFINISHED,
            "label": obj.get_status_display(),
            "colour": CAMPAIGN_COLOURS[S(obj.status)],
            "launching": obj.status == S.RUNNING and obj.launched_at is None,
            "started": local_time(obj.started_at, "not yet"),
            "finished": local_time(obj.finished_at, ""),
            "zone_choices": zone_choices(obj),
            "starts": local_time(obj.starts_at, "") if obj.status == S.SCHEDULED else "",
            "folded": "" if obj.status == S.DRAFT else "Settings",
            "parts": [(part, self._part_url(request, obj, part)) for part in self.parts],
            **(self._progress(obj) if obj.status not in {S.DRAFT, S.SCHEDULED} else {}),
        }

    def _part_url(self, request: HttpRequest, obj: Campaign, part: str) -> str:
        asked = urlencode({name: request.GET[name] for name in recipient_list.ADDRESS if request.GET.get(name)})
        url = self.url(part, obj.pk)
        return f"{url}?{asked}" if part == "people" and asked else url

    def _progress(self, obj: Campaign) -> dict[str, Any]:
        """Return the progress of a started campaign for its panel."""
        counts = counts_of([obj.pk])[obj.pk]
        recipients, outcomes, total, done = counts.by("status", {}), counts.outcomes, counts.total, counts.done
        sums = budgets.sums_of([obj.pk])[obj.pk]
        recipients_url = f"{reverse('admin:campaigns_recipient_changelist')}?campaign__id__exact={obj.pk}"
        return {
            "every": recipient_list.refresh_seconds(total),
            "total": total,
            "total_shown": f"{total:,}",
            "done": f"{done.part:,}",
            "percent": done.whole_percent,
            "bar": bar({name: recipients[name] for name in RECIPIENT_PARTS}, RECIPIENT_PARTS),
            "recipients_url": recipients_url,
            "results_url": self.url("results", obj.pk),
            "calls_file_url": self.url("calls", obj.pk),
            "outcomes": bar({name: outcomes[name] for name in OUTCOME_PARTS}, OUTCOME_PARTS),
            "funnel": funnel_rows(counts) if total else [],
            "calls_url": f"{reverse('admin:calls_call_changelist')}?campaign__id__exact={obj.pk}",
            "attempts": f"{counts.attempts:,}",
            "open_calls": sums.open_calls,
            "overdue": sums.overdue_calls,
            "spent": money(sums.paid, obj.budget_currency),
            "estimated": money(sums.estimated, obj.budget_currency) if sums.estimated else "",
            "budget": budget(sums.used, obj.budget, obj.budget_currency) if obj.budget is not None else None,
        }
