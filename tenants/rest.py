"""The API's habits: strict fields in, scoped objects out."""

from __future__ import annotations

import re
import unicodedata
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar, Generic, TypeVar

from django.core.exceptions import FieldDoesNotExist
from django.db import IntegrityError, models, transaction
from django.db.models import ProtectedError
from django.http import Http404
from django.shortcuts import get_object_or_404
from rest_framework import serializers, viewsets
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request
from rest_framework.response import Response

from tenants.access import Access
from tenants.errors import Conflict, Invalid, detail
from tenants.idempotency import IdempotentPosts
from tenants.models import Organization, Scope
from tenants.permissions import demanded

M = TypeVar("M", bound=models.Model)

MAX_WHOLE = 2_147_483_647  # what the smaller of our databases' whole numbers hold
AMOUNT = re.compile(r"\d{1,10}(\.\d{1,6})?")
CURRENCY = re.compile(r"[A-Z]{3}")


class UtcDateTimeField(serializers.DateTimeField):
    """RFC 3339 in UTC with Z. A time without a zone is refused: nobody can know what it means."""

    def enforce_timezone(self, value: datetime) -> datetime:
        if value.tzinfo is None:
            raise ValidationError("Give the time with its zone, like 2026-05-12T09:30:00Z.", code="invalid")
        try:
            return value.astimezone(UTC)
        except (OverflowError, ValueError) as error:
            raise ValidationError("This time is out of range.", code="invalid") from error

    def to_internal_value(self, value: Any) -> Any:
        if not isinstance(value, str):
            self.fail("invalid", format="2026-05-12T09:30:00Z")
        return super().to_internal_value(value)


def utc_text(moment: datetime | None) -> str | None:
    """A moment as every answer writes it."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z") if moment else None


class TextField(serializers.CharField):
    """A string of one line and nothing else: numbers and booleans are not turned into text in silence."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "not_a_string": "Expected a string.",
        "control": "This text has control characters in it.",
    }

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("not_a_string")
        found = str(super().to_internal_value(data))
        if any(unicodedata.category(character) == "Cc" for character in found):
            self.fail("control")
        return found


class FlagField(serializers.BooleanField):
    """true or false; "false" and 0 are somebody's mistake."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            raise ValidationError("Expected true or false.", code="invalid_type")
        return data


class WholeField(serializers.IntegerField):
    """A whole number as JSON writes one."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs["max_value"] = min(kwargs.get("max_value") or MAX_WHOLE, MAX_WHOLE)
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, int) or isinstance(data, bool):
            raise ValidationError("Expected a whole number.", code="invalid_type")
        return data


class RateField(serializers.DecimalField):
    """A number as JSON writes one, given back as a number: only money is text."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**(kwargs | {"coerce_to_string": False}))

    def to_internal_value(self, data: Any) -> Decimal:
        if not isinstance(data, int | float) or isinstance(data, bool):
            raise ValidationError("Expected a number.", code="invalid_type")
        return super().to_internal_value(data)

    def to_representation(self, value: Any) -> Any:
        number = float(value)
        return int(number) if number.is_integer() else number


class ObjectField(serializers.JSONField):
    """A JSON object."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, dict):
            raise ValidationError("Expected an object.", code="invalid_type")
        return super().to_internal_value(data)


def money(amount: Decimal | None, currency: str) -> dict[str, str] | None:
    """`{"amount": "0.4125", "currency": "USD"}`: the decimals that say something, at least two."""
    if amount is None:
        return None
    whole, _, rest = format(amount, "f").partition(".")
    return {"amount": f"{whole}.{rest.rstrip('0').ljust(2, '0')}", "currency": currency}


class MoneyField(serializers.Field[Any, Any, Any, Any]):
    """Money over two columns, `name` and `name_currency`; null: none."""

    def __init__(self, **kwargs: Any) -> None:
        if not kwargs.get("read_only"):
            kwargs.setdefault("required", False)
        super().__init__(source="*", **kwargs)

    @property
    def column(self) -> str:
        return str(self.field_name)

    def get_attribute(self, instance: Any) -> Any:
        return money(getattr(instance, self.column), getattr(instance, f"{self.column}_currency"))

    def to_representation(self, value: dict[str, str]) -> dict[str, str]:
        return value

    def validate_empty_values(self, data: Any) -> tuple[bool, Any]:
        if data is None and not self.read_only:
            return True, {self.column: None}
        return super().validate_empty_values(data)

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            raise ValidationError('Give money like {"amount": "12.50", "currency": "USD"}.', code="invalid_type")
        faults: dict[str, Any] = {
            name: [ErrorDetail("There is no such field.", "unrecognized_keys")]
            for name in data
            if name not in ("amount", "currency")
        }
        amount, currency = data.get("amount"), data.get("currency", "USD")
        places = self._places()
        if "amount" not in data:
            faults["amount"] = [ErrorDetail("This field is required.", "required")]
        elif not isinstance(amount, str):
            faults["amount"] = [ErrorDetail('Write the amount as text, like "12.50".', "invalid_type")]
        elif not AMOUNT.fullmatch(amount) or len(amount.partition(".")[2].rstrip("0")) > places:
            faults["amount"] = [ErrorDetail(f'Write it like "12.50", with at most {places} decimals.', "invalid")]
        if not isinstance(currency, str) or not CURRENCY.fullmatch(currency):
            faults["currency"] = [ErrorDetail("Write three capitals, like USD.", "invalid")]
        if faults:
            raise ValidationError(faults)
        return {self.column: Decimal(str(amount)), f"{self.column}_currency": currency}

    def _places(self) -> int:
        """How many decimals the column keeps."""
        parent: Any = self.parent
        places: int = parent.Meta.model._meta.get_field(self.column).decimal_places
        return places


