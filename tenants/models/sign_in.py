"""Signing in: sessions, tries of secrets, authenticator apps and their recovery codes."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models
from django.utils.timezone import now as utc_now

from tenants.db.encrypted_fields import EncryptedJSONField


class StaffSession(AbstractBaseSession):
    """A session of the back office, with the columns that its owner sees in the list of sessions.

    `signed_in_at` and `seen_at` are columns, not session data: a request that stores stale data must not move them.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, related_name="staff_sessions"
    )
    address = models.CharField(max_length=45, blank=True)
    browser = models.CharField(max_length=300, blank=True)
    signed_in_at = models.DateTimeField(default=utc_now)
    seen_at = models.DateTimeField(default=utc_now)

    class Meta:
        verbose_name = "session"

    @classmethod
    def get_session_store_class(cls) -> Any:
        raise NotImplementedError("The store is tenants.sign_in.sessions.SessionStore.")


class SecretTries(models.Model):
    """How often a secret was tried in vain, and until when no further try is admitted. One row for each subject."""

    subject = models.CharField(max_length=100, unique=True)  # a kind and a digest: it names no address and no person
    failures = models.PositiveIntegerField(default=0)
    last_at = models.DateTimeField(default=utc_now, db_index=True)  # read to remove old rows
    closed_until = models.DateTimeField(default=utc_now)

    def __str__(self) -> str:
        return self.subject


class Authenticator(models.Model):
    """The authenticator app of a team member: the secret that its codes are computed from (RFC 6238)."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="authenticator")
    secret = EncryptedJSONField()  # base32
    confirmed_at = models.DateTimeField(default=utc_now)  # with a first code: until then there is no row
    last_step = models.BigIntegerField(default=0)  # of the last accepted code: a code is accepted once

    def __str__(self) -> str:
        return f"Authenticator app of {self.user}"


class RecoveryCode(models.Model):
    """A one-time code for signing in without the authenticator app. A used code is deleted."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="recovery_codes")
    digest = models.CharField(max_length=64)  # SHA-256: 80 random bits need no slow hash

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["user", "digest"], name="recovery_code_once")]

    def __str__(self) -> str:
        return f"Recovery code of {self.user}"


class ProviderIdentity(models.Model):
    """An account at an OpenID Connect provider that signs a team member in."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="provider_identities")
    issuer = models.CharField(max_length=255)
    subject = models.CharField(max_length=255)  # the provider's name for the account, which never changes
    linked_at = models.DateTimeField(default=utc_now)

    class Meta:
        verbose_name_plural = "provider identities"
        constraints: ClassVar = [models.UniqueConstraint(fields=["issuer", "subject"], name="one_user_of_an_identity")]

    def __str__(self) -> str:
        return f"Account of {self.user} at {self.issuer}"
