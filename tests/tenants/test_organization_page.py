"""The page of an organization: what its owner asks first, and the countries that may be called."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.test import Client
from django.urls import reverse

from tenants.models import Membership, Organization
from tests.test_admin import SignIn, sign_in

__all__ = ["sign_in"]  # a fixture
pytestmark = pytest.mark.django_db


def page_of(client: Client, organization: Organization) -> str:
    answer = client.get(reverse("admin:tenants_organization_change", args=[organization.pk]))
    return unescape(answer.content.decode())


def form_of(**changes: object) -> dict[str, object]:
    rows = {"memberships-TOTAL_FORMS": "0", "memberships-INITIAL_FORMS": "0"}
    limits = {"single_call_hours": "legal", "min_gap_minutes": "240", "max_attempts_per_day": "3"}
    named = {"name": "Acme", "timezone": "Europe/Paris", "default_region": "FR", "is_active": "on"}
    return {**rows, **limits, **named, "daily_budget_currency": "EUR", **changes}


def test_the_page_begins_with_what_its_owner_asks(sign_in: SignIn, organization: Organization) -> None:
    Organization.objects.update(allowed_countries=["DE"], timezone="Europe/Paris", max_attempts_per_30_days=9)
    page = page_of(sign_in(organization, "admin"), organization)
    facts = dict(re.findall(r"<dt>([^<]*)</dt><dd>([^<]*)</dd>", page))
    assert facts["Countries that may be called"] == "Germany (DE)"
    assert facts["Local time"].endswith(", Europe/Paris")
    assert facts["Calls to one contact"].startswith("Up to 3 in 24 hours. Up to 9 in 30 days.")
    assert facts["Admins"] == Membership.objects.get(role="admin").user.username
    in_order = ["Countries that may be called", 'name="name"', 'name="timezone"', 'name="default_region"']
    in_order += ['name="allowed_countries"', 'name="daily_budget"', 'name="is_active"', "Technical details"]
    places = [page.index(each) for each in in_order]
    assert places == sorted(places)
    assert page.index(str(organization.uuid)) > places[-1], "an ID is what a clerk asks last"


def test_a_button_that_destroys_is_in_the_menu_alone(sign_in: SignIn, organization: Organization) -> None:
    page = page_of(sign_in(organization, "admin"), organization)
    stop = reverse("admin:tenants_organization_step", args=[organization.pk, "stop-calls"])
    [menu] = re.findall(r'<details class="tl-menu">.*?</details>', page, re.DOTALL)
    assert stop in menu and page.count(stop) == 1
    assert "tl-button tl-danger" not in page


def test_countries_are_chosen_by_name_and_stored_as_codes(sign_in: SignIn, organization: Organization) -> None:
    Organization.objects.update(allowed_countries=["FR", "QQ"])
    client = sign_in(organization, "admin")
    page = page_of(client, organization)
    [field] = re.findall(r'<select name="allowed_countries"[^>]*>.*?</select>', page, re.DOTALL)
    assert " multiple" in field and "data-picker" in field
    assert re.search(r'<option value="FR" selected[^>]*>\s*France \(FR\)', field)
    assert re.search(r'<option value="QQ" selected[^>]*>\s*QQ', field), "what is stored stays chosen"
    url = reverse("admin:tenants_organization_change", args=[organization.pk])
    mine = Membership.objects.get()
    rows = {"memberships-TOTAL_FORMS": "1", "memberships-INITIAL_FORMS": "1", "memberships-0-id": mine.pk}
    rows |= {"memberships-0-organization": organization.pk, "memberships-0-role": "admin"}
    for codes in (["FR", "BE"], ["QQ", "FR"], []):
        Organization.objects.update(allowed_countries=["FR", "QQ"])
        answer = client.post(url, form_of(allowed_countries=codes, **rows))
        assert answer.status_code == 302, answer.content.decode()
        organization.refresh_from_db()
        assert sorted(organization.allowed_countries) == sorted(codes)


def test_what_is_no_country_is_refused_by_name(sign_in: SignIn, organization: Organization) -> None:
    before = organization.allowed_countries
    url = reverse("admin:tenants_organization_change", args=[organization.pk])
    client = sign_in(organization, "admin")
    for wrong in ("XX", "France", "fr"):
        answer = client.post(url, form_of(allowed_countries=["FR", wrong]))
        assert f"“{wrong}” is not a country. Choose countries from the list." in unescape(answer.content.decode())
    organization.refresh_from_db()
    assert organization.allowed_countries == before
