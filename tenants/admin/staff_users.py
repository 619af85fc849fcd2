"""Pages of users and groups, for superusers."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from tenants import key_owners
from tenants.backoffice.local_time import local_time_column
from tenants.backoffice.roles import reach_of
from tenants.backoffice.superuser_admin import SuperuserAdmin
from tenants.models import Membership
from tenants.sign_in.sessions import end_sessions

SIGN_IN = "E-mail to sign in"  # the column `username`


@admin.register(User)
class StaffAdmin(SuperuserAdmin, DjangoUserAdmin):  # type: ignore[type-arg]
    plural = "Team members"
    add_title = "New team member"
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("sign_in", "email", "full_name", "kind", "last_seen")
    list_filter = ("is_active", "is_staff", "is_superuser")
    last_seen = local_time_column("last_login", "last signed in")
    readonly_fields = ("memberships_shown",)
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("Name and e-mail", {"fields": ("first_name", "last_name", "email")}),
        ("Access", {"fields": ("is_active", "is_staff", "is_superuser", "memberships_shown")}),
    )
    add_fieldsets = (
        (None, {"classes": ("wide",), "fields": ("username", "usable_password", "password1", "password2", "is_staff")}),
    )
    filter_horizontal = ()

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None and db_field.name == "username":
            field.label, field.help_text = SIGN_IN, "The address with which the user signs in."
        return field

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Save the user. Whoever is no longer active, or no team member, takes API keys and sessions along."""
        super().save_model(request, obj, form, change)
        if not (obj.is_active and obj.is_staff):
            end_sessions(obj.pk)
        key_owners.revoke_lost(obj, reach_of(request).actor)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        for key in key_owners.keys_of(obj):
            key_owners.revoke(key, reach_of(request).actor, "Its maker was deleted.")
        super().delete_model(request, obj)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        """Change another user's password. All sessions of the user end."""
        with transaction.atomic():
            response = super().user_change_password(request, id, form_url)
            if request.method == "POST" and response.status_code == 302:
                current = request.session.session_key if str(request.user.pk) == id else None
                end_sessions(int(id), but=current)
                user = User.objects.get(pk=id)
                self.audit(request, user, "password_changed")
        return response

    @admin.display(description=SIGN_IN, ordering="username")
    def sign_in(self, row: User) -> str:
        return row.get_username()

    @admin.display(description="name")
    def full_name(self, row: User) -> str:
        return row.get_full_name() or "-"

    @display(
        description="access",
        label={"Superuser": "primary", "Team member": "success", "Cannot sign in": "warning", "Inactive": "danger"},
    )
    def kind(self, row: User) -> str:
        if not row.is_active:
            return "Inactive"
        return "Superuser" if row.is_superuser else "Team member" if row.is_staff else "Cannot sign in"

    @admin.display(description="member of")
    def memberships_shown(self, row: User) -> str:
        found = Membership.objects.filter(user_id=row.pk).select_related("organization")
        words = ", ".join(
            f"{each.organization.name} ({each.get_role_display().partition(':')[0].lower()})" for each in found
        )
        return words or "No organization yet. Add the user on the page of an organization."


@admin.register(Group)
class GroupAdmin(SuperuserAdmin, DjangoGroupAdmin):
    """Trunkline does not use groups: team members have roles. Other applications of the installation may use them."""
