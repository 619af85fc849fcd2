"""Team members: their roles in organizations and their own settings."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.db import models

from tenants.models.organization import Organization
from tenants.models.validators import check_timezone
from tenants.policy import Level, level_of


class Membership(models.Model):
    """The role of one team member in one organization."""

    class Role(models.TextChoices):
        VIEWER = "viewer", "Viewer: sees contacts, campaigns, calls and results"
        OPERATOR = "operator", "Operator: starts calls and campaigns"
        MANAGER = "manager", "Manager: changes contacts, campaigns, accounts and rules"
        ADMIN = "admin", "Admin: changes everything"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=8, choices=Role, default=Role.VIEWER)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["user", "organization"], name="one_role_each")]

    def __str__(self) -> str:
        return f"{self.user}: {self.role} of {self.organization}"


def member_level(user: Any, role: str | None) -> Level | None:
    """Return what a user with this role in an organization may do there now. None: nothing."""
    if not (user.is_active and user.is_staff):
        return None
    if user.is_superuser:
        return Level.SUPERUSER
    return level_of(role) if role else None


def levels_of(user: Any) -> dict[int, Level]:
    """Return what a user may do now, by internal key of the organization."""
    if member_level(user, None) is Level.SUPERUSER:
        return dict.fromkeys(Organization.objects.values_list("pk", flat=True), Level.SUPERUSER)
    roles = Membership.objects.filter(user_id=user.pk).order_by("pk").values_list("organization_id", "role")
    levels = {pk: member_level(user, role) for pk, role in roles}
    return {pk: level for pk, level in levels.items() if level is not None}


# Pages are translated on their way out (tenants/backoffice/languages). Each language is named by itself.
LANGUAGES = [("en", "English"), ("fr", "Français"), ("de", "Deutsch"), ("es", "Español")]


class StaffSettings(models.Model):
    """The own settings of a team member."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="staff_settings")
    timezone = models.CharField("time zone", max_length=64, blank=True, validators=[check_timezone])
    language = models.CharField(max_length=2, blank=True, choices=LANGUAGES, default="", db_default="")

    def __str__(self) -> str:
        return f"Settings of {self.user}"
