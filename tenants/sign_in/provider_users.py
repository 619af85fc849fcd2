"""Whose account at the provider is whose here, and the roles that the provider gives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction

from tenants import audit_log, key_owners
from tenants.models import Membership, Organization, ProviderIdentity
from tenants.policy import highest
from tenants.sign_in import sign_in_log
from tenants.sign_in.id_tokens import Claims, Refused
from tenants.sign_in.provider_settings import ProviderSettings

THE_PROVIDER = "sign-in provider"  # the actor


class NotLinked(Refused):
    """The account at the provider is genuine and belongs to no team member who may sign in."""

    def __init__(self, subject: str) -> None:
        super().__init__("no team member")
        self.subject = subject  # with which the account can be linked by hand


def user_for(given: ProviderSettings, claims: Claims) -> Any:
    """Return the team member of an account at the provider, with the roles it gives them now. Raises Refused."""
    with transaction.atomic():
        known = ProviderIdentity.objects.filter(issuer=given.issuer, subject=claims["sub"])
        identity = known.select_related("user").first()
        user = identity.user if identity else _user_by_email(given, claims)
        if user is None or not (user.is_active and user.is_staff):
            raise NotLinked(claims["sub"])
        if identity is None:
            link(user, given.issuer, claims["sub"], actor=user.get_username())
        if given.roles_claim:
            _give_roles(user, given, claims)
    return user


def link(user: Any, issuer: str, subject: str, *, actor: str) -> None:
    """Let an account at the provider sign the user in, in the caller's transaction."""
    ProviderIdentity.objects.create(user=user, issuer=issuer, subject=subject)
    name = user.get_username()
    audit_log.record(None, actor=actor, action="user.provider_linked", subject=name, detail={"provider": issuer})


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
    not compared: databases take some of them for ASCII ones.
    """
    email = claims.get("email")
    if not given.link_by_email or claims.get("email_verified") is not True:
        return None
    if not isinstance(email, str) or not (email.isascii() and email.isprintable() and "@" in email):
        return None
    users: Any = get_user_model().objects.exclude(provider_identities__issuer=given.issuer)
    found = {user.pk: user for user in [*users.filter(username__iexact=email), *users.filter(email__iexact=email)]}
    same = [user for user in found.values() if email.lower() in (user.username.lower(), user.email.lower())]
    return same[0] if len(same) == 1 else None


def _give_roles(user: Any, given: ProviderSettings, claims: Claims) -> None:
    """Make the user's roles in the organizations of the settings those that the claim gives; in others they stay.

    A claim that is somewhere else (OpenID Connect Core 1.0, section 5.6.2) takes no role away: the sign-in is refused.
    """
    elsewhere = claims.get("_claim_names")
    if isinstance(elsewhere, dict) and {given.roles_claim, given.roles_claim.partition(".")[0]} & elsewhere.keys():
        raise Refused("roles are not in the token")
    held = set(_values(claims, given.roles_claim))
    named = {each.organization for each in given.roles}
    for organization in Organization.objects.filter(uuid__in=named).order_by("pk"):
        fitting = [each.role for each in given.roles if each.organization == organization.uuid and each.value in held]
        _give_role(user, organization, highest(fitting) if fitting else None)


def _give_role(user: Any, organization: Organization, role: str | None) -> None:
    membership = Membership.objects.select_for_update(of=("self",)).filter(user=user, organization=organization).first()
    before = membership.role if membership else None
    if role == before:
        return
    if role is None:
        Membership.objects.filter(user=user, organization=organization).delete()
        for key in key_owners.keys_of(user).filter(organization=organization):
            key_owners.revoke(key, THE_PROVIDER, "Its maker was removed from the organization.")
    else:
        Membership.objects.update_or_create(user=user, organization=organization, defaults={"role": role})
    audit_log.record(
        organization,
        actor=THE_PROVIDER,
        action="organization.people_changed",
        subject=str(organization.uuid),
        detail={"object": organization.name, user.get_username(): role or "removed"},
    )


def _values(claims: Claims, name: str) -> Iterator[str]:
    """Yield the values of a claim: by its whole name, or by the path that dots in the name stand for."""
    found: Any = claims.get(name)
    if found is None:
        found = claims
        for part in name.split("."):
            found = found.get(part) if isinstance(found, dict) else None
    for each in found if isinstance(found, list) else [found]:
        if isinstance(each, str):
            yield each


def note_failure(reason: str, **detail: str) -> None:
    """Record a sign-in at the provider that was refused here. Nobody here is known to be the one."""
    audit_log.record(
        None,
        actor=sign_in_log.UNKNOWN,
        action="user.provider_sign_in_failed",
        subject="",
        detail={"reason": reason, **detail},
    )
