"""`rotate_field_keys`: every stored secret is read with the new key alone, and none is lost."""

from __future__ import annotations

import io
from typing import Any

import pytest
from cryptography.fernet import Fernet, MultiFernet
from django.apps import apps
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection, models

from campaigns.models.number_hash import InstallationKey
from providers.models import ProviderAccount
from tenants import key_canary
from tenants.db import encrypted_fields, key_rotation
from tenants.db.encrypted_fields import EncryptedJSONField, UndecryptableSecret
from tenants.models import AuditEntry, Authenticator, KeyCanary, Organization, StoredAnswer, WebhookEndpoint
from tests.conftest import an_account

pytestmark = pytest.mark.django_db

OLD, NEW, FOREIGN = (Fernet.generate_key().decode() for _ in range(3))


def rotate() -> str:
    out = io.StringIO()
    call_command("rotate_field_keys", stdout=out)
    return out.getvalue()


def stored(table: str, column: str) -> list[str]:
    """What the database itself holds, oldest row first."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {column} FROM {table} ORDER BY id")  # noqa: S608 - names of our own tables
        return [row[0] for row in cursor.fetchall()]


@pytest.fixture(autouse=True)
def _set_up_with_the_old_key(db: None, settings: Any) -> None:
    kept = settings.FIELD_KEYS
    settings.FIELD_KEYS = (OLD,)
    key_canary.renew()
    InstallationKey.objects.all().delete()
    InstallationKey.objects.create(name="do-not-call", value="00ff")
    settings.FIELD_KEYS = kept


@pytest.fixture
def one_of_each(organization: Organization, settings: Any) -> dict[type[models.Model], dict[str, Any]]:
    """A row of each model with secrets, stored with the old key."""
    settings.FIELD_KEYS = (OLD,)
    user = User.objects.create(username="ana")
    rows: list[models.Model] = [
        an_account(organization, credentials={"api_key": "canary"}),
        WebhookEndpoint.objects.create(organization=organization, url="https://example.org", old_secret="whsec_old"),
        StoredAnswer.objects.create(slot="s", fingerprint="f", run="r", answer={"status": 201}),
        Authenticator.objects.create(user=user, secret="JBSWY3DPEHPK3PXP"),
        InstallationKey.objects.get(),
        KeyCanary.objects.get(),
    ]
    Organization.objects.filter(pk=organization.pk).update(webhook_secret="whsec_1", old_webhook_secret="whsec_0")
    organization.refresh_from_db()
    return {type(row): secrets_of(row) for row in [*rows, organization]}


def secrets_of(row: models.Model) -> dict[str, Any]:
    names = [field.attname for field in row._meta.concrete_fields if isinstance(field, EncryptedJSONField)]
    return {name: getattr(row, name) for name in names}


def test_every_secret_is_read_with_the_new_key_alone(
    one_of_each: dict[type[models.Model], dict[str, Any]], settings: Any
) -> None:
    with_secrets = {
        model for model in apps.get_models() for field in model._meta.fields if isinstance(field, EncryptedJSONField)
    }
    assert set(one_of_each) == with_secrets  # a new model with a secret gets its row above
    assert all(value is not None for kept in one_of_each.values() for value in kept.values())
    settings.FIELD_KEYS = (NEW, OLD)
    assert "You can remove the others" in rotate()
    settings.FIELD_KEYS = (NEW,)
    assert {model: secrets_of(model._base_manager.get()) for model in one_of_each} == one_of_each
    for secret in stored("providers_provideraccount", "credentials"):
        assert Fernet(NEW).decrypt(secret.encode()) == b'{"api_key": "canary"}'
    assert AuditEntry.objects.get().action == "field_keys.rotate"


def test_an_interrupted_run_is_resumed_and_nothing_is_written_twice(
    organization: Organization, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.FIELD_KEYS = (OLD,)
    for number in range(7):
        an_account(organization, name=f"Account {number}", credentials={"api_key": number})
    settings.FIELD_KEYS = (NEW, OLD)
    real, left = key_rotation._rotate_value, iter(range(4))

    def killed(*given: Any) -> None:
        if next(left, None) is None:
            raise KeyboardInterrupt
        real(*given)

    with monkeypatch.context() as patch:
        patch.setattr(key_rotation, "_rotate_value", killed)
        with pytest.raises(KeyboardInterrupt):
            list(key_rotation.rotate_all(3))
    first = stored("providers_provideraccount", "credentials")
    by_column = {found.column: found for found in key_rotation.rotate_all(3)}
    found = by_column["providers_provideraccount.credentials"]
    assert found.current > 0 and found.current + found.encrypted_anew == 7 and found.done
    after = stored("providers_provideraccount", "credentials")
    assert sum(old == new for old, new in zip(first, after, strict=True)) == found.current
    settings.FIELD_KEYS = (NEW,)
    assert [row.credentials["api_key"] for row in ProviderAccount.objects.order_by("pk")] == list(range(7))


def test_a_secret_entered_meanwhile_is_not_overwritten(
    organization: Organization, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.FIELD_KEYS = (OLD,)
    account = an_account(organization, credentials={"api_key": "before"})
    settings.FIELD_KEYS = (NEW, OLD)
    real = encrypted_fields.fernet

    def meanwhile() -> MultiFernet:
        account.credentials = {"api_key": "entered meanwhile"}
        account.save()
        return real()

    monkeypatch.setattr(key_rotation, "fernet", meanwhile)
    found = key_rotation._rotate(ProviderAccount, "credentials", 500)
    assert (found.changed_meanwhile, found.encrypted_anew, found.done) == (1, 0, False)
    account.refresh_from_db()
    assert account.credentials == {"api_key": "entered meanwhile"}


def test_a_secret_that_no_key_fits_is_an_error_and_never_its_ciphertext(
    organization: Organization, settings: Any
) -> None:
    an_account(organization)
    kept = tuple(settings.FIELD_KEYS)
    settings.FIELD_KEYS = (FOREIGN,)
    with pytest.raises(UndecryptableSecret) as met:
        _ = ProviderAccount.objects.get().credentials
    assert stored("providers_provideraccount", "credentials")[0] not in str(met.value)
    account = ProviderAccount.objects.get()
    held = stored("providers_provideraccount", "credentials")
    assert held[0] not in repr(vars(account))
    account.save()  # nobody has read it: it stays for the key that comes back
    assert stored("providers_provideraccount", "credentials") == held
    settings.FIELD_KEYS = (NEW, *kept)
    ProviderAccount.objects.get().save()
    assert Fernet(NEW).decrypt(stored("providers_provideraccount", "credentials")[0].encode())


def test_what_no_key_fits_is_kept_and_told(organization: Organization, settings: Any) -> None:
    settings.FIELD_KEYS = (FOREIGN,)
    an_account(organization)
    settings.FIELD_KEYS = (NEW, OLD)
    before = stored("providers_provideraccount", "credentials")
    with pytest.raises(CommandError, match="Keep the old keys"):
        rotate()
    assert stored("providers_provideraccount", "credentials") == before
