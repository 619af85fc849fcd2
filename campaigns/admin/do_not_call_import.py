"""Import numbers into the do-not-call list from a file or pasted text, and show the result of every row."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime
from typing import Any

from django import forms
from django.core import signing
from django.core.exceptions import PermissionDenied
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.http import FileResponse, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.crypto import get_random_string
from unfold.widgets import UnfoldAdminTextInputWidget

from campaigns.admin.import_forms import FileField
from campaigns.admin.numbers import NumberedAdmin
from campaigns.do_not_call import bulk
from campaigns.do_not_call.file import MAX_BYTES, MAX_ROWS, Numbers, read_file, read_text
from campaigns.imports import retention
from campaigns.imports.columns import UnreadableFile
from campaigns.imports.retention import PREVIEW_FOLDER, PREVIEW_KEPT
from campaigns.imports.rows import RejectedRow
from campaigns.undoable import Kind, Undoable
from tenants import audit_log, spreadsheets
from tenants.backoffice.forms import choice_field, long_text_field, text_field
from tenants.backoffice.roles import reach_of
from tenants.clock_changes import LATEST
from tenants.models import Organization
from tenants.policy import Action

SHOWN = 100
MAX_PASTED = 900_000  # bytes; the server accepts little more of a form
TOO_LONG = "This is more than can be pasted at once. Use a file."
SALT = "do-not-call-unreadable"


class NumbersForm(forms.Form):
    """Numbers, as a file or as text, and the reason for listing them."""

    def __init__(self, organizations: Sequence[Organization], *args: Any) -> None:
        super().__init__(*args)
        self.organizations = organizations
        if len(organizations) > 1:
            self.fields["organization"] = choice_field(
                "Organization", [(str(row.pk), row.name) for row in organizations], required=True
            )
        self.fields["file"] = FileField(MAX_BYTES, label="File", required=False)
        # No `maxlength`: a browser would cut off the rest of the pasted text silently.
        self.fields["numbers"] = long_text_field("Or paste numbers, one on each line")
        self.fields["numbers"].widget.attrs |= {"rows": 5, "data-bytes": MAX_PASTED, "data-too-long": TOO_LONG}
        self.fields["reason"] = text_field(
            "Reason", required=True, max_length=500, help_text="For example “asked in writing”. Kept with each number."
        )
        self.fields["source"] = text_field(
            "Source", max_length=64, help_text="For example “Bloctel, November”. Empty: your name."
        )
        self.fields["last_day"] = forms.DateField(
            label="Last day on the list",
            required=False,
            widget=UnfoldAdminTextInputWidget(attrs={"type": "date"}),
            help_text="In your organization's time zone and in the time zones of the numbers. Empty: permanent.",
        )

    @property
    def home(self) -> Organization:
        given = self.cleaned_data.get("organization", "")
        return next((row for row in self.organizations if str(row.pk) == given), self.organizations[0])

    def expires_at(self, phones: Iterable[str] = ()) -> datetime | None:
        """Return when the last day is over, for the organization and for these numbers; None without a last day."""
        day = self.cleaned_data["last_day"]
        return bulk.end_of(day, self.home, phones) if day else None

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        if not self.errors:
            if not self.organizations:
                raise forms.ValidationError("You may not add numbers in any organization.")
            if bool(values["file"]) == bool(values["numbers"].strip()):
                raise forms.ValidationError("Choose a file or paste numbers, but not both.")
            if len(values["numbers"].encode()) > MAX_PASTED:
                self.add_error("numbers", TOO_LONG)
            if (values["last_day"] or date.min) >= LATEST.date():
                self.add_error("last_day", "This day is too far ahead. Leave it empty to list the numbers permanently.")
                return values
            moment = self.expires_at()
            if moment and moment <= timezone.now():
                self.add_error("last_day", "This day is in the past. Leave it empty to list the numbers permanently.")
        return values

    def read(self) -> Numbers:
        """Return the numbers of the file or the text. Raises UnreadableFile."""
        region = self.home.default_region
        if file := self.cleaned_data["file"]:
            return read_file(file.read(), file.name, region)
        return read_text(self.cleaned_data["numbers"], region)


class DoNotCallImportPages(NumberedAdmin):
    """The page that imports numbers, and the file of rows that could not be read."""

    def after_listing(self, request: HttpRequest, organization_id: int, phones: Collection[str]) -> None:
        """Hook for work that must be done before the page says that the numbers are listed."""

    def list_links(self, request: HttpRequest) -> Sequence[tuple[str, str, str]]:
        return [(self.url("import"), "Import numbers", "upload_file")] if self.holds(request, Action.BAR_NUMBER) else ()

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        ours = [
            path("import/", wrap(self.import_view), name="campaigns_donotcall_import"),
            path("import/unreadable.csv", wrap(self.unreadable_view), name="campaigns_donotcall_unreadable"),
        ]
        return [*ours, *super().get_urls()]

    def import_view(self, request: HttpRequest) -> HttpResponse:
        if not self.holds(request, Action.BAR_NUMBER):
            raise PermissionDenied
        homes = list(reach_of(request).organizations(Action.BAR_NUMBER).order_by("name"))
        form = NumbersForm(homes, *([request.POST, request.FILES] if request.method == "POST" else []))
        if request.method == "POST" and form.is_valid():
            try:
                return self._list(request, form, form.read())
            except UnreadableFile as error:
                form.add_error("file" if form.cleaned_data["file"] else "numbers", str(error))
        return self._import_page(request, form=form)

    def _import_page(self, request: HttpRequest, **context: Any) -> HttpResponse:
        limits = f"At most {MAX_ROWS:,} rows and {MAX_BYTES // (1024 * 1024)} MB at a time."
        back = self.url("changelist")
        return self.page(
            request,
            "trunkline/do_not_call_import.html",
            "Import numbers into the do-not-call list",
            back=back,
            again=self.url("import"),
            limits=limits,
            **context,
        )

    def _list(self, request: HttpRequest, form: NumbersForm, numbers: Numbers) -> HttpResponse:
        values, actor = form.cleaned_data, reach_of(request).actor
        undoable = Undoable(Kind.BAR, request.user.pk or 0)
        outcome = bulk.list_numbers(
            form.home,
            numbers,
            actor=actor,
            file=values["file"].name if values["file"] else "pasted text",
            reason=values["reason"],
            source=values["source"].strip() or actor[:64],
            expires_at=form.expires_at(numbers.phones),
            undoable=undoable,
        )
        self.after_listing(request, form.home.pk, list(numbers.phones)[: outcome.listed])
        context: dict[str, Any] = {
            "outcome": outcome,
            "undo": undoable.token if outcome.created else "",
            "numbers": numbers,
            "created": f"{outcome.created:,}",
            "known": f"{outcome.known:,}",
            "left": f"{len(numbers.phones) - outcome.listed:,}",
            "unreadable": f"{len(numbers.unreadable):,}",
            "shown": numbers.unreadable[:SHOWN],
        }
        if numbers.unreadable:
            context["unreadable_url"] = (
                f"{self.url('unreadable')}?stored={_store(request, form.home, numbers.unreadable)}"
            )
        return self._import_page(request, **context)

    def unreadable_view(self, request: HttpRequest) -> HttpResponseBase:
        """Download every row that was not listed. Only the user who imported can, for six hours."""
        if not self.holds(request, Action.BAR_NUMBER):
            raise PermissionDenied
        try:
            kept = signing.loads(request.GET.get("stored", ""), salt=SALT, max_age=PREVIEW_KEPT)
        except signing.BadSignature:
            return self.not_found(request)
        if kept["user"] != request.user.pk or not default_storage.exists(kept["file"]):
            return self.not_found(request)
        file = default_storage.open(kept["file"], "rb")
        audit_log.record(
            kept.get("organization"),
            actor=reach_of(request).actor,
            action="do_not_call.exported",
            subject="do-not-call list",
            detail={"file": "unreadable rows"},
        )
        return FileResponse(
            file,
            as_attachment=True,
            filename="unreadable-numbers.csv",
            content_type="text/csv; charset=utf-8",
        )


def _store(request: HttpRequest, home: Organization, unreadable: Sequence[RejectedRow]) -> str:
    """Store the unreadable rows as a CSV file. Return a signed token for the download."""
    retention.forget_previews(timezone.now())
    rows = [["line", "number", "reason"], *([str(row.line), *row.cells, row.reason] for row in unreadable)]
    text = "".join(spreadsheets.lines(rows))
    stored = default_storage.save(f"{PREVIEW_FOLDER}/{get_random_string(32)}", ContentFile(text.encode()))
    return signing.dumps({"file": stored, "user": request.user.pk, "organization": home.pk}, salt=SALT)
