"""What all operations share: errors, headers, parameters of paths and lists, pages."""

from __future__ import annotations

from typing import Any

from config.openapi.shapes import ID, Schema, obj
from providers.adapters import registry

# Status -> name of the component, description, example sentence.
ERRORS: dict[str, tuple[str, str, str]] = {
    "400": ("Invalid", "The request cannot be read, or fields are at fault.", "Invalid request data"),
    "401": ("Unauthorized", "The key is missing or not valid.", "Invalid or missing API key"),
    "403": ("Forbidden", "The key lacks the scope, or the organization is inactive.", "Insufficient permissions"),
    "404": ("NotFound", "The object does not exist for this key.", "Not found"),
    "405": ("MethodNotAllowed", "The address does not support this method.", 'Method "PUT" not allowed.'),
    "406": (
        "NotAcceptable",
        "The response is JSON, which the Accept header excludes.",
        "Could not satisfy the request Accept header.",
    ),
    "409": ("Conflict", "The present state does not allow the request.", "A call to this number is already open"),
    "413": ("TooLarge", "The body is too large.", "The request body is too large."),
    "415": ("UnsupportedMediaType", "The body has the wrong media type.", 'Unsupported media type "text/plain".'),
    "422": ("Refused", "The request is understood, and a rule refuses it.", "This number is on the do-not-call list"),
    "429": ("TooManyRequests", "Too many requests with this key.", "Too many requests. Try again in 1 second."),
    "500": ("ServerError", "An error in Trunkline.", "Internal server error occurred"),
    "503": (
        "Unavailable",
        "The database, or a provider that the answer depends on, does not answer. Try again later.",
        "The database does not answer. Try again in a moment.",
    ),
}
ERROR_HEADERS = {"401": "WWW-Authenticate", "405": "Allow", "429": "Retry-After", "503": "Retry-After"}
DETAIL = {"field": "phoneNumber", "message": "A phone number has at least 10 characters.", "code": "too_small"}


def error_responses() -> dict[str, Any]:
    """Return the error responses, all with the same schema, by name."""
    return {name: _error(code, meaning, sentence) for code, (name, meaning, sentence) in ERRORS.items()}


def _error(code: str, meaning: str, sentence: str) -> dict[str, Any]:
    names = ["X-Request-Id", *([ERROR_HEADERS[code]] if code in ERROR_HEADERS else [])]
    example = {"error": sentence, **({"details": [DETAIL]} if code == "400" else {})}
    return {
        "description": meaning,
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in names},
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}, "example": example}},
    }


# Not `format: uuid`: clients made by generators would hand an object of theirs to the HTTP library, which wants text.
UUID_TEXT: Schema = {"type": "string", "pattern": "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"}
REQUEST_ID: Schema = {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,128}$"}
PARAMETERS: dict[str, Any] = {
    "RequestId": {
        "name": "X-Request-Id",
        "in": "header",
        "description": "Your id of this request, returned and written to the logs: 1 to 128 letters, digits, `.`, `_` "
        "and `-`. Any other value is replaced by an id of ours.",
        "schema": {"type": "string"},
    },
    "Organization": {
        "name": "X-Organization",
        "in": "header",
        "description": "With a tenant-level key: the organization to use. Without it, lists span all organizations.",
        "schema": UUID_TEXT,
    },
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "A repeat with the same key and body within 24 hours has no further effect and gets the first "
        "response again. With another body it is a 422. While the first request is running it is a 409.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    },
}
HEADERS: dict[str, Any] = {
    "X-Request-Id": {
        "description": "Quote this id in questions about the response.",
        "required": True,
        "schema": REQUEST_ID,
    },
    "Idempotent-Replayed": {
        "description": "Present if this is the response to an earlier request with the same `Idempotency-Key`.",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "WWW-Authenticate": {"description": "How to authenticate.", "schema": {"type": "string"}},
    "Allow": {"description": "The supported methods.", "schema": {"type": "string"}},
    "Retry-After": {
        "description": "Seconds to wait.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[0-9]+$"},
    },
}


def path_parameter(name: str) -> dict[str, Any]:
    schema: Schema = ID
    if name == "provider":
        schema = {"type": "string", "enum": [slug for slug, _ in registry.choices()]}
    elif name == "token":
        schema = {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,128}$"}
    return {"name": name, "in": "path", "required": True, "schema": schema}


def page_parameters(pages: Any, orderings: Any) -> list[dict[str, Any]]:
    """Return the query parameters of a paged list."""
    limit = {"type": "integer", "minimum": 1, "maximum": pages.max_page_size, "default": pages.page_size}
    ordering = {"type": "string", "enum": sorted(orderings), "default": "-created_at"}
    return [
        {"name": "limit", "in": "query", "description": "The number of results on a page.", "schema": limit},
        {
            "name": "cursor",
            "in": "query",
            "description": "The position of the page. Follow `next` and `previous` exactly as they were returned.",
            "schema": {"type": "string"},
        },
        {"name": "ordering", "in": "query", "description": "Newest or oldest first.", "schema": ordering},
    ]


class Pages:
    """The schema of a page of a list."""

    @staticmethod
    def get_paginated_response_schema(results: Schema) -> Schema:
        link = {"type": ["string", "null"], "format": "uri"}
        return obj(next=link, previous=link, results=results)
