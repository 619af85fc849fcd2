"""Queries that are compiled once: the same rows as Django's own, for whatever values."""

from __future__ import annotations

import threading
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from campaigns.models import Contact
from tenants.db.compiled import Compiled
from tenants.models import ApiKey, Organization, Tenant

pytestmark = pytest.mark.django_db
EPOCH = datetime(1, 1, 1, tzinfo=UTC)


def test_it_finds_what_the_query_finds(organization: Organization) -> None:
    found = Compiled(
        lambda uid, name, home, at: Contact.objects.select_related("organization").filter(
            uuid=uid, name=name, organization=home, created_at__lte=at
        ),
        *(uuid.UUID(int=0), "a name", -1, EPOCH),
    )
    names = ["Ada", "", "%s", "O'Neill", "a name"]
    people = [
        Contact.objects.create(organization=organization, phone=f"+3361234560{place}", name=name)
        for place, name in enumerate(names)
    ]
    now = timezone.now()
    for person in people:
        for given in (
            (person.uuid, person.name, organization.pk, now),
            (person.uuid, person.name, organization.pk, person.created_at),
            (person.uuid, person.name, organization.pk, person.created_at - timedelta(seconds=1)),
            (person.uuid, "Bob", organization.pk, now),
            (uuid.uuid4(), person.name, organization.pk, now),
            (person.uuid, person.name, organization.pk + 1, now),
        ):
            uid, name, home, at = given
            expected = list(Contact.objects.filter(uuid=uid, name=name, organization=home, created_at__lte=at))
            assert found.rows(*given) == expected
        with CaptureQueriesContext(connection) as queries:
            again = found.first(person.uuid, person.name, organization.pk, now)
            assert again is not None and again.organization == organization
            assert (again.variables, again.on_hold, again.updated_at) == ({}, False, person.updated_at)
        assert len(queries) == 1


def test_rows_are_read_anew_each_time(organization: Organization) -> None:
    by_name = Compiled(lambda name: Organization.objects.filter(name=name), "a name")
    assert [row.pk for row in by_name.rows(organization.name)] == [organization.pk]
    Organization.objects.filter(pk=organization.pk).update(is_active=False, default_region="FR")
    [row] = by_name.rows(organization.name)
    assert (row.is_active, row.default_region) == (False, "FR")
    Organization.objects.filter(pk=organization.pk).update(name="Renamed")
    assert by_name.rows("Acme") == [] and by_name.first("Renamed") == organization


def test_a_value_that_is_no_parameter_is_refused() -> None:
    wrong = Compiled(lambda name, region: Organization.objects.filter(name=name, default_region="FR"), "a name", "DE")
    with pytest.raises(ValueError, match="sample"):
        wrong.rows("Acme", "US")


@pytest.mark.django_db(transaction=True)
def test_threads_use_their_own_connections() -> None:
    Organization.objects.create(tenant=Tenant.objects.create(name="T"), name="Acme")
    by_name = Compiled(lambda name: Organization.objects.filter(name=name), "a name")
    names: list[list[str]] = []

    def ask() -> None:
        try:
            names.extend([[row.name for row in by_name.rows(name)] for name in ("Acme", "Bolt")])
        finally:
            connection.close()

    ask()
    for _ in range(2):
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
    assert names == [["Acme"], []] * 3


def test_a_key_ends_at_once(organization: Organization) -> None:
    """The statement is compiled once; the key's row and the time are those of each request."""
    row, key = ApiKey.issue(tenant=organization.tenant, organization=organization, name="k", scopes=["read"])

    client = Client(headers={"authorization": f"Bearer {key}"})
    path = "/api/v1/organizations/"
    now = timezone.now()
    for fields, status in (
        ({}, 200),
        ({"expires_at": now - timedelta(seconds=1)}, 401),
        ({"expires_at": now + timedelta(hours=1)}, 200),
        ({"revoked_at": now}, 401),
        ({"revoked_at": None}, 200),
    ):
        ApiKey.objects.filter(pk=row.pk).update(**fields)
        assert client.get(path).status_code == status, fields