class ScopedField(serializers.SlugRelatedField[Any]):
    """A reference to another object by its public id; one the caller cannot see does not exist."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "does_not_exist": "There is no such object.",
        "invalid": "Expected the id of an object.",
    }

    def __init__(self, **kwargs: Any) -> None:
        self.path = kwargs.pop("path", "organization")
        super().__init__(slug_field="uuid", **kwargs)

    def get_queryset(self) -> Any:
        reach: Access = self.context["request"].auth
        found: Any = super().get_queryset()
        return reach.visible(found, self.path)

    def to_internal_value(self, data: Any) -> Any:
        try:
            uuid.UUID(data)
        except (ValueError, TypeError, AttributeError):
            self.fail("invalid")
        return super().to_internal_value(data)

    def to_representation(self, obj: Any) -> str:
        return str(obj.uuid)


class IdField(serializers.UUIDField):
    """An id as text. DRF alone would take the number 5 for one."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str):
            self.fail("invalid", value=str(data)[:40])
        return super().to_internal_value(data)


class PublicIdField(serializers.UUIDField):
    """The `id` that programs see. The internal key never leaves."""

    def __init__(self) -> None:
        super().__init__(source="uuid", read_only=True)


class StrictFields:
    """Mixed into serializers: an unknown field is a fault by name, told together with the others."""

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
    """Public ids, UTC times, strict values; what is left out or null is the default.

    Read-only fields in a body are ignored, so that an object can be sent back as it was read.
    """

    serializer_field_mapping: ClassVar[Any] = {
        **serializers.ModelSerializer.serializer_field_mapping,
        models.DateTimeField: UtcDateTimeField,
        models.CharField: TextField,
        models.TextField: TextField,
        models.BooleanField: FlagField,
        models.PositiveIntegerField: WholeField,
        models.PositiveSmallIntegerField: WholeField,
        models.DecimalField: RateField,
    }
    serializer_related_field = ScopedField

    def get_validators(self) -> list[Any]:
        # DRF's own unique-together validators make `organization` required. The database is asked instead.
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

    def _resets(self, name: str) -> bool:
        """Whether null stands for the default, the column itself knowing no null."""
        field = self.fields.get(name)
        if field is None or field.read_only or field.required or isinstance(field, MoneyField):
            return False
        if self.instance is not None and isinstance(field, FlagField):
            return False  # nobody turns a switch by saying nothing
        return not field.allow_null

    def _default(self, name: str) -> Any:
        try:
            model: Any = self.Meta.model
            column: Any = model._meta.get_field(name)
        except FieldDoesNotExist:
            return None
        return [] if column.many_to_many or column.one_to_many else column.get_default()

    def update(self, instance: M, validated_data: Any) -> M:
        """Only the columns that were sent: the others belong to machines that write them meanwhile."""
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
    """Of an object that belongs to an organization, perhaps by way of the objects it names (`naming`)."""

    naming: ClassVar[tuple[str, ...]] = ()
    needs: ClassVar[Scope] = Scope.MANAGE
    organization: Any = None  # each subclass has an OrganizationField; declared here for the type checker

    def home(self, data: Any = None) -> Organization | None:
        """Where the object is, or will be, as far as that can be told before the fields are read."""
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
        context: Any = self.context  # shared with the fields, which read numbers as this organization does
        context["home"] = self.home(data)
        return super().to_internal_value(data)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        named = {name: attrs[name] for name in self.naming if attrs.get(name)}
        if self.instance is None:
            home = organization_for(self.reach, attrs.get("organization"), named)
            self.reach.require(self.needs, home)
            attrs["organization"] = home
            return attrs
        home = self._held()
        if attrs.pop("organization", home) != home:
            raise ValidationError({"organization": "An object stays in its organization."})
        _check_home(home, named)
        return attrs


