"""Which ID tokens of an OpenID Connect provider are accepted, and with which keys."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.test import Client

from tenants.backoffice.sign_in import provider_pages as pages
from tenants.models import AuditEntry
from tenants.sign_in import provider as provider_module
from tests.tenants.oidc_provider import CLIENT, SECRET, OidcProvider, b64, ec_key, part, public, rsa_key, token
from tests.tenants.provider_signing_in import changed_afterwards, come_back, link, oidc, refused
from tests.tenants.signing_in import a_user, is_in

__all__ = ["oidc"]  # a fixture

pytestmark = pytest.mark.django_db


def without(claims: dict[str, Any], *names: str, **changed: Any) -> dict[str, Any]:
    return {name: value for name, value in (claims | changed).items() if name not in names}


def unsigned(claims: dict[str, Any], algorithm: str) -> str:
    return f"{part({'alg': algorithm, 'typ': 'JWT', 'kid': 'first'})}.{part(claims)}."


def pem() -> bytes:
    return rsa_key().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


NOW = time.time
Maker = Callable[[dict[str, Any]], Any]
WOUNDED: dict[str, Maker] = {
    "no algorithm": lambda c: unsigned(c, "none"),
    "no algorithm, in other letters": lambda c: unsigned(c, "nOnE"),
    "no signature": lambda c: token(c).rpartition(".")[0] + ".",
    "HMAC with the public key": lambda c: token(c, pem(), "HS256"),
    "HMAC with the modulus": lambda c: token(c, public(rsa_key())["n"].encode(), "HS256"),
    "HMAC with the client's secret": lambda c: token(c, SECRET.encode(), "HS256"),
    "algorithms": lambda c: token(c, alg=["RS256"]),
    "a stranger's key under the right name": lambda c: token(c, rsa_key("stranger")),
    "a stranger's key in the header": lambda c: token(c, rsa_key("stranger"), jwk=public(rsa_key("stranger"))),
    "a key that is not for signatures": lambda c: token(c, rsa_key("enc"), kid="enc"),
    "a key for another algorithm": lambda c: token(c, rsa_key("pss"), kid="pss"),
    "a short key": lambda c: token(c, rsa_key("short", 1024), kid="short"),
    "an elliptic key under the name of another": lambda c: token(c, ec_key(), "ES256"),
    "an unknown key": lambda c: token(c, kid="nobody"),
    "a name that is two keys": lambda c: token(c, kid="twice"),
    "changed afterwards": changed_afterwards,
    "of another kind": lambda c: token(c, typ="at+jwt"),
    "a logout token": lambda c: token(c, typ="logout+jwt"),
    "with a critical extension": lambda c: token(c, crit=["b64"], b64=False),
    "five parts": lambda c: token(c) + ".a.b",
    "two parts": lambda c: token(c).rpartition(".")[0],
    "not base64": lambda c: token(c).replace(".", ".%", 1),
    "no object": lambda c: token([c]),
    "no text": lambda c: 17,
    "nothing": lambda c: None,
    "very long": lambda c: token(c | {"filler": "x" * 40_000}),
    "another issuer": lambda c: token(c | {"iss": "https://another.example"}),
    "the issuer with a slash": lambda c: token(c | {"iss": c["iss"] + "/"}),
    "two issuers": lambda c: token(c | {"iss": [c["iss"]]}),
    "no issuer": lambda c: token(without(c, "iss")),
    "another audience": lambda c: token(c | {"aud": "another"}),
    "no audience": lambda c: token(without(c, "aud")),
    "audiences without us": lambda c: token(c | {"aud": ["another", "account"]}),
    "audiences, and no party": lambda c: token(c | {"aud": [CLIENT, "another"]}),
    "audiences, and another party": lambda c: token(c | {"aud": [CLIENT, "another"], "azp": "another"}),
    "another party": lambda c: token(c | {"azp": "another"}),
    "an audience that is no text": lambda c: token(c | {"aud": [CLIENT, 1], "azp": CLIENT}),
    "over": lambda c: token(c | {"exp": NOW() - 120}),
    "without an end": lambda c: token(without(c, "exp")),
    "an end in words": lambda c: token(c | {"exp": str(int(NOW()) + 300)}),
    "an end that is true": lambda c: token(c | {"exp": True}),
    "an end that is no number": lambda c: token(c | {"exp": float("nan")}),
    "undated": lambda c: token(without(c, "iat")),
    "from the future": lambda c: token(c | {"iat": NOW() + 120}),
    "an hour old": lambda c: token(c | {"iat": NOW() - 3600}),
    "not yet valid": lambda c: token(c | {"nbf": NOW() + 120}),
    "another nonce": lambda c: token(c | {"nonce": "x" * 43}),
    "no nonce": lambda c: token(without(c, "nonce")),
    "nonces": lambda c: token(c | {"nonce": [c["nonce"]]}),
    "a nonce that is no text": lambda c: token(c | {"nonce": "\ud800"}),
    "nobody": lambda c: token(without(c, "sub")),
    "an empty name": lambda c: token(c | {"sub": ""}),
    "a blank name": lambda c: token(c | {"sub": " "}),
    "a number for a name": lambda c: token(c | {"sub": 1}),
    "a name with a zero byte": lambda c: token(c | {"sub": "ada-1\x00"}),
    "a name that is no text": lambda c: token(c | {"sub": "ada\udc00"}),
    "a long name": lambda c: token(c | {"sub": "a" * 256}),
}


def keys() -> list[Any]:
    return [
        public(rsa_key(), "first", use="sig", alg="RS256"),
        public(rsa_key("enc"), "enc", use="enc"),
        public(rsa_key("pss"), "pss", alg="PS256"),
        public(rsa_key("short", 1024), "short"),
        public(rsa_key("enc"), "twice"),
        public(rsa_key("pss"), "twice"),
        public(ec_key(), "curve"),
        {"kty": "oct", "kid": "secret", "k": b64(b"secret")},
        "nonsense",
    ]


def test_every_wounded_token_is_refused(oidc: OidcProvider, subtests: Any) -> None:
    link(a_user(), oidc)
    oidc.keys = keys()
    for place, (name, wound) in enumerate(WOUNDED.items()):
        with subtests.test(name):
            oidc.make, client = wound, Client(REMOTE_ADDR=f"192.0.2.{place}")
            answer = come_back(client)
            assert refused(answer, pages.FAILED), answer.content.decode()
            assert not is_in(client)
    failures = AuditEntry.objects.filter(action="user.provider_sign_in_failed")
    assert failures.count() == len(WOUNDED) >= 25
    assert set(failures.values_list("actor", "subject")) == {("unknown user", "")}
    oidc.make = token
    assert come_back(Client()).status_code == 302, "the same keys sign a sound token"


SOUND: dict[str, Maker] = {
    "PS256": lambda c: token(c, rsa_key("pss"), "PS256", kid="pss"),
    "ES256": lambda c: token(c, ec_key(), "ES256", kid="curve"),
    "without a kind": lambda c: token(c, typ=None),
    "with fields that we do not know": lambda c: token(c, x5t="abc", tenant="acme"),
    "one audience in a list": lambda c: token(c | {"aud": [CLIENT]}),
    "two audiences, for us": lambda c: token(c | {"aud": [CLIENT, "account"], "azp": CLIENT}),
    "our clock is slow": lambda c: token(c | {"iat": NOW() + 50, "nbf": NOW() + 50}),
    "our clock is fast": lambda c: token(c | {"exp": NOW() - 50}),
    "dated five minutes back": lambda c: token(c | {"iat": NOW() - 300}),
    "fractions of a second": lambda c: token(c | {"iat": NOW(), "exp": NOW() + 0.5}),
}


def test_every_sound_token_is_accepted(oidc: OidcProvider, subtests: Any) -> None:
    link(a_user(), oidc)
    oidc.keys = keys()
    for name, make in SOUND.items():
        with subtests.test(name):
            oidc.make, client = make, Client()
            answer = come_back(client)
            assert answer.status_code == 302, answer.content.decode()
            assert is_in(client)
    oidc.keys = [public(ec_key(ec.SECP384R1))]
    oidc.make = lambda c: token(c, ec_key(ec.SECP384R1), "ES384", kid=None)
    provider_module._provider.cache_clear()
    assert come_back(Client()).status_code == 302, "a key without a name, if it is the only one"


def test_new_keys_are_read_once_and_not_for_every_unknown_name(oidc: OidcProvider) -> None:
    link(a_user(), oidc)
    assert come_back(Client()).status_code == 302
    oidc.keys = [public(rsa_key("second"), "second")]
    oidc.make = lambda c: token(c, rsa_key("second"), kid="second")
    assert come_back(Client()).status_code == 302
    assert oidc.asked.count("/keys") == 2
    oidc.make = lambda c: token(c, kid="junk")
    assert [refused(come_back(Client()), pages.FAILED) for _ in range(3)] == [True] * 3
    assert oidc.asked.count("/keys") == 2, "a minute must pass"
    assert oidc.asked.count("/.well-known/openid-configuration") == 1
    provider = provider_module.provider()
    assert provider is not None
    provider._keys._closed_until = 0.0
    come_back(Client())
    assert oidc.asked.count("/keys") == 3
