"""Campaigns and their recipients: the form, the buttons, the live progress."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from unfold.decorators import display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminTextInputWidget

from calls import budgets, campaign_actions, live_edits, results
from calls import forecast as forecasting
from calls.admin import words
from calls.admin.campaign_figures import FORECAST_AT_ONCE, figures_of
from calls.admin.people_steps import RECIPIENT_STEPS, call_back_link, hold_words
from calls.explain import explain
from calls.models import Call
from calls.progress import progress_of
from campaigns import variables
from campaigns.admin import NumberedAdmin
from campaigns.import_pages import both_spellings
from campaigns.models import CallingWindow, Campaign, CampaignVariant, ContactListMember, Recipient, RetryRule
from campaigns.windows import clock, parse_clock
from providers.models import Assistant
from tenants.staff import (
    Level,
    NotDone,
    ReadOnlyAdmin,
    ScopedAdmin,
    ScopedInline,
    Step,
    page_of,
    reach_of,
    utc,
    utc_column,
)
from tenants.staff_forms import CommaField, PairsField, ScopedForm

S = Campaign.Status
DAYS = [("mon", "Mon"), ("tue", "Tue"), ("wed", "Wed"), ("thu", "Thu"), ("fri", "Fri"), ("sat", "Sat"), ("sun", "Sun")]


class ClockField(forms.CharField):
    """Minutes after midnight, written HH:MM."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "09:00", "class": "tl-clock"}),
            **kwargs,
        )

    def prepare_value(self, value: Any) -> Any:
        return clock(value) if isinstance(value, int) else value

    def clean(self, value: Any) -> Any:
        return parse_clock(super().clean(value).strip())

    def has_changed(self, initial: Any, data: Any) -> bool:
        return (clock(initial) if isinstance(initial, int) else initial or "") != (data or "").strip()


class WindowForm(forms.ModelForm):  # type: ignore[type-arg]
    days = forms.MultipleChoiceField(choices=DAYS, widget=UnfoldAdminCheckboxSelectMultipleWidget())
    opens = ClockField()
    closes = ClockField(help_text="24:00 is midnight; earlier than the opening: the day after.")

    class Meta:
        model = CallingWindow
        fields = ("days", "opens", "closes")

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        if "opens" in values and values.get("opens") == values.get("closes"):
            raise ValidationError("A window opens and closes at different times.")
        if values.get("opens") == 24 * 60:
            self.add_error("opens", "Write 00:00 for midnight.")
        return values

    def has_changed(self) -> bool:
        # The window that is proposed for a new campaign is kept when nobody touches it.
        return super().has_changed() or bool(not self.instance.pk and self.is_bound and self._raw_days())

    def _raw_days(self) -> Any:
        return self.fields["days"].widget.value_from_datadict(self.data, self.files, self.add_prefix("days"))


