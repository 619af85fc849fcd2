"""The files that people really have, imported over the API, on the pages and on the command line."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from campaigns.do_not_call import entries
from campaigns.imports import job
from campaigns.models import Contact, ContactImport, ContactList
from campaigns.rules.number_zones import number_zones
from tenants.models import Organization
from tests.campaigns.test_import_pages import NEW, fields_of, looked_at, staff
from tests.conftest import ApiClient, KeyMaker
from tests.waiting import PATIENCE

pytestmark = pytest.mark.django_db
FILES = Path(__file__).parent / "field_files"
Door = Callable[[ContactList, Path], None]


@pytest.fixture(params=["api", "page", "command"])
def door(request: pytest.FixtureRequest, client_for: KeyMaker) -> Door:
    """Return a function that hands in a file; the job is run afterwards."""

    def by_api(contact_list: ContactList, path: Path) -> None:
        client: ApiClient = client_for(contact_list.organization)
        file = io.BytesIO(path.read_bytes())
        file.name = path.name
        address = f"/api/v1/contact-lists/{contact_list.uuid}/imports/"
        assert super(ApiClient, client).post(address, {"file": file}).status_code == 202

    def by_page(contact_list: ContactList, path: Path) -> None:
        client: Client = staff(contact_list.organization)
        page = looked_at(client, path.read_bytes(), path.name, contact_list=str(contact_list.pk), new_list="")
        assert client.post(NEW, {**fields_of(page), "_import": "1"}).status_code == 302

    def by_command(contact_list: ContactList, path: Path) -> None:
        organization = str(contact_list.organization.uuid)
        call_command("import_contacts", str(path), organization=organization, list_name=contact_list.name)

    return {"api": by_api, "page": by_page, "command": by_command}[request.param]


def outcome(door: Door, organization: Organization, name: str, region: str) -> tuple[ContactImport, list[list[str]]]:
    """Import a file without a choice. Return the import, and the numbers of each contact, the first one first."""
    organization.default_region, organization.allowed_countries = region, [region]
    organization.save()
    into = ContactList.objects.create(organization=organization, name="Field")
    door(into, FILES / name)
    imp = ContactImport.objects.get()
    while not job.run_step(imp.pk, PATIENCE):
        pass
    imp.refresh_from_db()
    assert imp.status == "completed", imp.error
    people = Contact.objects.prefetch_related("further_numbers").order_by("pk")
    assert imp.created == len(people) == into.contacts.count()
    return imp, [[person.phone, *(each.phone for each in person.further_numbers.all())] for person in people]


# What a careful person would say who sees the file: region, the numbers of each contact, and the rejected rows.
RIGHT: dict[str, tuple[str, list[list[str]], int]] = {
    "plus_dropped_de.csv": (
        "DE",
        [["+491622897399"], ["+491701234567"], ["+4915112345678"], ["+493012345678"]],
        0,
    ),
    "outlook_92_columns.csv": ("FR", [["+33612345601"], ["+33142345602"], ["+33142345603"]], 0),
    "google_contacts.csv": (
        "FR",
        [
            ["+33612345701", "+33142345701"],
            ["+33612345702", "+33612345703"],
            ["+33142345704"],
            ["+33612345705"],
        ],
        0,
    ),
    "equals_quoted.csv": ("FR", [["+33612346001"], ["+33612346002"]], 0),
    "time_zone_words.csv": ("US", [["+12125550142"], ["+12125550147"], ["+12135550143"], ["+13035550144"]], 2),
    "mexico_521.csv": (
        "MX",
        [["+525541637196"], ["+525541637197"], ["+525541637198"], ["+525541637199"]],
        0,
    ),
    # The second number of each cell, 0711…, is assigned to nobody in France: it is kept, and not called.
    "two_numbers_in_a_cell.csv": ("FR", [[f"+3361234610{n}", f"+3371122610{n}"] for n in range(1, 7)], 0),
    "salesforce_do_not_call.csv": ("US", [["+12125550151"], ["+12125550152"]], 0),
    "french_overseas.csv": ("FR", [["+262692123456"], ["+33612346401"], ["+590690001234"], ["+596596512345"]], 0),
    "title_above_header.csv": ("FR", [["+33612346501"]], 0),
}


@pytest.mark.parametrize("name", RIGHT)
def test_each_file_gives_its_right_value_at_every_door(door: Door, organization: Organization, name: str) -> None:
    region, numbers, rejected = RIGHT[name]
    imp, found = outcome(door, organization, name, region)
    assert (sorted(found), imp.rejected) == (sorted(numbers), rejected)


def test_every_file_has_its_right_value() -> None:
    assert {path.name for path in FILES.glob("*.csv")} == set(RIGHT)


def test_who_must_not_be_called_is_listed_with_the_import(door: Door, organization: Organization) -> None:
    imp, _ = outcome(door, organization, "salesforce_do_not_call.csv", "US")
    phones = ["+12125550151", "+12125550152"]
    assert entries.listed(organization.pk, phones, timezone.now()) == {"+12125550152"}
    assert imp.listed == 1
    entry = organization.do_not_call.get()
    assert (entry.source, entry.reason) == ("import", "Column “Do Not Call” of salesforce_do_not_call.csv")


def test_words_for_time_zones_become_places_of_the_number(door: Door, organization: Organization) -> None:
    outcome(door, organization, "time_zone_words.csv", "US")
    assert dict(Contact.objects.values_list("phone", "timezone")) == {
        "+12125550142": "America/New_York",
        "+12135550143": "America/Los_Angeles",
        "+13035550144": "America/Denver",
        "+12125550147": "America/New_York",
    }


def test_numbers_overseas_keep_their_own_clock(door: Door, organization: Organization) -> None:
    outcome(door, organization, "french_overseas.csv", "FR")
    zones = {phone: number_zones(phone) for phone in Contact.objects.values_list("phone", flat=True)}
    assert {phone: list(found) for phone, found in zones.items()} == {
        "+262692123456": ["Indian/Reunion"],
        "+590690001234": ["America/Guadeloupe"],
        "+596596512345": ["America/Martinique"],
        "+33612346401": ["Europe/Paris"],
    }
