"""The settings of the OpenID Connect provider, from the environment."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.core.exceptions import ImproperlyConfigured
from environs import Env

from tenants.egress.policy import Policy
from tenants.policy import ROLES
from tenants.sign_in.provider_settings import GivenRole, ProviderSettings

AS_JSON = (
    'OIDC_ROLES must be JSON such as {"call-center": {"ID of an organization": "operator"}}, with the roles '
    "viewer, operator, manager and admin."
)


def read(env: Env, policy: Policy) -> ProviderSettings | None:
    """Return the settings; None without OIDC_ISSUER. Raises ImproperlyConfigured."""
    issuer = env.str("OIDC_ISSUER", "").strip()
    if not issuer:
        return None
    _check_issuer(issuer, policy)
    client = env.str("OIDC_CLIENT_ID", "").strip()
    if not client:
        raise ImproperlyConfigured("OIDC_CLIENT_ID is required with OIDC_ISSUER: the client that the provider knows.")
    claim, roles = env.str("OIDC_ROLES_CLAIM", "").strip(), _roles(env.str("OIDC_ROLES", ""))
    if bool(claim) != bool(roles):
        raise ImproperlyConfigured("OIDC_ROLES_CLAIM and OIDC_ROLES are given together, or neither is.")
    scopes = env.str("OIDC_SCOPES", ProviderSettings.scopes).split()
    if "openid" not in scopes:
        raise ImproperlyConfigured("OIDC_SCOPES must contain openid.")
    return ProviderSettings(
        issuer=issuer,
        client_id=client,
        client_secret=env.str("OIDC_CLIENT_SECRET", ""),
        name=env.str("OIDC_NAME", "").strip() or ProviderSettings.name,
        scopes=" ".join(scopes),
        link_by_email=env.bool("OIDC_LINK_BY_EMAIL", False),
        roles_claim=claim,
        roles=roles,
        two_step_amr=_words(env, "OIDC_TWO_STEP_AMR", ["mfa"]),
        two_step_acr=_words(env, "OIDC_TWO_STEP_ACR", []),
        two_step_always=env.bool("OIDC_TWO_STEP_ALWAYS", False),
    )


def _words(env: Env, name: str, default: list[str]) -> frozenset[str]:
    listed: Callable[..., list[str]] = env.list
    return frozenset(word.strip() for word in listed(name, default) if word.strip())


def _check_issuer(issuer: str, policy: Policy) -> None:
    try:
        parts = urlsplit(issuer)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        parts, port = urlsplit(""), 0
    plain = not (parts.query or parts.fragment or parts.username or parts.password)
    if not (parts.hostname and plain and policy.admits_scheme(parts.scheme, parts.hostname, port)):
        raise ImproperlyConfigured(
            "OIDC_ISSUER must be the provider's https address, exactly as its document names it, such as "
            "https://accounts.google.com."
        )


def _roles(text: str) -> tuple[GivenRole, ...]:
    if not text.strip():
        return ()
    try:
        found: Any = json.loads(text)
        given = [
            GivenRole(value, UUID(organization), role)
            for value, roles in found.items()
            for organization, role in roles.items()
        ]
    except (ValueError, AttributeError) as error:
        raise ImproperlyConfigured(AS_JSON) from error
    if not given or any(each.role not in ROLES for each in given):
        raise ImproperlyConfigured(AS_JSON)
    return tuple(given)
