"""Signing in through an OpenID Connect provider, which is a real one on this machine with keys of its own."""

from __future__ import annotations

import base64
import io
import json
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit
from uuid import UUID

import httpx
import pytest
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from config import environment, findings
from tenants.backoffice.sign_in import provider_pages as pages
from tenants.egress.policy import Origin
from tenants.findings import Finding, Severity
from tenants.models import (
    ApiKey,
    AuditEntry,
    Authenticator,
    Membership,
    Organization,
    ProviderIdentity,
    SecretTries,
    StaffSession,
)
from tenants.sign_in import provider as provider_module
from tenants.sign_in import provider_users
from tenants.sign_in.provider_settings import GivenRole, ProviderSettings
from tests.calls.test_interleavings import Beside
from tests.tenants.oidc_provider import CLIENT, SECRET, OidcProvider, b64, ec_key, part, public, rsa_key, token
from tests.tenants.signing_in import OLGA, a_user, code_at, is_in

pytestmark = pytest.mark.django_db
START, DONE = "/admin/login/provider/", "/admin/login/provider/done/"


@pytest.fixture
def oidc(settings: Any) -> Iterator[OidcProvider]:
    with OidcProvider().running() as found:
        settings.SIGN_IN_PROVIDER = ProviderSettings(found.issuer, CLIENT, SECRET, "Acme", link_by_email=True)
        provider_module._provider.cache_clear()
        yield found


def use(settings: Any, **changed: Any) -> None:
    settings.SIGN_IN_PROVIDER = replace(settings.SIGN_IN_PROVIDER, **changed)


def there(client: Client, to: str = "", **extra: Any) -> str:
    """Begin a sign-in. Return the address to which the provider sends the browser back."""
    started = client.get(START + (f"?next={quote(to)}" if to else ""), **extra)
    assert started.status_code == 302, started.content.decode()
    back = urlsplit(httpx.get(started["Location"], trust_env=False).headers["location"])
    assert back.path == DONE
    return f"{back.path}?{back.query}"


def come_back(client: Client, to: str = "", **extra: Any) -> Any:
    return client.get(there(client, to, **extra), **extra)


def refused(answer: Any, sentence: str, status: int = 403) -> bool:
    return answer.status_code == status and sentence in answer.content.decode()


def link(user: User, oidc: OidcProvider, subject: str = "ada-1") -> None:
    ProviderIdentity.objects.create(user=user, issuer=oidc.issuer, subject=subject)


# Off by default; the way there and back.


def test_it_is_off_unless_there_is_a_provider() -> None:
    assert [Client().get(path).status_code for path in (START, DONE)] == [404, 404]
    assert "provider" not in Client().get("/admin/login/").content.decode()


def test_a_team_member_signs_in_with_a_button(oidc: OidcProvider, caplog: pytest.LogCaptureFixture) -> None:
    user, client = a_user(), Client()
    page = client.get("/admin/login/?next=/admin/campaigns/contact/").content.decode()
    assert "Sign in with Acme" in page
    assert f'href="{START}?next=%2Fadmin%2Fcampaigns%2Fcontact%2F"' in page
    caplog.set_level(logging.INFO)
    answer = come_back(client, "/admin/campaigns/contact/")
    assert (answer.status_code, answer["Location"]) == (302, "/admin/campaigns/contact/")
    assert is_in(client) and ProviderIdentity.objects.get().user == user
    actions = list(AuditEntry.objects.order_by("pk").values_list("action", flat=True))
    assert actions == ["user.provider_linked", "user.signed_in"]
    assert not SecretTries.objects.exists() and StaffSession.objects.get().user == user
    lines = [each.getMessage() for each in caplog.records if not each.name.startswith("httpx")]  # the test's own
    assert not any(secret in line for line in lines for secret in (SECRET, "code=", "eyJ"))


