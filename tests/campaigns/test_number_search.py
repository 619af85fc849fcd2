"""Numbers by their beginnings: the same contacts as reading all of them, through the index whoever has them."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.db.models import Q
from django.utils import timezone

from campaigns.models import Contact
from campaigns.number_search import begun, first_begun
from tenants.db.first_keys import FEW
from tenants.models import Organization

pytestmark = pytest.mark.django_db
PEOPLE = 3 * FEW
OLD = ("+336100000", "+33610000", "+33610", "+336100011")  # 100, 1,000, all of 3,000 and 100 of them
PREFIXES = (*OLD, "+33610002", "+336100029", "+336100029999", "+3361000299", "+33610003", "+1", "+", "+33610000_", "%")


def fill(organization: Organization, count: int = PEOPLE) -> None:
    Contact.objects.bulk_create(
        Contact(organization=organization, phone=f"+3361{n:07}", external_id=f"{n}") for n in range(count)
    )


def test_the_same_are_found_as_by_reading_all(organization: Organization, sister: Organization) -> None:
    for home in (sister, organization):
        fill(home)
    rows = Contact.objects.filter(organization=organization)
    numbers = set(rows.values_list("phone", flat=True))
    for prefixes in (*([prefix] for prefix in PREFIXES), ["+336100000", "+33610002"], []):
        wanted = {number for number in numbers if number.startswith(tuple(prefixes))}
        found = rows.filter(begun(prefixes, [organization.pk]))
        assert set(found.values_list("phone", flat=True)) == wanted, prefixes
        some = Contact.objects.filter(pk__in=first_begun(prefixes, [organization.pk], 8))
        assert some.count() == min(8, len(wanted)), prefixes
        assert set(some.values_list("organization", "phone")) <= {(organization.pk, number) for number in wanted}
    assert not rows.filter(begun(["+33"], [])).exists()


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="plans of PostgreSQL")
def test_a_list_reads_what_it_shows(organization: Organization, subtests: pytest.Subtests) -> None:
    """The first page is read without meeting others, whether the oldest have the number, or all, or nobody."""
    fill(organization, 20_000)  # of fewer the planner now and then reads all
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE campaigns_contact")
    for prefix in (*PREFIXES, "+33610001", "+33610018"):
        rows = Contact.objects.filter(begun([prefix], [organization.pk]), organization=organization)
        plan = rows.order_by("-pk")[:50].explain(analyze=True)
        with subtests.test(prefix):
            assert sum(map(int, re.findall(r"Rows Removed by [A-Za-z ]+: (\d+)", plan))) <= 10, plan
            for read in re.findall(r"Scan[^\n]*actual time=[^ ]+ rows=(\d+)", plan):
                assert int(read) <= FEW, plan


def test_the_erased_are_not_found(organization: Organization) -> None:
    fill(organization)
    Contact.objects.filter(external_id__in=["0", "1"]).update(erased_at=timezone.now())
    asked = ["+3361000000"], [organization.pk]
    for condition in (begun(*asked), Q(pk__in=first_begun(*asked, 50))):
        found = Contact.objects.filter(condition)
        assert set(found.values_list("external_id", flat=True)) == {str(n) for n in range(2, 10)}
