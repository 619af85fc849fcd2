"""Pages of organizations, their team members and their webhook secret; and of customers, for superusers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django import forms
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django_q.models import Failure, OrmQ, Schedule, Success
from unfold.decorators import display

from tenants.admin.two_step_resets import RESET_TWO_STEP
from tenants.backoffice.buttons import Step
from tenants.backoffice.edit_conflicts import ConflictCheckedForm
from tenants.backoffice.forms import CommaField, text_field
from tenants.backoffice.local_time import local_time_column
from tenants.backoffice.roles import Level, reach_of
from tenants.backoffice.scoped_admin import ScopedAdmin, ScopedInline, page_of
from tenants.backoffice.superuser_admin import SuperuserAdmin
from tenants.db.encrypted_fields import hint
from tenants.models import Membership, Organization, Tenant


class MembershipForm(forms.ModelForm):  # type: ignore[type-arg]
    """A team member, entered by e-mail address. A list to choose from would show the users of other organizations."""

    username = text_field("E-mail", required=True, max_length=150)

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
                raise forms.ValidationError("No active user has this e-mail address. A superuser creates users.")
            self.instance.user = user
        return name


class MembershipInline(ScopedInline):
    model = Membership
    form = MembershipForm
    fields = ("username", "role")
    verbose_name = "team member"
    verbose_name_plural = "Team members"
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
                    raise forms.ValidationError("A team member is listed twice.")

        return Formset


class OrganizationForm(ConflictCheckedForm):
    allowed_countries = CommaField(
        label="Countries that may be called",
        help_text="Two-letter codes, such as FR, BE. If empty: only the default country. Overseas regions that share a "
        "country's numbering plan are included, as RE with FR.",
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
    """Return the only page that shows the secret. Caches must not store it."""
    response = page.page(request, "trunkline/secret.html", title, secret=secret, back=back)
    response["Cache-Control"] = "no-store"
    return response


class OrganizationAdmin(ScopedAdmin):
    organization_path = "pk"
    add_level = Level.SUPERUSER
    delete_level = Level.NOBODY
    form = OrganizationForm
    inlines: ClassVar[Sequence[Any]] = (MembershipInline,)
    list_display = ("name", "state", "timezone", "default_region", "created")
    text_fields = ("name",)
    steps: ClassVar[tuple[Step, ...]] = (
        Step(
            "rotate-webhook-secret",
            "New webhook secret",
            Level.ADMIN,
            lambda obj: [
                "From now on a new secret signs the webhooks of calls. It is shown once.",
                "For a day the old secret signs them too. By then, give the new one to the programs that check them.",
            ],
            _rotate,
            icon="key",
        ),
        RESET_TWO_STEP,
    )
    panel_template = "trunkline/organization.html"
    fieldsets = (
        (None, {"fields": ("name", "tenant", "is_active", "timezone", "default_region", "allowed_countries")}),
        (
            "Rules for every call",
            {
                "fields": (
                    *("single_call_hours", "min_gap_minutes", "max_attempts_per_day", "max_attempts_per_30_days"),
                    "callbacks_hold_campaigns",
                )
            },
        ),
        ("Budget", {"fields": ("daily_budget", "daily_budget_currency")}),
        ("Signing in", {"fields": ("two_step_required",)}),
    )
    created = local_time_column("created_at", "created")

    @display(
        description="calls",
        label={"Calls allowed": "success", "All calls stopped": "danger", "Inactive": "warning"},
    )
    def state(self, row: Organization) -> str:
        if not row.is_active:
            return "Inactive"
        return "All calls stopped" if row.calls_stopped else "Calls allowed"

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        (title, options), *others = super().get_fieldsets(request, obj)
        if not reach_of(request).superuser:  # only superusers know of customers
            options = {"fields": [name for name in options["fields"] if name != "tenant"]}
        return [(title, options), *others]

    def get_exclude(self, request: HttpRequest, obj: Any = None) -> Any:
        return None

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[str]:
        if reach_of(request).superuser:
            return () if obj is None else ("tenant",)
        admin_of = obj is not None and reach_of(request).has(Level.ADMIN, obj.pk)
        return ("tenant", "is_active") if admin_of else ("tenant", "is_active", "two_step_required")

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        super().save_formset(request, form, formset, change)
        given = [*formset.new_objects, *(row for row, _ in formset.changed_objects)]
        roles = {str(row.user): row.role for row in given} | {
            str(row.user): "removed" for row in formset.deleted_objects
        }
        if roles:
            self.audit(request, form.instance, "people_changed", roles)

    def panel_context(self, request: HttpRequest, obj: Organization) -> dict[str, Any]:
        return {
            "secret_hint": hint(str(obj.webhook_secret)),
            "organization": obj,
            "countries": sorted(obj.callable_countries),
        }


admin.site.register(Organization, OrganizationAdmin)


@admin.register(Tenant)
class TenantAdmin(SuperuserAdmin):
    list_display = ("name", "created")
    created = local_time_column("created_at", "created")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


# Tables of libraries. `staff_users` and `library_tables` register pages of ours.

admin.site.unregister([User, Group])
for table in (Success, Failure, OrmQ, Schedule, AccessAttempt, AccessFailureLog, AccessLog):
    if admin.site.is_registered(table):
        admin.site.unregister(table)
