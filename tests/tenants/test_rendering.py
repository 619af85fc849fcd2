"""The API's renderer against Django REST framework's own: the same JSON, for every value and every route."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from django.utils.functional import lazystr
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.exceptions import ErrorDetail
from rest_framework.renderers import JSONRenderer
from rest_framework.serializers import Serializer
from rest_framework.utils.serializer_helpers import ReturnDict, ReturnList

from calls.models import Status
from config.api import router
from tenants.api.rendering import FastJSONRenderer
from tests.conftest import ApiClient
from tests.tables import cases
from tests.test_admin import world

__all__ = ["world"]  # a fixture

UNUSUAL: list[Any] = [
    None, {}, [], "", True, 0, -1, 2**63, 2**64, -(2**70), 0.1, 1.0, 1e300, 5e-324, Decimal("12.50"), Decimal("1E+3"),
    uuid.UUID(int=5), datetime(2026, 3, 8, 2, 30, 0, 123456, tzinfo=UTC), datetime(2026, 3, 8, 2, 30, 0, 123000, UTC),
    datetime(2026, 3, 8, tzinfo=UTC).replace(tzinfo=None), datetime(2026, 3, 8, tzinfo=timezone(timedelta(hours=-5))),
    date(2026, 2, 28), time(9, 30), timedelta(days=1, seconds=2), lazystr("later"), ErrorDetail("wrong", "code"),
    Status.QUEUED, b"bytes", (1, "two"), {3}, {1: "one", None: 2, False: 3}, {"b": 1, "a": 2},
    "é \u2028 \u2029 < > & ' \" \\ / \x00 \x1f \x7f 😀",
]  # fmt: skip


@cases("value", UNUSUAL)
def test_unusual_values_look_the_same(value: Any) -> None:
    for data in (value, {"of": [value]}):
        assert FastJSONRenderer().render(data) == JSONRenderer().render(data)


def test_the_frameworks_containers_look_the_same() -> None:
    serializer = Serializer[Any]()
    data = ReturnDict({"rows": ReturnList([{"a": 1}], serializer=serializer)}, serializer=serializer)
    assert FastJSONRenderer().render(data) == b'{"rows":[{"a":1}]}' == JSONRenderer().render(data)


def test_an_indented_answer_looks_the_same() -> None:
    data, kind = {"a": [1, 2]}, "application/json; indent=2"
    assert FastJSONRenderer().render(data, kind) == JSONRenderer().render(data, kind) != b'{"a":[1,2]}'


def test_a_text_that_is_none_is_refused_by_both() -> None:
    for renderer in (FastJSONRenderer(), JSONRenderer()):
        with pytest.raises(UnicodeEncodeError):
            renderer.render({"a": "\ud800"})


LEAVES = st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False)


@given(st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=12))
def test_any_value_means_the_same(value: Any) -> None:
    """Only the spelling of a float may differ (1e16 and 1e+16)."""
    found, expected = FastJSONRenderer().render({"v": value}), JSONRenderer().render({"v": value})
    assert repr(json.loads(found)) == repr(json.loads(expected))


@pytest.mark.django_db
@pytest.mark.usefixtures("world")
def test_every_list_and_its_first_object_look_the_same(api: ApiClient, subtests: pytest.Subtests) -> None:
    seen = 0
    for prefix, _, _ in router.registry:
        path = f"/api/v1/{prefix}/"
        answer = api.get(path)
        if answer.status_code != 200:
            continue
        first = [api.get(f"{path}{row['id']}/") for row in answer.json()["results"][:1] if "id" in row]
        for each in (answer, *first):
            with subtests.test(f"{prefix} {each.request['PATH_INFO']}"):
                data: Any = each.data  # type: ignore[attr-defined]
                assert each.content == JSONRenderer().render(data)
                seen += 1
    assert seen > 12
