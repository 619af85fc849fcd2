"""Edit conflicts: a form does not silently overwrite what another team member saved after it was opened."""

from __future__ import annotations

import json
import zlib
from functools import cached_property
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import models

SEEN = "_seen"  # the hidden field with the marks of the values shown


class ConflictCheckedForm(forms.ModelForm):  # type: ignore[type-arg]
    """Refuse once to overwrite values that changed after the form was opened. Saving again overwrites them."""

    def held(self) -> dict[str, Any]:
        """Return the present values of the row, by field name."""
        return {name: value for name, value in self.initial.items() if name in self.fields}

    @cached_property
    def marks(self) -> dict[str, int]:
        """Checksums of the present values, by field name. Empty for a new row."""
        changes = self.instance.pk and self.fields
        return {name: _mark(value) for name, value in self.held().items()} if changes else {}

    @property
    def seen(self) -> str:
        """The value of the hidden field."""
        return json.dumps(self.marks)

    @property
    def shown(self) -> dict[str, int]:
        """The marks of the values that the user saw before submitting."""
        try:
            return dict(json.loads(self.data.get(SEEN) or "{}"))
        except (TypeError, ValueError):
            return {}

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        if names := self._conflicts():
            changed = ", ".join(map(self._title, names))
            raise ValidationError(
                f"Changed since you opened this page: {changed}. "
                "Reload the page to see the change, or save again to overwrite it."
            )
        return values

    def _conflicts(self) -> list[str]:
        """Return the fields whose present value is neither the one shown nor the one submitted."""
        changed = [name for name, mark in self.shown.items() if self.marks.get(name, mark) != mark]
        return [name for name in changed if name not in self.fields or name in self.changed_data]

    def _title(self, name: str) -> str:
        found = self.fields.get(name)
        return f"“{found.label or name if found else name}”"


def _mark(value: Any) -> int:
    if isinstance(value, list) and value and isinstance(value[0], models.Model):
        value = sorted(row.pk for row in value)
    return zlib.crc32(repr(value).encode())
