"""Rows read in parts are the rows of the whole query, in its order, whatever the size of a part."""

from __future__ import annotations

from itertools import chain
from operator import itemgetter

import pytest

from tenants.db.reading import by_key, in_order
from tenants.models import Tenant

pytestmark = pytest.mark.django_db


def test_parts_are_the_whole_query() -> None:
    made = [Tenant.objects.create(name=f"{n % 4}") for n in range(11)]
    mine = Tenant.objects.filter(pk__in=[row.pk for row in made])
    keys = sorted(row.pk for row in made)
    sorted_ones = [row.pk for row in sorted(made, key=lambda row: (row.name, -row.pk))]
    for size in (1, 2, 5, 11, 12, 100):
        parts = list(by_key(mine, size))
        assert [row.pk for row in chain.from_iterable(parts)] == keys
        assert all(len(part) <= size for part in parts)
        falling = by_key(mine.values_list("pk", "name"), size, itemgetter(0), falling=True)
        assert [key for key, _ in chain.from_iterable(falling)] == keys[::-1]
        parts = list(in_order(mine.order_by("name", "-pk"), size))
        assert [row.pk for row in chain.from_iterable(parts)] == sorted_ones
        assert all(len(part) <= size for part in parts)
    assert list(by_key(mine.none(), 3)) == list(in_order(mine.none(), 3)) == []


def test_a_row_that_is_deleted_meanwhile_is_left_out() -> None:
    made = [Tenant.objects.create(name=f"{n}") for n in range(4)]
    reading = in_order(Tenant.objects.filter(pk__in=[row.pk for row in made]).order_by("-name"), 2)
    assert [row.name for row in next(reading)] == ["3", "2"]
    Tenant.objects.filter(name="1").delete()
    assert [row.name for row in next(reading)] == ["0"]
