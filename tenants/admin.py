"""Organizations, their people and keys; and the tables of the libraries, for superusers to read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django import forms
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django_q.models import Failure, OrmQ, Schedule, Success
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldBooleanSwitchWidget

from tenants.local_time import local_time, local_time_column
from tenants.models import ApiKey, AuditEntry, Membership, Organization, Scope, Tenant
from tenants.overtaken import WatchfulForm
from tenants.reach import Level, reach_of
from tenants.secrets import hint
from tenants.staff import ReadOnlyAdmin, ScopedAdmin, ScopedInline, SuperuserAdmin, SuperuserReadOnlyAdmin, page_of
from tenants.staff_forms import CommaField, ScopedForm, choice_field, text_field
from tenants.staff_steps import Step


class MembershipForm(forms.ModelForm):  # type: ignore[type-arg]
    """People are named, not chosen from a list: the list would show every other organization's staff."""

    username = text_field("User name", required=True, max_length=150)

    class Meta:
        model = Membership
        fields = ("role",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.fields["username"].initial = self.instance.user.get_username()
            self.fields["username"].disabled = True

    def clean_username(self) -> str:
        name: str = self.cleaned_data["username"]
        if not self.instance.pk:
            user = get_user_model().objects.filter(username=name, is_active=True, is_staff=True).first()
            if user is None:
                raise forms.ValidationError("No active member of staff has this user name. A superuser adds staff.")
            self.instance.user = user
        return name


class MembershipInline(ScopedInline):
    model = Membership
    form = MembershipForm
    fields = ("username", "role")
    verbose_name = "person"
    verbose_name_plural = "People"
    hide_title = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        found: QuerySet[Any] = super().get_queryset(request).select_related("user")
        return found

    def _of_parent(self, request: HttpRequest, obj: Any = None) -> bool:
        return reach_of(request).has(Level.ADMIN, obj.pk if obj is not None else None)

    has_view_permission = has_add_permission = has_change_permission = has_delete_permission = _of_parent

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        found = super().get_formset(request, obj, **kwargs)

        class Formset(found):  # type: ignore[misc, valid-type]
            def clean(self) -> None:
                super().clean()
                names = [form.cleaned_data.get("username") for form in self.forms if form not in self.deleted_forms]
                named = [name for name in names if name]
                if len(set(named)) != len(named):
                    raise forms.ValidationError("A person stands there twice.")

        return Formset


class OrganizationForm(WatchfulForm):
    allowed_countries = CommaField(
        label="Countries that may be called", help_text="Like FR, BE. Empty: the default country alone."
    )

    class Meta:
        model = Organization
        exclude = ("calls_stopped",)


def _rotate(request: HttpRequest, obj: Organization, values: Mapping[str, Any]) -> HttpResponse:
    obj.rotate_webhook_secret()
    page = page_of(Organization)
    page.audit(request, obj, "webhook_secret_rotated")
    return shown_once(page, request, "New webhook secret", str(obj.webhook_secret), page.url("change", obj.pk))


def shown_once(page: ScopedAdmin, request: HttpRequest, title: str, secret: str, back: str) -> HttpResponse:
    """The one page that shows a secret; no cache keeps it."""
    response = page.page(request, "trunkline/secret.html", title, secret=secret, back=back)
    response["Cache-Control"] = "no-store"
    return response


class OrganizationAdmin(ScopedAdmin):
    organization_path = "pk"
    add_level = Level.SUPERUSER
    delete_level = Level.NOBODY
    form = OrganizationForm
    inlines: ClassVar[Sequence[Any]] = (MembershipInline,)
    list_display = ("name", "state", "timezone", "default_region", "added")
    text_fields = ("name",)
    steps: ClassVar[tuple[Step, ...]] = (
        Step(
            "rotate-webhook-secret",
            "New webhook secret",
            Level.ADMIN,
            lambda obj: [
                "A new secret signs every callback of a call from now on. It is shown once.",
                "For a day the old secret signs beside it; until then tell the new one to the programs that check it.",
            ],
            _rotate,
            icon="key",
        ),
    )
    panel_template = "trunkline/organization.html"
    fieldsets = (
        (None, {"fields": ("name", "tenant", "is_active", "timezone", "default_region", "allowed_countries")}),
        (
            "Rules for every call",
            {"fields": ("single_call_hours", "min_gap_minutes", "max_attempts_per_day", "max_attempts_per_30_days")},
        ),
        ("Budget", {"fields": ("daily_budget", "daily_budget_currency")}),
    )
    added = local_time_column("created_at", "added")

    @display(
        description="calls",
        label={"Calls allowed": "success", "All calls stopped": "danger", "Inactive": "warning"},
    )
    def state(self, row: Organization) -> str:
        if not row.is_active:
            return "Inactive"
        return "All calls stopped" if row.calls_stopped else "Calls allowed"

    def get_exclude(self, request: HttpRequest, obj: Any = None) -> Any:
        return None

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[str]:
        if reach_of(request).superuser:
            return () if obj is None else ("tenant",)
        return ("tenant", "is_active")

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        return super(ScopedAdmin, self).get_form(request, obj, change=change, **kwargs)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        super().save_formset(request, form, formset, change)
        given = [*formset.new_objects, *(row for row, _ in formset.changed_objects)]
        roles = {str(row.user): row.role for row in given} | {
            str(row.user): "removed" for row in formset.deleted_objects
        }
        if roles:
            self.audit(request, form.instance, "people_changed", roles)

    def panel_context(self, request: HttpRequest, obj: Organization) -> dict[str, Any]:
        return {"secret_hint": hint(str(obj.webhook_secret)), "organization": obj}


admin.site.register(Organization, OrganizationAdmin)


@admin.register(Tenant)
class TenantAdmin(SuperuserAdmin):
    list_display = ("name", "added")
    added = local_time_column("created_at", "added")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ApiKeyForm(ScopedForm):
    scope = choice_field(
        "May",
        [("read", "Read"), ("call", "Read and place calls"), ("manage", "Read, place calls and change everything")],
        required=True,
    )
    whole_tenant = forms.BooleanField(
        label="For all organizations of the tenant",
        required=False,
        widget=UnfoldBooleanSwitchWidget(),
        help_text="Superusers alone may grant this.",
    )

    class Meta:
        model = ApiKey
        fields = ("name", "expires_at")

    def clean_expires_at(self) -> Any:
        moment = self.cleaned_data["expires_at"]
        if moment and moment <= timezone.now():
            raise forms.ValidationError("This moment is past. Leave it empty for a key that does not expire.")
        return moment

    def _post_clean(self) -> None:
        """Nothing of the row is checked here: `ApiKey.issue` makes and checks it."""


def _revoke(request: HttpRequest, obj: ApiKey, values: Mapping[str, Any]) -> str:
    ApiKey.objects.filter(pk=obj.pk, revoked_at=None).update(revoked_at=timezone.now())
    page_of(ApiKey).audit(request, obj, "revoked", {"name": obj.name})
    return f"The key “{obj.name}” is revoked. Programs that use it are refused from now on."


@admin.register(ApiKey)
class ApiKeyAdmin(ScopedAdmin):
    view_level = add_level = Level.ADMIN
    change_level = delete_level = Level.NOBODY
    form = ApiKeyForm
    add_title = "New API key"
    plural = "API keys"
    counted_as = ("API key", "API keys")
    empty_words = "No program has a key yet. Each program should have its own, so that it can be revoked alone."
    list_display = ("name", "prefix_shown", "may", "state", "expires", "last_used")
    text_fields = ("name", "prefix")
    list_select_related = ("organization",)
    steps: ClassVar[tuple[Step, ...]] = (
        Step(
            "revoke",
            "Revoke",
            Level.ADMIN,
            lambda obj: [f"Programs that use the key {obj.prefix}… are refused at once. This cannot be undone."],
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

    @admin.display(description="may")
    def may(self, row: ApiKey) -> str:
        return ", ".join(row.scopes)

    @display(description="state", label={"Usable": "success", "Revoked": "danger", "Expired": "warning"})
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
                ("May", ", ".join(Scope(name).label for name in obj.scopes)),
                ("State", self.state(obj)),
                ("Made", local_time(obj.created_at)),
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


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    view_level = Level.MANAGER
    list_display = ("when", "actor", "action", "subject")
    text_fields = ("actor", "action")
    exact_fields = ("subject",)
    list_select_related = ("organization",)
    empty_words = "Nothing has been done yet that somebody may ask about later."
    panel_only = True
    panel_template = "trunkline/facts.html"
    when = local_time_column("at", "when")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return [(None, {"fields": []})]

    def panel_context(self, request: HttpRequest, obj: AuditEntry) -> dict[str, Any]:
        details = [(str(name).replace("_", " ").capitalize(), _words(value)) for name, value in obj.detail.items()]
        return {
            "facts": [
                ("When", local_time(obj.at)),
                ("Who", obj.actor),
                ("What", obj.action),
                ("To what", obj.subject),
                ("Organization", obj.organization or "-"),
                *details,
            ]
        }


def _words(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


# The libraries' own tables.

admin.site.unregister([User, Group])
for table in (Success, Failure, OrmQ, Schedule, AccessAttempt, AccessFailureLog, AccessLog):
    if admin.site.is_registered(table):
        admin.site.unregister(table)


@admin.register(User)
class StaffAdmin(SuperuserAdmin, DjangoUserAdmin):  # type: ignore[type-arg]
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "email", "full_name", "kind", "last_seen")
    list_filter = ("is_active", "is_staff", "is_superuser")
    last_seen = local_time_column("last_login", "last signed in")
    readonly_fields = ("memberships_shown",)
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("Person", {"fields": ("first_name", "last_name", "email")}),
        ("Access", {"fields": ("is_active", "is_staff", "is_superuser", "memberships_shown")}),
    )
    add_fieldsets = (
        (None, {"classes": ("wide",), "fields": ("username", "usable_password", "password1", "password2", "is_staff")}),
    )
    filter_horizontal = ()

    @admin.display(description="name")
    def full_name(self, row: User) -> str:
        return row.get_full_name() or "-"

    @display(
        description="access",
        label={"Superuser": "primary", "Staff": "success", "No sign-in here": "warning", "Inactive": "danger"},
    )
    def kind(self, row: User) -> str:
        if not row.is_active:
            return "Inactive"
        return "Superuser" if row.is_superuser else "Staff" if row.is_staff else "No sign-in here"

    @admin.display(description="Member of")
    def memberships_shown(self, row: User) -> str:
        found = Membership.objects.filter(user_id=row.pk).select_related("organization")
        words = ", ".join(
            f"{each.organization.name} ({each.get_role_display().partition(':')[0].lower()})" for each in found
        )
        return words or "No organization yet: add the person on the organization's page."


@admin.register(Group)
class GroupAdmin(SuperuserAdmin, DjangoGroupAdmin):
    """Not used by Trunkline, whose staff have roles; kept for other applications of the same installation."""


class TaskAdmin(SuperuserReadOnlyAdmin):
    list_display = ("name", "func", "cluster", "began", "ended")
    fields: ClassVar[Sequence[str]] = ("name", "func", "cluster", "began", "ended", "attempt_count")
    readonly_fields = fields
    began = local_time_column("started", "started")
    ended = local_time_column("stopped", "stopped")


@admin.register(Success)
class SuccessAdmin(TaskAdmin):
    pass


@admin.register(Failure)
class FailureAdmin(TaskAdmin):
    fields = readonly_fields = (*TaskAdmin.fields, "result")


@admin.register(OrmQ)
class QueueAdmin(SuperuserReadOnlyAdmin):
    list_display = ("key", "taken")
    fields = readonly_fields = ("key", "taken")
    taken = local_time_column("lock", "hidden until")


class SignInAdmin(SuperuserReadOnlyAdmin):
    list_display: ClassVar[Sequence[str]] = ("attempted", "username", "ip_address", "path_info")
    search_fields = ("username", "ip_address")
    fields: ClassVar[Sequence[str]] = ("attempted", "username", "ip_address", "path_info", "user_agent")
    readonly_fields = fields
    attempted = local_time_column("attempt_time", "when")


@admin.register(AccessAttempt)
class AccessAttemptAdmin(SignInAdmin):
    list_display = (*SignInAdmin.list_display, "failures_since_start")
    fields = readonly_fields = (*SignInAdmin.fields, "failures_since_start")


@admin.register(AccessFailureLog)
class AccessFailureLogAdmin(SignInAdmin):
    pass


@admin.register(AccessLog)
class AccessLogAdmin(SignInAdmin):
    pass
