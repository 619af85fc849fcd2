"""A column with the currency of an amount."""

from __future__ import annotations

from typing import Any

from django.core.validators import RegexValidator
from django.db import models

from tenants.money import CODE


class CurrencyField(models.CharField):  # type: ignore[type-arg]
    """A currency by its code of ISO 4217. Forms take it in small letters too.

    For the database and its migrations it is a CharField.
    """

    default_validators = [RegexValidator(rf"\A{CODE}\Z", "Use a code of three capital letters, such as USD.")]

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"max_length": 3, "default": "USD", **options})

    def deconstruct(self) -> Any:
        name, _, args, options = super().deconstruct()
        return name, "django.db.models.CharField", args, options

    def to_python(self, value: Any) -> Any:
        found = super().to_python(value)
        return found.upper() if isinstance(found, str) else found
