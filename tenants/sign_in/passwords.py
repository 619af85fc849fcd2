"""A validator of passwords beside Django's, and the tokens of links for a new one."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.core.exceptions import ValidationError


class DistinctCharactersValidator:
    """Refuse passwords of few different characters, such as `aaaaaaaaaaaa` and `abababababab`."""

    def __init__(self, least: int = 5) -> None:
        self.least = least

    def validate(self, password: str, user: Any = None) -> None:
        if len(set(password.lower())) < self.least:
            raise ValidationError(self.get_help_text(), code="password_repeats")

    def get_help_text(self) -> str:
        return f"Your password must contain at least {self.least} different characters."


class ResetTokens(PasswordResetTokenGenerator):
    """Tokens that end when the password, the address of either kind or the access of the user changes."""

    def _make_hash_value(self, user: Any, timestamp: int) -> str:
        return f"{super()._make_hash_value(user, timestamp)}{user.get_username()}{user.is_active}{user.is_staff}"


reset_tokens = ResetTokens()
