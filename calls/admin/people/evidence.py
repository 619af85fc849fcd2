"""The evidence file of one contact."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseBase

from calls.api.evidence import as_file
from campaigns.models import Contact
from tenants.backoffice.roles import reach_of
from tenants.backoffice.scoped_admin import page_of
from tenants.policy import Action


def view(request: HttpRequest) -> HttpResponseBase:
    """Return every call to the contact's number in its organization. The address has `?contact=<key>`."""
    page = page_of(Contact)
    key = request.GET.get("contact", "")
    contact = (
        page.found(request, int(key), Action.EXPORT) if key.isascii() and key.isdigit() and len(key) < 19 else None
    )
    if contact is None:
        return page.not_found(request)
    return as_file([contact.organization_id], contact.phone, reach_of(request).actor)
