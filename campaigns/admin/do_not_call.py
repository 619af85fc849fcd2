"""The do-not-call list. `calls/admin` adds the parts about calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone

from campaigns.admin.do_not_call_import import DoNotCallImportPages
from campaigns.admin.numbers import both_formats
from campaigns.do_not_call import entries
from campaigns.models import DoNotCall
from campaigns.phones import EVERYWHERE, NotCallable, national, normalise
from campaigns.undoable import Kind, Undoable
from tenants.backoffice.buttons import Done, NotDone, ReasonForm, Step, say
from tenants.backoffice.forms import ScopedForm, text_field
from tenants.backoffice.languages.written import as_written
from tenants.backoffice.local_time import local_time, local_time_column
from tenants.backoffice.roles import reach_of
from tenants.models import Organization
from tenants.policy import Action


class DoNotCallForm(ScopedForm):
    phone = text_field(
        "Phone number",
        required=True,
        help_text="In your country's format, or with a country code: +33 1 23 45 67 89.",
    )
    reason = text_field(
        "Reason", required=True, max_length=500, help_text="For example “asked on the phone”. Kept with the number."
    )

    class Meta:
        model = DoNotCall
        fields = ("phone", "reason", "expires_at")

    def clean_phone(self) -> str:
        organization = Organization.objects.get(pk=self.organization_id or 0)
        try:
            return normalise(self.cleaned_data["phone"], organization.default_region, EVERYWHERE)
        except NotCallable as error:
            raise forms.ValidationError(str(error)) from error

    def clean_expires_at(self) -> Any:
        moment = self.cleaned_data["expires_at"]
        if moment and moment <= timezone.now():
            raise forms.ValidationError("This time is in the past. Leave it empty to list the number permanently.")
        return moment


def _remove(request: HttpRequest, obj: DoNotCall, values: Mapping[str, Any]) -> HttpResponse:
    if not values["reason"].strip():
        raise NotDone("Say why this number may be called again.")
    phone = obj.phone
    entries.remove(obj, reach_of(request).actor, values["reason"])
    messages.success(request, f"{national(phone)} may be called again.")
    return redirect("admin:campaigns_donotcall_changelist")


SOURCES = {
    "api": "a program",
    "opt-out": "an opt-out in a call",
    "erasure": "the erasure of the contact",
    "staff": "a team member",
    "import": "an import",
}


def source_of(row: DoNotCall) -> str:
    """Return who put the number on the list. A team member is named."""
    return SOURCES.get(row.source, row.source)


class DoNotCallAdmin(DoNotCallImportPages):
    form = DoNotCallForm
    add_action = Action.BAR_NUMBER
    add_title = "Add number"
    counted_as = ("number", "numbers")
    search_help_text = "Phone number (the beginning)"
    empty_words = "No number is listed. Add the numbers of contacts who ask not to be called."
    intro = "These numbers are never called, whatever campaign or program asks for it."
    list_display = ("number", "reason", "source_shown", "ends", "added")
    list_select_related = ("organization",)
    read_by = (("organization",),)
    number_fields = ("phone",)
    ordering = ("-id",)
    panel_only = True
    panel_template = "trunkline/facts.html"
    added = local_time_column("created_at", "created")
    steps = (
        Step(
            "remove",
            "Allow calls again",
            Action.UNBAR_NUMBER,
            lambda obj: [
                f"{national(obj.phone)} is taken off the list. Campaigns and programs may call it again.",
                "Your name and the reason are recorded in the audit log.",
            ],
            _remove,
            form=ReasonForm,
            tone="danger",
            icon="call",
        ),
    )

    @admin.display(description="phone number")
    def number(self, row: DoNotCall) -> str:
        return both_formats(row.phone)

    @admin.display(description="source")
    def source_shown(self, row: DoNotCall) -> str:
        return source_of(row)

    @admin.display(description="expires")
    def ends(self, row: DoNotCall) -> str:
        if row.expires_at and row.expires_at <= timezone.now():
            return f"expired {local_time(row.expires_at)}"
        return local_time(row.expires_at, "never")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return [(None, {"fields": [] if obj is not None else ["phone", "reason", "expires_at"]})]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"phone": request.GET.get("phone", "")}

    def panel_context(self, request: HttpRequest, obj: DoNotCall) -> dict[str, Any]:
        reason = as_written(obj.reason or "-")
        facts = [("Phone number", both_formats(obj.phone)), ("Reason", reason), ("Source", source_of(obj))]
        return {"facts": [*facts, ("Created", local_time(obj.created_at)), ("Expires", self.ends(obj))]}

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        values = form.cleaned_data
        organization = Organization.objects.get(pk=form.organization_id or 0)
        undoable = Undoable(Kind.BAR, request.user.pk or 0)
        entry, created = entries.add(
            organization,
            values["phone"],
            reason=values["reason"],
            source=reach_of(request).actor[:64],
            expires_at=values["expires_at"],
            undoable=undoable,
        )
        obj.__dict__.update(entry.__dict__)
        request._undo = undoable.token  # type: ignore[attr-defined]
        if created:
            self.audit(request, entry, "added", {"reason": values["reason"]})
        self.after_listing(request, organization.pk, [entry.phone])

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        if token := getattr(request, "_undo", ""):
            until = f" until {local_time(obj.expires_at)}" if obj.expires_at else ""
            say(request, Done(f"{national(obj.phone)} is on the do-not-call list{until}.", token))
        else:
            known = f"{national(obj.phone)} is on the list already. Its source is {obj.source}."
            messages.info(request, f"{known} The reason is now the one you gave.")
        return redirect("admin:campaigns_donotcall_changelist")


admin.site.register(DoNotCall, DoNotCallAdmin)
