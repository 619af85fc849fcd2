"""Whose account at the provider is whose here, and the roles that the provider gives."""

from __future__ import annotations

import json
from typing import Any

from django.contrib.auth import get_user_model
from django.db import IntegrityError, transaction

from tenants import audit_log, members
from tenants.models import Membership, Organization, ProviderIdentity
from tenants.policy import highest
from tenants.sign_in import sign_in_log
from tenants.sign_in.id_tokens import Claims, Refused
from tenants.sign_in.provider_settings import ProviderSettings

THE_PROVIDER = "sign-in provider"  # the actor
LONGEST_DETAIL = 254


class NotLinked(Refused):
    """The account at the provider is genuine and belongs to no team member who may sign in."""

    def __init__(self, claims: Claims) -> None:
        super().__init__("no team member")
        # With which the account can be linked by hand, and why its address did not link it.
        self.detail = {"subject": claims["sub"], "email": _text(claims.get("email"))}
        self.detail["email_verified"] = _text(json.dumps(claims.get("email_verified"), default=str))


class LinkedAlready(Refused):
    """The account at the provider belongs to a user already."""

    def __init__(self) -> None:
        super().__init__("linked meanwhile")


class HasAnother(LinkedAlready):
    """Another account at the provider belongs to the user already."""


def identity_for(given: ProviderSettings, claims: Claims) -> ProviderIdentity:
    """Return the link of an account at the provider, whose user has the roles it gives them now. Raises Refused."""
    if lacking := given.lacking(claims):
        raise Refused(f"required claim {lacking}")
    with transaction.atomic():
        known = ProviderIdentity.objects.filter(issuer=given.issuer, subject=claims["sub"])
        identity = known.select_related("user").first()
        user = identity.user if identity else _user_by_email(given, claims)
        if user is None or not (user.is_active and user.is_staff):
            raise NotLinked(claims)
        if identity is None:
            identity = link(user, given.issuer, claims["sub"], actor=user.get_username())
        if given.roles_claim:
            _give_roles(user, given, claims)
    return identity


def link(user: Any, issuer: str, subject: str, *, actor: str, also: bool = False) -> ProviderIdentity:
    """Let an account at the provider sign the user in, in the caller's transaction. Raises LinkedAlready.

    `also`: although another account of the provider does. Accounts are linked to a user one at a time.
    """
    get_user_model().objects.select_for_update(no_key=True).get(pk=user.pk)
    links = ProviderIdentity.objects.filter(issuer=issuer)
    if links.filter(subject=subject).exists():
        raise LinkedAlready
    if not also and links.filter(user=user).exists():
        raise HasAnother
    try:
        with transaction.atomic():
            made = ProviderIdentity.objects.create(user=user, issuer=issuer, subject=subject)
    except IntegrityError as error:  # to another user, at the same moment
        raise LinkedAlready from error
    name = user.get_username()
    audit_log.record(None, actor=actor, action="user.provider_linked", subject=name, detail={"provider": issuer})
    return made


def is_linked(user: Any, identity: int) -> bool:
    """Return whether this link still signs the user in."""
    return ProviderIdentity.objects.filter(pk=identity, user=user).exists()


def unlink(user: Any, issuer: str, *, actor: str) -> int:
    """Let no account at the provider sign the user in any more, in the caller's transaction. Return how many did."""
    count = int(ProviderIdentity.objects.filter(user=user, issuer=issuer).delete()[0])
    if count:
        name = user.get_username()
        audit_log.record(None, actor=actor, action="user.provider_unlinked", subject=name, detail={"provider": issuer})
    return count


def _user_by_email(given: ProviderSettings, claims: Claims) -> Any:
    """Return the one user with the e-mail address that the provider has verified, if the settings allow to link by it.

    A user who is linked already is not found: the address may have passed to another person. Letters beyond ASCII are
    not compared: databases take some of them for ASCII ones. A superuser is linked by hand only.
    """
    email = claims.get("email")
    if not given.link_by_email or claims.get("email_verified") is not True:
        return None
    if not isinstance(email, str) or not (email.isascii() and email.isprintable() and "@" in email):
        return None
    users: Any = get_user_model().objects.exclude(provider_identities__issuer=given.issuer)
    found = {user.pk: user for user in [*users.filter(username__iexact=email), *users.filter(email__iexact=email)]}
    same = [user for user in found.values() if email.lower() in (user.username.lower(), user.email.lower())]
    return users.filter(pk=same[0].pk, is_superuser=False).first() if len(same) == 1 else None


def _give_roles(user: Any, given: ProviderSettings, claims: Claims) -> None:
    """Make the user's roles in the organizations of the settings those that the claim gives; in others they stay.

    A token without the claim says nothing about roles: all stay, and that is recorded. An empty list takes them.
    """
    held = _values(claims, given.roles_claim)
    if held is None:
        sign_in_log.note(user, "provider_roles_missing", claim=given.roles_claim)
        return
    named = {each.organization for each in given.roles}
    for organization in Organization.objects.filter(uuid__in=named).order_by("pk"):
        fitting = [each.role for each in given.roles if each.organization == organization.uuid and each.value in held]
        _give_role(user, organization, highest(fitting) if fitting else None)


def _give_role(user: Any, organization: Organization, role: str | None) -> None:
    if role == Membership.objects.filter(user=user, organization=organization).values_list("role", flat=True).first():
        return
    held = members.lock_with_admins(organization, [user])
    if members.takes_last_admin(held, {user: role}):
        _record(organization, "last_admin_kept", {"object": organization.name, user.get_username(): role or "removed"})
        return
    if role is None:
        membership = next((row for row in held if row.user_id == user.pk), None)
        if membership is None:  # removed meanwhile
            return
        members.remove(membership, actor=THE_PROVIDER, keys=members.Keys.LEAVE)
    else:
        Membership.objects.update_or_create(user=user, organization=organization, defaults={"role": role})
    _record(organization, "people_changed", {"object": organization.name, user.get_username(): role or "removed"})


def _record(organization: Organization, what: str, detail: dict[str, str]) -> None:
    audit_log.record(
        organization,
        actor=THE_PROVIDER,
        action=f"organization.{what}",
        subject=str(organization.uuid),
        detail=detail,
    )


def _values(claims: Claims, name: str) -> set[str] | None:
    """Return the values of a claim, by its whole name or by the path that dots in the name stand for.

    None: the token does not have the claim, or only says where to ask for it (`_claim_names`).
    """
    found: Any = claims.get(name)
    if found is None:
        found = claims
        for part in name.split("."):
            found = found.get(part) if isinstance(found, dict) else None
    elsewhere = claims.get("_claim_names")
    if isinstance(elsewhere, dict) and name in elsewhere:
        return None
    if isinstance(found, str):
        return {found}
    return {each for each in found if isinstance(each, str)} if isinstance(found, list) else None


def _text(value: Any) -> str:
    return "".join(filter(str.isprintable, value[:LONGEST_DETAIL])) if isinstance(value, str) else ""
