"""`{% csrf_token %}` of all templates, also those of Django and the theme: it adds the token of `once`."""

from __future__ import annotations

import secrets
from typing import Any

from django import template
from django.template.base import Parser, Token
from django.template.defaulttags import CsrfTokenNode
from django.utils.html import format_html
from django.utils.safestring import SafeString

from tenants.backoffice.once import FIELD

register = template.Library()


class FormTokens(CsrfTokenNode):
    def render(self, context: Any) -> SafeString | str:
        found = super().render(context)
        return found and found + format_html('<input type="hidden" name="{}" value="{}">', FIELD, secrets.token_hex(16))


@register.tag
def csrf_token(parser: Parser, token: Token) -> FormTokens:
    return FormTokens()
