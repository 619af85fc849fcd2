"""The API of imports: upload a file, preview it, follow the import, undo it."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from django.http import HttpResponse, HttpResponseBase
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from campaigns.imports import dry_run, job, rejected_rows
from campaigns.imports import undo as import_undo
from campaigns.imports import upload as uploads
from campaigns.imports.columns import OTHER_COLUMNS, UnreadableFile
from campaigns.models import ContactImport
from tenants.api.errors import Conflict, TooLarge
from tenants.api.fields import PublicIdField, ScopedField, WordField
from tenants.api.parsing import UploadParser, strict_json
from tenants.api.serializers import StrictModelSerializer, StrictSerializer
from tenants.api.views import AnyAccept, ReadViewSet
from tenants.policy import Action
from tenants.spreadsheets import harmless


class ImportSerializer(StrictModelSerializer[ContactImport]):
    id = PublicIdField()
    list = ScopedField(source="contact_list", read_only=True)

    class Meta:
        model = ContactImport
        fields: ClassVar[Any] = [
            "id",
            "list",
            "status",
            "filename",
            "bytes_total",
            "bytes_read",
            "rows_read",
            "created",
            "updated",
            "skipped",
            "rejected",
            "zones_contradicting",
            "zones_interpreted",
            "zone_examples",
            "listed",
            "numbers_left_out",
            "phone_readings",
            "removed",
            "restored",
            "mapping",
            "error",
            "started_at",
            "finished_at",
        ]
        read_only_fields = fields


class MappingField(serializers.JSONField):
    """A JSON text in a form, as strict as a request body."""

    def to_internal_value(self, data: Any) -> Any:
        try:
            return strict_json(data) if isinstance(data, str) else super().to_internal_value(data)
        except (ValueError, RecursionError):
            self.fail("invalid")


class UploadSerializer(StrictSerializer):
    """The form fields of an import. `imports.upload` checks the file itself."""

    file = serializers.FileField(allow_empty_file=True, max_length=None)
    mapping = MappingField(required=False, allow_null=True, binary=True)
    delimiter = serializers.CharField(required=False, allow_blank=True, trim_whitespace=False, max_length=1)
    encoding = WordField(required=False, allow_blank=True, max_length=32)
    default_region = WordField(required=False, allow_blank=True, max_length=2)
    on_duplicate = serializers.ChoiceField(required=False, choices=ContactImport.OnDuplicate.choices)
    on_tags = serializers.ChoiceField(required=False, choices=ContactImport.OnTags.choices)
    other_columns = serializers.ChoiceField(required=False, choices=OTHER_COLUMNS)

    def validate_mapping(self, mapping: Any) -> Any:
        texts = isinstance(mapping, dict) and all(isinstance(field, str) for field in mapping.values())
        if mapping is not None and not texts:
            raise ValidationError('Give a JSON object like {"Mobile": "phone"}.', code="invalid_type")
        return mapping


class ImportActions:
    """The addresses of a list that take a file of contacts."""

    request: Any
    get_object: Any
    get_serializer_context: Any

    @action(detail=True, methods=["post"], parser_classes=[UploadParser])
    def imports(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Upload a file of contacts. The import runs in the background."""
        contact_list = self.get_object()
        upload, chosen = self._sent()
        with _refused():
            found = uploads.start_import(contact_list, upload, upload.name, actor=self.request.auth.actor, **chosen)
        return Response(ImportSerializer(found, context=self.get_serializer_context()).data, status=202)

    @action(detail=True, methods=["post"], parser_classes=[UploadParser], url_path="imports/preview")
    def preview_import(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Say what an import of this file would do. Nothing is written, and the file is not kept."""
        contact_list = self.get_object()
        upload, chosen = self._sent()
        with _refused():
            found = dry_run.of_upload(contact_list.organization, upload, upload.name, **chosen)
        return Response(found.as_json())

    def _sent(self) -> tuple[Any, dict[str, Any]]:
        """Return the file of a form and the options of its import. Raises ValidationError."""
        sent: Any = self.request.data
        given = {name: value for name, value in sent.items() if value != ""}
        form = UploadSerializer(data=given, context=self.get_serializer_context())
        form.is_valid(raise_exception=True)
        return form.validated_data.pop("file"), form.validated_data


@contextmanager
def _refused() -> Iterator[None]:
    """Answer 400 for a file that cannot be read, and 413 for one that is too large."""
    try:
        yield
    except UnreadableFile as error:
        raise ValidationError({"file": [str(error)]}, code="unreadable") from error
    except uploads.FileTooLarge as error:
        raise TooLarge(str(error)) from error


class ImportViewSet(ReadViewSet[ContactImport]):
    queryset = ContactImport.objects.select_related("organization", "contact_list")
    serializer_class = ImportSerializer
    needs: ClassVar[Any] = {
        **dict.fromkeys(("list", "retrieve"), Action.SEE),
        "cancel": Action.IMPORT,
        "undo": Action.UNDO_IMPORT,
    }

    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Cancel the import. Contacts imported so far stay."""
        found = self.get_object()
        if not job.cancel(found, self.reach.actor):
            raise Conflict("This import is over.")
        found.refresh_from_db()
        return Response(self.get_serializer(found).data)

    @action(detail=True, methods=["post"])
    def undo(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Delete the contacts that the import created and nothing has called since. It runs in the background.

        Contacts that it updated get back what it overwrote, except what was changed since. Entries of the do-not-call
        list stay.
        """
        found = self.get_object()
        try:
            import_undo.undo(found, self.reach.actor)
        except import_undo.NotOver as error:
            raise Conflict(str(error)) from error
        found.refresh_from_db()
        done = found.status == ContactImport.Status.UNDONE
        return Response(self.get_serializer(found).data, status=200 if done else 202)


class ImportErrorsViewSet(ReadViewSet[ContactImport]):
    """`errors.csv`: the rejected rows as they were in the file, with line and reason."""

    queryset = ContactImport.objects.select_related("organization")
    content_negotiation_class = AnyAccept
    needs: ClassVar[Any] = {"errors": Action.EXPORT}

    def errors(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        found = self.get_object()
        name = f"import-{found.uuid}-errors.csv"
        if found.rejected and not found.rejected_file:
            raise NotFound("The rejected rows of this import have been deleted.")
        if found.rejected_file:
            return rejected_rows.download(found, self.reach.actor, name)
        empty = HttpResponse(content_type="text/csv; charset=utf-8")
        empty["Content-Disposition"] = f'attachment; filename="{name}"'
        csv.writer(empty).writerow(harmless([*found.mapping, "line", "reason"]))
        return empty
