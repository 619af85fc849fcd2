"""A known value, encrypted when the database was set up: it tells whether FIELD_KEYS are those of this database."""

from __future__ import annotations

from django.db import models

from tenants.db.encrypted_fields import EncryptedJSONField


class KeyCanary(models.Model):
    """There is one row. `tenants/key_canary.py` writes and reads it; key rotation treats it like every secret."""

    value = EncryptedJSONField(passing=True)

    def __str__(self) -> str:
        return f"canary {self.pk}"
