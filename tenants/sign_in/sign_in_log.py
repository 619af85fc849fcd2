"""The audit entries of signing in, of failures to, and of what team members do to their own access."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model

from tenants import audit_log

UNKNOWN = "unknown user"


def note(user: Any, what: str, **detail: Any) -> None:
    """Record what a user did. It belongs to the installation: users may work for several organizations."""
    name = user.get_username()
    audit_log.record(None, actor=name, action=f"user.{what}", subject=name, detail=detail)


def note_failure(username: str, what: str, **detail: Any) -> None:
    """Record that a secret was wrong. A name that nobody has is not kept: it may be a password in the wrong field.

    `username` is empty where nobody here is known to be the one.
    """
    known = bool(username) and get_user_model().objects.filter(username=username).exists()
    name = username if known else ""
    audit_log.record(None, actor=name or UNKNOWN, action=f"user.{what}", subject=name, detail=detail)
