"""Selects for time zones, countries, currencies and languages."""

from __future__ import annotations

import re
from html import unescape

import phonenumbers
import pytest
from django.urls import reverse

from campaigns.models import Contact
from tenants.backoffice.pickers import (
    CURRENCIES,
    LANGUAGES,
    Picker,
    country_choices,
    currency_choices,
    language_choices,
    zone_choices,
)
from tenants.models import Organization
from tests.test_admin import SignIn, sign_in

__all__ = ["sign_in"]  # a fixture


@pytest.mark.parametrize(
    ("code", "label"),
    [
        ("UTC", "UTC"),
        ("Europe/Paris", "Europe/Paris (CET, UTC+01:00 / CEST, UTC+02:00)"),
        ("Asia/Kolkata", "Asia/Kolkata (IST, UTC+05:30)"),
        ("America/Sao_Paulo", "America/Sao_Paulo (UTC-03:00)"),
        ("Australia/Sydney", "Australia/Sydney (AEST, UTC+10:00 / AEDT, UTC+11:00)"),
    ],
)
def test_a_zone_is_shown_with_its_names_and_offsets(code: str, label: str) -> None:
    assert dict(zone_choices())[code] == label


def test_countries_currencies_and_languages_are_names_with_codes() -> None:
    assert dict(country_choices())["FR"] == "France (FR)" and len(country_choices()) > 200
    assert set(dict(country_choices())) == set(phonenumbers.SUPPORTED_REGIONS), "those with numbers, each by name"
    assert dict(currency_choices())["EUR"] == "Euro (EUR)"
    assert dict(language_choices())["fr"] == "French (fr)"
    for table, form in ((CURRENCIES, r"[A-Z]{3}"), (LANGUAGES, r"[a-z]{2}")):
        assert all(re.fullmatch(form, code) for code in table) and len(set(table.values())) == len(table)


def test_a_stored_value_that_is_not_offered_stays_selected() -> None:
    picker = Picker([("a", "A")], blank=True)
    shown = picker.render("field", "<odd>")
    assert '<option value="&lt;odd&gt;" selected>' in shown
    assert "odd" not in picker.render("field", "a"), "and is offered nowhere else"


@pytest.mark.django_db
def test_the_form_of_a_contact_offers_them_and_the_server_still_checks(
    organization: Organization, sign_in: SignIn
) -> None:
    contact = Contact.objects.create(organization=organization, phone="+33612345678", language="fr-CA")
    client = sign_in(organization, "manager")
    url = reverse("admin:campaigns_contact_change", args=[contact.pk])
    page = unescape(client.get(url).content.decode())
    assert page.count("data-picker") == 2
    assert '<option value="fr-CA" selected' in page and "Europe/Paris (CET" in page
    answer = client.post(url, {"timezone": "Nowhere/Else", "variables-rows": "0", "further_numbers-rows": "0"})
    assert answer.status_code == 200 and "Nowhere/Else" in answer.content.decode()
    contact.refresh_from_db()
    assert contact.timezone == ""
