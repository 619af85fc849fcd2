"""Form fields of the admin for JSON columns, filled in without writing JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe
from unfold.widgets import (
    CHECKBOX_CLASSES,
    INPUT_CLASSES,
    SELECT_CLASSES,
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from tenants.backoffice.edit_conflicts import ConflictCheckedForm, as_submitted
from tenants.db.encrypted_fields import hint
from tenants.texts import NotText, one_line, several_lines

MAX_ROWS = 200
SPARE = 2  # empty rows
INPUT, SELECT, CHECKBOX = " ".join(INPUT_CLASSES), " ".join(SELECT_CLASSES), " ".join(CHECKBOX_CLASSES)
CLASSES = {"select": SELECT, "many": SELECT, "check": CHECKBOX, "fixed": ""}


@dataclass(frozen=True)
class Column:
    """One column of a RowsField."""

    name: str
    title: str
    kind: str = "text"  # text, check, select, many, date, time, fixed (shown and sent again as it is)
    placeholder: str = ""
    choices: Sequence[tuple[str, str]] = field(default_factory=tuple)
    beside: bool = False  # in the table cell of the column before
    shown_for: Sequence[str] = ()  # the values of the row's first select with which a script shows it; empty: all
    heading: str = ""  # of the table column; the title if empty


class RowsWidget(forms.Widget):
    """A small table with empty rows at its end, which a script extends.

    Where at most `most` rows are allowed, it has one empty row, and the rest in a part that opens without scripts.
    """

    def __init__(self, columns: Sequence[Column], most: int | None = None, add: str = "Add a row") -> None:
        super().__init__()
        self.columns, self.most, self.add = columns, most, add

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        filled = [row for row in value or [] if isinstance(row, dict)]
        left = MAX_ROWS if self.most is None else max(0, self.most - len(filled))
        shown = [*filled, *[{}] * min(left, SPARE if self.most is None else 1)]
        context = {
            "name": name,
            "headings": [column.heading or column.title for column in self.columns if not column.beside],
            "rows": [self._cells(name, number, row) for number, row in enumerate(shown)],
            "blank": None if self.most == len(shown) else self._cells(name, "__row__", {}),
            "most": self.most,
            "folded": [self._cells(name, number, {}) for number in range(len(shown), self.most or 0)],
            "removable": all(column.kind != "fixed" for column in self.columns),
            "add": self.add,
        }
        return mark_safe(render_to_string("trunkline/rows.html", context))  # noqa: S308 (a template's output)

    def _cells(self, name: str, number: int | str, row: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the table cells of a row, each with the fields in it."""
        found: list[dict[str, Any]] = []
        for column in self.columns:
            if not column.beside:
                found.append({"heading": column.heading or column.title, "fields": []})
            found[-1]["fields"].append(_cell(column, f"{name}-{number}-{column.name}", row.get(column.name, "")))
        return found

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[dict[str, Any]]:
        rows = []
        count = str(data.get(f"{name}-rows") or 0)
        known = count.isascii() and count.isdigit() and len(count) < 6
        for number in range(min(int(count), MAX_ROWS) if known else 0):
            row: dict[str, Any] = {}
            for column in self.columns:
                row[column.name] = _given(data, f"{name}-{number}-{column.name}", column.kind)
            if any(row.values()):
                rows.append(row)
        return rows

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        return f"{name}-rows" not in data

    def id_for_label(self, id_: str) -> str:
        return ""


def _cell(column: Column, name: str, value: Any) -> dict[str, Any]:
    lines = len(str(value).splitlines())
    return {"column": column, "name": name, "value": value, "classes": CLASSES.get(column.kind, INPUT), "lines": lines}


def _given(data: Any, name: str, kind: str) -> Any:
    if kind == "many":
        return [each for each in data.getlist(name) if each]
    given = data.get(name, "")
    return bool(given) if kind == "check" else given.strip()


class RowsField(forms.Field):
    """A list of objects, edited as one row each."""

    def __init__(
        self, columns: Sequence[Column], most: int | None = None, add: str = "Add a row", **kwargs: Any
    ) -> None:
        kwargs.setdefault("required", False)
        super().__init__(widget=RowsWidget(columns, most, add), **kwargs)

    def to_python(self, value: Any) -> Any:
        return value or []

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(self.prepare(initial) != self.prepare(data))

    def prepare(self, value: Any) -> Any:
        return [{key: _plain(item) for key, item in row.items() if item} for row in value or []]


