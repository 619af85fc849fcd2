"""Parts of the document that all operations share, and the operations that are not views of the API."""

from __future__ import annotations

from typing import Any

from django.urls import NoReverseMatch, reverse

from config.findings import CHECKS
from config.openapi import protocol, result_shapes, shapes
from config.openapi.bodies import ref
from config.openapi.shapes import FLAG, TEXT, WORD, obj

PART = {**obj(ok=FLAG, message=TEXT), "required": ["ok"]}  # the sentence is for operators
OPERATIONS: dict[str, dict[str, Any]] = {
    "healthz": {"summary": "Check that the process is alive", "responses": {"200": ("text/plain", TEXT)}},
    "readyz": {
        "summary": "Check that calls are placed and followed",
        "responses": {
            code: ("application/json", obj(ok=FLAG, **{check.name: PART for check in CHECKS}))
            for code in ("200", "503")
        },
    },
    "metrics": {
        "summary": "Read metrics for Prometheus (allowed addresses only)",
        "responses": {"200": ("text/plain", TEXT), "403": ("application/json", ref("Error"))},
    },
    "schema": {
        "summary": "Read this document",
        "responses": {"200": ("application/json", obj(openapi=WORD, info=shapes.OBJECT, paths=shapes.OBJECT))},
    },
    "docs": {"summary": "Read and try this document in a browser", "responses": {"200": ("text/html", TEXT)}},
}


def add_common_parts(result: dict[str, Any], generator: Any, **kwargs: Any) -> dict[str, Any]:
    """Add our components and operations to the generated document. Called by drf-spectacular."""
    components = result["components"]
    schemas = {**shapes.SCHEMAS, **result_shapes.SCHEMAS, "DoNotCallAdded": _do_not_call_added()}
    components["schemas"] = dict(sorted({**schemas, **components["schemas"]}.items()))
    components["responses"] = protocol.error_responses()
    components["parameters"] = protocol.PARAMETERS
    components["headers"] = protocol.HEADERS
    for name, spec in OPERATIONS.items():
        try:
            result["paths"].setdefault(reverse(name), _operation(name, spec))
        except NoReverseMatch:
            continue
    result["paths"] = dict(sorted(result["paths"].items()))
    return result


def _do_not_call_added() -> dict[str, Any]:
    open_calls = {**shapes.listed(shapes.OPEN_CALL), "description": "The open calls to this number."}
    return {"allOf": [ref("DoNotCall"), obj(open_calls=open_calls)]}


def _operation(name: str, spec: dict[str, Any]) -> dict[str, Any]:
    headers = {"X-Request-Id": {"$ref": "#/components/headers/X-Request-Id"}}
    responses = {
        code: {"description": spec["summary"], "headers": headers, "content": {media_type: {"schema": schema}}}
        for code, (media_type, schema) in spec["responses"].items()
    }
    return {
        "get": {
            "operationId": name,
            "summary": spec["summary"],
            "tags": ["operations"],
            "parameters": [{"$ref": "#/components/parameters/RequestId"}],
            "security": [{}],
            "responses": responses,
        }
    }
