"""Staff users and groups, for superusers."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from tenants.backoffice.local_time import local_time_column
from tenants.backoffice.superuser_admin import SuperuserAdmin
from tenants.models import Membership


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