def test_the_cookie_of_an_attempt_is_bound_to_the_browser_and_ends_with_it(oidc: OidcProvider, settings: Any) -> None:
    settings.SESSION_COOKIE_SECURE = True
    a_user()
    client, thief = Client(), Client()
    back = there(client)
    cookie = client.cookies[pages.COOKIE]
    assert cookie["httponly"] and cookie["secure"] and cookie["samesite"] == "Lax" and cookie["path"] == START
    assert StaffSession.objects.count() == 0, "strangers who begin store nothing"
    assert refused(thief.get(back), pages.EXPIRED), "another browser"
    assert refused(client.get(back.replace("state=", "state=x")), pages.EXPIRED)
    assert pages.COOKIE not in client.cookies or not client.cookies[pages.COOKIE].value
    assert refused(client.get(back), pages.EXPIRED), "an attempt ends with its first answer"
    client.cookies[pages.COOKIE] = f"{cookie.value}x"
    assert refused(client.get(back), pages.EXPIRED)
    assert oidc.asked.count("/token") == 0


def test_the_session_key_is_another_one_after_signing_in(oidc: OidcProvider) -> None:
    a_user()
    client = Client()
    session = client.session
    session["seen"] = True
    session.save()
    before = session.session_key
    client.cookies["sessionid"] = str(before)
    assert come_back(client).status_code == 302
    assert client.cookies["sessionid"].value != before and not StaffSession.objects.filter(session_key=before).exists()


@pytest.mark.parametrize(
    "to",
    [
        "https://evil.example/",
        "//evil.example",
        r"\\evil.example",
        "http:evil.example",
        "javascript:alert(1)",
        "\t//e.x",
    ],
)
def test_nobody_is_led_elsewhere(oidc: OidcProvider, to: str) -> None:
    a_user()
    assert come_back(Client(), to)["Location"] == "/admin/"


def test_behind_a_proxy_the_way_back_is_the_public_address(oidc: OidcProvider, settings: Any) -> None:
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    settings.ALLOWED_HOSTS = ["calls.example.org"]
    headers = {"host": "calls.example.org", "x-forwarded-for": "203.0.113.9", "x-forwarded-proto": "https"}
    started = Client(headers=headers).get(START, REMOTE_ADDR="127.0.0.1")
    [address] = parse_qs(urlsplit(started["Location"]).query)["redirect_uri"]
    assert address == f"https://calls.example.org{DONE}"


def test_a_port_that_a_proxy_leaves_out_is_in_the_way_back(oidc: OidcProvider, settings: Any) -> None:
    """A proxy that passes `Host $host` on leaves out the port (nginx). Hosts besides the public one keep their own."""
    a_user()
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    settings.ALLOWED_HOSTS = ["calls.example.org", "back.example.org", "[2001:db8::1]"]
    for base, host, right in (
        ("https://calls.example.org:8443", "calls.example.org", "https://calls.example.org:8443"),
        ("https://calls.example.org:8443", "calls.example.org:8443", "https://calls.example.org:8443"),
        ("https://calls.example.org:8443", "Calls.Example.org", "https://calls.example.org:8443"),
        ("https://calls.example.org", "back.example.org", "https://back.example.org"),
        ("https://[2001:db8::1]:8443", "[2001:db8::1]", "https://[2001:db8::1]:8443"),
        ("", "calls.example.org:9000", "https://calls.example.org:9000"),
    ):
        settings.PUBLIC_BASE_URL = base
        client = Client(headers={"host": host, "x-forwarded-proto": "https"})
        started = client.get(START, REMOTE_ADDR="127.0.0.1")
        [address] = parse_qs(urlsplit(started["Location"]).query)["redirect_uri"]
        assert address == f"{right}{DONE}", (base, host)
        back = urlsplit(httpx.get(started["Location"], trust_env=False).headers["location"])
        assert client.get(f"{back.path}?{back.query}", REMOTE_ADDR="127.0.0.1").status_code == 302


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"error": "access_denied"}, pages.CANCELED),
        ({"error": "invalid_scope", "error_description": "<script>alert(1)</script>"}, pages.FAILED),
        ({"code": ""}, pages.FAILED),
        ({"code": "x" * 5000}, pages.FAILED),
        ({"code": "wrong"}, pages.FAILED),
        ({"code": "wrong", "iss": "https://another.example"}, pages.FAILED),
        ({}, pages.FAILED),
    ],
)
def test_other_answers_are_refused_in_a_sentence(oidc: OidcProvider, query: dict[str, str], sentence: str) -> None:
    client = Client()
    state = parse_qs(urlsplit(there(client)).query)["state"][0]
    answer = client.get(f"{DONE}?{urlencode({'state': state, **query})}")
    assert refused(answer, sentence) and "<script>alert" not in answer.content.decode()
    assert not is_in(client)


