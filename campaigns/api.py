"""The API of contacts and lists."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, ClassVar

import django_filters
from django.core.exceptions import ValidationError as NotPossible
from django.db.models import Q, QuerySet
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from campaigns import further_numbers, phones, tagging
from campaigns.contact_locks import lock_numbers
from campaigns.do_not_call import persons
from campaigns.models import (
    Contact,
    ContactNumber,
    ContactTag,
    NumberKind,
    Tag,
)
from campaigns.models.contact import MAX_EVIDENCE
from campaigns.name_search import named
from campaigns.number_search import beginning, begun, having
from campaigns.rules.tag_names import NotATag, read_tags, tag_key
from campaigns.rules.zone_words import NotAZone, read_zone
from campaigns.variables_field import StoredVariablesField
from tenants.api.errors import Conflict, RefusedByRule, detail
from tenants.api.fields import LongTextField, PublicIdField, TextField, WordField
from tenants.api.filters import ObjectFilter
from tenants.api.permissions import crud
from tenants.api.serializers import (
    OrganizationField,
    OrganizedSerializer,
    ReplacedList,
    StrictSerializer,
)
from tenants.api.views import CrudViewSet
from tenants.models import Organization
from tenants.policy import Action


class NumberField(WordField):
    """A phone number, converted to E.164. A national format is read in the organization's default country.

    Whether the country may be called is a calling rule, not validation: see `refuse_country`.
    """

    read = staticmethod(phones.normalise)
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
            return self.read(text, home.default_region, phones.EVERYWHERE)
        except phones.NotCallable as error:
            raise ValidationError(str(error), code="invalid_phone") from error


def refuse_country(organization: Organization, number: str, field: str) -> None:
    """Raise RefusedByRule if the organization does not call the number's country."""
    country = phones.country_of(number)
    if country not in organization.callable_countries:
        message = f"Numbers of {country or 'an unknown country'} may not be called."
        raise RefusedByRule(message, [detail(field, message, "country")])


class FurtherNumberField(NumberField):
    """A further number of a contact. It may be one that the numbering plan does not use, or not yet."""

    read = staticmethod(phones.normalise_further)


class FurtherNumberSerializer(StrictSerializer):
    phone = FurtherNumberField(max_length=64)
    kind = serializers.ChoiceField(choices=NumberKind.choices, allow_blank=True, default="")


class TagsField(serializers.ListField):
    """The names of a contact's tags. A list that is sent replaces them; a tag that does not exist yet is created."""

    def __init__(self) -> None:
        super().__init__(child=TextField(), required=False, max_length=ContactTag.MAX)

    def to_internal_value(self, data: Any) -> list[str]:
        try:
            return list(read_tags(super().to_internal_value(data)))
        except NotATag as error:
            raise ValidationError(str(error)) from error

    def to_representation(self, value: Any) -> list[str]:
        return [tag.name for tag in value.all()]


