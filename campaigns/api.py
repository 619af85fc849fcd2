"""The API of contacts, lists and imports."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import django_filters
from django.db.models import Count, IntegerField, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce
from django.http import FileResponse, HttpResponse, HttpResponseBase
from django.utils import timezone
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import ErrorDetail, NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from campaigns import phones
from campaigns.do_not_call import entries as do_not_call
from campaigns.imports import job
from campaigns.imports import undo as import_undo
from campaigns.imports import upload as uploads
from campaigns.imports.columns import UnreadableFile
from campaigns.models import Campaign, Contact, ContactImport, ContactList, ContactListMember
from campaigns.models.contact import MAX_VARIABLES, MAX_VARIABLES_BYTES
from campaigns.rules.zone_words import NotAZone, read_zone
from providers.models import VARIABLE_NAME
from tenants.api.errors import Conflict, RefusedByRule, TooLarge, detail
from tenants.api.fields import PublicIdField, ScopedField, TextField
from tenants.api.parsing import UploadParser
from tenants.api.serializers import OrganizationField, OrganizedSerializer, StrictModelSerializer, StrictSerializer
from tenants.api.views import AnyAccept, CrudViewSet, ReadViewSet
from tenants.models import Organization


class NumberField(TextField):
    """A phone number, converted to E.164. A national format is read in the organization's default country.

    Whether the country may be called is a calling rule, not validation: see `refuse_country`.
    """

    default_error_messages: ClassVar[dict[str, Any]] = {
        "min_length": "A phone number has at least {min_length} characters.",
        "max_length": "A phone number has at most {max_length} characters.",
    }

    def run_validation(self, data: Any = serializers.empty) -> Any:
        text = super().run_validation(data)
        home: Organization | None = self.context.get("home")
        if home is None or not isinstance(text, str):
            return text  # without an organization the request is refused elsewhere
        try:
            return phones.normalise(text, home.default_region, phones.EVERYWHERE)
        except phones.NotCallable as error:
            raise ValidationError(str(error), code="invalid_phone") from error


def refuse_country(organization: Organization, number: str, field: str) -> None:
    """Raise RefusedByRule if the organization does not call the number's country."""
    country = phones.country_of(number)
    if country not in organization.callable_countries:
        message = f"Numbers of {country or 'an unknown country'} may not be called."
        raise RefusedByRule(message, [detail(field, message, "country")])


class VariablesField(serializers.Field[Any, Any, Any, Any]):
    """An object of strings, with an error for each wrong name or value."""

    def to_internal_value(self, data: Any) -> dict[str, str]:
        if not isinstance(data, dict):
            raise ValidationError("Expected an object of strings.", code="invalid_type")
        faults: dict[str, Any] = {}
        for name, value in data.items():
            if not VARIABLE_NAME.fullmatch(name):
                sentence = "A variable name has only letters, digits and _, no digit first, and at most 64 characters."
                faults[name] = [ErrorDetail(sentence, "invalid_name")]
            elif not isinstance(value, str):
                faults[name] = [ErrorDetail("Expected a string.", "invalid_type")]
        if len(data) > MAX_VARIABLES:
            faults["non_field_errors"] = [ErrorDetail(f"At most {MAX_VARIABLES} variables.", "too_big")]
        elif _bytes_of(data) > MAX_VARIABLES_BYTES:
            faults["non_field_errors"] = [ErrorDetail("The variables are larger than 16 KB in all.", "too_big")]
        if faults:
            raise ValidationError(faults)
        return data

    def to_representation(self, value: Any) -> Any:
        return value


def _bytes_of(values: Mapping[str, Any]) -> int:
    return sum(len(name.encode()) + len(value.encode()) for name, value in values.items() if isinstance(value, str))


