"""Search lists by phone number, in any format."""

from __future__ import annotations

from collections.abc import Iterable

from django.http import HttpRequest
from django.utils.html import format_html

from campaigns.models import Recipient
from campaigns.phones import e164_prefixes, national
from tenants.backoffice.roles import regions_of
from tenants.backoffice.scoped_admin import ScopedAdmin


class NumberedAdmin(ScopedAdmin):
    """An admin whose list is searched by phone number, in E.164 or in a national format."""

    search_help_text = "Phone number or name (the beginning)"

    def number_prefixes(self, request: HttpRequest, term: str) -> Iterable[str]:
        return e164_prefixes(term, regions_of(request))


def both_formats(e164: str) -> str:
    """Return a number as HTML, in its national format and in E.164; "erased" without a number."""
    return format_html('<bdi>{}</bdi> <bdi class="tl-faint">{}</bdi>', national(e164), e164) if e164 else "erased"


def called_number(recipient: Recipient) -> str:
    """Return the number that is called next, in its national format; the name of an erased contact."""
    return str(recipient.contact) if recipient.contact.erased_at else national(recipient.number)