# Tokens.


def without(claims: dict[str, Any], *names: str, **changed: Any) -> dict[str, Any]:
    return {name: value for name, value in (claims | changed).items() if name not in names}


def unsigned(claims: dict[str, Any], algorithm: str) -> str:
    return f"{part({'alg': algorithm, 'typ': 'JWT', 'kid': 'first'})}.{part(claims)}."


def changed_afterwards(claims: dict[str, Any]) -> str:
    header, _, signature = token(claims).split(".")
    return f"{header}.{part(claims | {'sub': 'ada-2'})}.{signature}"


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


# The provider's server.


def test_requests_go_only_where_requests_may_go(oidc: OidcProvider, settings: Any) -> None:
    """The guard of all outgoing connections holds for the provider too."""
    settings.ALLOW_LOOPBACK_URLS = False
    assert refused(Client().get(START), pages.SILENT, 503) and oidc.asked == []
    settings.ALLOWED_OUTGOING_HOSTS = frozenset({Origin("http", "127.0.0.1", oidc.port)})
    provider_module._provider.cache_clear()
    a_user()
    assert come_back(Client()).status_code == 302


DISCOVERY = "/.well-known/openid-configuration"
USELESS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "another issuer": ({"issuer": "https://another.example"}, {}),
    "no authorization endpoint": ({"authorization_endpoint": None}, {}),
    "an endpoint over http elsewhere": ({"authorization_endpoint": "ftp://example.org/"}, {}),
    "a token endpoint that is no address": ({"token_endpoint": "http://[::1"}, {}),
    "a redirect": ({}, {DISCOVERY: (302, {"location": "/realms/acme/keys"}, b"")}),
    "not found": ({}, {DISCOVERY: (404, {}, b"")}),
    "an error": ({}, {DISCOVERY: (500, {}, b"{}")}),
    "no JSON": ({}, {DISCOVERY: (200, {}, b"<html>")}),
    "deep JSON": ({}, {DISCOVERY: (200, {}, b"[" * 200_000)}),
    "a list": ({}, {DISCOVERY: (200, {}, b"[]")}),
    "too long": ({}, {DISCOVERY: (200, {}, b" " * 600_000 + b"{}")}),
    "compressed": ({}, {DISCOVERY: (200, {"content-encoding": "gzip"}, b"x")}),
    "cut off": ({}, {DISCOVERY: (200, {"content-length": "50"}, b"{}")}),
}


def test_a_useless_provider_is_asked_once_and_everybody_told(oidc: OidcProvider, subtests: Any) -> None:
    for name, (document, instead) in USELESS.items():
        with subtests.test(name):
            provider_module._provider.cache_clear()
            oidc.asked.clear()
            oidc.document, oidc.instead = document, instead
            for _ in range(2):
                answer = Client().get(START)
                assert refused(answer, pages.SILENT, 503) and answer["Retry-After"] == "10"
            assert oidc.asked == [DISCOVERY], "strangers cause no further requests"
    oidc.document, oidc.instead = {}, {}
    provider_module._provider.cache_clear()
    back_of: Client = Client()
    back = there(back_of)
    oidc.instead = {"/token": (502, {}, b"")}
    assert refused(back_of.get(back), pages.SILENT, 503)
    assert not is_in(back_of)


def test_a_secret_goes_in_the_form_where_the_provider_says_so(oidc: OidcProvider, settings: Any) -> None:
    oidc.document = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    link(a_user(), oidc)
    assert come_back(Client()).status_code == 302
    use(settings, client_secret="wrong")
    assert refused(come_back(Client()), pages.FAILED)


