"""Importing people: choose a file, look at its first rows, say what the columns are, import."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO, cast

from django import forms
from django.contrib import messages
from django.core import signing
from django.core.exceptions import PermissionDenied
from django.core.files.storage import default_storage
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import get_random_string
from django.utils.html import format_html
from unfold.widgets import UnfoldAdminFileFieldWidget, UnfoldAdminSelectWidget

from campaigns import import_cleanup, import_steps, importing
from campaigns.import_cleanup import PREVIEW_FOLDER, PREVIEW_KEPT
from campaigns.import_columns import UnreadableFile, chosen_mapping
from campaigns.models import ContactImport, ContactList
from campaigns.phones import national
from tenants.staff import Level, ScopedAdmin
from tenants.staff_forms import choice_field, text_field


def both_spellings(e164: str) -> str:
    """A number as people write it, and as machines do."""
    return format_html('{} <span class="tl-faint">{}</span>', national(e164), e164) if e164 else "erased"


class UploadForm(forms.Form):
    """A file and how to read it. Everything but the file may be left to us."""

    file = forms.FileField(label="CSV file or Excel workbook (.xlsx)", widget=UnfoldAdminFileFieldWidget())
    delimiter = choice_field(
        "Columns are separated by", [("", "Find out"), (",", "Comma"), (";", "Semicolon"), ("\t", "Tab"), ("|", "Bar")]
    )
    encoding = choice_field(
        "Letters are written as",
        [
            ("", "Find out"),
            ("utf-8", "UTF-8"),
            ("cp1252", "Windows Western"),
            ("cp1250", "Windows Central European"),
            ("utf-16", "UTF-16"),
        ],
    )
    default_region = text_field(
        "Country of numbers without one", max_length=2, help_text="Two capitals, like FR. Empty: the organization's."
    )
    on_duplicate = forms.ChoiceField(
        label="When a person is there already",
        choices=ContactImport.OnDuplicate.choices,
        widget=UnfoldAdminSelectWidget(),
    )

    def clean_default_region(self) -> str:
        return str(self.cleaned_data["default_region"]).upper()


class MappingForm(forms.Form):
    """What each column becomes."""

    def __init__(self, header: Sequence[str], mapping: Mapping[str, str], data: Any = None) -> None:
        super().__init__(data)
        self.header = header
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
            self.fields[f"column-{number}"] = choice_field(column, choices, initial=target)

    @property
    def mapping(self) -> dict[str, str]:
        return {column: self.cleaned_data[f"column-{number}"] for number, column in enumerate(self.header)}


def _variable(header: Sequence[str], column: str) -> str:
    """The variable a column becomes when it is nothing else."""
    others = {name: "" for name in header if name != column}
    return chosen_mapping(header, {**others, header[0 if header[0] != column else -1]: "phone"}).get(column, "")


class ImportPages(ScopedAdmin):
    """The two pages of an import, for a list's pages."""

    def import_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Choose a file; look at its first rows and say what the columns are; import."""
        obj = self.found(request, pk)
        if obj is None:
            return self.not_found(request)
        if not self.holds(request, Level.OPERATOR, obj):
            raise PermissionDenied
        if request.method == "POST" and request.POST.get("stored"):
            return self._second_step(request, obj)
        form = UploadForm(request.POST or None, request.FILES or None)
        if request.method == "POST" and form.is_valid():
            try:
                return self._take(request, obj, form)
            except ValueError as error:
                form.add_error("file", str(error))
        return self._import_page(request, obj, form=form)

    def _import_page(self, request: HttpRequest, obj: ContactList, **context: Any) -> HttpResponse:
        title = f"Import people into {obj.name}"
        return self.page(request, "trunkline/import.html", title, obj=obj, back=self.url("change", obj.pk), **context)

    def _take(self, request: HttpRequest, obj: ContactList, form: UploadForm) -> HttpResponse:
        values = dict(form.cleaned_data)
        file = values.pop("file")
        if "_now" in request.POST:
            with file.open("rb") as opened:
                return self._start(request, obj, opened, file.name, values, None)
        import_cleanup.forget_previews(timezone.now())
        stored = default_storage.save(f"{PREVIEW_FOLDER}/{get_random_string(32)}", file)
        token = signing.dumps(
            {"file": stored, "name": file.name, "list": obj.pk, "user": request.user.pk, **values}, salt="import"
        )
        return self._preview(request, obj, token, None)

    def _start(
        self,
        request: HttpRequest,
        obj: ContactList,
        file: Any,
        name: str,
        values: Mapping[str, str],
        mapping: dict[str, str] | None,
    ) -> HttpResponse:
        row = import_steps.start_import(
            obj,
            file,
            name,
            mapping=mapping,
            delimiter=values["delimiter"],
            encoding=values["encoding"],
            default_region=values["default_region"],
            on_duplicate=values["on_duplicate"],
        )
        self.audit(request, obj, "import_started", {"file": row.filename, "import": str(row.uuid)})
        messages.success(request, f"The import of {row.filename} has begun. You may leave this page.")
        return redirect(reverse("admin:campaigns_contactimport_change", args=[row.pk]))

    def _read_token(self, request: HttpRequest, obj: ContactList) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = signing.loads(request.POST["stored"], salt="import", max_age=PREVIEW_KEPT)
        except signing.BadSignature:
            return None
        good = found["list"] == obj.pk and found["user"] == request.user.pk and default_storage.exists(found["file"])
        return found if good else None

    def _second_step(self, request: HttpRequest, obj: ContactList) -> HttpResponse:
        values = self._read_token(request, obj)
        if values is None:
            messages.error(request, "The file is not kept any more. Choose it again.")
            return redirect(self.url("import", obj.pk))
        if "_import" not in request.POST:
            return self._preview(request, obj, request.POST["stored"], request.POST)
        with default_storage.open(values["file"], "rb") as file:
            form = importing.format_of(
                cast("BinaryIO", file),
                values["name"],
                delimiter=values["delimiter"],
                encoding=values["encoding"],
            )
            file.seek(0)
            chosen = MappingForm(form.header, chosen_mapping(form.header, None), request.POST)
            mapping = chosen.mapping if chosen.is_valid() else None
            try:
                answer = self._start(request, obj, file, values["name"], values, mapping)
            except ValueError as error:
                return self._preview(request, obj, request.POST["stored"], request.POST, str(error))
        default_storage.delete(values["file"])
        return answer

    def _preview(self, request: HttpRequest, obj: ContactList, token: str, data: Any, fault: str = "") -> HttpResponse:
        values = signing.loads(token, salt="import", max_age=PREVIEW_KEPT)
        rows: Sequence[Any] = []
        with default_storage.open(values["file"], "rb") as file:
            form = importing.format_of(
                cast("BinaryIO", file),
                values["name"],
                delimiter=values["delimiter"],
                encoding=values["encoding"],
            )
            guessed = chosen_mapping(form.header, None)
            chosen = MappingForm(form.header, guessed, data)
            mapping = chosen.mapping if data is not None and chosen.is_valid() else guessed
            region = values["default_region"] or obj.organization.default_region
            try:
                rows = importing.preview(
                    cast("BinaryIO", file), form, mapping, region=region, allowed=obj.organization.callable_countries
                )
            except UnreadableFile as error:
                fault = fault or str(error)
        found = [_preview_row(row) for row in rows]
        return self._import_page(
            request,
            obj,
            form=None,
            token=token,
            mapping_form=chosen,
            format=form,
            separator={"\t": "tabs", ",": "commas", ";": "semicolons", "|": "bars"}.get(form.delimiter, form.delimiter),
            filename=values["name"],
            rows=found,
            fault=fault,
        )


def _preview_row(row: importing.ContactRow | importing.RejectedRow) -> dict[str, Any]:
    if isinstance(row, importing.RejectedRow):
        return {"line": row.line, "reason": row.reason}
    variables = ", ".join(f"{name}: {value}" for name, value in row.variables.items())
    return {
        "line": row.line,
        "phone": both_spellings(row.phone),
        "name": row.name,
        "external_id": row.external_id,
        "variables": variables,
    }
