"""Lists searched by telephone number, in whatever spelling."""

from __future__ import annotations

from collections.abc import Iterable

import phonenumbers
from django.http import HttpRequest
from django.utils.html import format_html

from campaigns.models import Contact
from campaigns.phones import national
from tenants.backoffice.roles import regions_of
from tenants.backoffice.scoped_admin import ScopedAdmin


def beginnings(term: str, regions: Iterable[str]) -> set[str]:
    """The E.164 beginnings that a number written in one of these countries may have."""
    digits = "".join(character for character in term if character.isdecimal())
    if not digits or any(character.isalpha() for character in term):
        return set()
    if term.lstrip().startswith("+"):
        return {f"+{digits}"}
    if digits.startswith("00"):
        return {f"+{digits[2:]}"} if len(digits) > 2 else set()
    found = {f"+{digits}"} if len(digits) > 6 else set()
    for region in regions:
        code = phonenumbers.country_code_for_region(region)
        prefix = phonenumbers.ndd_prefix_for_region(region, True) or ""
        bare = digits.removeprefix(prefix) if prefix and region != "IT" else digits
        if code and bare:
            found.add(f"+{code}{bare}")
    return found


class NumberedAdmin(ScopedAdmin):
    """Lists searched by telephone number, in E.164 or as its country writes it."""

    search_help_text = "Number or name (the beginning)"

    def number_prefixes(self, request: HttpRequest, term: str) -> Iterable[str]:
        return beginnings(term, regions_of(request))


def both_spellings(e164: str) -> str:
    """A number as people write it, and as machines do."""
    return format_html('{} <span class="tl-faint">{}</span>', national(e164), e164) if e164 else "erased"


def called_number(contact: Contact) -> str:
    """The number as people of its country write it, or that it is nobody's any more."""
    return national(contact.number) if contact.number else str(contact)