def test_few_requests_wait_for_the_provider_at_once(oidc: OidcProvider) -> None:
    taken = [pages._at_once.acquire(blocking=False) for _ in range(4)]
    try:
        assert taken == [True] * 4
        assert refused(Client().get(START), pages.SILENT, 503)
    finally:
        for _ in taken:
            pages._at_once.release()
    assert Client().get(START).status_code == 302


@pytest.mark.usefixtures("frozen")
def test_refused_sign_ins_of_an_address_are_slowed_down(oidc: OidcProvider) -> None:
    oidc.make = changed_afterwards
    found = [come_back(Client(REMOTE_ADDR="192.0.2.7")).status_code for _ in range(22)]
    assert found == [403] * 21 + [429]
    assert oidc.asked.count("/token") == 21
    link(a_user(), oidc)
    oidc.make = token
    assert come_back(Client(REMOTE_ADDR="192.0.2.8")).status_code == 302, "other addresses do not wait"


@pytest.mark.usefixtures("frozen")
def test_what_is_no_refusal_does_not_count_as_one(oidc: OidcProvider, subtests: Any) -> None:
    """Somebody who thinks better of it, and a provider that is down, however often."""
    table: list[tuple[str, dict[str, str], dict[str, Any], str, int]] = [
        ("canceled", {"error": "access_denied"}, {}, pages.CANCELED, 403),
        ("an error there", {"error": "server_error"}, {}, pages.SILENT, 503),
        ("too busy", {"error": "temporarily_unavailable", "error_description": "<b>"}, {}, pages.SILENT, 503),
        ("out of order", {}, {"/token": (502, {}, b"")}, pages.SILENT, 503),
        ("without keys", {}, {"/keys": (502, {}, b"")}, pages.SILENT, 503),
    ]
    for name, query, instead, sentence, status in table:
        with subtests.test(name):
            oidc.instead = instead
            provider_module._provider.cache_clear()
            for _ in range(23):
                client = Client()
                back = urlsplit(there(client))
                state = parse_qs(back.query)["state"][0]
                given = urlencode({"state": state, **query}) if query else back.query
                answer = client.get(f"{back.path}?{given}")
                assert refused(answer, sentence, status) and "<b>" not in answer.content.decode()
    assert not AuditEntry.objects.filter(action="user.provider_sign_in_failed").exists()
    oidc.instead, oidc.make = {}, changed_afterwards
    provider_module._provider.cache_clear()
    assert [come_back(Client()).status_code for _ in range(22)] == [403] * 21 + [429], "the free tries are still there"


# Who it is.


def test_who_is_linked_by_an_address(oidc: OidcProvider, settings: Any, subtests: Any) -> None:
    olga = a_user()
    a_user("gone@example.org", is_active=False)
    User.objects.create_user("outside@example.org", "outside@example.org", "x")  # not staff
    a_user("two@example.org")
    User.objects.create_user("other-two", "Two@example.org", "x", is_staff=True)
    a_user("\u0131da@example.org")  # begins with a dotless i, whose capital letter is an ASCII I
    table: list[tuple[str, dict[str, Any], bool]] = [
        ("verified", {}, True),
        ("in capitals", {"email": "OLGA@Example.org"}, True),
        ("not verified", {"email_verified": False}, False),
        ("verified in words", {"email_verified": "true"}, False),
        ("silent about it", {"email_verified": None}, False),
        ("another address", {"email": "olga@example.com"}, False),
        ("no address", {"email": ""}, False),
        ("a list", {"email": [OLGA]}, False),
        ("inactive", {"email": "gone@example.org"}, False),
        ("no team member", {"email": "outside@example.org"}, False),
        ("an address of two", {"email": "two@example.org"}, False),
        ("letters that look alike", {"email": "ida@example.org"}, False),
        ("letters beyond ASCII", {"email": "\u0131da@example.org"}, False),
        ("a zero byte", {"email": f"{OLGA}\x00"}, False),
    ]
    sound = oidc.account
    for place, (name, changed, expected) in enumerate(table):
        with subtests.test(name):
            ProviderIdentity.objects.all().delete()
            oidc.account = sound | changed
            client = Client(REMOTE_ADDR=f"192.0.2.{place}")
            answer = come_back(client)
            assert is_in(client) is expected, answer.content.decode()
            assert expected or refused(answer, pages.UNKNOWN)
            assert list(ProviderIdentity.objects.values_list("user", flat=True)) == ([olga.pk] if expected else [])
    use(settings, link_by_email=False)
    ProviderIdentity.objects.all().delete()
    oidc.account = sound
    assert refused(come_back(Client()), pages.UNKNOWN), "the setting is off"
    told = AuditEntry.objects.order_by("-pk")[0].detail
    assert told == {"reason": "no team member", "subject": "ada-1", "email": OLGA, "email_verified": "true"}


