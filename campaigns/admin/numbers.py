"""Search lists by phone number, in any format."""

from __future__ import annotations

from collections.abc import Iterable

from django.http import HttpRequest
from django.utils.html import format_html

from campaigns.models import Recipient
from campaigns.phones import NotCallable, beginnings, lookups, national
from tenants.backoffice.roles import regions_of
from tenants.backoffice.scoped_admin import ScopedAdmin


def e164_prefixes(term: str, regions: Iterable[str]) -> set[str]:
    """Return the E.164 prefixes that a search term may mean, if it is written as in one of these countries."""
    digits = "".join(character for character in term if character.isdecimal())
    if not digits or any(character.isalpha() for character in term):
        return set()
    if term.lstrip().startswith("+"):
        return {f"+{digits}", *_whole(term, "")}
    found = {f"+{digits}"} if len(digits) > 6 else set()
    if digits.startswith("00"):
        found = {f"+{digits[2:]}"} if len(digits) > 2 else set()
    for region in regions:
        found.update(_whole(term, region))
        found |= set() if digits.startswith("00") else beginnings(digits, region)
    return found


def _whole(term: str, region: str) -> Iterable[str]:
    """Return the numbers that a term in full may mean, in today's form and in former ones."""
    try:
        return lookups(term, region)
    except NotCallable:
        return ()


class NumberedAdmin(ScopedAdmin):
    """An admin whose list is searched by phone number, in E.164 or in a national format."""

    search_help_text = "Phone number or name (the beginning)"

    def number_prefixes(self, request: HttpRequest, term: str) -> Iterable[str]:
        return e164_prefixes(term, regions_of(request))


def both_formats(e164: str) -> str:
    """Return a number as HTML, in its national format and in E.164; "erased" without a number."""
    return format_html('{} <span class="tl-faint">{}</span>', national(e164), e164) if e164 else "erased"


def called_number(recipient: Recipient) -> str:
    """Return the number that is called next, in its national format; the name of an erased contact."""
    return str(recipient.contact) if recipient.contact.erased_at else national(recipient.number)
