"""Serializer fields: how values look in the API, and which values it refuses."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar

from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from tenants.api.access import Access
from tenants.api.moments import NotAMoment, read_moment
from tenants.money import CODE, Amounts, Money
from tenants.texts import BREAK, NotText, one_line, several_lines

MAX_WHOLE = 2_147_483_647  # the largest value of PostgreSQL's integer column
AMOUNT = re.compile(r"\d{1,10}(\.\d{1,6})?")
CURRENCY = re.compile(CODE)


class UtcDateTimeField(serializers.DateTimeField):
    """RFC 3339 in UTC with Z. A time without a zone is refused, because its meaning is unknown."""

    def to_internal_value(self, value: Any) -> datetime:
        try:
            return read_moment(value if isinstance(value, str) else "")
        except NotAMoment as error:
            raise ValidationError(str(error), code="invalid") from error


def utc_text(moment: datetime | None) -> str | None:
    """Return the time as every response writes it: RFC 3339 in UTC with Z."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z") if moment else None


class TextField(serializers.CharField):
    """A string of one line. Numbers and booleans are refused, not converted to text."""

    default_error_messages: ClassVar[dict[str, Any]] = {"not_a_string": "Expected a string."}

    def run_validation(self, data: Any = serializers.empty) -> Any:
        # First, so that a string of spaces and line breaks alone counts as empty.
        return super().run_validation(self.as_stored(data) if isinstance(data, str) else data)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("not_a_string")
        return str(super().to_internal_value(data))

    def as_stored(self, text: str) -> str:
        """Return the text as it is stored. Raises ValidationError."""
        return storable(one_line, text)


class WordField(TextField):
    """A string that a line break makes wrong, such as a number, an address, or the name said in a call."""

    def as_stored(self, text: str) -> str:
        inner = text.strip() if self.trim_whitespace else text
        if BREAK.search(inner):
            raise ValidationError("Line breaks are not allowed.", code="control")
        super().as_stored(inner)
        return inner


class LongTextField(TextField):
    """A string that may have several lines."""

    def as_stored(self, text: str) -> str:
        return storable(several_lines, text)


def storable(rule: Callable[[str], str], text: str) -> str:
    """Return the text by a rule of `tenants.texts`. Raises ValidationError."""
    try:
        return rule(text)
    except NotText as error:
        raise ValidationError(str(error), code="control") from error


class FlagField(serializers.BooleanField):
    """true or false. Other values, such as "false" and 0, are refused: they are mistakes."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            raise ValidationError("Expected true or false.", code="invalid_type")
        return data


class WholeField(serializers.IntegerField):
    """A whole number in JSON; a string is refused."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs["max_value"] = min(kwargs.get("max_value") or MAX_WHOLE, MAX_WHOLE)
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, int) or isinstance(data, bool):
            raise ValidationError("Expected a whole number.", code="invalid_type")
        return data


class RateField(serializers.DecimalField):
    """A number in JSON, returned as a number: only money is text."""

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


def money(found: Money | None) -> dict[str, str] | None:
    """Return `{"amount": "0.4125", "currency": "USD"}`, without trailing zeros but with at least two decimals."""
    if found is None:
        return None
    whole, _, rest = format(found.amount, "f").partition(".")
    return {"amount": f"{whole}.{rest.rstrip('0').ljust(2, '0')}", "currency": found.currency}


def moneys(found: Amounts) -> list[dict[str, str] | None]:
    """Return the amounts as `money` writes each, in the order of their currencies."""
    return [money(each) for each in found]


class MoneyField(serializers.Field[Any, Any, Any, Any]):
    """Money in two columns, `name` and `name_currency`. null means no amount."""

    def __init__(self, **kwargs: Any) -> None:
        if not kwargs.get("read_only"):
            kwargs.setdefault("required", False)
        super().__init__(source="*", **kwargs)

    @property
    def column(self) -> str:
        return str(self.field_name)

    def get_attribute(self, instance: Any) -> Any:
        return money(Money.known(getattr(instance, self.column), getattr(instance, f"{self.column}_currency")))

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
            faults["amount"] = [
                ErrorDetail(f'Write the amount like "12.50", with at most {places} decimals.', "invalid")
            ]
        if not isinstance(currency, str) or not CURRENCY.fullmatch(currency):
            faults["currency"] = [ErrorDetail("Use a code of three capital letters, such as USD.", "invalid")]
        if faults:
            raise ValidationError(faults)
        return {self.column: Decimal(str(amount)), f"{self.column}_currency": currency}

    def _places(self) -> int:
        """Return the number of decimals of the column."""
        parent: Any = self.parent
        places: int = parent.Meta.model._meta.get_field(self.column).decimal_places
        return places


class ScopedField(serializers.SlugRelatedField[Any]):
    """A reference to another object by its public id. An object that the caller cannot see does not exist."""

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
    """An id as text. DRF's own field would accept the number 5."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str):
            self.fail("invalid", value=str(data)[:40])
        return super().to_internal_value(data)


class PublicIdField(serializers.UUIDField):
    """The public `id` of an object. The internal key is never sent."""

    def __init__(self) -> None:
        super().__init__(source="uuid", read_only=True)
