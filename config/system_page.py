"""The System page: what is wrong with the installation and what to do, for those who run it."""

from __future__ import annotations

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from config import findings
from tenants.backoffice.roles import reach_of
from tenants.findings import Severity
from tenants.policy import Action

LABELS = {
    Severity.FINE: ("OK", "success"),
    Severity.WARNING: ("Needs attention", "warning"),
    Severity.FAULT: ("Fault", "danger"),
}


def view(request: HttpRequest) -> HttpResponse:
    if not reach_of(request).may(Action.ADMINISTER):
        raise PermissionDenied
    context = {**admin.site.each_context(request), "title": "System", "rows": rows()}
    return TemplateResponse(request, "trunkline/system.html", context, headers={"Cache-Control": "no-store"})


def rows() -> list[dict[str, str]]:
    """Return a row for each check, in the order of the list."""
    found = findings.found()
    return [_row(check, *LABELS[found[check.name].severity], found[check.name].message) for check in findings.CHECKS]


def _row(check: findings.Check, label: str, colour: str, message: str) -> dict[str, str]:
    return {"title": check.title, "label": label, "colour": colour, "message": message or check.fine}