def _each(found: Any) -> list[Any]:
    return found if isinstance(found, list) else [found]


def _check_home(home: Organization, named: Mapping[str, Any]) -> None:
    """Raises ValidationError by field for objects that another organization owns."""
    astray = [name for name, found in named.items() if any(one.organization_id != home.pk for one in _each(found))]
    if astray:
        raise ValidationError({name: ["This belongs to another organization."] for name in astray})


def organization_for(reach: Access, given: Organization | None, named: Mapping[str, Any]) -> Organization:
    """Where a new object goes: the one given, else that of the objects it names, else the caller's own.

    Raises ValidationError when two of them differ, Invalid when nothing tells.
    """
    first = next((one for found in named.values() for one in _each(found)), None)
    home = given or (first.organization if first is not None else reach.home)
    if home is None:
        raise Invalid(
            "Say which organization this belongs to.",
            [detail("organization", "Send X-Organization or name it here.", "required")],
        )
    _check_home(home, named)
    return home


class OrganizationField(ScopedField):
    """The organization an object belongs to. In a create it may be left out where only one is possible."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("queryset", Organization.objects.all())
        kwargs.setdefault("required", False)
        super().__init__(path="pk", **kwargs)


class ReplacedList(serializers.Field[Any, Any, Any, Any]):
    """A list of small objects that is written as a whole. A PATCH of the owner makes none of their fields optional,
    which is what a nested serializer would do."""

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


class AnyAccept(BaseContentNegotiation):
    """For answers that are not JSON, or callers that ask for nonsense: what there is, is sent."""

    def select_parser(self, request: Any, parsers: Any) -> Any:
        from rest_framework.negotiation import DefaultContentNegotiation

        return DefaultContentNegotiation().select_parser(request, parsers)

    def select_renderer(self, request: Any, renderers: Any, format_suffix: Any = None) -> Any:
        return renderers[0], renderers[0].media_type


class ScopedViewSet(IdempotentPosts, viewsets.GenericViewSet[M], Generic[M]):
    """Objects of the caller's organizations alone: a list of them, each by its public id."""

    lookup_field = "uuid"
    lookup_url_kwarg = "id"
    http_method_names = ["get", "post", "patch", "delete", "head", "options"]
    organization_path: ClassVar[str] = "organization"
    write_scope: ClassVar[Scope] = Scope.MANAGE

    @property
    def reach(self) -> Access:
        access: Access = self.request.auth  # type: ignore[assignment]
        return access

    def get_queryset(self) -> Any:
        return self.reach.visible(super().get_queryset(), self.organization_path)

    def get_object(self) -> M:
        """The object of the path. Filters do not apply: they belong to lists."""
        found: M = get_object_or_404(self.get_queryset(), uuid=public_id(self.kwargs["id"]))
        self.check_reach(found)
        return found

    def check_reach(self, found: M) -> None:
        """Raises PermissionDenied unless what the method demands is held in the object's organization."""
        self.reach.require(demanded(self.request, self), self.organization_of(found))

    def organization_of(self, found: Any) -> Organization:
        organization: Organization = found.organization
        return organization

    def locked(self, found: M) -> M:
        """The same row, locked until the transaction ends and read afresh."""
        return type(found)._default_manager.select_for_update(of=("self",)).get(pk=found.pk)

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        response.setdefault("Cache-Control", "no-store")
        return response


def public_id(text: str) -> uuid.UUID:
    """The id of a path. Raises Http404 for anything else."""
    try:
        return uuid.UUID(text)
    except ValueError as error:
        raise Http404 from error


class ReadViewSet(ScopedViewSet[M], Generic[M]):
    """List and retrieve."""

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response(self.get_serializer(self.get_object()).data)


class CrudViewSet(ReadViewSet[M], Generic[M]):
    """List, create, retrieve, PATCH, DELETE."""

    taken: ClassVar[tuple[str, str] | None] = None  # field and sentence when the object exists already

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        self._save(serializer)
        return Response(serializer.data, status=201)

    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        serializer = self.get_serializer(self.get_object(), data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        self._save(serializer)
        return Response(serializer.data)

    def _save(self, serializer: Any) -> None:
        try:
            with transaction.atomic():
                self.perform_save(serializer)
        except IntegrityError as error:
            if self.taken is None:
                raise
            raise ValidationError({self.taken[0]: [ErrorDetail(self.taken[1], "unique")]}) from error

    def perform_save(self, serializer: Any) -> None:
        """In a transaction. Raises Conflict where the object's state forbids it."""
        serializer.save()

    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        try:
            with transaction.atomic():
                self.perform_destroy(self.get_object())
        except ProtectedError as error:
            raise Conflict("Other objects refer to this one. Deactivate it instead.") from error
        return Response(status=204)

    def perform_destroy(self, instance: M) -> None:
        instance.delete()