class ContactSerializer(OrganizedSerializer[Contact]):
    id = PublicIdField()
    organization = OrganizationField()
    phone = NumberField(max_length=64)
    further_numbers = ReplacedList(FurtherNumberSerializer)
    variables = StoredVariablesField(required=False)
    tags = TagsField()
    consent_evidence = LongTextField(required=False, allow_blank=True, max_length=MAX_EVIDENCE)
    do_not_call = serializers.SerializerMethodField()

    class Meta:
        model = Contact
        fields: ClassVar[Any] = [
            "id",
            "organization",
            "phone",
            "phone_kind",
            "further_numbers",
            "name",
            "external_id",
            "language",
            "timezone",
            "zone_fault",
            "variables",
            "tags",
            "consent_basis",
            "consent_at",
            "consent_evidence",
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
            known = persons.listed([contact])
        return contact.pk in known

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        self._check_numbers(attrs, attrs["organization"] if self.instance is None else self.context["home"])
        if zone := attrs.get("timezone"):
            number = attrs["phone"] if self.instance is None else attrs.get("phone", self.instance.phone)
            try:
                attrs["timezone"] = read_zone(zone, number)
            except NotAZone as error:
                raise ValidationError({"timezone": [str(error)]}) from error
        return attrs

    def _check_numbers(self, attrs: dict[str, Any], home: Organization) -> None:
        """Check the numbers that are new: the others may be of countries that are called no more."""
        if "phone" in attrs:
            refuse_country(home, attrs["phone"], "phone")
        held = self.instance.numbers if isinstance(self.instance, Contact) else (attrs["phone"],)
        given = [row["phone"] for row in attrs.get("further_numbers", ())]
        for place, phone in enumerate(given):
            if phone not in held and phones.is_in_use(phone):
                refuse_country(home, phone, f"further_numbers.{place}.phone")
        if "further_numbers" in attrs:
            attrs["further_numbers"] = [(row["phone"], row["kind"]) for row in attrs["further_numbers"]]
            _possible("further_numbers", attrs.get("phone", held[0]), attrs["further_numbers"])
        elif "phone" in attrs:
            _possible("phone", attrs["phone"], [(phone, "") for phone in held[1:]])

    def create(self, validated_data: dict[str, Any]) -> Contact:
        numbers, tags = validated_data.pop("further_numbers", []), validated_data.pop("tags", ())
        contact = super().create(validated_data)
        # Nobody else has seen the contact yet: the answer need not ask for what it has.
        known: dict[str, Any] = {"further_numbers": ContactNumber.objects.none(), "tags": Tag.objects.none()}
        if numbers:
            further_numbers.replace(contact, numbers)
            del known["further_numbers"]
        if tags:
            _give_tags(contact, tags)
            del known["tags"]
        vars(contact)["_prefetched_objects_cache"] = known
        return contact

    def update(self, instance: Contact, validated_data: dict[str, Any]) -> Contact:
        numbers, tags = validated_data.pop("further_numbers", None), validated_data.pop("tags", None)
        contact = super().update(instance, validated_data)
        changed = numbers is not None and further_numbers.replace(contact, numbers)
        changed |= tags is not None and _give_tags(contact, tags)
        if changed:
            contact.save(update_fields=["updated_at"])
            vars(contact).pop("_prefetched_objects_cache", None)
        return contact


def _give_tags(contact: Contact, names: Sequence[str]) -> bool:
    """Return whether the contact has other tags than before. Raises ValidationError."""
    try:
        return tagging.replace(contact, names)
    except tagging.NotTagged as error:
        raise ValidationError({"tags": [str(error)]}) from error


def _possible(field: str, first: str, numbers: further_numbers.Numbers) -> None:
    """Raise ValidationError of the field unless these can be the numbers of one contact."""
    try:
        further_numbers.check(first, numbers)
    except NotPossible as error:
        raise ValidationError({field: [ErrorDetail(error.messages[0], error.code or "invalid")]}) from error


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
    list = ObjectFilter(field_name="lists")
    tag = django_filters.CharFilter(method="by_tag")
    zone_fault = django_filters.ChoiceFilter(choices=Contact.ZoneFault.choices)
    q = django_filters.CharFilter(method="by_prefix")

    class Meta:
        model = Contact
        fields: ClassVar[Any] = []

    def by_phone(self, queryset: QuerySet[Contact], name: str, text: str) -> QuerySet[Contact]:
        first = number_filter(queryset, name, text, self.request.auth.home)
        further = number_filter(self._further(), name, text, self.request.auth.home)
        return queryset.filter(Q(pk__in=list(first.values_list("pk", flat=True))) | having(further))

    def by_tag(self, queryset: QuerySet[Contact], name: str, text: str) -> QuerySet[Contact]:
        """Return the contacts with the tag of this name, however it is written."""
        homes = self.request.auth.where(Action.SEE)
        tags = list(Tag.objects.filter(organization__in=homes, name_key=tag_key(text)).values_list("pk", flat=True))
        return queryset.filter(pk__in=ContactTag.objects.filter(tag__in=tags).values("contact"))

    def by_prefix(self, queryset: QuerySet[Contact], name: str, text: str) -> QuerySet[Contact]:
        """Return the contacts with such a name, or with a number that begins like this, written in any format."""
        access = self.request.auth
        homes = access.where(Action.SEE)
        # An unescaped plus in a query string arrives as a space, which the filter form strips.
        plus = phones.e164_prefixes(f"+{text}", ()) if text[:1].isdecimal() else set()
        prefixes = phones.e164_prefixes(text, self._regions()) | plus
        further = having(self._further().filter(beginning("phone", prefixes)))
        return queryset.filter(named(text, homes) | begun(prefixes, homes) | further)

    def _regions(self) -> Collection[str]:
        """Return the countries by which the caller's organizations read national numbers."""
        access = self.request.auth
        if access.home:
            return [access.home.default_region]
        return sorted(set(access.organizations(Action.SEE).values_list("default_region", flat=True)[:100]))

    def _further(self) -> QuerySet[ContactNumber]:
        numbers: QuerySet[ContactNumber] = self.request.auth.visible(ContactNumber.objects.all())
        return numbers


class ContactViewSet(CrudViewSet[Contact]):
    queryset = (
        Contact.objects.select_related("organization")
        .prefetch_related("further_numbers", "tags")
        .filter(erased_at=None)
    )
    shown_of_others = ("organization__uuid",)
    serializer_class = ContactSerializer
    needs: ClassVar[Any] = crud(Action.SEE, Action.CHANGE_CONTACT)
    filterset_class = ContactFilters
    taken = ("phone", "There is a contact with this number already.")

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        page: Any = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        context = {**self.get_serializer_context(), "listed": persons.listed(page)}
        return self.get_paginated_response(ContactSerializer(page, many=True, context=context).data)

    def perform_save(self, serializer: Any) -> None:
        contact, given = serializer.instance, serializer.validated_data
        phone, further = given.get("phone"), [number for number, _ in given.get("further_numbers", ())]
        home = contact.organization if contact else given["organization"]
        lock_numbers(home.pk, [phone, *further] if phone else further)
        tagging.named(home.pk, given.get("tags", ()))  # tags are locked before contacts
        # Under the contact's lock, so that no call is created in between.
        if contact and phone and self.locked(contact).phone != phone and contact.calls.exists():
            raise Conflict("This contact has calls, so its number cannot change. Create a contact for the new number.")
        serializer.save()
