"""Base serializers: strict fields, and references only within the caller's organizations."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar, Generic, TypeVar

from django.core.exceptions import FieldDoesNotExist
from django.db import models
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.utils.encoders import JSONEncoder

from tenants.api.access import Access
from tenants.api.errors import Invalid, detail
from tenants.api.fields import (
    FlagField,
    LongTextField,
    MoneyField,
    RateField,
    ScopedField,
    TextField,
    UtcDateTimeField,
    WholeField,
)
from tenants.api.permissions import required_action
from tenants.models import Organization

M = TypeVar("M", bound=models.Model)


class StrictFields:
    """A serializer mixin: each unknown field is an error, reported together with the other errors."""

    def to_internal_value(self, data: Any) -> Any:
        faults: dict[str, Any] = {}
        if isinstance(data, Mapping):
            unknown = [name for name in data if name not in self.fields]  # type: ignore[attr-defined]
            faults = {name: [ErrorDetail("There is no such field.", "unrecognized_keys")] for name in unknown}
        try:
            found = super().to_internal_value(data)  # type: ignore[misc]
        except ValidationError as error:
            known: Any = error.detail
            raise ValidationError({**known, **faults}) from error
        if faults:
            raise ValidationError(faults)
        return found


class StrictSerializer(StrictFields, serializers.Serializer[Any]):
    """Strict fields without a model."""


class StrictModelSerializer(StrictFields, serializers.ModelSerializer[M], Generic[M]):
    """Public ids, UTC times and strict values. A field that is left out or null takes its default.

    An object can be sent back as it was read, and nothing changes: read-only fields in a body are ignored, and a field
    with the value that is read now is left as it is, whatever rules were added since it was stored.
    """

    # Fields whose value has an effect also when it is sent again.
    repeatable: ClassVar[frozenset[str]] = frozenset()

    serializer_field_mapping: ClassVar[Any] = {
        **serializers.ModelSerializer.serializer_field_mapping,
        models.DateTimeField: UtcDateTimeField,
        models.CharField: TextField,
        models.TextField: LongTextField,
        models.BooleanField: FlagField,
        models.PositiveIntegerField: WholeField,
        models.PositiveSmallIntegerField: WholeField,
        models.DecimalField: RateField,
    }
    serializer_related_field = ScopedField

    def get_validators(self) -> list[Any]:
        # DRF's unique-together validators make `organization` required. The database's constraints check instead.
        return []

    @property
    def reach(self) -> Access:
        access: Access = self.context["request"].auth
        return access

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return super().to_internal_value(data)
        reset = {name for name, value in data.items() if value is None and self._resets(name)}
        found = super().to_internal_value({name: value for name, value in data.items() if name not in reset})
        return {**found, **{name: self._default(name) for name in reset if name != "organization"}}

    def run_validation(self, data: Any = serializers.empty) -> Any:
        if not isinstance(self.instance, models.Model) or not isinstance(data, Mapping):
            return super().run_validation(data)
        changing = {name: value for name, value in data.items() if not self._keeps(self.instance, name, value)}
        return super().run_validation(changing) if changing else {}

    def _keeps(self, instance: models.Model, name: str, value: Any) -> bool:
        """Return whether sending the value leaves the object as it is."""
        field = self.fields.get(name)
        if field is None or field.write_only or name in self.repeatable:
            return False
        return field.read_only or self._reads_as(instance, field, value)

    @staticmethod
    def _reads_as(instance: models.Model, field: serializers.Field[Any, Any, Any, Any], value: Any) -> bool:
        """Return whether the field is read as this value now. As JSON, because 1 and true are equal in Python."""
        held = field.get_attribute(instance)
        return _json(None if held is None else field.to_representation(held)) == _json(value)

    def _resets(self, name: str) -> bool:
        """Return whether null means the default, because the column is never null."""
        field = self.fields.get(name)
        if field is None or field.read_only or field.required or isinstance(field, MoneyField):
            return False
        if self.instance is not None and isinstance(field, FlagField):
            return False  # null must not turn a switch
        return not field.allow_null

    def _default(self, name: str) -> Any:
        try:
            model: Any = self.Meta.model
            column: Any = model._meta.get_field(name)
        except FieldDoesNotExist:
            return None
        return [] if column.many_to_many or column.one_to_many else column.get_default()

    def update(self, instance: M, validated_data: Any) -> M:
        """Save only the fields that were sent. The engine may write the other columns meanwhile."""
        sets = {field.name for field in instance._meta.many_to_many}
        columns = [name for name in validated_data if name not in sets]
        for name in columns:
            setattr(instance, name, validated_data[name])
        if columns:
            stamped = {"updated_at"} & {field.name for field in instance._meta.fields}
            instance.save(update_fields=[*columns, *stamped])
        for name in sets & set(validated_data):
            getattr(instance, name).set(validated_data[name])
        return instance


class OrganizedSerializer(StrictModelSerializer[M], Generic[M]):
    """An object that belongs to an organization. `naming` lists fields whose objects can determine the organization."""

    naming: ClassVar[tuple[str, ...]] = ()
    organization: Any = None  # each subclass has an OrganizationField; declared here for the type checker

    def home(self, data: Any = None) -> Organization | None:
        """Return the object's organization as far as it is known before the fields are validated, else None."""
        if self.instance is not None:
            return self._held()
        given = data.get("organization") if isinstance(data, Mapping) else None
        if given is None:
            return self.reach.home
        try:
            field = self.fields["organization"]
            named: Organization = field.run_validation(given)
            return named
        except ValidationError:
            return None

    def _held(self) -> Organization:
        instance: Any = self.instance
        organization: Organization = instance.organization
        return organization

    def to_internal_value(self, data: Any) -> Any:
        context: Any = self.context  # shared with the fields, which read numbers by the organization's country
        context["home"] = self.home(data)
        return super().to_internal_value(data)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        named = {name: attrs[name] for name in self.naming if attrs.get(name)}
        if self.instance is None:
            home = organization_for(self.reach, attrs.get("organization"), named)
            self.reach.require(required_action(self.context["request"], self.context["view"]), home)
            attrs["organization"] = home
            return attrs
        home = self._held()
        if attrs.pop("organization", home) != home:
            raise ValidationError({"organization": "The organization of an object cannot be changed."})
        _check_home(home, named)
        return attrs