class ContactSerializer(OrganizedSerializer[Contact]):
    id = PublicIdField()
    organization = OrganizationField()
    phone = NumberField(max_length=64)
    variables = VariablesField(required=False)
    do_not_call = serializers.SerializerMethodField()

    class Meta:
        model = Contact
        fields: ClassVar[Any] = [
            "id",
            "organization",
            "phone",
            "name",
            "external_id",
            "language",
            "timezone",
            "zone_fault",
            "variables",
            "do_not_call",
            "on_hold",
            "hold_until",
            "hold_reason",
            "created_at",
            "updated_at",
        ]
        read_only_fields: ClassVar[Any] = [
            "zone_fault",
            "on_hold",
            "hold_until",
            "hold_reason",
            "created_at",
            "updated_at",
        ]

    def get_do_not_call(self, contact: Contact) -> bool:
        known = self.context.get("listed")
        if known is None:
            known = listed([contact])
        return (contact.organization_id, contact.phone) in known

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        if "phone" in attrs:
            home = attrs["organization"] if self.instance is None else self.context["home"]
            refuse_country(home, attrs["phone"], "phone")
        if zone := attrs.get("timezone"):
            number = attrs["phone"] if self.instance is None else attrs.get("phone", self.instance.phone)
            try:
                attrs["timezone"] = read_zone(zone, number)
            except NotAZone as error:
                raise ValidationError({"timezone": [str(error)]}) from error
        return attrs


def listed(contacts: Iterable[Contact]) -> set[tuple[int, str]]:
    """Return organization id and number of the contacts on the do-not-call list. One query for each organization."""
    numbers: dict[int, set[str]] = {}
    for contact in contacts:
        numbers.setdefault(contact.organization_id, set()).add(contact.phone)
    now = timezone.now()
    return {(home, phone) for home, found in numbers.items() for phone in do_not_call.listed(home, found, now)}


def number_filter(queryset: QuerySet[Any], name: str, text: str, home: Organization | None) -> QuerySet[Any]:
    """Return the rows with a phone number, written in any format. Raises ValidationError if it is not a number.

    Digits that fit two numbers find both.
    """
    region = home.default_region if home else ""
    # An unescaped plus in a query string arrives as a space, which the filter form strips.
    for candidate in (text, f"+{text}") if text.isdigit() else (text,):
        try:
            return queryset.filter(**{f"{name}__in": phones.lookups(candidate, region)})
        except phones.NotCallable as error:
            message = str(error)
    raise ValidationError({name: [message]})


class ContactFilters(django_filters.FilterSet):
    phone = django_filters.CharFilter(method="by_phone")
    external_id = django_filters.CharFilter()
    list = django_filters.UUIDFilter(field_name="lists__uuid")
    zone_fault = django_filters.ChoiceFilter(choices=Contact.ZoneFault.choices)
    q = django_filters.CharFilter(method="by_prefix")

    class Meta:
        model = Contact
        fields: ClassVar[Any] = []

    def by_phone(self, queryset: QuerySet[Contact], name: str, text: str) -> QuerySet[Contact]:
        return number_filter(queryset, name, text, self.request.auth.home)

    def by_prefix(self, queryset: QuerySet[Contact], name: str, text: str) -> QuerySet[Contact]:
        digits = text if text.startswith("+") else f"+{text}"
        return queryset.filter(Q(name__istartswith=text) | Q(phone__startswith=digits.replace(" ", "")))


class ContactViewSet(CrudViewSet[Contact]):
    queryset = Contact.objects.select_related("organization").filter(erased_at=None)
    serializer_class = ContactSerializer
    filterset_class = ContactFilters
    taken = ("phone", "There is a contact with this number already.")

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        page: Any = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        context = {**self.get_serializer_context(), "listed": listed(page)}
        return self.get_paginated_response(ContactSerializer(page, many=True, context=context).data)

    def perform_save(self, serializer: Any) -> None:
        contact, phone = serializer.instance, serializer.validated_data.get("phone")
        # Under the contact's lock, so that no call is created in between.
        if contact and phone and self.locked(contact).phone != phone and contact.calls.exists():
            raise Conflict("This contact has calls, so its number cannot change. Create a contact for the new number.")
        serializer.save()


def counted(queryset: QuerySet[ContactList]) -> QuerySet[ContactList]:
    """Add `contacts_count` in the same query."""
    members = ContactListMember.objects.filter(contact_list=OuterRef("pk")).order_by().values("contact_list")
    counts = Subquery(members.annotate(n=Count("pk")).values("n"), output_field=IntegerField())
    return queryset.annotate(contacts_count=Coalesce(counts, Value(0)))


