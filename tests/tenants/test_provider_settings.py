"""The settings of single sign-on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

from config import environment
from tenants.sign_in.provider_settings import ProviderSettings
from tests.tables import cases


def read(**given: str) -> ProviderSettings | None:
    needed = {"SECRET_KEY": "0123456789abcdefghijklmnopqrstuvwxyz", "FIELD_KEYS": Fernet.generate_key().decode()}
    named = {f"OIDC_{name.upper()}": value for name, value in given.items()}
    return environment.read(Path("/nowhere"), needed | named).sign_in_provider


ISSUER = "https://id.example.org/realms/acme"
HOME = "0b0f6a3e-6f0b-4c53-9d6e-2f6a2f9d4c11"


def test_settings_are_read() -> None:
    assert read() is None
    found = read(issuer=f" {ISSUER} ", client_id="trunkline")
    assert found == ProviderSettings(ISSUER, "trunkline") and not found.link_by_email and not found.two_step_always
    roles = json.dumps({"callers": {HOME: "operator"}})
    found = read(
        issuer=ISSUER,
        client_id="trunkline",
        roles_claim="groups",
        roles=roles,
        two_step_amr="mfa, hwk",
        client_secret="hidden words",
    )
    google = read(
        issuer="https://accounts.google.com", client_id="x", link_by_email="true", required_claims="hd=example.org"
    )
    assert google is not None and google.required_claims == (("hd", "example.org"),)
    assert found is not None and found.two_step_amr == {"mfa", "hwk"}
    assert [(each.value, str(each.organization), each.role) for each in found.roles] == [("callers", HOME, "operator")]
    assert "hidden words" not in repr(found)


@cases(
    "given",
    [
        {"issuer": "http://id.example.org"},
        {"issuer": "id.example.org"},
        {"issuer": "https://"},
        {"issuer": "https://id.example.org:port"},
        {"issuer": "https://id.example.org?x=1"},
        {"issuer": "https://user:password@id.example.org"},
        {"client_id": " "},
        {"scopes": "email"},
        {"issuer": "https://accounts.google.com", "link_by_email": "true"},
        {"issuer": "https://accounts.google.com", "link_by_email": "true", "required_claims": "sub=1"},
        {"required_claims": "hd"},
        {"roles_claim": "groups"},
        {"roles": json.dumps({"a": {HOME: "admin"}})},
        *(
            {"roles_claim": "groups", "roles": text}
            for text in (
                *("a=b", "[]", "{}", '{"a": "b"}', '{"a": {"Acme": "admin"}}'),
                *(f'{{"a": {{"{HOME}": "{role}"}}}}' for role in ("superuser", "owner", "Admin")),
            )
        ),
    ],
)
def test_wrong_settings_are_refused_in_a_sentence(given: dict[str, str]) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"^OIDC_[A-Z_]+ .*\.$"):
        read(**({"issuer": ISSUER, "client_id": "trunkline"} | given))
