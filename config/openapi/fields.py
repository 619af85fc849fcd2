"""JSON Schema of our serializer fields and authentication classes. Importing this module registers them."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension, OpenApiSerializerFieldExtension
from drf_spectacular.plumbing import ResolvedComponent

from config.openapi import shapes

CLOCK = r"^([01]?[0-9]|2[0-3]):[0-5][0-9]$"


class Field(OpenApiSerializerFieldExtension):
    """Base of the extensions: each covers a field class and its subclasses."""

    match_subclasses = True


class Number(Field):
    target_class = "campaigns.api.NumberField"

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        return {"type": "string", "examples": ["+33612345678"]}


class Reference(Field):
    target_class = "tenants.api.fields.ScopedField"

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        return {"type": "string", "format": "uuid"}


class Money(Field):
    target_class = "tenants.api.fields.MoneyField"

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        if direction == "request":
            return {**shapes.money_given(self.target._places()), "nullable": True}
        component = ResolvedComponent(
            name="Money", type=ResolvedComponent.SCHEMA, schema=shapes.MONEY, object=shapes.MONEY["title"]
        )
        auto_schema.registry.register_on_missing(component)
        return {**component.ref, "nullable": True}


class Rate(Field):
    target_class = "tenants.api.fields.RateField"

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        whole = self.target.max_digits - self.target.decimal_places
        lowest = self.target.min_value
        return {
            "type": "number",
            "minimum": 0 if lowest is None else float(lowest),
            "exclusiveMaximum": 10**whole,
        }


class Object(Field):
    target_class = "tenants.api.fields.ObjectField"

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        return dict(shapes.OBJECT)


class Variables(Field):
    target_class = "campaigns.variables_field.VariablesField"

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        return dict(shapes.TEXTS)


class Conditions(Field):
    target_class = "campaigns.segments_api.ConditionsField"

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        return dict(shapes.CONDITIONS)


class Clock(Field):
    target_class = "calls.serializers.campaign.ClockField"

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        midnight = CLOCK.removesuffix("$") + "$|^24:00$"
        return {"type": "string", "pattern": CLOCK if self.target.field_name == "opens" else midnight}


class Replaced(Field):
    target_class = "tenants.api.serializers.ReplacedList"

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        return {"type": "array", "items": auto_schema.resolve_serializer(self.target.item, direction).ref}


class Bearer(OpenApiAuthenticationExtension):
    target_class = "tenants.api.authentication.ApiKeyAuthentication"
    name = "key"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "An API key: `Authorization: Bearer tl_...`. Its scopes are `read`, `call` and `manage`; "
            "each includes the ones before it.",
        }


class Session(OpenApiAuthenticationExtension):
    target_class = "tenants.api.authentication.StaffSessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {
            "type": "apiKey",
            "in": "cookie",
            "name": "trunkline_session",
            "description": "A team member signed in to the admin. With https the name of the cookie begins with "
            "`__Host-`. Requests that change something also need the `X-CSRFToken` header.",
        }
