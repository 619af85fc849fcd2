"""The field of the API for variables of a contact or a call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from campaigns.models.contact import MAX_VARIABLES, MAX_VARIABLES_BYTES
from providers.validators import VARIABLE_NAME
from tenants.api.fields import storable
from tenants.texts import several_lines


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


class StoredVariablesField(VariablesField):
    """Variables of a contact. Their values are stored as an import stores them."""

    def to_internal_value(self, data: Any) -> dict[str, str]:
        return {name: storable(several_lines, value) for name, value in super().to_internal_value(data).items()}
