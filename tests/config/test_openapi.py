"""The OpenAPI document is valid and consistent, and it is public."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from django.core.management import call_command
from django.test import Client

from config.openapi import bodies
from tests.config.reading import resolved, the_document

SHARED = {"400", "401", "403", "404", "405", "429", "500", "503"}


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in the_document()["paths"].items():
        for method, found in methods.items():
            yield method, path, found


def of_the_api() -> list[tuple[str, str, dict[str, Any]]]:
    """Return the operations that need an API key."""
    return [(method, path, found) for method, path, found in operations() if {"key": []} in found.get("security", [])]


def test_it_is_made_without_a_warning_and_is_valid(tmp_path: Path) -> None:
    said = io.StringIO()
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(tmp_path / "x.yaml"), stderr=said)
    assert said.getvalue() == ""


def test_anybody_may_read_it(django_assert_num_queries: Any, db: None) -> None:
    with django_assert_num_queries(0):
        found = Client(headers={"accept": "text/html", "authorization": "Bearer nonsense"}).get("/api/schema/")
    assert (found.status_code, found["Content-Type"]) == (200, "application/json")
    assert found.json()["openapi"].startswith("3.1")
    refused = Client().post("/api/schema/")
    assert (refused.status_code, set(refused.json())) == (405, {"error"})


def test_every_operation_has_its_own_id_a_summary_and_a_tag() -> None:
    names = [found["operationId"] for _, _, found in operations()]
    assert len(set(names)) == len(names)
    assert all(found["summary"] and found["tags"] for _, _, found in operations())


def test_every_error_has_the_one_shape() -> None:
    for method, path, found in operations():
        for status, told in found["responses"].items():
            if status >= "400" and path not in ("/readyz",):
                [content] = resolved(told)["content"].values()
                assert content["schema"] == {"$ref": "#/components/schemas/Error"}, (method, path, status)


def test_every_operation_says_how_it_can_fail() -> None:
    for method, path, found in of_the_api():
        expected = SHARED | ({"409"} if method != "get" else set())
        expected |= {"413", "415", "422"} if method in ("post", "patch") else set()
        assert set(found["responses"]) >= expected, (method, path)


def test_every_operation_has_its_headers() -> None:
    for method, path, found in of_the_api():
        names = {one["name"] for one in map(resolved, found["parameters"]) if one["in"] == "header"}
        expected = {"X-Organization", "X-Request-Id"} | ({"Idempotency-Key"} if method == "post" else set())
        assert names == expected, (method, path)
        for status, told in found["responses"].items():
            headers = set(resolved(told)["headers"])
            assert "X-Request-Id" in headers
            assert ("Retry-After" in headers) == (status in ("429", "503"))


def test_nothing_but_health_reports_and_the_document_goes_without_a_key() -> None:
    keyed = {path for _, path, _ in of_the_api()}
    open_to_all = {path for _, path, _ in operations()} - keyed
    assert all(
        path.startswith("/hooks/") or path in ("/healthz", "/readyz", "/metrics", "/api/schema/", "/api/docs/")
        for path in open_to_all
    )


def test_every_body_forbids_what_it_does_not_know() -> None:
    for method, path, found in of_the_api():
        for content in found.get("requestBody", {}).get("content", {}).values():
            assert resolved(content["schema"])["additionalProperties"] is False, (method, path)


def test_every_example_is_as_the_document_says() -> None:
    components = the_document()["components"]
    tried = 0
    for method, path, found in operations():
        parts = [found.get("requestBody", {}), *map(resolved, found["responses"].values())]
        for content in (content for part in parts for content in part.get("content", {}).values()):
            examples = [one["value"] for one in content.get("examples", {}).values()]
            examples += [content["example"]] if "example" in content else []
            if not examples:
                continue
            validator = jsonschema_rs.validator_for({**content["schema"], "components": components})
            for example in examples:
                assert [error.message for error in validator.iter_errors(example)] == [], (method, path)
                tried += 1
    assert tried > 100


def test_every_main_body_has_an_example() -> None:
    for method, path, found in of_the_api():
        if method == "post" and path.endswith("s/") and path.count("/") == 4 and "requestBody" in found:
            [content] = found["requestBody"]["content"].values()
            if path not in ("/api/v1/webhook-endpoints/",):
                assert content["examples"], path


@pytest.mark.parametrize("table", [bodies.REQUESTS, bodies.RESPONSES, bodies.EXAMPLES, bodies.SUMMARIES])
def test_tables_name_views_in_the_way_the_generator_looks_for_them(table: dict[Any, Any]) -> None:
    assert all(key[0].endswith(("View", "ViewSet")) and key[1].isidentifier() for key in table)
