"""Signing in through an OpenID Connect provider, which is a real one on this machine with keys of its own."""

from __future__ import annotations

import base64
import logging
import time
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from tenants.backoffice.sign_in import provider_pages as pages
from tenants.egress.policy import Origin
from tenants.models import (
    AuditEntry,
    Authenticator,
    Membership,
    Organization,
    ProviderIdentity,
    SecretTries,
    StaffSession,
)
from tenants.sign_in import provider as provider_module
from tenants.sign_in.provider_settings import ProviderSettings
from tests.tenants.oidc_provider import SECRET, OidcProvider, token
from tests.tenants.provider_signing_in import (
    DONE,
    START,
    browser,
    changed_afterwards,
    come_back,
    link,
    oidc,
    refused,
    there,
    use,
)
from tests.tenants.signing_in import a_user, code_at, is_in

__all__ = ["oidc"]  # a fixture

pytestmark = pytest.mark.django_db


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
    cookie = client.cookies[settings.SIGN_IN_COOKIE_NAME]
    assert cookie["httponly"] and cookie["secure"] and cookie["samesite"] == "Lax" and cookie["path"] == START
    assert StaffSession.objects.count() == 0, "strangers who begin store nothing"
    assert refused(thief.get(back), pages.EXPIRED), "another browser"
    assert refused(client.get(back.replace("state=", "state=x")), pages.EXPIRED)
    assert settings.SIGN_IN_COOKIE_NAME not in client.cookies or not client.cookies[settings.SIGN_IN_COOKIE_NAME].value
    assert refused(client.get(back), pages.EXPIRED), "an attempt ends with its first answer"
    client.cookies[settings.SIGN_IN_COOKIE_NAME] = f"{cookie.value}x"
    assert refused(client.get(back), pages.EXPIRED)
    assert oidc.asked.count("/token") == 0


def test_the_session_key_is_another_one_after_signing_in(oidc: OidcProvider) -> None:
    a_user()
    client = Client()
    session = client.session
    session["seen"] = True
    session.save()
    before = session.session_key
    client.cookies[settings.SESSION_COOKIE_NAME] = str(before)
    assert come_back(client).status_code == 302
    assert client.cookies[settings.SESSION_COOKIE_NAME].value != before
    assert not StaffSession.objects.filter(session_key=before).exists()


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
        back = urlsplit(browser.get(started["Location"]).headers["location"])
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


@pytest.mark.long
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