class WindowInline(ScopedInline):
    model = CallingWindow
    verbose_name = "window"
    hide_title = True
    form = WindowForm
    verbose_name_plural = "Calling windows, in the time of the person called"

    def get_extra(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> int:
        return 1 if obj is None else 0


class RetryInline(ScopedInline):
    model = RetryRule
    verbose_name = "rule"
    hide_title = True
    fields = ("outcome", "wait_minutes", "multiplier", "max_wait_minutes", "other_time_of_day", "max_attempts")
    verbose_name_plural = "Calling again"

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        labels = {
            "outcome": "After",
            "wait_minutes": "Wait (minutes)",
            "multiplier": "Each wait times",
            "max_wait_minutes": "Wait at most (minutes)",
            "other_time_of_day": "Another time of day",
            "max_attempts": "Calls in all",
        }
        if field is not None:
            field.label = labels.get(db_field.name, field.label)
        return field


class VariantInline(ScopedInline):
    model = CampaignVariant
    verbose_name = "assistant"
    hide_title = True
    fields = ("assistant", "weight")
    verbose_name_plural = "Other assistants, by their share of the people; 0 only where no other can call"

    def get_field_queryset(self, db: Any, db_field: Any, request: HttpRequest) -> Any:
        return page_of(Campaign).get_field_queryset(db, db_field, request)  # of this organization alone

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        for name in ("can_add_related", "can_change_related", "can_delete_related", "can_view_related"):
            if field is not None and hasattr(field.widget, name):
                setattr(field.widget, name, False)
        return field


class CampaignForm(ScopedForm):
    variables = PairsField(
        value_title="What the assistant is told",
        placeholder="Text, or {{ contact.variables.slot }}",
        help_text="{{ contact.name }}, {{ contact.phone }}, {{ contact.external_id }} and {{ contact.variables.NAME }} "
        'stand for the person called, each perhaps with |default:"text". Rows left empty are not sent.',
    )
    holidays = CommaField(help_text="Days on which nobody is called, like 2026-12-25, 2027-01-01.")

    class Meta:
        model = Campaign
        exclude = ("organization",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk and self.instance.assistant and "variables" in self.fields:
            given = dict(self.instance.variables or {})
            blank = {item["name"]: "" for item in self.instance.assistant.variables or []}
            self.initial["variables"] = blank | given
        # Only now is the organization known by which the instance is judged.
        if "assistant" in self.fields:
            self.fields["assistant"].required = False

    def clean_variables(self) -> dict[str, str]:
        values: dict[str, str] = self.cleaned_data["variables"]
        if faults := variables.faults(values):
            raise ValidationError(list(faults.values()))
        return values

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        assistant = values.get("assistant", self.instance.assistant)
        others = self._others()
        if assistant in others:
            self.add_error(None, "The campaign's assistant stands among the other assistants as well.")
        accounts = {one.account_id for one in (assistant, *others) if one}
        strange = [row for row in values.get("phone_numbers") or [] if accounts and row.account_id not in accounts]
        if strange:
            names = ", ".join(row.e164 for row in strange)
            self.add_error("phone_numbers", f"{names} is not at the account of one of the campaign's assistants.")
        if values.get("starts_at") and values.get("ends_at") and values["ends_at"] <= values["starts_at"]:
            self.add_error("ends_at", "The campaign ends before it starts.")
        return values

    def _others(self) -> list[Assistant]:
        """The assistants that the rows below the form name: the caller numbers may be of their accounts."""
        named = [name for name in self.data if re.fullmatch(r"variants-\d+-assistant", name)]
        kept = [name for name in named if f"{name.removesuffix('assistant')}DELETE" not in self.data]
        ids = [self.data[name] for name in kept if self.data[name].isdecimal()]
        return list(Assistant.objects.filter(pk__in=ids, organization=self.instance.organization_id))


def _do(action: Callable[..., None], sentence: str) -> Callable[[HttpRequest, Any, Mapping[str, Any]], str]:
    def perform(request: HttpRequest, obj: Campaign, values: Mapping[str, Any]) -> str:
        try:
            action(obj, actor=reach_of(request).actor)
        except campaign_actions.NotReady as error:
            faults = [problem.message for problem in error.problems if problem.severity == "error"]
            raise NotDone(f"The campaign cannot start yet. {' '.join(faults)}") from error
        except campaign_actions.IllegalNow as error:
            raise NotDone(str(error)) from error
        obj.refresh_from_db()
        return sentence.format(name=obj.name, status=obj.get_status_display().lower(), starts=utc(obj.starts_at))

    return perform


def _start_effect(obj: Campaign) -> list[str]:
    people = ContactListMember.objects.filter(contact_list__campaigns=obj)[:100_001].count()
    shown = "more than 100,000" if people > 100_000 else f"{people:,}"
    found = [f"{shown} entries on its lists are called, each person once, within the calling windows and the rules."]
    if obj.starts_at:
        found.append(f"The first call is placed from {utc(obj.starts_at)} on, or at once when that is past.")
    else:
        found.append("The first calls are placed within seconds.")
    problems = campaign_actions.problems(obj)
    if people <= FORECAST_AT_ONCE:
        seen = forecasting.forecast(obj, timezone.now())
        problems += forecasting.warnings(seen)
        if seen.finishes_at:
            found.append(f"It probably ends at {utc(seen.finishes_at)}, after about {seen.calls:,} calls.")
        if seen.cost_high is not None:
            found.append(f"It costs {words.money(seen.cost_high, seen.currency)} at most.")
    return found + [problem.message for problem in problems]


def _open_calls(obj: Campaign) -> str:
    count = obj.calls.open().count()
    return (
        f"{count} call{'s' if count != 1 else ''} under way go{'es' if count == 1 else ''} on to the end."
        if count
        else "No call is under way."
    )


def _cancel_effect(obj: Campaign) -> list[str]:
    waiting = obj.recipients.filter(status__in=[Recipient.Status.PENDING, Recipient.Status.WAITING])[:100_001].count()
    return [
        f"{waiting:,} people who are still to be called are not called any more.",
        _open_calls(obj),
        "This cannot be undone. To stop for a while, pause the campaign instead.",
    ]


STEPS = (
    Step(
        "start",
        "Start",
        Level.OPERATOR,
        _start_effect,
        _do(campaign_actions.start, "“{name}” is {status}."),
        offered=lambda obj: obj.status == S.DRAFT,
        tone="primary",
        icon="play_arrow",
        button="Start calling",
    ),
    Step(
        "pause",
        "Pause",
        Level.OPERATOR,
        lambda obj: ["No further call of this campaign is placed until you resume it.", _open_calls(obj)],
        _do(campaign_actions.pause, "“{name}” is paused. Nothing of it can be placed any more."),
        offered=lambda obj: obj.status in {S.RUNNING, S.SCHEDULED},
        icon="pause",
        button="Pause the campaign",
    ),
    Step(
        "resume",
        "Resume",
        Level.OPERATOR,
        lambda obj: ["Calls go on within seconds, within the calling windows and the rules."],
        _do(campaign_actions.resume, "“{name}” is {status} again."),
        offered=lambda obj: obj.status == S.PAUSED,
        tone="primary",
        icon="play_arrow",
        button="Resume calling",
    ),
    Step(
        "refresh",
        "Take in new people",
        Level.OPERATOR,
        lambda obj: [
            "Whoever was put on one of its lists since it started is called, too. Nobody is called twice for it.",
            "Who was withdrawn stays withdrawn.",
        ],
        _do(live_edits.refresh, "“{name}” takes in the people added to its lists."),
        offered=lambda obj: obj.status in {S.RUNNING, S.PAUSED},
        icon="group_add",
        button="Take them in",
    ),
    Step(
        "cancel",
        "Cancel campaign",
        Level.OPERATOR,
        _cancel_effect,
        _do(campaign_actions.cancel, "“{name}” is canceled for good."),
        offered=lambda obj: obj.status in {S.DRAFT, S.SCHEDULED, S.RUNNING, S.PAUSED},
        tone="danger",
        icon="stop",
        button="Cancel the campaign for good",
    ),
)


def _budget(obj: Campaign) -> dict[str, Any] | None:
    """How much of it is gone; None without one."""
    if obj.budget is None:
        return None
    used = budgets.spent_on(obj)
    return words.budget(used, obj.budget, obj.budget_currency)


def _idle(row: Mapping[str, Any]) -> dict[str, str]:
    return {
        "message": row["message"],
        "people": words.people(row["count"]) if row["count"] else "",
        "until": utc(row["until"], ""),
    }


@admin.register(Campaign)
class CampaignAdmin(ScopedAdmin):
    form = CampaignForm
    inlines = (WindowInline, RetryInline, VariantInline)
    add_title = "New campaign"
    empty_words = "A campaign calls everybody on a list, within hours and rules that you set."
    labels = {
        "assistant_weight": "Share of this assistant",
        "phone_numbers": "Caller numbers",
        "number_choice": "Which of them calls",
        "starts_at": "Starts at",
        "ends_at": "Ends at",
        "legal_override": "Reason to call outside the legal hours",
        "max_attempts": "Calls to one person at most",
        "min_gap_minutes": "Minutes between two calls",
        "calls_per_minute": "Calls per minute at most",
        "max_open_calls": "Calls under way at most",
        "callback_url": "Webhook address",
        "budget_currency": "Currency",
    }
    list_display = ("name", "state", "assistant", "begun", "made")
    list_filter = ("status",)
    list_select_related = ("assistant", "organization")
    text_fields = ("name",)
    steps = STEPS
    panel_template = "trunkline/campaign.html"
    begun = utc_column("started_at", "started")
    made = utc_column("created_at", "made")
    fieldsets = (
        (
            None,
            {"fields": ("name", "assistant", "assistant_weight", "phone_numbers", "number_choice", "contact_lists")},
        ),
        ("What the assistant is told", {"fields": ("variables",)}),
        ("When", {"fields": ("starts_at", "ends_at", "timezone", "holidays", "legal_override")}),
        (
            "How often",
            {"fields": ("max_attempts", "min_gap_minutes", "calls_per_minute", "max_open_calls", "priority")},
        ),
        ("Budget and reports", {"fields": ("budget", "budget_currency", "callback_url")}),
    )

    @display(description="status", label=words.CAMPAIGN_LABELS)
    def state(self, row: Campaign) -> str:
        return str(row.get_status_display())

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("organization", "assistant__account")

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
        swap = {"variables": "variables_shown", "holidays": "holidays_shown", "starts_at": "starts", "ends_at": "ends"}
        found = [
            (title, {"fields": [swap.get(name, name) for name in part["fields"]]}) for title, part in self.fieldsets
        ]
        found[2][1]["fields"].insert(0, "windows_shown")
        found[3][1]["fields"].append("rules_shown")
        return found

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        return self.inlines if obj is None or self.has_change_permission(request, obj) else ()

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[str]:
        shown = ("variables_shown", "holidays_shown", "starts", "ends", "windows_shown", "rules_shown")
        return (*shown, "assistant") if obj is not None and obj.status == S.RUNNING else shown

    starts = utc_column("starts_at", "Starts at")
    ends = utc_column("ends_at", "Ends at")

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

    @admin.display(description="Calling again")
    def rules_shown(self, row: Campaign) -> str:
        rules = [
            f"{rule.get_outcome_display()}: after {rule.wait_minutes} minutes, {rule.max_attempts} calls in all"
            for rule in row.retry_rules.all()
        ]
        return "; ".join(rules) or "never"

    @admin.display(description="Holidays")
    def holidays_shown(self, row: Campaign) -> str:
        return ", ".join(row.holidays or []) or "-"

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        kwargs["widget"] = UnfoldAdminCheckboxSelectMultipleWidget()
        field = super().formfield_for_manytomany(db_field, request, **kwargs)
        if field is not None:
            field.help_text = ""
        return field

    def get_formset_kwargs(self, request: HttpRequest, obj: Any, inline: Any, prefix: str) -> dict[str, Any]:
        found: dict[str, Any] = super().get_formset_kwargs(request, obj, inline, prefix)
        if isinstance(inline, WindowInline) and not obj.pk:
            found["initial"] = [{"days": ["mon", "tue", "wed", "thu", "fri"], "opens": 9 * 60, "closes": 19 * 60}]
        return found

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """A change is one edit, with its version; what is refused leaves nothing behind."""
        obj = self.get_object(request, object_id) if object_id and request.method == "POST" else None
        if obj is None:
            return super().changeform_view(request, object_id, form_url, extra_context)
        try:
            with live_edits.edit(obj, actor=reach_of(request).actor):
                return super().changeform_view(request, object_id, form_url, extra_context)
        except (campaign_actions.IllegalNow, campaign_actions.NotReady) as error:
            list(messages.get_messages(request))  # what was said of a success that is none
            messages.error(request, f"Nothing was changed. {error}")
            return redirect(request.path)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if not change:
            super().save_model(request, obj, form, change)
            if obj.legal_override:
                self.audit(request, obj, "legal_override", {"reason": obj.legal_override})
            return
        # The form's own columns: the engine writes the others meanwhile.
        names = {field.name for field in obj._meta.concrete_fields}
        obj.save(update_fields=[name for name in form.cleaned_data if name in names])
        self.audit(request, obj, "changed", {"fields": form.changed_data})

    def get_urls(self) -> list[URLPattern]:
        view, name = self.admin_site.admin_view, "campaigns_campaign"
        ours = [
            path("<int:pk>/results.csv", view(self.results_view), name=f"{name}_results"),
            path("<int:pk>/figures/", view(self.figures_view), name=f"{name}_figures"),
        ]
        return [*ours, *super().get_urls()]

    def results_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        obj = self.found(request, pk)
        if obj is None:
            return self.not_found(request)
        return results.download(obj, obj.recipients.all(), reach_of(request).actor)

    def figures_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The part of the page that takes longer; it comes after the rest."""
        obj = self.found(request, pk)
        if obj is None:
            return self.not_found(request)
        return TemplateResponse(request, "trunkline/campaign_figures.html", figures_of(obj))

    def panel_context(self, request: HttpRequest, obj: Campaign) -> dict[str, Any]:
        found = progress_of([obj])[obj.pk]
        recipients: Mapping[str, int] = found["recipients"]
        outcomes: Mapping[str, int] = found["outcomes"]
        total = sum(recipients.values())
        over = total - sum(recipients[name] for name in ("pending", "calling", "waiting", "review"))
        people = f"{reverse('admin:campaigns_recipient_changelist')}?campaign__id__exact={obj.pk}"
        parts = {name: recipients[name] for name in words.RECIPIENT_PARTS}
        spent: Mapping[str, str] = found["spent"]
        return {
            "campaign": obj,
            "live": obj.status in {S.RUNNING, S.PAUSED, S.SCHEDULED},
            "label": obj.get_status_display(),
            "colour": words.CAMPAIGN_COLOURS[S(obj.status)],
            "total": total,
            "over": over,
            "percent": over * 100 // total if total else 0,
            "bar": words.bar(parts, words.RECIPIENT_PARTS),
            "people_url": people,
            "results_url": self.url("results", obj.pk),
            "outcomes": words.bar(outcomes, words.OUTCOME_PARTS),
            "calls_url": f"{reverse('admin:calls_call_changelist')}?campaign__id__exact={obj.pk}",
            "attempts": found["attempts"],
            "open_calls": found["open_calls"],
            "spent": words.money(spent["amount"], spent["currency"]),
            "budget": _budget(obj),
            "idle": [_idle(row) for row in found["idle_reasons"]],
            "problems": campaign_actions.problems(obj) if obj.status == S.DRAFT else [],
            "launching": obj.status == S.RUNNING and obj.launched_at is None,
            "started": utc(obj.started_at, "not yet"),
            "finished": utc(obj.finished_at, ""),
            "starts": utc(obj.starts_at, "") if obj.status == S.SCHEDULED else "",
            "figures_url": self.url("figures", obj.pk),
        }


@admin.register(Recipient)
class RecipientAdmin(ReadOnlyAdmin, NumberedAdmin):
    organization_path = "campaign__organization"
    list_display = ("number", "name", "state", "outcome_shown", "attempts", "next_attempt", "of_campaign")
    list_filter = ("status",)
    list_lookups = ("campaign", "status", "outcome")
    list_select_related = ("campaign", "contact")
    number_fields = ("contact__phone",)
    ordering = ("-id",)
    empty_words = "Nobody here. A campaign's people appear when it starts."
    panel_only = True
    panel_template = "trunkline/recipient.html"
    steps = RECIPIENT_STEPS
    next_attempt = utc_column("next_attempt_at", "next call from")

    @admin.display(description="number")
    def number(self, row: Recipient) -> str:
        return both_spellings(row.contact.phone)

    @admin.display(description="name")
    def name(self, row: Recipient) -> str:
        return row.contact.name or "-"

    @admin.display(description="campaign")
    def of_campaign(self, row: Recipient) -> str:
        return row.campaign.name

    @display(description="state", label=words.RECIPIENT_LABELS)
    def state(self, row: Recipient) -> str:
        return str(row.get_status_display())

    @admin.display(description="outcome")
    def outcome_shown(self, row: Recipient) -> str:
        return ", ".join(part for part in (words.reason(row.outcome), words.reason(row.reason)) if part) or "-"

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return [(None, {"fields": []})]

    def panel_context(self, request: HttpRequest, obj: Recipient) -> dict[str, Any]:
        calls = Call.objects.filter(recipient=obj).select_related("account")[:50]
        promised = obj.call_backs.first()
        found = explain(obj)
        verdict, colour = {
            "allow": ("May be called now", "success"),
            "defer": ("Has to wait", "warning"),
            "skip": ("Is not called", "danger"),
        }[found.decision]
        return {
            "label": verdict,
            "colour": colour,
            "until": utc(found.until, ""),
            "checks": [
                {"name": words.check_name(check.name), "ok": check.result == "allow", "detail": check.detail}
                for check in found.checks
            ],
            "facts": [
                ("Person", (reverse("admin:campaigns_contact_change", args=[obj.contact_id]), str(obj.contact))),
                ("Campaign", (reverse("admin:campaigns_campaign_change", args=[obj.campaign_id]), obj.campaign.name)),
                ("State", obj.get_status_display()),
                ("Outcome", words.reason(obj.outcome) or "-"),
                ("Reason", words.reason(obj.reason) or "-"),
                ("Calls made", obj.attempts),
                ("Next call from", utc(obj.next_attempt_at)),
                ("Call-back", call_back_link(promised)),
                ("Hold", hold_words(obj.contact)),
            ],
            "calls": call_rows(calls),
        }


def call_rows(calls: Any) -> list[dict[str, Any]]:
    """Calls as a small table on another object's page."""
    return [
        {
            "url": reverse("admin:calls_call_change", args=[call.pk]),
            "at": utc(call.created_at),
            "badge": words.badge(call),
            "what": words.duration(call.duration_seconds)
            if call.duration_seconds
            else words.reason(call.ended_reason) or "-",
            "campaign": call.campaign.name if call.campaign_id and call.campaign else "single call",
        }
        for call in calls
    ]
