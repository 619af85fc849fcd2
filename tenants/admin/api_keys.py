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

from tenants import key_owners
from tenants.admin.organizations import shown_once
from tenants.backoffice.buttons import Step
from tenants.backoffice.forms import ScopedForm, choice_field
from tenants.backoffice.local_time import local_time, local_time_column
from tenants.backoffice.roles import reach_of
from tenants.backoffice.scoped_admin import ScopedAdmin
from tenants.models import ApiKey, Organization, Scope
from tenants.policy import Action


class ApiKeyForm(ScopedForm):
    scope = choice_field(
        "Permissions",
        [("read", "Read"), ("call", "Read and place calls"), ("manage", "Read, place calls and change everything")],
        required=True,
    )
    owner = choice_field(
        "Belongs to",
        [
            (ApiKey.Owner.MAKER.value, "Me: it may do no more than I may, and stops when I leave"),
            (ApiKey.Owner.ORGANIZATION.value, "The organization: it keeps working when I leave"),
        ],
        initial=ApiKey.Owner.MAKER.value,
    )
    whole_tenant = forms.BooleanField(
        label="For all organizations of this customer",
        required=False,
        widget=UnfoldBooleanSwitchWidget(),
        help_text="Only superusers can choose this. Such a key belongs to the customer.",
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
    key_owners.revoke(obj, reach_of(request).actor)
    return f"The key “{obj.name}” is revoked. Requests with it are refused."


def _hand_over(request: HttpRequest, obj: ApiKey, values: Mapping[str, Any]) -> str:
    key_owners.hand_over(obj, reach_of(request).actor)
    return f"The key “{obj.name}” belongs to the organization now."


@admin.register(ApiKey)
class ApiKeyAdmin(ScopedAdmin):
    view_action = Action.SEE_KEYS
    add_action = Action.CHANGE_KEYS
    form = ApiKeyForm
    add_title = "New API key"
    plural = "API keys"
    counted_as = ("API key", "API keys")
    empty_words = "There are no API keys yet. Create one for each program, so that you can revoke each separately."
    list_display = ("name", "prefix_shown", "may", "belongs_to", "state", "expires", "last_used")
    text_fields = ("name", "prefix")
    list_select_related = ("organization", "maker")
    steps: ClassVar[tuple[Step, ...]] = (
        Step(
            "revoke",
            "Revoke",
            Action.CHANGE_KEYS,
            lambda obj: [f"Requests with the key {obj.prefix}… are refused at once. This cannot be undone."],
            _revoke,
            offered=lambda obj: obj.revoked_at is None,
            tone="danger",
            icon="block",
        ),
        Step(
            "hand-over",
            "Give to the organization",
            Action.CHANGE_KEYS,
            lambda obj: [
                f"The key {obj.prefix}… keeps working when {obj.maker} leaves, with all its permissions.",
                f"{obj.maker} may still know the key.",
            ],
            _hand_over,
            offered=lambda obj: obj.revoked_at is None and obj.owner == ApiKey.Owner.MAKER,
            icon="domain",
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

    @admin.display(description="belongs to")
    def belongs_to(self, row: ApiKey) -> str:
        return row.owner_shown

    @display(description="status", label={"Usable": "success", "Revoked": "danger", "Expired": "warning"})
    def state(self, row: ApiKey) -> str:
        if row.revoked_at:
            return "Revoked"
        return "Expired" if row.expires_at and row.expires_at <= timezone.now() else "Usable"

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        names = ["name", "scope", "owner", "expires_at"]
        if obj is None and self.holds(request, Action.ISSUE_CUSTOMER_KEY):
            names.append("whole_tenant")
        return [(None, {"fields": names if obj is None else []})]

    def panel_context(self, request: HttpRequest, obj: ApiKey) -> dict[str, Any]:
        where = obj.organization.name if obj.organization else f"all organizations of {obj.tenant}"
        return {
            "facts": [
                ("Key", f"{obj.prefix}… (the key itself is not stored)"),
                ("For", where),
                ("Permissions", ", ".join(Scope(name).label for name in obj.scopes)),
                ("Belongs to", obj.owner_shown),
                ("Made by", str(obj.maker or "-")),
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
        whole = bool(values.get("whole_tenant")) and self.holds(request, Action.ISSUE_CUSTOMER_KEY)
        row, key = ApiKey.issue(
            tenant=organization.tenant,
            organization=None if whole else organization,
            name=values["name"],
            scopes=[values["scope"]],
            owner=ApiKey.Owner.ORGANIZATION if whole else values["owner"] or ApiKey.Owner.MAKER,
            maker=request.user,
            expires_at=values["expires_at"],
        )
        obj.__dict__.update(row.__dict__)
        request._new_key = key  # type: ignore[attr-defined]
        self.audit(request, row, "create", {"name": row.name, "scopes": row.scopes, "owner": row.owner})

    def response_add(self, request: HttpRequest, obj: ApiKey, post_url_continue: Any = None) -> HttpResponse:
        return shown_once(self, request, "New API key", request._new_key, self.url("changelist"))  # type: ignore[attr-defined]
