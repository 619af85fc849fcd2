"""Every page of the back office by name, found from the registered models, so that a new page is tested by itself."""

from __future__ import annotations

from contextlib import suppress

from django.contrib import admin
from django.db import models
from django.urls import NoReverseMatch, reverse

from calls.admin.campaigns.tabs import Tab
from tenants.backoffice.scoped_admin import ScopedAdmin
from tenants.models import Organization
from tenants.policy import Grant, Level

OF_NO_MODEL = {
    "dashboard": "admin:index",
    "launch": "admin:calls_call_launch",
    "documentation": "manual",
    "two campaigns compared": "admin:campaigns_campaign_compare",
    "legal hours": "admin:calls_call_legal_hours",
    "two-step sign-in": "two-step",
    "own sessions": "my-sessions",
    "own password": "own-password",
}
OF_ONE_ROW = ("import", "result_fields")  # further pages of a row: `<app>_<model>_<name>`
TABS = {"campaigns.Campaign": tuple(tab.slug for tab in Tab if tab is not Tab.OVERVIEW)}  # of the page of a row


def pages_of(organization: Organization, level: Level = Level.ADMIN, *, every_state: bool = True) -> dict[str, str]:
    """Return addresses by name, as far as the level allows.

    They are each list, each form for a new object, a row in each status, and each confirmation before a step. Without
    `every_state` they include one row and one confirmation of each kind of object.
    """
    found = {name: reverse(route) for name, route in OF_NO_MODEL.items()}
    for model, page in admin.site._registry.items():
        if isinstance(page, ScopedAdmin) and Grant(level).may(page.view_action):
            found |= _of_model(model, page, organization, level, None if every_state else 1)
    return found


def _of_model(
    model: type[models.Model], page: ScopedAdmin, organization: Organization, level: Level, most: int | None
) -> dict[str, str]:
    route = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    name = str(model._meta.verbose_name)
    found = {str(model._meta.verbose_name_plural): reverse(f"{route}_changelist")}
    if Grant(level).may(page.add_action):
        found[f"new {name}"] = reverse(f"{route}_add")
    for title, row in list(_rows(model, page, organization).items())[:most]:
        found[f"{name}{title}"] = reverse(f"{route}_change", args=[row.pk])
        for tab in TABS.get(model._meta.label, ()):
            found[f"{name}{title}, {tab}"] = f"{found[f'{name}{title}']}?tab={tab}"
        for other in OF_ONE_ROW:
            with suppress(NoReverseMatch):
                found[f"{name}{title}, {other}"] = reverse(f"{route}_{other}", args=[row.pk])
        offered = [step for step in page.steps if Grant(level).may(step.action) and step.offered(row)]
        for step in offered[:most]:
            found[f"{name}{title}, {step.name}"] = reverse(f"{route}_step", args=[row.pk, step.name])
    return found


def _rows(model: type[models.Model], page: ScopedAdmin, organization: Organization) -> dict[str, models.Model]:
    """Return the newest row of each status; without a status, the newest row."""
    mine = model._default_manager.filter(**{page.organization_path: organization.pk}).order_by("-pk")
    if page.organization_path == "pk":
        mine = model._default_manager.filter(pk=organization.pk)
    if "status" not in {field.name for field in model._meta.get_fields()}:
        newest = mine.first()
        return {"": newest} if newest else {}
    statuses = mine.order_by().values_list("status", flat=True).distinct()
    return {f" {status}": mine.filter(status=status)[0] for status in sorted(statuses)}