def test_a_superuser_is_linked_by_hand_only(oidc: OidcProvider) -> None:
    a_user(is_superuser=True)
    assert refused(come_back(Client()), pages.UNKNOWN) and not ProviderIdentity.objects.exists()
    call_command("link_sign_in", OLGA, "--subject", "ada-1", stdout=io.StringIO())
    client = Client()
    come_back(client)
    assert is_in(client)


def test_a_token_without_a_required_claim_signs_nobody_in(oidc: OidcProvider, settings: Any) -> None:
    use(settings, required_claims=(("hd", "example.org"),))
    link(a_user(), oidc)
    sound = oidc.account
    for claims in ({}, {"hd": "example.com"}, {"hd": ["example.org"]}, {"hd": "EXAMPLE.org"}):
        oidc.account, client = sound | claims, Client()
        assert come_back(client).status_code == 403 and not is_in(client), claims
    assert AuditEntry.objects.order_by("-pk")[0].detail == {"reason": "required claim hd"}
    oidc.account, client = sound | {"hd": "example.org"}, Client()
    come_back(client)
    assert is_in(client)


def test_an_account_stays_linked_whatever_its_address_and_no_other_takes_its_place(oidc: OidcProvider) -> None:
    user = a_user()
    assert come_back(Client()).status_code == 302
    oidc.account = {"sub": "ada-1", "email": "married@example.org", "email_verified": False}
    assert come_back(Client()).status_code == 302
    oidc.account = {"sub": "eve-2", "email": OLGA, "email_verified": True}  # the address was given to another person
    assert refused(come_back(Client()), pages.UNKNOWN)
    for sub in ("ADA-1", "ada-1 "):
        oidc.account = {"sub": sub}
        assert refused(come_back(Client()), pages.UNKNOWN), "a name is compared exactly"
    User.objects.filter(pk=user.pk).update(is_active=False)
    oidc.account = {"sub": "ada-1"}
    assert refused(come_back(Client()), pages.UNKNOWN)
    assert ProviderIdentity.objects.count() == 1


def test_the_same_name_at_another_provider_is_another_person(oidc: OidcProvider) -> None:
    ProviderIdentity.objects.create(user=a_user("eve@example.org"), issuer="https://another.example", subject="ada-1")
    assert refused(come_back(Client()), pages.UNKNOWN)


def test_a_command_links_and_unlinks(oidc: OidcProvider, settings: Any) -> None:
    use(settings, link_by_email=False)
    a_user()
    call_command("link_sign_in", OLGA, "--subject", "ada-1", stdout=io.StringIO())
    client = Client()
    assert come_back(client).status_code == 302 and is_in(client)
    with pytest.raises(CommandError, match="linked already"):
        call_command("link_sign_in", OLGA, "--subject", "ada-1")
    call_command("link_sign_in", OLGA, "--remove", stdout=io.StringIO())
    assert not is_in(client), "its sessions end"
    assert refused(come_back(Client()), pages.UNKNOWN)
    by_hand = AuditEntry.objects.filter(actor="command line").order_by("pk")
    assert list(by_hand.values_list("action", flat=True)) == ["user.provider_linked", "user.provider_unlinked"]
    call_command("link_sign_in", OLGA, "--subject", "ada-1", stdout=io.StringIO())
    with pytest.raises(CommandError, match="--also"):
        call_command("link_sign_in", OLGA, "--subject", "ada-2")
    call_command("link_sign_in", OLGA, "--subject", "ada-2", "--also", stdout=io.StringIO())
    call_command("link_sign_in", OLGA, "--remove", stdout=io.StringIO())
    a_user("gone@example.org", is_active=False)
    User.objects.create_user("outside@example.org")
    for words in (
        ["nobody@example.org", "--subject", "x"],
        ["gone@example.org", "--subject", "x"],
        ["outside@example.org", "--subject", "x"],
        *([OLGA, "--subject", name] for name in ("", " ", "\u0131da", "x" * 256, "a\nb")),
        [OLGA, "--remove"],
    ):
        with pytest.raises(CommandError):
            call_command("link_sign_in", *words)