class ContactListSerializer(OrganizedSerializer[ContactList]):
    id = PublicIdField()
    organization = OrganizationField()
    contacts_count = serializers.SerializerMethodField()

    class Meta:
        model = ContactList
        fields: ClassVar[Any] = ["id", "organization", "name", "contacts_count"]

    def get_contacts_count(self, found: ContactList) -> int:
        return int(getattr(found, "contacts_count", 0))  # a new list has no contacts


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
            "mapping",
            "error",
            "started_at",
            "finished_at",
        ]
        read_only_fields = fields


class UploadSerializer(StrictSerializer):
    """The form fields of an import. `imports.upload` checks the file itself."""

    file = serializers.FileField(allow_empty_file=True, max_length=None)
    mapping = serializers.JSONField(required=False, allow_null=True, binary=True)
    delimiter = serializers.CharField(required=False, allow_blank=True, trim_whitespace=False, max_length=1)
    encoding = TextField(required=False, allow_blank=True, max_length=32)
    default_region = TextField(required=False, allow_blank=True, max_length=2)
    on_duplicate = serializers.ChoiceField(required=False, choices=ContactImport.OnDuplicate.choices)

    def validate_mapping(self, mapping: Any) -> Any:
        texts = isinstance(mapping, dict) and all(isinstance(field, str) for field in mapping.values())
        if mapping is not None and not texts:
            raise ValidationError('Give a JSON object like {"Mobile": "phone"}.', code="invalid_type")
        return mapping


class ContactListViewSet(CrudViewSet[ContactList]):
    queryset = counted(ContactList.objects.select_related("organization"))
    serializer_class = ContactListSerializer

    def perform_destroy(self, instance: ContactList) -> None:
        unfinished = [Campaign.Status.SCHEDULED, Campaign.Status.RUNNING, Campaign.Status.PAUSED]
        if instance.campaigns.filter(status__in=unfinished).exists():
            raise Conflict("A campaign that is not over uses this list.")
        instance.delete()

    @action(detail=True, methods=["post"], parser_classes=[UploadParser])
    def imports(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Upload a file of contacts. The import runs in the background."""
        contact_list = self.get_object()
        sent: Any = request.data
        given = {name: value for name, value in sent.items() if value != ""}
        form = UploadSerializer(data=given, context=self.get_serializer_context())
        form.is_valid(raise_exception=True)
        upload = form.validated_data.pop("file")
        try:
            found = uploads.start_import(contact_list, upload, upload.name, **form.validated_data)
        except UnreadableFile as error:
            raise ValidationError({"file": [str(error)]}, code="unreadable") from error
        except uploads.FileTooLarge as error:
            raise TooLarge(str(error)) from error
        return Response(ImportSerializer(found, context=self.get_serializer_context()).data, status=202)


class ImportViewSet(ReadViewSet[ContactImport]):
    queryset = ContactImport.objects.select_related("organization", "contact_list")
    serializer_class = ImportSerializer

    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Cancel the import. Contacts imported so far stay."""
        found = self.get_object()
        if not job.cancel(found):
            raise Conflict("This import is over.")
        found.refresh_from_db()
        return Response(self.get_serializer(found).data)

    @action(detail=True, methods=["post"])
    def undo(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Delete the contacts that the import created and nothing has called since. It runs in the background.

        Contacts that the import updated stay.
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

    def errors(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        found = self.get_object()
        name = f"import-{found.uuid}-errors.csv"
        if found.rejected and not found.rejected_file:
            raise NotFound("The rejected rows of this import have been deleted.")
        if found.rejected_file:
            file = found.rejected_file.open("rb")
            return FileResponse(file, as_attachment=True, filename=name, content_type="text/csv; charset=utf-8")
        empty = HttpResponse(content_type="text/csv; charset=utf-8")
        empty["Content-Disposition"] = f'attachment; filename="{name}"'
        csv.writer(empty).writerow([*found.mapping, "line", "reason"])
        return empty
