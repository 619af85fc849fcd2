"""Invited team members: users whom an admin entered by e-mail address, and who have not set a password yet."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction


def awaits_password(user: Any) -> bool:
    """Return whether the user was invited and can sign in in no way yet. Only then a link may set a first password.

    Who signs in through a provider has no password either, and must not get one by a link.
    """
    waiting: bool = user.is_active and user.is_staff and user.last_login is None and not user.has_usable_password()
    return waiting and not list(user.provider_identities.all())


def new_user(email: str) -> Any:
    """Return an unsaved user who signs in with this address, once a password is set. Raises ValidationError."""
    address = email.strip().lower()
    validate_email(address)
    if len(address) > get_user_model()._meta.get_field("username").max_length:  # type: ignore[operator]
        raise ValidationError("This address is too long.")
    return get_user_model()(username=address, email=address, is_staff=True, password=make_password(None))


def saved(user: Any) -> Any:
    """Save the user, or return the one whom somebody else has invited meanwhile. Raises ValidationError."""
    with transaction.atomic():
        found, _ = get_user_model().objects.get_or_create(
            username=user.username, defaults={"email": user.email, "is_staff": True, "password": user.password}
        )
    if not (found.is_active and found.is_staff):
        raise ValidationError("This user has been deactivated meanwhile.")
    return found
