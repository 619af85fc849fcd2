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

    Who signs in through a provider has no password either, and must not get one by a link. Nor must a superuser, whom
    no admin of an organization invites.
    """
    waiting: bool = user.is_active and user.is_staff and user.last_login is None and not user.has_usable_password()
    return waiting and not user.is_superuser and not list(user.provider_identities.all())


def may_use_link(user: Any) -> bool:
    """Return whether a link may set a password: of who signs in with one, or was invited to."""
    return user.is_active and user.is_staff and (user.has_usable_password() or awaits_password(user))


def find(email: str) -> Any:
    """Return the user who signs in with this address, whatever its case, or None.

    Letters beyond ASCII are not left to the database to compare: it takes some of them for ASCII ones.
    """
    name = _normal(email)
    found = get_user_model().objects.filter(username__iexact=name).order_by("pk")
    same = [user for user in found if user.get_username().lower() == name.lower()]
    return next((user for user in same if user.get_username() == name), same[0] if same else None)


def new_user(email: str) -> Any:
    """Return an unsaved user who signs in with this address, once a password is set. Raises ValidationError."""
    address = _normal(email).lower()
    if not address.isascii():  # two addresses that look alike would be two users
        raise ValidationError("Write the address without accents and with the letters A to Z alone.")
    validate_email(address)
    if len(address) > get_user_model()._meta.get_field("username").max_length:  # type: ignore[operator]
        raise ValidationError("This address is too long.")
    return get_user_model()(username=address, email=address, is_staff=True, password=make_password(None))


def _normal(email: str) -> str:
    """Return the address as the sign-in page reads it: with full-width letters as ASCII ones, for example."""
    return str(get_user_model().normalize_username(email.strip()))


def saved(user: Any) -> Any:
    """Save the user, or return the one whom somebody else has invited meanwhile. Raises ValidationError."""
    with transaction.atomic():
        found, _ = get_user_model().objects.get_or_create(
            username=user.username, defaults={"email": user.email, "is_staff": True, "password": user.password}
        )
    if not (found.is_active and found.is_staff):
        raise ValidationError("This user has been deactivated meanwhile.")
    return found
