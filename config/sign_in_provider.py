"""The settings of the OpenID Connect provider: a part of the table in `config/environment.py`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from config import setting_types as types
from config.setting_types import Setting, Type, Wrong, setting
from tenants.egress.policy import PORTS, Policy
from tenants.policy import ROLES
from tenants.sign_in.provider_settings import GivenRole, ProviderSettings

ISSUER_SHAPE = (
    "must be the provider's https address, exactly as its document names it, such as https://accounts.google.com."
)


LONGEST_ISSUER = 255  # as the column of the links has it
GOOGLE = "accounts.google.com"


def _issuer(text: str) -> str:
    try:
        parts, _ = types.split(text)
    except ValueError as error:
        raise Wrong(ISSUER_SHAPE) from error
    plain = not (parts.query or parts.fragment or parts.username or parts.password)
    if not (parts.hostname and plain and parts.scheme in PORTS):
        raise Wrong(ISSUER_SHAPE)
    if "/.well-known/" in text:
        raise Wrong("must be the address before /.well-known/, exactly as `issuer` in the document there.")
    if len(text) > LONGEST_ISSUER:
        raise Wrong(f"must have at most {LONGEST_ISSUER} characters.")
    return text


def _scopes(text: str) -> str:
    scopes = text.split()
    if "openid" not in scopes:
        raise Wrong("must contain openid.")
    return " ".join(scopes)


def _claims(text: str) -> tuple[tuple[str, str], ...]:
    pairs = [part.partition("=") for part in types.listed(text)]
    found = {name.strip(): value.strip() for name, _, value in pairs}
    if not all(name and value for name, value in found.items()) or len(found) != len(pairs):
        raise Wrong("must be names of claims with their values, such as hd=example.org, with commas between them.")
    return tuple(found.items())


def _roles(text: str) -> tuple[GivenRole, ...]:
    try:
        found: Any = json.loads(text)
        given = tuple(
            GivenRole(value, UUID(organization), role)
            for value, roles in found.items()
            for organization, role in roles.items()
        )
    except (ValueError, AttributeError) as error:
        raise Wrong(AS_JSON) from error
    if not given or any(each.role not in ROLES for each in given):
        raise Wrong(AS_JSON)
    return given


AS_JSON = (
    'must be JSON such as {"call-center": {"ID of an organization": "operator"}}, with the roles '
    "viewer, operator, manager and admin."
)
ISSUER = Type("an https address", _issuer)
CLAIMS = Type(
    "claims with values, comma-separated", _claims, lambda found: ",".join("=".join(pair) for pair in found), ()
)
SCOPES = Type("scopes, with spaces between them", _scopes)
ROLES_AS_JSON = Type("JSON", _roles, lambda given: f"{len(given)} roles", ())


@dataclass(frozen=True, repr=False)
class SignInProvider:
    """How team members sign in through a provider. How to set it up: docs/deploying.md."""

    oidc_issuer: str = setting(
        ISSUER,
        "",
        "the sign-in provider's address, exactly as `issuer` in its `/.well-known/openid-configuration` "
        "([single sign-on](deploying.md#single-sign-on))",
        otherwise="none: single sign-on is off",
    )
    oidc_client_id: str = setting(
        types.TEXT, "", "the client that the provider knows", otherwise="required with `OIDC_ISSUER`"
    )
    oidc_client_secret: str = setting(
        types.TEXT, "", "the client's secret", secret=True, otherwise="none: a public client"
    )
    oidc_name: str = setting(types.TEXT, ProviderSettings.name, "what the button says after *Sign in with*")
    oidc_scopes: str = setting(SCOPES, ProviderSettings.scopes, "the scopes that are asked for")
    oidc_link_by_email: bool = setting(
        types.BOOLEAN, "false", "link an account by its verified e-mail address when it first signs in"
    )
    oidc_required_claims: tuple[tuple[str, str], ...] = setting(
        CLAIMS,
        "",
        "claims that the ID token must have with these values, such as `hd=example.org`: nobody else signs in",
        otherwise="none",
    )
    oidc_roles_claim: str = setting(
        types.TEXT,
        "",
        "the claim of the ID token with groups or roles; dots lead into objects",
        otherwise="none: roles are given on the pages",
    )
    oidc_roles: tuple[GivenRole, ...] = setting(
        ROLES_AS_JSON,
        "",
        "value of the claim → ID of an organization → `viewer`, `operator`, `manager` or `admin`",
        otherwise="required with `OIDC_ROLES_CLAIM`",
    )
    oidc_two_step_amr: frozenset[str] = setting(types.WORDS, "mfa", "values of `amr` that mean a second factor")
    oidc_two_step_acr: frozenset[str] = setting(types.WORDS, "", "values of `acr` that mean one; they are asked for")
    oidc_two_step_always: bool = setting(types.BOOLEAN, "false", "the provider always asks for a second factor")

    @property
    def sign_in_provider(self) -> ProviderSettings | None:
        """Return how this installation uses its provider, or None without one."""
        if not self.oidc_issuer:
            return None
        return ProviderSettings(
            issuer=self.oidc_issuer,
            client_id=self.oidc_client_id,
            client_secret=self.oidc_client_secret,
            name=self.oidc_name,
            scopes=self.oidc_scopes,
            link_by_email=self.oidc_link_by_email,
            required_claims=self.oidc_required_claims,
            roles_claim=self.oidc_roles_claim,
            roles=self.oidc_roles,
            two_step_amr=self.oidc_two_step_amr,
            two_step_acr=self.oidc_two_step_acr,
            two_step_always=self.oidc_two_step_always,
        )


def without_issuer(found: SignInProvider) -> list[str]:
    """Return the settings that were given, but not the one that they need."""
    if found.oidc_issuer:
        return []
    rows: dict[str, Setting] = {each.name: each.metadata["setting"] for each in fields(SignInProvider)}
    return [name.upper() for name, row in rows.items() if getattr(found, name) != row.value_without]


def contradictions(found: SignInProvider, policy: Policy) -> Iterator[str]:
    """Yield what is wrong with settings that are each well written."""
    if not found.oidc_issuer:
        return
    parts = urlsplit(found.oidc_issuer)
    if not policy.admits_url(parts):
        yield f"OIDC_ISSUER {ISSUER_SHAPE}"
    if not found.oidc_client_id:
        yield "OIDC_CLIENT_ID is required with OIDC_ISSUER: the client that the provider knows."
    if found.oidc_link_by_email and parts.hostname == GOOGLE and "hd" not in dict(found.oidc_required_claims):
        yield (
            "OIDC_LINK_BY_EMAIL with Google needs OIDC_REQUIRED_CLAIMS=hd=your-domain.example: anybody can have an "
            "account there with an address of another domain."
        )
    if bool(found.oidc_roles_claim) != bool(found.oidc_roles):
        yield "OIDC_ROLES_CLAIM and OIDC_ROLES are given together, or neither is."
