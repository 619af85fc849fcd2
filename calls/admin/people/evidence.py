"""The evidence about one contact, as a file."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseBase

from calls.api.evidence import as_file
from campaigns.models import Contact
from tenants.backoffice.scoped_admin import page_of


def view(request: HttpRequest) -> HttpResponseBase:
    """`?contact=<key>`: every call to that person's number in the contact's organization."""
    page = page_of(Contact)
    given = request.GET.get("contact", "")
    contact = page.found(request, int(given)) if given.isascii() and given.isdigit() and len(given) < 19 else None
    return as_file([contact.organization_id], contact.phone) if contact else page.not_found(request)
