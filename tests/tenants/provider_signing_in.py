"""Sign in through the sign-in provider of a test, as a browser does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import pytest
from django.contrib.auth.models import User
from django.test import Client

from tenants.models import ProviderIdentity
from tenants.sign_in import provider as provider_module
from tenants.sign_in.provider_settings import ProviderSettings
from tests.tenants.oidc_provider import CLIENT, SECRET, OidcProvider, part, token

# One for all: each client of its own would read the public certificate authorities again.
browser = httpx.Client(trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))
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
    back = urlsplit(browser.get(started["Location"]).headers["location"])
    assert back.path == DONE
    return f"{back.path}?{back.query}"


def come_back(client: Client, to: str = "", **extra: Any) -> Any:
    return client.get(there(client, to, **extra), **extra)


def refused(answer: Any, sentence: str, status: int = 403) -> bool:
    return answer.status_code == status and sentence in answer.content.decode()


def link(user: User, oidc: OidcProvider, subject: str = "ada-1") -> None:
    ProviderIdentity.objects.create(user=user, issuer=oidc.issuer, subject=subject)


def changed_afterwards(claims: dict[str, Any]) -> str:
    header, _, signature = token(claims).split(".")
    return f"{header}.{part(claims | {'sub': 'ada-2'})}.{signature}"
