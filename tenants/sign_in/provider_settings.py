"""How this installation uses its OpenID Connect provider."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID


@dataclass(frozen=True)
class GivenRole:
    """The role in an organization that a value of the roles' claim gives."""

    value: str
    organization: UUID
    role: str


@dataclass(frozen=True)
class ProviderSettings:
    """How this installation uses its provider."""

    issuer: str
    client_id: str
    client_secret: str = field(default="", repr=False)
    name: str = "single sign-on"
    scopes: str = "openid email profile"
    link_by_email: bool = False
    required_claims: tuple[tuple[str, str], ...] = ()
    roles_claim: str = ""
    roles: tuple[GivenRole, ...] = ()
    two_step_amr: frozenset[str] = frozenset({"mfa"})
    two_step_acr: frozenset[str] = frozenset()
    two_step_always: bool = False

    def lacking(self, claims: Mapping[str, Any]) -> str:
        """Return the first required claim that the token does not have with its value, or ""."""
        return next((name for name, value in self.required_claims if claims.get(name) != value), "")

    def is_two_step(self, claims: Mapping[str, Any]) -> bool:
        """Return whether the provider asked for a second factor, as it says or as the settings say."""
        methods, level = claims.get("amr"), claims.get("acr")
        shown = {each for each in methods if isinstance(each, str)} if isinstance(methods, list) else set()
        reached = isinstance(level, str) and level in self.two_step_acr
        return self.two_step_always or reached or bool(shown & self.two_step_amr)
