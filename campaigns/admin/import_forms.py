"""What people fill in to import a file: which file and list, how it is read, what its columns become."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from django import forms
from django.conf import settings
from unfold.widgets import UnfoldAdminTextInputWidget, UnfoldBooleanSwitchWidget

from campaigns.imports.columns import chosen_mapping
from campaigns.imports.file_format import FileFormat
from campaigns.models import ContactImport, ContactList
from campaigns.phones import EVERYWHERE
from tenants.backoffice.forms import choice_field, text_field
from tenants.models import Organization

LISTS_OFFERED = 200  # the newest; others have a page of their own
SUFFIXES = (".csv", ".tsv", ".tab", ".txt", ".xlsx")
DELIMITERS = {",": "Comma", ";": "Semicolon", "\t": "Tab", "|": "Bar"}
ENCODINGS = {
    "utf-8": "UTF-8",
    "cp1252": "Western",
    "cp1250": "Central European",
    "cp1251": "Cyrillic",
    "cp1253": "Greek",
    "cp1254": "Turkish",
    "utf-16-le": "UTF-16",
    "mac-roman": "Macintosh",
}


def too_large(limit: int) -> str:
    """Said before a file is sent, and again when it has come."""
    return f"The file is larger than {limit // (1024 * 1024)} MB; split it and import the parts one by one."


WRONG_TYPE = (
    "This does not look like a CSV file or an Excel workbook (.xlsx). Open it in your spreadsheet and save it as one."
)


class FileField(forms.FileField):
    """An upload into the drop zone of `trunkline/drop.html`."""

    def __init__(self, limit: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.limit = limit
        self.suffixes = ",".join(SUFFIXES)
        self.too_large, self.wrong_type = too_large(limit), WRONG_TYPE

    def clean(self, data: Any, initial: Any = None) -> Any:
        file = super().clean(data, initial)
        if file and file.size > self.limit:
            raise forms.ValidationError(self.too_large)
        return file


class UploadForm(forms.Form):
    """A file and, unless it is known, the list it goes into."""

    def __init__(self, organizations: Sequence[Organization], known: ContactList | None, *args: Any) -> None:
        super().__init__(*args)
        self.organizations = organizations
        self.fields["file"] = FileField(settings.IMPORT_MAX_BYTES, label="CSV file or Excel workbook (.xlsx)")
        self.lists: dict[str, ContactList] = {}
        if known is None:
            several = len(organizations) > 1
            rows = ContactList.objects.filter(organization__in=organizations).select_related("organization")
            self.lists = {str(row.pk): row for row in rows[:LISTS_OFFERED]}
            offered = [
                (pk, f"{row.name} ({row.organization})" if several else row.name) for pk, row in self.lists.items()
            ]
            self.fields["contact_list"] = choice_field("List", [("", "A new list"), *offered])
            self.fields["new_list"] = text_field("Name of the new list", max_length=200)
            if several:
                self.fields["organization"] = choice_field(
                    "Organization of the new list", [(str(row.pk), row.name) for row in organizations]
                )

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        if "contact_list" in self.fields and "contact_list" in values and not values["contact_list"]:
            name = values.get("new_list", "").strip()
            home = self.home
            if not name:
                self.add_error("new_list", "Name the new list, or choose one that is there.")
            elif home is None:
                self.add_error("new_list", "There is no organization in which you may make a list.")
            elif ContactList.objects.filter(organization=home, name=name).exists():
                self.add_error("new_list", "There is a list of this name already. Choose it above, or another name.")
        return values

    @property
    def chosen(self) -> ContactList | None:
        return self.lists.get(self.cleaned_data.get("contact_list", ""))

    @property
    def home(self) -> Organization | None:
        """Where a new list is made."""
        given = self.cleaned_data.get("organization", "")
        if not given and len(self.organizations) == 1:
            return self.organizations[0]
        return next((row for row in self.organizations if str(row.pk) == given), None)


class ReadingForm(forms.Form):
    """How a file is read: what was found, which may be corrected."""

    def __init__(self, found: FileFormat | None = None, data: Any = None, home: str = "") -> None:
        super().__init__(data)
        said = data or {}
        if found is None or not found.size:  # a workbook leaves nothing to say
            delimiter, encoding = (found.delimiter, found.encoding) if found else ("", "")
            self.fields["delimiter"] = choice_field(
                "Columns are separated by", _with_found(DELIMITERS, delimiter, said.get("delimiter"))
            )
            self.fields["encoding"] = choice_field(
                "Letters are written as", _with_found(ENCODINGS, encoding, said.get("encoding"))
            )
        self.fields["default_region"] = text_field(
            "Country if none is given",
            max_length=2,
            help_text=f"Two capitals, like FR. Empty: {home or 'the one'} of the organization.",
        )
        self.fields["on_duplicate"] = choice_field(
            "When a person is there already",
            [(str(key), str(label)) for key, label in ContactImport.OnDuplicate.choices],
        )

    def clean_default_region(self) -> str:
        region = str(self.cleaned_data["default_region"]).strip().upper()
        if region and region not in EVERYWHERE:
            raise forms.ValidationError("This is no country; write two capitals, like FR.")
        return region

    @property
    def values(self) -> dict[str, str]:
        """What was said, and nothing in the place of nonsense."""
        self.is_valid()
        given = self.cleaned_data if self.is_bound else {}
        return {name: given.get(name) or "" for name in ("delimiter", "encoding", "default_region")} | {
            "on_duplicate": given.get("on_duplicate") or ContactImport.OnDuplicate.UPDATE.value
        }


def _with_found(names: Mapping[str, str], found: str, said: Any) -> list[tuple[str, str]]:
    """The choices, first what was found out; once somebody chose, finding out again is a choice like others."""
    first = "Find out" if said or not found else f"{names.get(found, found)} (found)"
    return [("", first), *names.items()]


class MappingForm(forms.Form):
    """What each column becomes."""

    def __init__(
        self, header: Sequence[str], mapping: Mapping[str, str], samples: Sequence[str] = (), data: Any = None
    ) -> None:
        self.header = header
        self.digest = hashlib.sha256("\0".join(header).encode()).hexdigest()[:16]
        # What was said about other columns, of the same file read another way, says nothing about these.
        super().__init__(data if data is not None and data.get("columns") == self.digest else None)
        for number, column in enumerate(header):
            target = mapping.get(column, "")
            choices = [
                ("phone", "Number"),
                ("name", "Name"),
                ("external_id", "Your id"),
                ("language", "Language"),
                ("timezone", "Time zone"),
                ("", "Leave out"),
            ]
            own = target if target.startswith("variables.") else _variable(header, column)
            if own:
                choices.insert(5, (own, f"Variable {own.partition('.')[2]}"))
            field = choice_field(column, choices, initial=target)
            field.help_text = samples[number] if number < len(samples) else ""
            self.fields[f"column-{number}"] = field

    @property
    def mapping(self) -> dict[str, str] | None:
        """What somebody said, if they did."""
        if not self.is_bound or not self.is_valid():
            return None
        return {column: self.cleaned_data[f"column-{number}"] for number, column in enumerate(self.header)}


def _variable(header: Sequence[str], column: str) -> str:
    """The variable a column becomes when it is nothing else."""
    others = {name: "" for name in header if name != column}
    return chosen_mapping(header, {**others, header[0 if header[0] != column else -1]: "phone"}).get(column, "")


class RememberForm(forms.Form):
    """Whether the mapping is kept, and under which name."""

    remember = forms.BooleanField(
        label="Remember what these columns become", required=False, widget=UnfoldBooleanSwitchWidget()
    )
    mapping_name = forms.CharField(
        label="Under the name", required=False, max_length=200, widget=UnfoldAdminTextInputWidget()
    )

    def __init__(self, filename: str, known: str, data: Any = None) -> None:
        super().__init__(data, initial={"mapping_name": known or PurePath(filename).stem[:200]})

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        if values.get("remember") and not values.get("mapping_name", "").strip():
            self.add_error("mapping_name", "Give the mapping a name.")
        return values
