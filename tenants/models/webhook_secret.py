"""Secrets that sign webhooks, and their rotation."""

from __future__ import annotations

import base64
import secrets
from datetime import datetime, timedelta

OVERLAP = timedelta(hours=24)  # how long webhooks are signed with both the old and the new secret


def new_webhook_secret() -> str:
    """Return a Standard Webhooks secret: `whsec_` and 24 random bytes in base64."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()


def secrets_in_force(secret: str, old: str | None, until: datetime | None, now: datetime) -> list[str]:
    """Return the secrets to sign with, newest first. The old one signs before `until`."""
    return [secret, old] if old and until and now < until else [secret]
