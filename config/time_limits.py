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
# What keeps people from being called: it rather waits for the engine's locks than fails.
STOPS = {
    *("organization-detail", "campaign-pause", "call-cancel", "do-not-call-list", "do-not-call-detail"),
    *("contact-hold", "recipient-hold", "recipient-withdraw", "contact-detail", "admin:campaigns_donotcall_add"),
}
# Changes of as many rows as a campaign or a list has.
CHANGES = {
    *("campaign-start", "campaign-cancel", "campaign-refresh", "campaign-held-send", "campaign-held-skip"),
    *("campaign-detail", "contact-list-detail", "import-undo", "import-cancel", "webhook-delivery-replay-range"),
    "webhook-endpoint-replay-held",
}
BUTTON, DELETION = "_step", "_delete"
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
    return method not in READS and (route in STOPS | CHANGES or route.endswith((BUTTON, DELETION)))
