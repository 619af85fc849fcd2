"""A value that comes in by a file, over the API or in a form is stored alike, or refused by all of them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import Any

import pytest
from django.test import Client

from campaigns.imports.upload import start_import
from campaigns.models import Contact, ContactList, DoNotCall
from tenants.models import Organization
from tests.campaigns.test_api import CONTACTS
from tests.campaigns.test_contact_form import ADD, opened
from tests.campaigns.test_import_job import run
from tests.conftest import ApiClient
from tests.test_admin import SignIn, sign_in

__all__ = ["sign_in"]  # a fixture
pytestmark = pytest.mark.django_db
PHONE = "+33612345678"
REFUSED = None  # what is stored of a value that is refused

# Written value -> what is stored in a text of one line, and in one of several lines. By hand, not by the rule.
TEXTS: dict[str, tuple[str | None, str | None]] = {
    "Ada": ("Ada", "Ada"),
    "Ada\nLovelace": ("Ada Lovelace", "Ada\nLovelace"),
    "Ada\r\n \r\nLovelace": ("Ada Lovelace", "Ada\n \nLovelace"),
    "a\tb": ("a b", "a\tb"),
    "a\vb\u2028c\x85d": ("a b c d", "a\nb\nc\nd"),
    "  \u00a0Ada \u3000": ("Ada", "Ada"),
    "=1+1": ("=1+1", "=1+1"),
    "-1": ("-1", "-1"),
    "'0123": ("'0123", "'0123"),
    "0": ("0", "0"),
    "007": ("007", "007"),
    "1e5": ("1e5", "1e5"),
    "null": ("null", "null"),
    "👩🏽‍🚀": ("👩🏽‍🚀", "👩🏽‍🚀"),
    "\u202eאב\u202c": ("\u202eאב\u202c", "\u202eאב\u202c"),
    "\u200bx": ("\u200bx", "\u200bx"),
    "Ame\u0301lie": ("Ame\u0301lie", "Ame\u0301lie"),
    "<b>&amp;</b>": ("<b>&amp;</b>", "<b>&amp;</b>"),
    'a "b", c;d': ('a "b", c;d', 'a "b", c;d'),
    "a\x00b": (REFUSED, REFUSED),
    "a\x01b": (REFUSED, REFUSED),
    "a\x1fb\x1c": ("a b", "a\nb"),
    "a\x1b": (REFUSED, REFUSED),
    "a\x7fb": (REFUSED, REFUSED),
    "a\x9fb": (REFUSED, REFUSED),
}
LIMITS = {"name": 200, "external_id": 200, "language": 35, "consent_basis": 64}
ONE_LINE = [
    *((field, text, stored) for field in LIMITS for text, (stored, _) in TEXTS.items()),
    *((field, "x" * limit, "x" * limit) for field, limit in LIMITS.items()),
    *((field, f" {'x' * limit}\n", "x" * limit) for field, limit in LIMITS.items()),
    *((field, "é" * (limit + 1), REFUSED) for field, limit in LIMITS.items()),
]
SEVERAL_LINES = [
    *((field, text, stored) for field in ("slot", "consent_evidence") for text, (_, stored) in TEXTS.items()),
    *((field, "x" * 10_000, "x" * 10_000) for field in ("slot", "consent_evidence")),
    ("consent_evidence", "x" * 10_001, REFUSED),
    ("slot", "é" * 8_192, REFUSED),  # with the name it is more than 16 KB
]
A_THIRD = pytest.mark.parametrize(
    "part",
    [pytest.param(slice(n, None, 3), id=f"third {n}", marks=pytest.mark.long if n else []) for n in range(3)],
)
ZONES = {
    "Europe/Paris": "Europe/Paris",
    "europe/paris": "Europe/Paris",
    " Europe/Paris\n": "Europe/Paris",
    "Mars/Crater": REFUSED,
    "UTC+1": REFUSED,
    "Etc/GMT-5": REFUSED,
    "": "",
}
NUMBERS = {
    PHONE: PHONE,
    "06 12 34 56 78": PHONE,
    "\u202a06.12.34.56.78\u202c": PHONE,
    "0033 6 12 34 56 78": PHONE,
    "+49 30 123456": REFUSED,  # a country that is not called
    "12": REFUSED,
    "": REFUSED,
    "Ada": REFUSED,
}


@pytest.fixture
def manager(sign_in: SignIn, organization: Organization) -> Client:
    return sign_in(organization, "manager")


class Doors:
    """The three ways in. Each returns the contact that was stored, or None if the value was refused."""

    def __init__(self, api: ApiClient, manager: Client, contact_list: ContactList) -> None:
        self.api, self.manager, self.contact_list = api, manager, contact_list
        self.form = opened(manager, ADD, "phone")

    def by_file(self, values: dict[str, str]) -> Contact | None:
        file = io.StringIO(newline="")
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows([values, values.values()])
        imp = run(start_import(self.contact_list, io.BytesIO(file.getvalue().encode()), "list.csv"))
        assert imp.status == "completed", imp.error
        assert imp.created + imp.rejected == 1, "nothing is lost in silence"
        return self._stored()

    def by_api(self, values: dict[str, str]) -> Contact | None:
        body: dict[str, Any] = {name: value for name, value in values.items() if name != "slot"}
        if "slot" in values:
            body["variables"] = {"slot": values["slot"]}
        answer = self.api.post(CONTACTS, body)
        assert answer.status_code in {201, 400, 422}, answer.content
        return self._stored()

    def by_form(self, values: dict[str, str]) -> Contact | None:
        given: dict[str, Any] = {name: value for name, value in values.items() if name != "slot"}
        if "slot" in values:
            given |= {"variables-0-name": "slot", "variables-0-value": values["slot"]}
        answer = self.manager.post(ADD, self.form | given)
        assert answer.status_code in {200, 302}
        return self._stored()

    def all(self, values: dict[str, str]) -> Iterable[tuple[str, Contact | None]]:
        for door in (self.by_file, self.by_api, self.by_form):
            Contact.objects.all().delete()
            yield door.__name__, door(values)

    @staticmethod
    def _stored() -> Contact | None:
        return Contact.objects.first()


@pytest.fixture
def doors(api: ApiClient, manager: Client, contact_list: ContactList) -> Doors:
    return Doors(api, manager, contact_list)


@A_THIRD
def test_texts_of_one_line(doors: Doors, subtests: pytest.Subtests, part: slice) -> None:
    for field, text, stored in ONE_LINE[part]:
        for door, found in doors.all({"phone": PHONE, field: text}):
            with subtests.test(f"{field} {text[:20]!r} {door}"):
                assert (getattr(found, field) if found else REFUSED) == stored


@A_THIRD
def test_texts_of_several_lines(doors: Doors, subtests: pytest.Subtests, part: slice) -> None:
    for name, text, stored in SEVERAL_LINES[part]:
        for door, found in doors.all({"phone": PHONE, name: text}):
            with subtests.test(f"{text[:20]!r} {door}"):
                values = found and {"consent_evidence": found.consent_evidence, **found.variables}
                assert (values.get(name, "") if values else REFUSED) == stored


def test_time_zones(doors: Doors, subtests: pytest.Subtests) -> None:
    for text, stored in ZONES.items():
        for door, found in doors.all({"phone": PHONE, "timezone": text}):
            with subtests.test(f"{text!r} {door}"):
                assert (found.timezone if found else REFUSED) == stored


def test_numbers(doors: Doors, subtests: pytest.Subtests) -> None:
    for text, stored in NUMBERS.items():
        for door, found in doors.all({"phone": text, "name": "Ada"}):
            with subtests.test(f"{text!r} {door}"):
                assert (found.phone if found else REFUSED) == stored


def test_reasons_of_the_do_not_call_list(api: ApiClient, manager: Client, subtests: pytest.Subtests) -> None:
    page = "/admin/campaigns/donotcall/add/"
    form = opened(manager, page, "phone")
    for text, (stored, _) in TEXTS.items():
        for door in ("api", "form"):
            DoNotCall.objects.all().delete()
            if door == "api":
                api.post("/api/v1/do-not-call/", {"phone": PHONE, "reason": text})
            else:
                manager.post(page, form | {"phone": PHONE, "reason": text})
            with subtests.test(f"{text!r} {door}"):
                entry = DoNotCall.objects.first()
                assert (entry.reason if entry else REFUSED) == stored
