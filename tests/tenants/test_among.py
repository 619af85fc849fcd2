"""A column among many values: the same rows as with `__in`."""

from __future__ import annotations

from typing import Any

import pytest
from django.db.models import Q

from campaigns.models import Contact
from tenants.db.among import Among
from tenants.models import Organization

pytestmark = pytest.mark.django_db
HOSTILE = ["", "O'Neill", 'say "no"', "{1,2}", "NULL", "%s", "a,b", "\\", "😀", " ", "1"]


def test_it_finds_what_in_finds(organization: Organization) -> None:
    contacts = [
        Contact.objects.create(organization=organization, phone=f"+336123456{number:02}", name=text)
        for number, text in enumerate(HOSTILE)
    ]
    keys = [contact.pk for contact in contacts]
    table: list[tuple[str, list[list[Any]]]] = [
        ("pk", [keys[:3], [], keys, [-1, 2**40, keys[5]], [keys[1]] * 3]),
        ("organization", [[organization.pk], [organization.pk + 1], []]),
        ("name", [HOSTILE[:4], HOSTILE[4:], [], ["absent", HOSTILE[1]]]),
    ]
    for column, asked in table:
        for values in asked:
            rows = Contact.objects.order_by("pk")
            expected = list(rows.filter(**{f"{column}__in": values}))
            assert list(rows.filter(Among(column, iter(values)))) == expected
            assert list(rows.filter(Among(column, values) & ~Q(pk=keys[0]))) == [
                row for row in expected if row.pk != keys[0]
            ]
            assert list(rows.exclude(Among(column, values))) == [row for row in contacts if row not in expected]
