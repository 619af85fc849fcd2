"""Read the OpenAPI document as a program would."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from config.openapi.pages import document


@cache
def the_document() -> dict[str, Any]:
    """Return the document, parsed once for each process. Do not change it."""
    found: dict[str, Any] = json.loads(document())
    return found


def resolved(schema: Any) -> dict[str, Any]:
    """Return the schema without references and null alternatives, with its parts merged."""
    found: dict[str, Any] = dict(schema)
    while "$ref" in found:
        node: Any = the_document()
        for part in found["$ref"].removeprefix("#/").split("/"):
            node = node[part]
        found = dict(node)
    parts = [resolved(part) for part in found.get("allOf", [])]
    parts += [resolved(part) for part in found.get("oneOf", []) if part.get("type") != "null"][:1]
    for part in parts:
        found["properties"] = {**part.get("properties", {}), **found.get("properties", {})}
        found = {**part, **found}
    return found


def operation(method: str, path: str) -> dict[str, Any]:
    found: dict[str, Any] = the_document()["paths"][path][method]
    return found


def body(method: str, path: str) -> dict[str, Any]:
    [content] = operation(method, path)["requestBody"]["content"].values()
    return resolved(content["schema"])


def answer(method: str, path: str, status: str = "200") -> dict[str, Any]:
    """Return the schema of a response; for a list, that of one result."""
    [content] = operation(method, path)["responses"][status]["content"].values()
    found = resolved(content["schema"])
    results = found.get("properties", {}).get("results")
    return resolved(results["items"]) if results else found


def words(schema: Any) -> set[Any]:
    """Return the values of an enum, or of the enum in a list."""
    found = resolved(schema)
    if "items" in found:
        return words(found["items"])
    return {word for word in found["enum"] if word is not None}


def query_names(path: str) -> set[str]:
    parameters = [resolved(found) for found in operation("get", path).get("parameters", [])]
    return {found["name"] for found in parameters if found["in"] == "query"}
