"""A value encrypted at set-up tells whether FIELD_KEYS are the keys of this database, also while they are changed."""

from __future__ import annotations

import io
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command

from config import findings
from tenants import key_canary
from tenants.findings import Finding, Severity
from tenants.models import AuditEntry, KeyCanary, Organization
from tests.conftest import an_account

pytestmark = pytest.mark.django_db
OLD, NEW, FOREIGN = (Fernet.generate_key().decode() for _ in range(3))


@pytest.fixture(autouse=True)
def _set_up_with_the_old_key(settings: Any) -> None:
    settings.FIELD_KEYS = (OLD,)
    KeyCanary.objects.all().delete()
    key_canary.install()


def found(settings: Any, *keys: str) -> Finding:
    settings.FIELD_KEYS = keys
    seen = findings.found(["field_keys"])["field_keys"]
    assert not [key for key in (OLD, NEW, FOREIGN) if key in seen.message]
    return seen


def test_it_says_which_key_fits(settings: Any) -> None:
    assert found(settings, OLD) == Finding(Severity.FINE, "Key 1 of 1 in FIELD_KEYS is the key of this database.")
    assert found(settings, OLD, NEW).message.startswith("Key 1 of 2")
    second = found(settings, NEW, FOREIGN, OLD)
    assert (
        second.severity is Severity.WARNING and second.message.startswith("Key 3 of 3") and "rotate" in second.message
    )
    wrong = found(settings, NEW, FOREIGN)
    assert wrong.severity is Severity.FAULT and "former key behind the new one" in wrong.message


def test_it_follows_a_change_of_the_key(settings: Any) -> None:
    settings.FIELD_KEYS = (NEW, OLD)
    call_command("rotate_field_keys", stdout=io.StringIO())
    assert found(settings, NEW).severity is Severity.FINE
    assert found(settings, OLD).severity is Severity.FAULT


def test_set_up_happens_once_and_never_says_that_wrong_keys_fit(organization: Organization, settings: Any) -> None:
    settings.FIELD_KEYS = (NEW,)
    key_canary.install()
    assert found(settings, NEW).severity is Severity.FAULT, "another migrate changes nothing"
    settings.FIELD_KEYS = (OLD,)
    an_account(organization)
    KeyCanary.objects.all().delete()  # a database from before this version
    settings.FIELD_KEYS = (NEW,)
    key_canary.install()
    assert not KeyCanary.objects.exists()
    assert found(settings, NEW).severity is Severity.FAULT
    assert found(settings, OLD).severity is Severity.WARNING
    key_canary.install()
    assert found(settings, OLD).severity is Severity.FINE


def test_lost_keys_are_missed_until_one_says_that_they_are_lost(organization: Organization, settings: Any) -> None:
    account = an_account(organization)
    settings.FIELD_KEYS = (NEW,)
    with pytest.raises(CommandError, match="--lost"):
        call_command("rotate_field_keys", stdout=io.StringIO())
    assert found(settings, NEW).severity is Severity.FAULT
    account.credentials = {"api_key": "entered again"}
    account.save()
    organization.webhook_secret = "whsec_entered_again"
    organization.save()
    call_command("rotate_field_keys", "--lost", stdout=io.StringIO())
    assert found(settings, NEW).severity is Severity.FINE
    assert [entry.detail.get("lost") for entry in AuditEntry.objects.order_by("pk")] == [None, True]


def test_fitting_keys_are_not_lost_whatever_is_said(settings: Any) -> None:
    settings.FIELD_KEYS = (NEW, OLD)
    call_command("rotate_field_keys", "--lost", stdout=io.StringIO())
    assert "lost" not in AuditEntry.objects.get().detail
