"""Pages of organizations, their team members and their webhook secret; and of customers, for superusers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django_q.models import Failure, OrmQ, Schedule, Success
from unfold.decorators import display

from tenants.admin import members
from tenants.admin.two_step_resets import RESET_TWO_STEP
from tenants.backoffice.buttons import Step
from tenants.backoffice.edit_conflicts import ConflictCheckedForm
from tenants.backoffice.local_time import local_time_column, time_in
from tenants.backoffice.once import took_effect
from tenants.backoffice.pickers import CountriesField, country_choices
from tenants.backoffice.scoped_admin import ScopedAdmin, page_of
from tenants.backoffice.superuser_admin import SuperuserAdmin
from tenants.db.encrypted_fields import hint, readable
from tenants.members import admins_of
from tenants.models import Organization, Tenant
from tenants.money import money_text
from tenants.policy import Action


class OrganizationForm(ConflictCheckedForm):
    allowed_countries = CountriesField(
        label="Countries that may be called",
        required=False,
        help_text="If none is chosen: only the default country. Overseas regions that share a country's numbering plan "
        "are included, as Réunion with France.",
    )

    class Meta:
        model = Organization
        exclude = ("calls_stopped",)
        help_texts: ClassVar[Mapping[str, str]] = {
            "default_region": "Numbers without a country code are read as numbers of this country."
        }


def _rotate(request: HttpRequest, obj: Organization, values: Mapping[str, Any]) -> HttpResponse:
    page = page_of(Organization)
    with transaction.atomic():
        obj.rotate_webhook_secret()
        page.audit(request, obj, "webhook_secret_rotated")
    return shown_once(page, request, "New webhook secret", str(obj.webhook_secret), page.url("change", obj.pk))


def shown_once(page: ScopedAdmin, request: HttpRequest, title: str, secret: str, back: str) -> HttpResponse:
    """Return the only page that shows the secret. Caches must not store it."""
    response = page.page(request, "trunkline/secret.html", title, secret=secret, back=back)
    response["Cache-Control"] = "no-store"
    took_effect(request)
    return response


class OrganizationAdmin(ScopedAdmin):
    organization_path = "pk"
    view_action = Action.SEE_SETUP
    add_action = Action.CREATE_ORGANIZATION
    add_title = "New organization"
    change_action = Action.CHANGE_ORGANIZATION
    form = OrganizationForm
    inlines: ClassVar[Sequence[Any]] = (members.MembershipInline,)
    list_display = ("name", "state", "timezone", "default_region", "created")
    text_fields = ("name",)
    steps: ClassVar[tuple[Step, ...]] = (
        Step(
            "rotate-webhook-secret",
            "New webhook secret",
            Action.ROTATE_SECRET,
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
        (None, {"fields": ("name", "tenant", "timezone", "default_region", "allowed_countries")}),
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
        ("Status", {"fields": ("is_active",)}),
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
        if not self.holds(request, Action.CREATE_ORGANIZATION, obj):
            options = {"fields": [name for name in options["fields"] if name != "tenant"]}
        return [(title, options), *others]

    def get_exclude(self, request: HttpRequest, obj: Any = None) -> Any:
        return None

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[str]:
        if obj is None:
            return ()
        of_admins = [
            name
            for name, action in (("is_active", Action.DEACTIVATE), ("two_step_required", Action.CHANGE_MEMBERS))
            if not self.holds(request, action, obj)
        ]
        return ("tenant", *of_admins)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        super().save_formset(request, form, formset, change)
        given = [*formset.new_objects, *(row for row, _ in formset.changed_objects)]
        gone = formset.deleted_objects
        roles = {str(row.user): row.role for row in given} | {str(row.user): "removed" for row in gone}
        if roles:
            self.audit(request, form.instance, "people_changed", roles)
        members.invite(request, formset.new_objects)
        for row in gone:
            members.remove(request, row, formset.decisions[row.user_id])

    def panel_context(self, request: HttpRequest, obj: Organization) -> dict[str, Any]:
        return {"organization": obj, "facts": self._facts(obj), "secret_readable": _secret_hint(obj)}

    def _facts(self, obj: Organization) -> list[tuple[str, Any]]:
        """Return what the owner asks first: where it calls, how often, and who answers for it."""
        names = dict(country_choices())
        return [
            ("Countries that may be called", ", ".join(sorted(names.get(it, it) for it in obj.callable_countries))),
            ("Local time", f"{time_in(ZoneInfo(obj.timezone), timezone.now())}, {obj.timezone}"),
            ("Calls to one contact", _pace(obj)),
            ("Daily budget", money_text(obj.daily_limit) if obj.daily_limit else "No limit"),
            ("Admins", ", ".join(admins_of(obj)) or "None"),
        ]

    def technical_details(self, request: HttpRequest, obj: Organization) -> Sequence[tuple[str, Any]]:
        return [
            ("Trunkline ID", str(obj.uuid)),
            ("Webhook secret", _secret_hint(obj) or "Not readable"),
        ]


def _secret_hint(obj: Organization) -> str:
    """Return the end of the secret, or "" if it cannot be read."""
    return hint(str(secret)) if (secret := readable(obj, "webhook_secret")) else ""


def _pace(obj: Organization) -> str:
    count, total, minutes = obj.max_attempts_per_day, obj.max_attempts_per_30_days, obj.min_gap_minutes
    found = [f"Up to {count} in 24 hours."]
    if total:
        found.append(f"Up to {total} in 30 days.")
    if minutes:
        found.append(f"Never less than {minutes} minutes apart.")
    return " ".join(found)


admin.site.register(Organization, OrganizationAdmin)


@admin.register(Tenant)
class TenantAdmin(SuperuserAdmin):
    list_display = ("name", "created")
    created = local_time_column("created_at", "created")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


# Tables of libraries. `staff_users` and `library_tables` register pages of ours.

for library in ("django.contrib.auth", "django_q", "axes"):
    import_module(f"{library}.admin")  # or it would register them later
admin.site.unregister([User, Group])
for table in (Success, Failure, OrmQ, Schedule, AccessAttempt, AccessFailureLog, AccessLog):
    if admin.site.is_registered(table):
        admin.site.unregister(table)
