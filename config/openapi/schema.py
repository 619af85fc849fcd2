"""How one view and method become an operation of the document.

What all views share (errors, headers, pagination, scopes) is derived from the view, so that a new URL is documented
without further work. `bodies`, `shapes` and `protocol` hold what cannot be derived.
"""

from __future__ import annotations

from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import append_meta, build_mock_request
from drf_spectacular.utils import OpenApiExample
from rest_framework import serializers
from rest_framework.permissions import SAFE_METHODS

from config.openapi import bodies, protocol, shapes, words
from config.openapi import fields as fields  # registers them
from tenants.api.access import Access
from tenants.api.fields import FlagField, MoneyField, TextField, WordField
from tenants.api.pagination import ORDERINGS, CursorPages
from tenants.api.permissions import MayDo, required_action
from tenants.api.serializers import StrictFields, StrictModelSerializer
from tenants.api.views import AnyAccept

VERBS = {
    "list": "List {many}",
    "create": "Create {one}",
    "retrieve": "Read {one}",
    "partial_update": "Change {one}",
    "destroy": "Delete {one}",
}
WITH_BODY = ("POST", "PATCH")


class ContractSchema(AutoSchema):
    """Describe one operation of the API."""

    # The operation.

    @property
    def action(self) -> str:
        return str(getattr(self.view, "action", None) or self.method.lower())

    @property
    def is_authenticated(self) -> bool:
        return bool(self.view.get_authenticators())

    @property
    def is_file(self) -> bool:
        """Whether the response is not JSON."""
        return self.method == "GET" and getattr(self.view, "content_negotiation_class", None) is AnyAccept

    def get_operation(self, *args: Any, **kwargs: Any) -> Any:
        operation = super().get_operation(*args, **kwargs)
        if operation is None:
            return None
        operation["parameters"] = [*operation.get("parameters", []), *self._header_parameters()]
        operation.setdefault("security", [{}])
        for code, response in operation["responses"].items():
            response.setdefault("headers", {}).update(self._response_headers())
            response["description"] = words.RESPONSES.get(code, response["description"])
        for code in self._errors():
            operation["responses"].setdefault(code, {"$ref": f"#/components/responses/{protocol.ERRORS[code][0]}"})
        operation["responses"] = dict(sorted(operation["responses"].items()))
        return operation

    def get_summary(self) -> str:
        if found := bodies.SUMMARIES.get(self._key(bodies.SUMMARIES)):
            return found
        one, many = bodies.NOUNS.get(self._noun, (self._noun, f"{self._noun}s"))
        template = VERBS.get(self.action) or self.action.replace("_", " ").capitalize() + " {one}"
        return template.format(one=f"{'an' if one[0] in 'aeiouA' else 'a'} {one}", many=many)

    @property
    def _noun(self) -> str:
        return str(getattr(self.view, "basename", None) or self.get_tags()[0]).replace("-", " ")

    def get_description(self) -> str:  # type: ignore[override]
        handler = getattr(self.view, self.action, None)
        text = " ".join((getattr(handler, "__doc__", None) or "").split())
        scope = self._scope()
        needs = f"Needs the scope `{scope}`." if scope else "No key is needed."
        return "\n\n".join(part for part in (text, needs) if part)

    def get_tags(self) -> list[str]:
        parts = [part for part in self.path.removeprefix("/api/").removeprefix("v1/").split("/") if part]
        return [bodies.TAGS.get(type(self.view).__name__) or parts[0].replace("-", " ")]

    def get_operation_id(self) -> str:
        if self.action in VERBS or not hasattr(self.view, "action"):
            return str(super().get_operation_id())
        return "_".join([*self._tokenize_path()[:-1], self.action]).replace("-", "_")

    def get_filter_backends(self) -> list[Any]:
        if not self.is_file:
            return list(super().get_filter_backends())
        return list(getattr(self.view, "filter_backends", []))  # an export of a list takes the list's filters

    def get_override_parameters(self) -> list[Any]:
        return list(bodies.PARAMETERS.get(self._key(bodies.PARAMETERS), []))

    def _scope(self) -> str:
        if not self.is_authenticated or not any(isinstance(found, MayDo) for found in self.view.get_permissions()):
            return ""
        needed = required_action(self.view.request, self.view)
        return needed.scope.name.lower() if needed and needed.scope else ""

    def _key(self, table: Any) -> Any:
        """Return the table's key for this operation, also under the name of a base class of the view, else None."""
        keys = ((base.__name__, self.action) for base in type(self.view).__mro__)
        return next((key for key in keys if key in table), None)

    # Requests.

    def get_request_serializer(self) -> Any:
        key = self._key(bodies.REQUESTS)
        if key:
            return bodies.REQUESTS[key]()
        return super().get_request_serializer() if self.action in ("create", "partial_update") else None

    def _get_request_body(self, direction: Any = "request") -> Any:
        if self.get_request_serializer() is None:
            return None
        body = super()._get_request_body(direction)
        return body and {**body, "required": True}

    def _resolve_path_parameters(self, variables: list[str]) -> list[dict[str, Any]]:
        return [protocol.path_parameter(name) for name in variables]

    def _get_pagination_parameters(self) -> list[dict[str, Any]]:
        paged = self.action == "list" or self._key(bodies.PAGED)
        return protocol.page_parameters(CursorPages, ORDERINGS) if paged else []

    def _header_parameters(self) -> list[dict[str, str]]:
        names = ["RequestId"]
        if self.is_authenticated:
            names += ["Organization", *(["IdempotencyKey"] if self.method == "POST" else [])]
        return [{"$ref": f"#/components/parameters/{name}"} for name in names]

    # Responses.

    def get_response_serializers(self) -> Any:
        if key := self._key(bodies.RESPONSES):
            return {code: found() if callable(found) else found for code, found in bodies.RESPONSES[key].items()}
        if self.is_file:
            return {(200, "text/csv"): shapes.CSV}
        if self.method == "DELETE":
            return {204: None}
        return super().get_response_serializers()

    def _get_paginator(self) -> Any:
        return protocol.Pages

    def _response_headers(self) -> dict[str, Any]:
        names = ["X-Request-Id"]
        if self.is_authenticated and self.method == "POST":
            names.append("Idempotent-Replayed")
        return {name: {"$ref": f"#/components/headers/{name}"} for name in names}

    def _errors(self) -> list[str]:
        codes = ["400", "401", "404", "405", "500", "503"]
        if self.method in WITH_BODY:
            codes.append("413")
        if getattr(self.view, "content_negotiation_class", None) is not AnyAccept:
            codes.append("406")
        if self.is_authenticated or self._noun == "hooks":  # a token has a rate too
            codes.append("429")
        if self.is_authenticated:
            codes.append("403")
            codes += ["409"] if self.method not in SAFE_METHODS else []
            codes += ["415", "422"] if self.method in WITH_BODY else []
        return codes

    def get_examples(self) -> list[OpenApiExample]:
        found = bodies.EXAMPLES.get(self._key(bodies.EXAMPLES), {})
        return [
            OpenApiExample(
                self.get_summary(), value, request_only=which == "request", response_only=which == "response"
            )
            for which, value in found.items()
        ]

    # Fields.

    def _map_basic_serializer(self, serializer: Any, direction: Any) -> Any:
        schema = super()._map_basic_serializer(serializer, direction)
        schema["properties"] |= shapes.EXTRA.get(type(serializer).__name__, {})
        if direction == "response":
            # Every key is always present; null means that there is no value.
            name = type(serializer).__name__
            present = {found for found, field in serializer.fields.items() if not field.write_only}
            present -= {found for found in present if (name, found) in shapes.SOMETIMES}
            schema["required"] = sorted(present | set(shapes.EXTRA.get(name, {})))
            self._mark_empty_columns(serializer, schema["properties"])
        elif issubclass(type(serializer), StrictFields):
            schema["additionalProperties"] = False
            for name, field in serializer.fields.items():
                if isinstance(field, TextField) and not field.read_only:
                    pattern = shapes.ONE_WORD if isinstance(field, WordField) else shapes.TEXT_PATTERN
                    schema["properties"][name].setdefault("pattern", pattern)
            self._mark_resettable(serializer, schema["properties"])
        schema.pop("description", None)
        return schema

    def _mark_empty_columns(self, serializer: Any, properties: dict[str, Any]) -> None:
        """Mark fields whose column can be null: a read-only field does not declare it."""
        model = getattr(getattr(serializer, "Meta", None), "model", None)
        columns = {column.name for column in model._meta.fields if column.null} if model else set()
        for name, field in serializer.fields.items():
            if field.source in columns and not field.allow_null:
                properties[name] = _or_null(properties[name])

    def _mark_resettable(self, serializer: Any, properties: dict[str, Any]) -> None:
        """Mark fields for which null means the default, as leaving the field out does."""
        if not isinstance(serializer, StrictModelSerializer) and type(serializer).__name__ not in shapes.NULL_IS_ABSENT:
            return
        for name, field in serializer.fields.items():
            switch = isinstance(field, FlagField) and self.method == "PATCH"
            if field.read_only or field.required or field.allow_null or isinstance(field, MoneyField) or switch:
                continue
            properties[name] = _or_null(properties[name])
            if "enum" in properties[name]:
                properties[name]["enum"] = [*properties[name]["enum"], None]

    def _map_serializer_field(self, field: Any, direction: Any, bypass_extensions: bool = False) -> Any:
        shape = shapes.of_field(field)
        if shape is None:
            schema = super()._map_serializer_field(field, direction, bypass_extensions)
        else:
            meta = self._get_serializer_field_meta(field, direction)
            nullable = meta.pop("nullable", False)
            schema = append_meta(_or_null(shape) if nullable else shape, meta)
        if isinstance(schema, dict) and isinstance(getattr(field, "parent", None), serializers.BaseSerializer):
            schema.pop("title", None)
            text = words.of_field(field)
            if text:
                schema = {**schema, "description": text}
        return schema


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema with null allowed. One that allows any value allows it already."""
    limited = schema.keys() & {"type", "enum", "$ref", "oneOf", "anyOf", "allOf"}
    return append_meta(schema, {"nullable": True}) if limited else schema


def mock_request(method: str, path: str, view: Any, original_request: Any, **kwargs: Any) -> Any:
    """Return a request without any permission: some views read `request.auth`."""
    request = build_mock_request(method, path, view, None, **kwargs)
    request.auth = Access(actor="document")
    return request