def test_whoever_removes_a_link_is_told_that_an_address_links_again(oidc: OidcProvider, settings: Any) -> None:
    user = a_user()
    for by_email in (True, False):
        use(settings, link_by_email=by_email)
        link(user, oidc)
        told = io.StringIO()
        call_command("link_sign_in", OLGA, "--remove", stdout=told)
        assert ("linked again" in told.getvalue()) is by_email


def test_a_sign_in_that_waits_for_its_code_ends_with_the_link(oidc: OidcProvider) -> None:
    user = a_user()
    secret = base64.b32encode(b"12345678901234567890").decode()
    Authenticator.objects.create(user=user, secret=secret, confirmed_at=timezone.now())
    for removed in (False, True):
        ProviderIdentity.objects.all().delete()
        link(user, oidc)
        client = Client()
        assert come_back(client)["Location"] == "/admin/login/code/"
        if removed:
            call_command("link_sign_in", OLGA, "--remove", stdout=io.StringIO())
            call_command("link_sign_in", OLGA, "--subject", "ada-2", stdout=io.StringIO())
        Authenticator.objects.update(last_step=0)
        code = code_at(secret, time.time())
        assert client.post("/admin/login/code/", {"code": code})["Location"] == (
            "/admin/login/" if removed else "/admin/"
        )
        assert is_in(client) is not removed


def test_accounts_are_linked_to_one_user_and_one_account_to_each(oidc: OidcProvider) -> None:
    """The rule itself. That it holds for two at once is the test below."""
    olga, eve = a_user(), a_user("eve@example.org")
    with transaction.atomic():
        provider_users.link(olga, oidc.issuer, "ada-1", actor="ada")
        for user in (olga, eve):
            with pytest.raises(provider_users.LinkedAlready):
                provider_users.link(user, oidc.issuer, "ada-1", actor="ada", also=True)
        with pytest.raises(provider_users.HasAnother):
            provider_users.link(olga, oidc.issuer, "ada-2", actor="ada")
        provider_users.link(olga, oidc.issuer, "ada-2", actor="ada", also=True)
        provider_users.link(olga, "https://another.example", "ada-1", actor="ada")
    assert AuditEntry.objects.filter(action="user.provider_linked").count() == 3


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite runs one writer at a time")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("first_subject", ["ada-1", "ada-2"])
def test_of_two_sign_ins_at_once_one_links(oidc: OidcProvider, first_subject: str) -> None:
    user, client = a_user(), Client()
    back = there(client)
    with transaction.atomic():
        provider_users.link(user, oidc.issuer, first_subject, actor=OLGA)
        other = Beside(lambda: client.get(back))
        assert other.waits_for_a_lock()
    assert refused(other.join(), pages.FAILED)
    assert ProviderIdentity.objects.get().subject == first_subject
    assert AuditEntry.objects.filter(action="user.provider_linked").count() == 1


# What they may do.


