"""Forms of an import: the file and its list, how the file is read, and what its columns become."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from django import forms
from django.conf import settings
from unfold.widgets import UnfoldAdminTextInputWidget, UnfoldBooleanSwitchWidget

from campaigns.imports.columns import IGNORE, VARIABLES, explain, variable_targets
from campaigns.imports.file_format import FileFormat
from campaigns.imports.options import Options
from campaigns.models import ContactImport, ContactList
from campaigns.phones import EVERYWHERE
from tenants.backoffice.forms import choice_field, text_field
from tenants.backoffice.pickers import Picker, country_choices
from tenants.models import Organization
from tenants.search_keys import is_among

LISTS_OFFERED = 200  # the newest; an import into another list starts on its page
SUFFIXES = (".csv", ".tsv", ".tab", ".txt", ".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
DELIMITERS = {",": "Comma", ";": "Semicolon", "\t": "Tab", "|": "Vertical bar"}
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


# The fields of a contact as users choose them for columns.
TARGETS = {
    "phone": "Phone number",
    "phone.mobile": "Mobile number",
    "phone.home": "Home number",
    "phone.work": "Work number",
    "phone.other": "Other number",
    "phone_kind": "Kind of the next number",
    "name": "Name",
    "external_id": "External ID",
    "language": "Language",
    "timezone": "Time zone",
    "tags": "Tags",
    "do_not_call": "Do not call (yes: never called)",
    "may_call": "May be called (no: never called)",
    "consent_basis": "Consent: basis",
    "consent_at": "Consent: moment",
    "consent_evidence": "Consent: evidence",
}
UNDECIDED = "?"  # nobody has said what the column becomes, and the import must not guess
OTHER_COLUMNS = {VARIABLES: "Become variables", IGNORE: "Are left out"}


def target_label(target: str) -> str:
    """Return what a column becomes, like "Name", "Variable city" or "Left out"."""
    return TARGETS.get(target) or (f"Variable {target.partition('.')[2]}" if target else "Left out")


def too_large(limit: int) -> str:
    """Return the message that the browser shows before it sends a file, and the server after it got one."""
    return f"The file is larger than {limit // (1024 * 1024)} MB; split it and import the parts one by one."


WRONG_TYPE = (
    "This does not look like a CSV file or a workbook (.xlsx, .xls, .xlsb, .ods). Open it in a spreadsheet program and "
    "save it as one of these."
)


class FileField(forms.FileField):
    """A file uploaded with the drop zone of `trunkline/drop.html`. `limit` is in bytes."""

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
    """A file and, unless the page has one, the list to import into."""

    def __init__(self, organizations: Sequence[Organization], target_list: ContactList | None, *args: Any) -> None:
        super().__init__(*args)
        self.organizations = organizations
        self.fields["file"] = FileField(
            settings.IMPORT_MAX_BYTES, label="CSV file or workbook (.xlsx, .xls, .xlsb, .ods)"
        )
        self.lists: dict[str, ContactList] = {}
        if target_list is None:
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
                self.add_error("new_list", "Name the new list, or choose an existing one.")
            elif home is None:
                self.add_error("new_list", "You may not create a list in any organization.")
            elif is_among(name, ContactList.objects.filter(organization=home).values_list("name", flat=True)):
                self.add_error("new_list", "There is a list with this name already. Choose it, or give another name.")
        return values

    @property
    def chosen(self) -> ContactList | None:
        return self.lists.get(self.cleaned_data.get("contact_list", ""))

    @property
    def home(self) -> Organization | None:
        """Return the organization of a new list; None if the choice is missing."""
        given = self.cleaned_data.get("organization", "")
        if not given and len(self.organizations) == 1:
            return self.organizations[0]
        return next((row for row in self.organizations if str(row.pk) == given), None)


class ReadingForm(forms.Form):
    """How a file is read: the detected format, which users can correct."""

    def __init__(self, found: FileFormat | None = None, data: Any = None, home: str = "") -> None:
        super().__init__(data)
        chosen = data or {}
        if found is None or not found.size:  # a workbook has no choice of separator and encoding
            delimiter, encoding = (found.delimiter, found.encoding) if found else ("", "")
            self.fields["delimiter"] = choice_field(
                "Column separator", _with_found(DELIMITERS, delimiter, chosen.get("delimiter"))
            )
            self.fields["encoding"] = choice_field("Encoding", _with_found(ENCODINGS, encoding, chosen.get("encoding")))
        self.fields["default_region"] = text_field(
            "Default country",
            max_length=2,
            help_text=f"For numbers without a country code. Empty: {home or 'the default'} of the organization.",
        )
        self.fields["default_region"].widget = Picker(country_choices(), blank=True)
        self.fields["on_duplicate"] = choice_field(
            "If the contact exists already",
            [(str(key), str(label)) for key, label in ContactImport.OnDuplicate.choices],
        )
        self.fields["on_tags"] = choice_field(
            "If that contact has tags", [(str(key), str(label)) for key, label in ContactImport.OnTags.choices]
        )
        self.fields["other_columns"] = choice_field(
            "Columns with other names", list(OTHER_COLUMNS.items()), initial=VARIABLES
        )

    def clean_default_region(self) -> str:
        region = str(self.cleaned_data["default_region"]).strip().upper()
        if region and region not in EVERYWHERE:
            raise forms.ValidationError("This is not a country. Choose one from the list.")
        return region

    @property
    def values(self) -> dict[str, str]:
        """Return the valid choices; an invalid or missing one is "" or the default."""
        self.is_valid()
        given = self.cleaned_data if self.is_bound else {}
        return {name: given.get(name) or "" for name in ("delimiter", "encoding", "default_region")} | {
            "on_duplicate": given.get("on_duplicate") or ContactImport.OnDuplicate.UPDATE.value,
            "on_tags": given.get("on_tags") or ContactImport.OnTags.ADD.value,
            "other_columns": given.get("other_columns") or VARIABLES,
        }


def _with_found(names: Mapping[str, str], found: str, chosen: Any) -> list[tuple[str, str]]:
    """Return the choices: first the detected value, or detection itself after the user chose another value."""
    first = "Detect" if chosen or not found else f"{names.get(found, found)} (detected)"
    return [("", first), *names.items()]


OPT_OUTS = frozenset({"do_not_call", "may_call"})  # such a column is never offered as a variable


class MappingForm(forms.Form):
    """What each column of the file becomes. `mapping` lacks the columns about which somebody has to decide."""

    def __init__(
        self,
        form: FileFormat,
        options: Options,
        samples: Sequence[str] = (),
        data: Any = None,
        saved: Mapping[str, str] | None = None,
    ) -> None:
        self.header = header = form.header
        parts = [*header, options.other_columns]
        self.digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
        # Choices for other columns, of the same file read in another way, do not apply to these.
        super().__init__(data if data is not None and data.get("columns") == self.digest else None)
        mapping = saved or options.mapping_of(form)
        reasons = explain(header, mapping, form.empty, options.other_columns)
        variables = variable_targets(enumerate(header, 1))
        # First the columns about which somebody has to decide: in a wide file nobody would find them.
        for number, column in sorted(enumerate(header), key=lambda each: each[1] in mapping):
            target = mapping.get(column, UNDECIDED)
            variable = target if target.startswith("variables.") else variables[column]
            own = [] if target in OPT_OUTS else [(variable, target_label(variable))]
            first = [(UNDECIDED, "Choose…")] if column not in mapping else []
            choices = [*first, *TARGETS.items(), *own, ("", "Leave out")]
            field = choice_field(column, choices, initial=target)
            field.help_text = samples[number] if number < len(samples) else ""
            field.reason = "" if saved else reasons[column]  # type: ignore[attr-defined]
            self.fields[f"column-{number}"] = field
        self.first = mapping

    @property
    def mapping(self) -> dict[str, str]:
        """Return the chosen mapping, or the first one if nothing valid is chosen."""
        return self.chosen if self.chosen is not None else dict(self.first)

    @property
    def chosen(self) -> dict[str, str] | None:
        """Return the chosen mapping; None if the form is not bound or not valid."""
        if not self.is_bound or not self.is_valid():
            return None
        found = {column: self.cleaned_data[f"column-{number}"] for number, column in enumerate(self.header)}
        return {column: target for column, target in found.items() if target != UNDECIDED}

    @property
    def undecided(self) -> list[str]:
        """Return the columns about which somebody has to decide."""
        return [column for column in self.header if column not in self.mapping]


class RememberForm(forms.Form):
    """Whether to save the mapping, and its name."""

    remember = forms.BooleanField(
        label="Remember what these columns become", required=False, widget=UnfoldBooleanSwitchWidget()
    )
    mapping_name = forms.CharField(
        label="Name of the mapping", required=False, max_length=200, widget=UnfoldAdminTextInputWidget()
    )

    def __init__(self, filename: str, known: str, data: Any = None) -> None:
        super().__init__(data, initial={"mapping_name": known or PurePath(filename).stem[:200]})

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        if values.get("remember") and not values.get("mapping_name", "").strip():
            self.add_error("mapping_name", "Give the mapping a name.")
        return values
