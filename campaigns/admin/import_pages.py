"""Pages of an import: choose a file and a list, check and correct the preview, import."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO, cast

from django.contrib import messages
from django.core import signing
from django.core.exceptions import PermissionDenied
from django.core.files.base import File
from django.core.files.storage import default_storage
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.crypto import get_random_string

from campaigns.admin.import_forms import MappingForm, ReadingForm, RememberForm, UploadForm
from campaigns.admin.import_preview import preview_of, undecided_words
from campaigns.imports import retention, saved_mappings, upload
from campaigns.imports.columns import UnreadableFile
from campaigns.imports.file_format import FileFormat, format_of
from campaigns.imports.options import Options
from campaigns.imports.retention import PREVIEW_FOLDER, PREVIEW_KEPT
from campaigns.imports.stored_files import as_binary
from campaigns.imports.workbooks.reading import readable
from campaigns.models import ContactImport, ContactList
from tenants import audit_log
from tenants.backoffice.local_time import local_time
from tenants.backoffice.roles import reach_of
from tenants.backoffice.scoped_admin import ScopedAdmin
from tenants.models import Organization
from tenants.policy import Action

READING = ("delimiter", "encoding", "default_region", "on_duplicate", "on_tags", "other_columns")


def import_links(request: HttpRequest) -> Sequence[tuple[str, str, str]]:
    """Return the link to the import page for users who may import, else none."""
    if not reach_of(request).may(Action.IMPORT):
        return ()
    return [(reverse("admin:campaigns_contactlist_import_new"), "Import contacts", "upload_file")]


class ChosenFile:
    """An uploaded file before its import: the stored file, the list to import into, and how the file is read."""

    def __init__(self, token: str, options: Mapping[str, str], user_id: Any) -> None:
        """Raises BadSignature if another user uploaded the file, or if the file or its list is gone."""
        kept: dict[str, Any] = signing.loads(token, salt="import", max_age=PREVIEW_KEPT)
        if kept["user"] != user_id or not default_storage.exists(kept["file"]):
            raise signing.BadSignature
        self.token, self.file, self.filename = token, str(kept["file"]), str(kept["name"])
        self.contact_list = ContactList.objects.filter(pk=kept["list"]).select_related("organization").first()
        if kept["list"] and self.contact_list is None:
            raise signing.BadSignature
        self.new_list = str(kept["new_list"])
        home = self.contact_list.organization if self.contact_list else None
        self.organization = home or Organization.objects.get(pk=kept["organization"])
        self.reading = {name: str(options.get(name, kept["reading"].get(name, ""))) for name in READING}

    @property
    def options(self) -> Options:
        """Return the valid choices about how the file is read."""
        values: dict[str, Any] = ReadingForm(None, self.reading).values
        return Options(**values)

    @contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        with default_storage.open(self.file, "rb") as stored:
            yield cast("BinaryIO", as_binary(stored))

    def format_of(self, file: BinaryIO) -> FileFormat:
        """Return how to read the file. Raises UnreadableFile."""
        return format_of(file, self.filename, delimiter=self.reading["delimiter"], encoding=self.reading["encoding"])


class ImportPages(ScopedAdmin):
    """Adds the two pages of an import to the pages of lists."""

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        ours = [
            path("import/", wrap(self.import_view), name="campaigns_contactlist_import_new"),
            path("<int:pk>/import/", wrap(self.import_view), name="campaigns_contactlist_import"),
        ]
        return [*ours, *super().get_urls()]

    def import_view(self, request: HttpRequest, pk: int | None = None) -> HttpResponse:
        """Choose a file, then check the preview and map the columns, then import."""
        obj = self.found(request, pk) if pk is not None else None
        if pk is not None and obj is None:
            return self.not_found(request)
        if not self.holds(request, Action.IMPORT, obj):
            raise PermissionDenied
        if request.method == "POST" and request.POST.get("stored"):
            return self._second_step(request, obj)
        return self._first_step(request, obj)

    def _import_page(self, request: HttpRequest, obj: ContactList | None, **context: Any) -> HttpResponse:
        title = f"Import contacts into {obj.name}" if obj else "Import contacts"
        back = self.url("change", obj.pk) if obj else self.url("changelist")
        return self.page(request, "trunkline/import.html", title, obj=obj, back=back, **context)

    def _address(self, obj: ContactList | None) -> str:
        return self.url("import", obj.pk) if obj else self.url("import_new")

    # The first page: a file and its list.

    def _first_step(self, request: HttpRequest, obj: ContactList | None) -> HttpResponse:
        posted = request.method == "POST"
        homes = list(reach_of(request).organizations(Action.IMPORT).order_by("name"))
        form = UploadForm(homes, obj, *([request.POST, request.FILES] if posted else []))
        reading = ReadingForm(None, request.POST if posted and "on_duplicate" in request.POST else None)
        if posted and form.is_valid() and (not reading.is_bound or reading.is_valid()):
            file = form.cleaned_data["file"]
            try:
                with file.open("rb") as opened:
                    options = {name: reading.values[name] for name in ("delimiter", "encoding")}
                    content = readable(opened)
                    format_of(content, file.name, **options)
                    content.seek(0)
                    token = self._store(request, obj or form.chosen, form, reading.values, content)
            except ValueError as error:
                form.add_error("file", str(error))
            else:
                return self._show(request, obj, ChosenFile(token, {}, request.user.pk))
        return self._import_page(request, obj, form=form, reading=reading)

    def _store(
        self,
        request: HttpRequest,
        into: ContactList | None,
        form: UploadForm,
        reading: dict[str, str],
        content: BinaryIO,
    ) -> str:
        """Store the file. Return a signed token for the second page."""
        retention.forget_previews(timezone.now())
        file = form.cleaned_data["file"]
        home = into.organization if into else form.home
        kept = {
            "file": default_storage.save(f"{PREVIEW_FOLDER}/{get_random_string(32)}", File(content)),
            "name": file.name,
            "list": into.pk if into else None,
            "new_list": "" if into else form.cleaned_data["new_list"].strip(),
            "organization": home.pk if home else None,
            "user": request.user.pk,
            "reading": reading,
        }
        return signing.dumps(kept, salt="import")

    # The second page: the preview.

    def _second_step(self, request: HttpRequest, obj: ContactList | None) -> HttpResponse:
        chosen = None
        with suppress(signing.BadSignature, Organization.DoesNotExist):
            chosen = ChosenFile(request.POST["stored"], request.POST, request.user.pk)
        if chosen is None or (obj is not None and chosen.contact_list != obj):
            messages.error(request, "The uploaded file has expired. Choose it again.")
            if "HX-Request" in request.headers:  # the request is for a part of the page: replace the whole page
                return HttpResponse(headers={"HX-Redirect": self._address(obj)})
            return redirect(self._address(obj))
        if not reach_of(request).may(Action.IMPORT, chosen.organization.pk):
            raise PermissionDenied
        if "_import" not in request.POST:
            return self._show(request, obj, chosen, request.POST)
        remember = RememberForm(chosen.filename, "", request.POST)
        reading = ReadingForm(None, chosen.reading)
        if not remember.is_valid() or not reading.is_valid():
            return self._show(request, obj, chosen, request.POST, remember=remember)
        with chosen.opened() as file:
            try:
                row = self._start(request, chosen, file, reading.values, remember.cleaned_data)
            except ValueError as error:
                return self._show(request, obj, chosen, request.POST, str(error))
        default_storage.delete(chosen.file)
        messages.success(request, f"The import of {row.filename} has started. You can leave this page.")
        return redirect(reverse("admin:campaigns_contactimport_change", args=[row.pk]))

    def _start(
        self,
        request: HttpRequest,
        chosen: ChosenFile,
        file: BinaryIO,
        reading: Mapping[str, str],
        remember: Mapping[str, Any],
    ) -> ContactImport:
        """Create the import, a new list and a saved mapping. Raises ValueError; then creates nothing."""
        form = chosen.format_of(file)
        file.seek(0)
        fields = MappingForm(form, chosen.options, data=request.POST)
        mapping = fields.chosen
        if mapping is None:
            raise UnreadableFile("The columns have changed. Check them again.")
        if fields.undecided:
            raise UnreadableFile(undecided_words(fields.undecided))
        actor = reach_of(request).actor
        with transaction.atomic():
            into = chosen.contact_list
            if into is None:
                into = ContactList.objects.create(organization=chosen.organization, name=chosen.new_list)
                self.audit(request, into, "added", {"fields": ["name"]})
            if remember["remember"]:
                name = remember["mapping_name"].strip()
                saved_mappings.remember(chosen.organization, name, form.header, mapping, actor)
                audit_log.record(chosen.organization, actor=actor, action="importmapping.saved", subject=name)
            return upload.start_import(into, file, chosen.filename, actor=actor, mapping=mapping, **reading)

    def _show(
        self,
        request: HttpRequest,
        obj: ContactList | None,
        chosen: ChosenFile,
        data: Any = None,
        fault: str = "",
        remember: RememberForm | None = None,
    ) -> HttpResponse:
        """Show the preview of the file with the present options and mapping."""
        context: dict[str, Any] = {}
        found, known = None, None
        try:
            with chosen.opened() as file:
                found = chosen.format_of(file)
                known = saved_mappings.saved(chosen.organization, found.header)
                context = preview_of(file, found, known, chosen.organization, chosen.options, chosen.opened, data)
        except UnreadableFile as error:
            fault = fault or str(error)
        reading = ReadingForm(found, chosen.reading, chosen.organization.default_region)
        return self._import_page(
            request,
            obj,
            form=None,
            chosen=chosen,
            into=chosen.contact_list.name if chosen.contact_list else chosen.new_list,
            fault=fault or context.get("mapping_fault", ""),
            format=found,
            reading=reading,
            remember=remember or RememberForm(chosen.filename, known.name if known else ""),
            known=known,
            known_since=local_time(known.saved_at) if known else "",
            mappings_url=reverse("admin:campaigns_importmapping_changelist"),
            address=self._address(obj),
            **context,
        )