def _plain(item: Any) -> Any:
    if isinstance(item, list):
        return sorted(item)
    return as_submitted(item, several_lines=True) if isinstance(item, str) else item


class PairsField(RowsField):
    """An object of strings by name, edited as one row each. Rows without a value are dropped."""

    def __init__(
        self, name_title: str = "Name", value_title: str = "Value", placeholder: str = "", **kwargs: Any
    ) -> None:
        columns = [Column("name", name_title), Column("value", value_title, placeholder=placeholder)]
        super().__init__(columns, **kwargs)

    def prepare_value(self, value: Any) -> Any:
        return [{"name": name, "value": text} for name, text in value.items()] if isinstance(value, dict) else value

    def clean(self, value: Any) -> dict[str, str]:
        rows = [row for row in value or [] if row["value"] or (row["name"] and self.keeps_empty)]
        if any(not row["name"] for row in rows):
            raise ValidationError("Give each value a name.")
        try:
            found = {row["name"]: several_lines(row["value"]) for row in rows}
        except NotText as error:
            raise ValidationError(str(error)) from error
        if len(found) != len(rows):
            raise ValidationError("A name is used twice.")
        return found

    keeps_empty = False

    def has_changed(self, initial: Any, data: Any) -> bool:
        before, after = (self.prepare(rows) for rows in (self.prepare_value(initial or {}), data))
        return [row for row in before if row.get("value")] != [row for row in after if row.get("value")]


class PlainDecimalField(forms.DecimalField):
    """A decimal without the zeros of its column: 5.000 is five thousand to many readers."""

    def prepare_value(self, value: Any) -> Any:
        return f"{value.normalize():f}" if isinstance(value, Decimal) else value


class LineField(forms.CharField):
    """A text of one line, as it is stored."""

    rule = staticmethod(one_line)

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        try:
            return self.rule(text) if isinstance(text, str) else text
        except NotText as error:
            raise ValidationError(str(error)) from error


class LinesField(LineField):
    """A text that may have several lines, as it is stored."""

    rule = staticmethod(several_lines)
    widget = UnfoldAdminTextareaWidget


class SecretField(forms.CharField):
    """A write-only secret. The stored value is never sent to the browser; an empty field keeps it."""

    def __init__(self, stored: str = "", **kwargs: Any) -> None:
        widget = UnfoldAdminPasswordWidget(
            attrs={"autocomplete": "new-password", "placeholder": f"{hint(stored)} (kept)" if stored else ""}
        )
        super().__init__(max_length=500, widget=widget, **kwargs)


class CommaField(forms.CharField):
    """A list of short words, separated by commas."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("required", False)
        super().__init__(widget=UnfoldAdminTextInputWidget(), **kwargs)

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(str(item) for item in value) if isinstance(value, list) else value

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        return [word for word in text.replace(";", ",").replace("\n", ",").replace(" ", ",").split(",") if word]

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool((initial or []) != self.clean(data or ""))


def text_field(label: str, required: bool = False, **kwargs: Any) -> forms.CharField:
    return LineField(label=label, required=required, widget=UnfoldAdminTextInputWidget(), **kwargs)


def long_text_field(label: str, required: bool = False, **kwargs: Any) -> forms.CharField:
    return LinesField(label=label, required=required, widget=UnfoldAdminTextareaWidget(), **kwargs)


def choice_field(
    label: str, choices: Sequence[tuple[str, str]], required: bool = False, **kwargs: Any
) -> forms.ChoiceField:
    return forms.ChoiceField(
        label=label, choices=choices, required=required, widget=UnfoldAdminSelectWidget(), **kwargs
    )


class ScopedForm(ConflictCheckedForm):
    """A form of a row that belongs to an organization. The organization is known before the form is shown."""

    organization_id: int | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.organization_id is not None and self.instance.organization_id is None:
            self.instance.organization_id = self.organization_id


def or_default(form: forms.ModelForm[Any], name: str) -> Any:
    """Return the submitted value, or the column's default for an empty field whose column is never null."""
    given = form.cleaned_data[name]
    return form._meta.model._meta.get_field(name).get_default() if given is None else given