def test_roles_come_from_the_claim_and_go_with_it(
    oidc: OidcProvider, settings: Any, organization: Organization, sister: Organization, subtests: Any
) -> None:
    user = a_user()
    other = Organization.objects.create(tenant=organization.tenant, name="By hand", default_region="FR")
    Membership.objects.create(user=user, organization=other, role="viewer")
    use(
        settings,
        roles_claim="realm_access.roles",
        roles=(
            GivenRole("callers", organization.uuid, "operator"),
            GivenRole("heads", organization.uuid, "admin"),
            GivenRole("heads", sister.uuid, "viewer"),
        ),
    )
    table: list[tuple[Any, dict[Organization, str]]] = [
        ({"roles": ["callers", "unheard-of"]}, {organization: "operator"}),
        ({"roles": ["heads", "callers"]}, {organization: "admin", sister: "viewer"}),  # the highest
        ({"roles": "callers"}, {organization: "operator"}),
        ({"roles": ["CALLERS", 1, None, ["heads"]]}, {}),
        ({"roles": ["heads"]}, {organization: "admin", sister: "viewer"}),
        ({"roles": []}, {}),
        ({"roles": ["callers"]}, {organization: "operator"}),
        (None, {organization: "operator"}),  # a token without the claim says nothing about roles
        ({"others": []}, {organization: "operator"}),
        ({"roles": None}, {organization: "operator"}),
        ({"roles": [""]}, {}),
    ]
    Membership.objects.create(user=a_user("boss@example.org"), organization=organization, role="admin")
    for claim, expected in table:
        with subtests.test(str(claim)):
            oidc.account |= {"realm_access": claim}
            assert come_back(Client()).status_code == 302
            found = {row.organization: row.role for row in Membership.objects.filter(user=user)}
            assert found == expected | {other: "viewer"}, "organizations that are not in the settings are left alone"
    changes = AuditEntry.objects.filter(action="organization.people_changed").order_by("pk")
    of_one = [entry.detail[OLGA] for entry in changes if entry.organization_id == organization.pk]
    assert of_one == ["operator", "admin", "operator", "removed", "admin", "removed", "operator", "removed"]
    assert {entry.actor for entry in changes} == {"sign-in provider"}
    missed = AuditEntry.objects.filter(action="user.provider_roles_missing")
    assert [entry.detail for entry in missed] == [{"claim": "realm_access.roles"}] * 3
    oidc.account |= {"realm_access": {"roles": ["callers"]}, "_claim_names": {"realm_access.roles": "src1"}}
    come_back(Client())
    assert set(Membership.objects.filter(user=user).values_list("organization", flat=True)) == {other.pk}, "elsewhere"


def test_a_role_in_an_organization_that_does_not_exist_is_told(
    oidc: OidcProvider, settings: Any, organization: Organization
) -> None:
    assert findings.found(["sign_in"])["sign_in"] == Finding()
    use(settings, roles_claim="groups", roles=(GivenRole("a", organization.uuid, "admin"),))
    assert findings.found(["sign_in"])["sign_in"] == Finding()
    use(settings, roles=(*settings.SIGN_IN_PROVIDER.roles, GivenRole("b", UUID(HOME), "viewer")))
    found = findings.found(["sign_in"])["sign_in"]
    assert found.severity is Severity.WARNING and HOME in found.message and str(organization.uuid) not in found.message


def test_the_provider_never_takes_the_last_admin(oidc: OidcProvider, settings: Any, organization: Organization) -> None:
    use(settings, roles_claim="groups", roles=(GivenRole("callers", organization.uuid, "operator"),))
    mine = Membership.objects.create(user=a_user(), organization=organization, role="admin")
    gone = a_user("gone@example.org", is_active=False)
    Membership.objects.create(user=gone, organization=organization, role="admin")
    for groups in ([], ["callers"]):
        oidc.account |= {"groups": groups}
        assert come_back(Client()).status_code == 302
        mine.refresh_from_db()
        assert mine.role == "admin"
    kept = AuditEntry.objects.filter(action="organization.last_admin_kept").order_by("pk")
    assert [entry.detail[OLGA] for entry in kept] == ["removed", "operator"]
    User.objects.filter(pk=gone.pk).update(is_active=True)
    come_back(Client())
    mine.refresh_from_db()
    assert mine.role == "operator"


