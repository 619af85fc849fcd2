"""A validator of passwords beside Django's."""

from __future__ import annotations

from typing import Any

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
