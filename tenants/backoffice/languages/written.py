"""Texts of people and of providers, which no page translates."""

from __future__ import annotations

from django.utils.html import format_html
from django.utils.safestring import SafeString


def as_written(text: object) -> SafeString:
    """Return a text as HTML that stays as it was written, whatever language the page has."""
    return format_html('<span translate="no">{}</span>', text)