def test_keys_of_a_member_end_with_the_role(oidc: OidcProvider, settings: Any, organization: Organization) -> None:
    user = a_user()
    use(settings, roles_claim="https://acme.example/groups", roles=(GivenRole("a", organization.uuid, "admin"),))
    oidc.account |= {"https://acme.example/groups": ["a"]}
    come_back(Client())
    Membership.objects.create(user=a_user("boss@example.org"), organization=organization, role="admin")
    ApiKey.issue(tenant=organization.tenant, organization=organization, name="ours", scopes=["read"], maker=user)
    _, text = ApiKey.issue(
        tenant=organization.tenant,
        organization=organization,
        name="mine",
        scopes=["read"],
        maker=user,
        owner=ApiKey.Owner.MAKER,
    )
    oidc.account |= {"https://acme.example/groups": ["b"]}
    come_back(Client())
    left = AuditEntry.objects.get(action="api_key.left_behind")
    assert (left.detail["name"], left.detail["maker"]) == ("ours", OLGA), "she may still know it"
    assert Client(headers={"authorization": f"Bearer {text}"}).get("/api/v1/contacts/").status_code == 401
    assert ApiKey.objects.get(name="mine").revoked_at is not None


def test_a_role_that_cannot_be_recorded_is_not_given(
    oidc: OidcProvider, settings: Any, organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(settings, roles_claim="groups", roles=(GivenRole("a", organization.uuid, "admin"),))
    oidc.account |= {"groups": ["a"]}
    a_user()
    client = Client()
    client.raise_request_exception = False

    def refuse(*_: Any, **__: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr("tenants.audit_log.record", refuse)
    assert come_back(client).status_code == 500
    assert not Membership.objects.exists() and not ProviderIdentity.objects.exists() and not is_in(client)


# The second factor.


def test_when_the_provider_counts_as_a_second_factor(
    oidc: OidcProvider, settings: Any, organization: Organization, subtests: Any
) -> None:
    user = a_user()
    link(user, oidc)
    secret = base64.b32encode(b"12345678901234567890").decode()
    Membership.objects.create(user=user, organization=organization, role="admin")
    Organization.objects.update(two_step_required=True)
    table: list[tuple[str, dict[str, Any], dict[str, Any], bool]] = [
        ("it says nothing", {}, {}, False),
        ("a password", {"amr": ["pwd"]}, {}, False),
        ("several factors", {"amr": ["pwd", "mfa"]}, {}, True),
        ("a text", {"amr": "mfa"}, {}, False),
        ("odd lists", {"amr": [["mfa"], 1, None]}, {}, False),
        ("a level that is not ours", {"acr": "mfa"}, {}, False),
        ("our level", {"acr": "gold"}, {"two_step_acr": frozenset({"gold"})}, True),
        ("levels", {"acr": ["gold"]}, {"two_step_acr": frozenset({"gold"})}, False),
        ("another word for it", {"amr": ["hwk"]}, {"two_step_amr": frozenset({"hwk", "otp"})}, True),
        ("none of these words", {"amr": ["mfa"]}, {"two_step_amr": frozenset({"hwk", "otp"})}, False),
        ("always", {}, {"two_step_always": True}, True),
    ]
    plain = settings.SIGN_IN_PROVIDER
    for name, claims, changed, expected in table:
        for app in (False, True):
            with subtests.test(name, app=app):
                Authenticator.objects.all().delete()
                if app:
                    Authenticator.objects.create(user=user, secret=secret, confirmed_at=timezone.now())
                settings.SIGN_IN_PROVIDER = replace(plain, **changed)
                oidc.account, client = {"sub": "ada-1"} | claims, Client()
                answer = come_back(client, "/admin/campaigns/contact/")
                asked_for_code = answer["Location"] == "/admin/login/code/"
                assert asked_for_code is (app and not expected)
                assert is_in(client) is expected
                if asked_for_code:
                    answer = client.post("/admin/login/code/", {"code": code_at(secret, time.time())})
                    assert answer["Location"] == "/admin/campaigns/contact/" and is_in(client)
                second = "code" if asked_for_code else "provider" if expected else ""
                signed_in = AuditEntry.objects.filter(action="user.signed_in").order_by("-pk")[0]
                assert signed_in.detail == {"by": "provider", "second": second}
    assert "acr_values=gold" in _asked(settings, plain)


def _asked(settings: Any, plain: ProviderSettings) -> str:
    settings.SIGN_IN_PROVIDER = replace(plain, two_step_acr=frozenset({"gold"}))
    return str(Client().get(START)["Location"])


# The settings.


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


@pytest.mark.parametrize(
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
