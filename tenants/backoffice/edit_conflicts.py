"""Edit conflicts: a form does not silently overwrite what another team member saved after it was opened.

Nor does it change what nobody edited: a form that is saved as it was shown changes nothing.
"""

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
    """Refuse once to overwrite values that changed after the form was opened. Saving again overwrites them.

    A field that is submitted as it was shown keeps its stored value, whatever rules were added since it was stored.
    """

    @cached_property
    def changed_data(self) -> list[str]:
        """The fields that the user changed: their values are not what a browser makes of the stored ones."""
        return [name for name in super().changed_data if not self._as_shown(name)]

    def _as_shown(self, name: str) -> bool:
        bound = self[name]
        shown = bound.field.prepare_value(bound.initial)
        if not isinstance(shown, str) or not isinstance(bound.data, str):
            return False
        several = _has_lines(bound.field)
        return as_submitted(shown, several) == as_submitted(bound.data, several)

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

    def _clean_fields(self) -> None:
        super()._clean_fields()  # type: ignore[misc]
        for name in self._unchanged():
            self.errors.pop(name, None)
            self.cleaned_data[name] = getattr(self.instance, name)
        for name in self._unchanged_texts() & set(self.errors):
            del self.errors[name]
            self.cleaned_data[name] = self[name].initial

    def _unchanged(self) -> set[str]:
        """Return the plain columns that are submitted as they were shown."""
        plain = {column.name for column in self.instance._meta.concrete_fields if not column.is_relation}
        return plain & (set(self.fields) - set(self.changed_data)) if self.instance.pk else set()

    def _unchanged_texts(self) -> set[str]:
        """Return the texts that are no column, such as an option in a JSON column, and submitted as they were shown."""
        texts = {name for name, field in self.fields.items() if isinstance(field, forms.CharField)}
        return texts - set(self.changed_data) - self._unchanged() if self.instance.pk else set()

    def _get_validation_exclusions(self) -> set[str]:
        excluded: set[str] = super()._get_validation_exclusions()  # type: ignore[misc]
        return excluded | self._unchanged()

    def _post_clean(self) -> None:
        if self.changed_data or not self.instance.pk:
            super()._post_clean()  # type: ignore[misc]

    def _conflicts(self) -> list[str]:
        """Return the fields whose present value is neither the one shown nor the one submitted."""
        changed = [name for name, mark in self.shown.items() if self.marks.get(name, mark) != mark]
        return [name for name in changed if name not in self.fields or name in self.changed_data]

    def _title(self, name: str) -> str:
        found = self.fields.get(name)
        return f"“{found.label or name if found else name}”"


def _has_lines(field: forms.Field) -> bool:
    return isinstance(field.widget, forms.Textarea)


def as_submitted(text: str, several_lines: bool) -> str:
    """Return what a browser submits for a text that it shows. An input of one line drops line breaks."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return (lines if several_lines else lines.replace("\n", "")).strip()


def _mark(value: Any) -> int:
    if isinstance(value, list) and value and isinstance(value[0], models.Model):
        value = sorted(row.pk for row in value)
    return zlib.crc32(repr(value).encode())
