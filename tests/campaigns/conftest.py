from __future__ import annotations

import pytest

from campaigns.models import ContactList, number_hash
from tenants.models import Organization, Tenant


@pytest.fixture(autouse=True)
def _fresh_hash_key() -> None:
    number_hash.forget_hash_key()


@pytest.fixture
def organization(db: None) -> Organization:
    tenant = Tenant.objects.create(name="Clinics")
    return Organization.objects.create(
        tenant=tenant, name="Clinic", timezone="Europe/Paris", default_region="FR", allowed_countries=["FR", "BE"]
    )


@pytest.fixture
def contact_list(organization: Organization) -> ContactList:
    return ContactList.objects.create(organization=organization, name="Patients")
