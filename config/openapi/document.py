"""What the document says once for all operations, and the addresses that are no views of the API."""

from __future__ import annotations

from typing import Any

from django.urls import NoReverseMatch, reverse

from config.openapi import shapes
from config.openapi.bodies import ref
from config.openapi.shapes import FLAG, TEXT, WORD, obj

PART = obj(ok=FLAG, message=TEXT)
OPERATIONS: dict[str, dict[str, Any]] = {
    "healthz": {"summary": "The process is alive", "answers": {"200": ("text/plain", TEXT)}},
    "readyz": {
        "summary": "Calls are placed and followed",
        "answers": {
            code: ("application/json", obj(ok=FLAG, database=PART, migrations=PART, worker=PART))
            for code in ("200", "503")
        },
    },
    "metrics": {
        "summary": "Figures for Prometheus, from allowed addresses",
        "answers": {"200": ("text/plain", TEXT), "403": ("application/json", ref("Error"))},
    },
    "schema": {
        "summary": "This document",
        "answers": {"200": ("application/json", obj(openapi=WORD, info=shapes.OBJECT, paths=shapes.OBJECT))},
    },
    "docs": {"summary": "This document for reading and trying", "answers": {"200": ("text/html", TEXT)}},
}


def add_common_parts(result: dict[str, Any], generator: Any, **kwargs: Any) -> dict[str, Any]:
    """A hook of the generator."""
    components = result["components"]
    schemas = {**shapes.SCHEMAS, "DoNotCallAdded": _do_not_call_added()}
    components["schemas"] = dict(sorted({**schemas, **components["schemas"]}.items()))
    components["responses"] = shapes.error_answers()
    components["parameters"] = shapes.PARAMETERS
    components["headers"] = shapes.HEADERS
    for name, told in OPERATIONS.items():
        try:
            result["paths"].setdefault(reverse(name), _operation(name, told))
        except NoReverseMatch:
            continue
    result["paths"] = dict(sorted(result["paths"].items()))
    return result


def _do_not_call_added() -> dict[str, Any]:
    open_calls = {**shapes.listed(shapes.OPEN_CALL), "description": "Calls to this number that are open already."}
    return {"allOf": [ref("DoNotCall"), obj(open_calls=open_calls)]}


def _operation(name: str, told: dict[str, Any]) -> dict[str, Any]:
    headers = {"X-Request-Id": {"$ref": "#/components/headers/X-Request-Id"}}
    answers = {
        code: {"description": told["summary"], "headers": headers, "content": {media_type: {"schema": schema}}}
        for code, (media_type, schema) in told["answers"].items()
    }
    return {
        "get": {
            "operationId": name,
            "summary": told["summary"],
            "tags": ["operations"],
            "parameters": [{"$ref": "#/components/parameters/RequestId"}],
            "security": [{}],
            "responses": answers,
        }
    }
