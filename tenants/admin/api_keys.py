"""Pages of API keys: create, show once, list by prefix, revoke."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.decorators import display
from unfold.widgets import UnfoldBooleanSwitchWidget

from tenants.admin.organizations import shown_once
from tenants.backoffice.buttons import Step
from tenants.backoffice.forms import ScopedForm, choice_field
from tenants.backoffice.local_time import local_time, local_time_column
from tenants.backoffice.roles import Level, reach_of
from tenants.backoffice.scoped_admin import ScopedAdmin, page_of
from tenants.models import ApiKey, Organization, Scope


class ApiKeyForm(ScopedForm):
    scope = choice_field(
        "Permissions",
        [("read", "Read"), ("call", "Read and place calls"), ("manage", "Read, place calls and change everything")],
        required=True,
    )
    whole_tenant = forms.BooleanField(
        label="For all organizations of this customer",
        required=False,
        widget=UnfoldBooleanSwitchWidget(),
        help_text="Only superusers can choose this.",
    )

    class Meta:
        model = ApiKey
        fields = ("name", "expires_at")

    def clean_expires_at(self) -> Any:
        moment = self.cleaned_data["expires_at"]
        if moment and moment <= timezone.now():
            raise forms.ValidationError("This is in the past. Leave the field empty for a key that does not expire.")
        return moment

    def _post_clean(self) -> None:
        """Skip the checks of the row: `ApiKey.issue` creates and checks it."""


def _revoke(request: HttpRequest, obj: ApiKey, values: Mapping[str, Any]) -> str:
    ApiKey.objects.filter(pk=obj.pk, revoked_at=None).update(revoked_at=timezone.now())
    page_of(ApiKey).audit(request, obj, "revoked", {"name": obj.name})
    return f"The key “{obj.name}” is revoked. Requests with it are refused."


@admin.register(ApiKey)
class ApiKeyAdmin(ScopedAdmin):
    view_level = add_level = Level.ADMIN
    change_level = delete_level = Level.NOBODY
    form = ApiKeyForm
    add_title = "New API key"
    plural = "API keys"
    counted_as = ("API key", "API keys")
    empty_words = "There are no API keys yet. Create one for each program, so that you can revoke each separately."
    list_display = ("name", "prefix_shown", "may", "state", "expires", "last_used")
    text_fields = ("name", "prefix")
    list_select_related = ("organization",)
    steps: ClassVar[tuple[Step, ...]] = (
        Step(
            "revoke",
            "Revoke",
            Level.ADMIN,
            lambda obj: [f"Requests with the key {obj.prefix}… are refused at once. This cannot be undone."],
            _revoke,
            offered=lambda obj: obj.revoked_at is None,
            tone="danger",
            icon="block",
        ),
    )
    panel_only = True
    panel_template = "trunkline/facts.html"
    expires = local_time_column("expires_at", "expires")
    last_used = local_time_column("last_used_at", "last used")

    @admin.display(description="key")
    def prefix_shown(self, row: ApiKey) -> str:
        return f"{row.prefix}…"

    @admin.display(description="permissions")
    def may(self, row: ApiKey) -> str:
        return ", ".join(row.scopes)

    @display(description="status", label={"Usable": "success", "Revoked": "danger", "Expired": "warning"})
    def state(self, row: ApiKey) -> str:
        if row.revoked_at:
            return "Revoked"
        return "Expired" if row.expires_at and row.expires_at <= timezone.now() else "Usable"

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        names = ["name", "scope", "expires_at"]
        if obj is None and reach_of(request).superuser:
            names.append("whole_tenant")
        return [(None, {"fields": names if obj is None else []})]

    def panel_context(self, request: HttpRequest, obj: ApiKey) -> dict[str, Any]:
        where = obj.organization.name if obj.organization else f"all organizations of {obj.tenant}"
        return {
            "facts": [
                ("Key", f"{obj.prefix}… (the key itself is not stored)"),
                ("For", where),
                ("Permissions", ", ".join(Scope(name).label for name in obj.scopes)),
                ("Status", self.state(obj)),
                ("Created", local_time(obj.created_at)),
                ("Expires", local_time(obj.expires_at, "never")),
                ("Revoked", local_time(obj.revoked_at)),
                ("Last used", local_time(obj.last_used_at, "never")),
            ]
        }

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        values = form.cleaned_data
        organization = Organization.objects.select_related("tenant").get(pk=form.organization_id)
        whole = bool(values.get("whole_tenant")) and reach_of(request).superuser
        row, key = ApiKey.issue(
            tenant=organization.tenant,
            organization=None if whole else organization,
            name=values["name"],
            scopes=[values["scope"]],
            expires_at=values["expires_at"],
        )
        obj.__dict__.update(row.__dict__)
        request._new_key = key  # type: ignore[attr-defined]
        self.audit(request, row, "added", {"name": row.name, "scopes": row.scopes})

    def response_add(self, request: HttpRequest, obj: ApiKey, post_url_continue: Any = None) -> HttpResponse:
        return shown_once(self, request, "New API key", request._new_key, self.url("changelist"))  # type: ignore[attr-defined]
