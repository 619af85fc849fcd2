"""The time that a statement of a page or of the API may take, and the named exceptions that take longer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from tenants.db.time_limits import limit_statements

# Names of routes. Files of many rows:
EXPORTS = {
    *("campaign-results", "admin:campaigns_campaign_results", "evidence", "admin:calls_call_evidence"),
    *("import-errors", "admin:campaigns_contactimport_rejected", "admin:campaigns_donotcall_unreadable"),
}
EXPORT_OF_A_LIST = "_export"
IMPORTS = {
    *("contact-list-imports", "contact-list-preview-import"),
    *("admin:campaigns_contactlist_import", "admin:campaigns_contactlist_import_new"),
    "admin:campaigns_donotcall_import",
}
# Writes of these objects may change as many rows as a campaign or a list has, or keep people from being called, which
# rather waits for the engine's locks than fails: by the API and by the pages of the models.
OBJECTS = (
    *("campaign-", "contact-", "do-not-call-", "import-", "organization-", "recipient-"),
    *("provider-account-", "assistant-", "phone-number-"),
)
PAGES = (
    *("admin:campaigns_campaign_", "admin:campaigns_contact_", "admin:campaigns_contactlist_"),
    *("admin:campaigns_contactimport_", "admin:campaigns_donotcall_", "admin:campaigns_recipient_"),
    *("admin:campaigns_segment_", "admin:campaigns_tag_"),
    *("admin:providers_provideraccount_", "admin:providers_assistant_", "admin:providers_phonenumber_"),
    "admin:tenants_organization_",
)
OTHERS = {"call-cancel", "undo", "webhook-delivery-replay-range", "webhook-endpoint-replay-held"}
BUTTON, DELETION = "_step", "_delete"
# Writes that are short all the same, or belong to other objects.
SHORT = {
    # They store nothing.
    *("campaign-preview", "provider-account-check"),
    *(f"admin:campaigns_campaign_draft_{part}" for part in ("fields", "preview", "openings", "forecast")),
    # One row.
    *("organization-rotate-webhook-secret", "outbound", "call-list", "call-end", "alert-seen", "hook", "account-hook"),
    *("api-key-list", "api-key-detail", "webhook-delivery-replay"),
    *("segment-list", "segment-detail"),
    *(f"webhook-endpoint-{what}" for what in ("list", "detail", "rotate-secret", "test")),
    # A user's own access and settings.
    *("sign-in", "two-step", "two-step-code", "my-sessions", "my-settings", "own-password"),
    *("session", "choose-organization", "saved-views"),
    *("password-reset", "password-reset-new", "admin:login", "admin:logout", "admin:password_change"),
}
SHORT_PAGES = (
    *("admin:calls_", "admin:auth_", "admin:axes_", "admin:django_q_", "admin:campaigns_importmapping_"),
    *("admin:tenants_alert_", "admin:tenants_apikey_", "admin:tenants_auditentry_", "admin:tenants_tenant_"),
    "admin:tenants_webhookendpoint_",
)
READS = ("GET", "HEAD", "OPTIONS")


class StatementLimits:
    """Middleware: give the connection of each request its limit, once its route is known.

    A connection keeps its limit from one request to the next, so this costs nothing as long as the limit is the same.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        limit_statements(settings.STATEMENT_SECONDS)
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *_: Any) -> None:
        match = request.resolver_match
        if settings.STATEMENT_SECONDS and match is not None and may_take_long(match.view_name, request.method or ""):
            limit_statements(settings.LONG_STATEMENT_SECONDS)


def may_take_long(route: str, method: str) -> bool:
    """Return whether a request to this route reads or changes as many rows as somebody has, or must not give up."""
    if route in EXPORTS | IMPORTS or route.endswith(EXPORT_OF_A_LIST):
        return True
    return method not in READS and is_long_write(route)


def is_long_write(route: str) -> bool:
    if route.endswith((BUTTON, DELETION)) or route in OTHERS:
        return True
    return route.startswith((*OBJECTS, *PAGES)) and route not in SHORT


def is_short_write(route: str) -> bool:
    return not route.endswith((BUTTON, DELETION)) and (route in SHORT or route.startswith(SHORT_PAGES))