def _json(value: Any) -> str:
    return json.dumps(value, cls=JSONEncoder, sort_keys=True)


def _each(found: Any) -> list[Any]:
    return found if isinstance(found, list) else [found]


def _check_home(home: Organization, named: Mapping[str, Any]) -> None:
    """Raise ValidationError for each field whose object belongs to another organization."""
    foreign = [name for name, found in named.items() if any(one.organization_id != home.pk for one in _each(found))]
    if foreign:
        raise ValidationError({name: ["This belongs to another organization."] for name in foreign})


def organization_for(reach: Access, given: Organization | None, named: Mapping[str, Any]) -> Organization:
    """Return the organization of a new object: the one given, else that of the objects it names, else the caller's.

    Raises ValidationError when they differ, and Invalid when there is none.
    """
    first = next((one for found in named.values() for one in _each(found)), None)
    home = given or (first.organization if first is not None else reach.home)
    if home is None:
        raise Invalid(
            "Name the organization of the new object.",
            [detail("organization", "Give the organization here or in the X-Organization header.", "required")],
        )
    _check_home(home, named)
    return home


class OrganizationField(ScopedField):
    """The organization of an object. A create may leave it out when only one is possible."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("queryset", Organization.objects.all())
        kwargs.setdefault("required", False)
        super().__init__(path="pk", **kwargs)


class ReplacedList(serializers.Field[Any, Any, Any, Any]):
    """A list of small objects that is replaced as a whole.

    Unlike with a nested serializer, a PATCH of the owner does not make their fields optional.
    """

    def __init__(self, item: type[StrictSerializer], **kwargs: Any) -> None:
        self.item = item
        super().__init__(required=False, **kwargs)

    def to_internal_value(self, data: Any) -> Any:
        items = self.item(data=data, many=True, context=self.context)
        if not items.is_valid():
            raise ValidationError(items.errors)
        return items.validated_data

    def to_representation(self, value: Any) -> Any:
        return self.item(value.all(), many=True, context=self.context).data
