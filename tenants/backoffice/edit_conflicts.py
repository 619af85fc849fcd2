"""Two people with one form: what the other saved meanwhile is not written over in silence."""

from __future__ import annotations

import json
import zlib
from functools import cached_property
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import models

SEEN = "_seen"  # the hidden field in which a form remembers what it showed


class WatchfulForm(forms.ModelForm):  # type: ignore[type-arg]
    """Refuses once to save over what has changed since it was opened. Saved again, it does."""

    def held(self) -> dict[str, Any]:
        """What the row holds now, by field."""
        return {name: value for name, value in self.initial.items() if name in self.fields}

    @cached_property
    def marks(self) -> dict[str, int]:
        changes = self.instance.pk and self.fields
        return {name: _mark(value) for name, value in self.held().items()} if changes else {}

    @property
    def seen(self) -> str:
        """For the hidden field."""
        return json.dumps(self.marks)

    @property
    def shown(self) -> dict[str, int]:
        """The marks of what somebody was shown before they sent this."""
        try:
            return dict(json.loads(self.data.get(SEEN) or "{}"))
        except (TypeError, ValueError):
            return {}

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        if names := self._overtaken():
            changed = ", ".join(map(self._title, names))
            raise ValidationError(
                f"Changed since you opened this page: {changed}. "
                "Open it anew to see how; or save again, and what stands here takes its place."
            )
        return values

    def _overtaken(self) -> list[str]:
        """Fields that are not what this form showed, nor what it says."""
        moved = [name for name, mark in self.shown.items() if self.marks.get(name, mark) != mark]
        return [name for name in moved if name not in self.fields or name in self.changed_data]

    def _title(self, name: str) -> str:
        found = self.fields.get(name)
        return f"“{found.label or name if found else name}”"


def _mark(value: Any) -> int:
    if isinstance(value, list) and value and isinstance(value[0], models.Model):
        value = sorted(row.pk for row in value)
    return zlib.crc32(repr(value).encode())
