"""A value encrypted at set-up tells whether FIELD_KEYS are the keys of this database, also while they are changed."""

from __future__ import annotations

import hashlib
import hmac
import io
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.utils import timezone

from calls.models import Heartbeat
from campaigns.do_not_call import entries
from campaigns.models import DoNotCall, InstallationKey, number_hash
from config import findings
from tenants import key_canary
from tenants.db.encrypted_fields import UndecryptableSecret
from tenants.findings import Finding, Severity
from tenants.models import AuditEntry, KeyCanary, Organization
from tests.conftest import an_account

pytestmark = pytest.mark.django_db
OLD, NEW, FOREIGN = (Fernet.generate_key().decode() for _ in range(3))


@pytest.fixture(autouse=True)
def _set_up_with_the_old_key(settings: Any) -> None:
    settings.FIELD_KEYS = (OLD,)
    for made_at_set_up in (KeyCanary, InstallationKey):
        made_at_set_up.objects.all().delete()
    number_hash.forget_hash_key()
    key_canary.install()
    number_hash.begin_number_hashes()


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
    with pytest.raises(CommandError, match="rebuild_do_not_call"):
        call_command("rotate_field_keys", "--lost", stdout=io.StringIO())
    assert found(settings, NEW).severity is Severity.FAULT, "the key of the do-not-call list is missed"
    call_command("rebuild_do_not_call", stdout=io.StringIO())
    call_command("rotate_field_keys", "--lost", stdout=io.StringIO())
    assert found(settings, NEW).severity is Severity.FINE
    rotated = AuditEntry.objects.filter(action="field_keys.rotate").order_by("pk")
    assert [entry.detail.get("lost") for entry in rotated] == [None, None, True]


def test_the_do_not_call_list_is_rebuilt_from_its_numbers_and_never_in_silence(
    organization: Organization, settings: Any
) -> None:
    listed = DoNotCall.objects.create(organization=organization, phone="+12125550150")
    DoNotCall.objects.create(organization=organization, phone_hash="0" * 64)
    with pytest.raises(CommandError, match="can be read"):
        call_command("rebuild_do_not_call", "--give-up", "1")
    settings.FIELD_KEYS = (NEW,)
    number_hash.forget_hash_key()
    asked = findings.found(["do_not_call_key"])["do_not_call_key"]
    assert asked.severity is Severity.FAULT and "rebuild_do_not_call" in asked.message
    with pytest.raises(UndecryptableSecret):
        entries.listed(organization.pk, [listed.phone], timezone.now())
    with pytest.raises(CommandError, match="--give-up 1"):
        call_command("rebuild_do_not_call")
    Heartbeat.objects.create(slot=0, role=Heartbeat.Role.ENGINE, beaten_at=timezone.now())
    with pytest.raises(CommandError, match="Stop all processes"):
        call_command("rebuild_do_not_call", "--give-up", "1")
    Heartbeat.objects.all().delete()
    told = io.StringIO()
    call_command("rebuild_do_not_call", "--give-up", "1", stdout=told)
    assert told.getvalue().startswith("1 entries of the do-not-call list are rebuilt, 1 could not be.")
    key = InstallationKey.objects.get().value
    expected = hmac.new(bytes.fromhex(key), listed.phone.encode(), hashlib.sha256).hexdigest()
    assert set(DoNotCall.objects.values_list("phone_hash", flat=True)) == {expected, "0" * 64}
    assert entries.listed(organization.pk, [listed.phone], timezone.now())
    assert findings.found(["do_not_call_key"])["do_not_call_key"] == Finding()
    recorded = AuditEntry.objects.get(organization=organization, action="do_not_call.rebuilt")
    assert recorded.detail == {"entries": 1, "without_number": 1}


@pytest.mark.parametrize(
    ("canary", "keys", "lost"),
    [
        (True, (NEW, OLD), False),  # a key that fits is not lost, whatever is said
        (True, (OLD,), False),
        (True, (NEW,), True),
        (False, (NEW,), True),  # a database from before there was one, whose key was lost before it had one
    ],
)
def test_keys_are_lost_unless_one_is_known_to_fit(
    settings: Any, canary: bool, keys: tuple[str, ...], lost: bool
) -> None:
    """Of a database whose other secrets were entered again."""
    InstallationKey.objects.all().delete()
    if not canary:
        KeyCanary.objects.all().delete()
    settings.FIELD_KEYS = keys
    call_command("rotate_field_keys", "--lost", stdout=io.StringIO())
    assert AuditEntry.objects.get().detail.get("lost", False) is lost
    assert found(settings, *keys).severity is Severity.FINE
