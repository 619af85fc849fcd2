"""Launch a call: one form whose fields come from the assistant chosen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminSplitDateTimeWidget

from calls import gate, ordering
from calls.admin import words
from calls.models import Call
from campaigns.phones import NotCallable, normalise
from providers.models import Assistant, PhoneNumber
from tenants.staff import Level, NotDone, page_of, reach_of, utc
from tenants.staff_forms import text_field

CHOICES = 500


class LaunchForm(forms.Form):
    to_number = text_field("Number to call", required=True, help_text="As you would dial it, or with its country.")
    customer_name = text_field("Name of the person", max_length=200)
    not_before = forms.SplitDateTimeField(
        label="Not before (UTC)",
        required=False,
        widget=UnfoldAdminSplitDateTimeWidget(),
        help_text="Empty: now. A call that has found no moment within an hour is dropped.",
    )

    def __init__(
        self, assistants: QuerySet[Assistant], assistant: Assistant | None, data: Any = None, initial: Any = None
    ) -> None:
        super().__init__(data, initial=initial)
        self.assistant = assistant
        own = dict(self.fields)
        self.fields.clear()
        several = len({row.organization_id for row in assistants}) > 1
        choices = [(str(row.pk), f"{row.name} ({row.organization})" if several else row.name) for row in assistants]
        self.fields["assistant"] = forms.ChoiceField(
            label="Assistant",
            choices=[("", "Choose who speaks"), *choices],
            initial=str(assistant.pk) if assistant else "",
            widget=UnfoldAdminSelectWidget(
                attrs={
                    "hx-get": reverse("admin:calls_call_launch_fields"),
                    "hx-target": "#launch-fields",
                    "hx-include": "#launch-form",
                    "hx-trigger": "change",
                }
            ),
        )
        if assistant is None:
            return
        numbers = PhoneNumber.objects.filter(account=assistant.account_id, is_active=True)[:CHOICES]
        self.numbers = {str(row.pk): row for row in numbers}
        self.fields["phone_number"] = forms.ChoiceField(
            label="Caller number",
            choices=[(key, str(row)) for key, row in self.numbers.items()],
            widget=UnfoldAdminSelectWidget(),
        )
        self.fields |= own
        for item in assistant.variables or []:
            needed = bool(item.get("required")) and not item.get("default")
            field = text_field(item["name"], required=needed, help_text=_help(item), initial=item.get("default") or "")
            field.widget.attrs["placeholder"] = item.get("example") or ""
            self.fields[f"variable-{item['name']}"] = field

    @property
    def call_fields(self) -> list[Any]:
        return [self[name] for name in self.fields if name != "assistant" and not name.startswith("variable-")]

    @property
    def variable_fields(self) -> list[Any]:
        return [self[name] for name in self.fields if name.startswith("variable-")]

    def clean_to_number(self) -> str:
        if self.assistant is None:
            return ""
        organization = self.assistant.organization
        try:
            return normalise(
                self.cleaned_data["to_number"], organization.default_region, organization.callable_countries
            )
        except NotCallable as error:
            raise forms.ValidationError(str(error)) from error

    def clean_not_before(self) -> Any:
        moment = self.cleaned_data["not_before"]
        return moment if moment and moment > timezone.now() else None

    def order(self, actor: str) -> ordering.Order:
        values = self.cleaned_data
        assert self.assistant is not None  # noqa: S101 (a form without an assistant is never valid)
        given = {
            name.removeprefix("variable-"): value
            for name, value in values.items()
            if name.startswith("variable-") and value
        }
        return ordering.Order(
            organization=self.assistant.organization,
            assistant=self.assistant,
            phone_number=self.numbers[values["phone_number"]],
            to_number=values["to_number"],
            customer_name=values["customer_name"],
            dynamic_variables=given,
            not_before=values["not_before"],
            created_by=actor,
        )


def _help(item: Mapping[str, Any]) -> str:
    example = f"For example: {item['example']}" if item.get("example") else ""
    description = str(item.get("description") or "").rstrip(".")
    return ". ".join(part for part in (description, example) if part)


def _assistants(request: HttpRequest) -> QuerySet[Assistant]:
    mine = reach_of(request).organizations(Level.OPERATOR)
    found = Assistant.objects.filter(organization__in=mine, is_active=True, account__is_active=True)
    return found.select_related("account", "organization").order_by("organization_id", "name")[:CHOICES]


def _form(request: HttpRequest, data: Any, initial: Any = None) -> LaunchForm:
    assistants = _assistants(request)
    given = (data or initial or {}).get("assistant", "")
    chosen = next((row for row in assistants if str(row.pk) == given), None)
    if chosen is None and not given and len(assistants) == 1:
        chosen = assistants[0]
    return LaunchForm(assistants, chosen, data, initial)


def fields_view(request: HttpRequest) -> HttpResponse:
    """The fields of the assistant just chosen; what was typed stays."""
    if not reach_of(request).has(Level.OPERATOR):
        raise PermissionDenied
    form = _form(request, None, request.GET.dict())
    return TemplateResponse(request, "trunkline/launch_fields.html", {"form": form})


def view(request: HttpRequest) -> HttpResponse:
    """Order one call, or ask what the rules say about it."""
    if not reach_of(request).has(Level.OPERATOR):
        raise PermissionDenied
    page = page_of(Call)
    decision, refusal = None, ""
    if request.method == "POST":
        form = _form(request, request.POST)
        if form.is_valid() and form.assistant is not None:
            order = form.order(reach_of(request).actor)
            if "_check" in request.POST:
                decision = ordering.preview(order)
            else:
                try:
                    call = placed(order)
                except NotDone as error:
                    refusal = str(error)
                except ordering.MissingVariables as error:
                    for name in error.names:
                        form.add_error(f"variable-{name}", "The assistant needs this.")
                else:
                    messages.success(request, "The call is ordered. This page follows it.")
                    return redirect(page.url("change", call.pk))
    else:
        form = _form(request, None, request.GET.dict())
    return page.page(
        request,
        "trunkline/launch.html",
        "Launch a call",
        form=form,
        refusal=refusal,
        decision=_shown(decision) if decision else None,
        none_yet=not _assistants(request),
        media=form.media,
        calls_url=page.url("changelist"),
    )


def placed(order: ordering.Order) -> Call:
    """Order the call. Raises NotDone with the reason in words, MissingVariables."""
    if not order.organization.is_active:
        raise NotDone("The organization is inactive: it places no calls.")
    try:
        return ordering.place_single(order)
    except ordering.Refused as error:
        raise NotDone(f"{error} It is allowed from {utc(error.until)}." if error.until else str(error)) from error
    except ordering.AlreadyOpen as error:
        raise NotDone(
            "A call to this number is already open. Wait for its end, or look at it in the list of calls."
        ) from error


def _shown(decision: gate.Decision) -> dict[str, Any]:
    verdict = {
        "allow": ("It would be placed at once.", "success"),
        "defer": (f"It would wait: {decision.detail}", "warning"),
        "skip": (f"It would not be placed: {decision.detail}", "danger"),
    }[decision.verdict]
    checks = [
        {
            "name": words.check_name(check.name),
            "ok": check.result == "allow",
            "detail": check.detail,
        }
        for check in decision.checks
    ]
    return {"text": verdict[0], "colour": verdict[1], "checks": checks}
