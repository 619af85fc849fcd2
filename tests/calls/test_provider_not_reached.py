"""The provider's certificate has expired, or its name is gone: nobody is called, a sentence says why, and it mends."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from calls.actions import campaigns
from calls.models import Call
from calls.outcomes import circuit_breaker
from campaigns.models import Campaign
from providers.models import ProviderAccount
from tenants.models import Alert, Organization
from tests import certificates
from tests.calls import support
from tests.postgresql import free_port
from tests.relay import relay
from tests.waiting import eventually

pytestmark = pytest.mark.slow
NAME = "provider.example.org"


class Provider:
    """The sandbox behind TLS, under a name of its own."""

    def __init__(self, sandbox: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.port, self._to = free_port(), urlsplit(sandbox.url).port or 0
        self._serving, trusted = {}, ssl.create_default_context()
        for name, until in (("valid", datetime(2099, 1, 1, tzinfo=UTC)), ("expired", datetime(2020, 1, 1, tzinfo=UTC))):
            (folder / name).mkdir()
            self._serving[name] = certificates.serving(folder / name, NAME, until)
            trusted.load_verify_locations(folder / name / "chain.pem")
        found = socket.getaddrinfo
        self.addresses = True

        def lookup(host: Any, *args: Any, **kwargs: Any) -> Any:
            if host == NAME and not self.addresses:
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            return found("127.0.0.1" if host == NAME else host, *args, **kwargs)

        monkeypatch.setattr(socket, "getaddrinfo", lookup)
        monkeypatch.setattr("tenants.egress.authorities.tls_context", lambda: trusted)

    @contextmanager
    def with_certificate(self, name: str) -> Iterator[None]:
        with relay(self.port, self._to, self._serving[name]):
            yield

    @contextmanager
    def without_name(self) -> Iterator[None]:
        self.addresses = False
        with self.with_certificate("valid"):
            yield
        self.addresses = True


@pytest.fixture
def provider(sandbox: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Provider:
    return Provider(sandbox, tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        pytest.param(
            "certificate",
            "The provider's certificate is not valid (certificate has expired); nothing was sent.",
            marks=pytest.mark.long,
        ),
        ("name", "The name in the account's address was not found; nothing was sent. Check the address"),
    ],
)
def test_nobody_is_called_and_a_sentence_says_why_until_it_is_mended(
    callers: Organization,
    sandbox: Any,
    provider: Provider,
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
    sentence: str,
) -> None:
    monkeypatch.setattr(circuit_breaker, "UNREACHABLE_FOR", 1.0)
    number = support.reach(callers, f"https://{NAME}:{provider.port}", "allomia")
    numbers = [f"+121255501{ending}" for ending in range(40, 60)]
    made = support.campaign(number, support.people(callers, numbers))
    campaigns.start(made, actor="test")
    faults = {"certificate": lambda: provider.with_certificate("expired"), "name": provider.without_name}
    with support.engine() as engine:
        with faults[fault]():
            eventually(lambda: ProviderAccount.objects.get(pk=number.account_id).blocked_code == "unreachable")
            engine.looks_again(5)
            account = ProviderAccount.objects.get(pk=number.account_id)
            assert account.blocked_reason.startswith(sentence)
            assert Alert.objects.filter(message__contains=sentence).count() == 1
            assert sandbox.journal() == []
            assert not Call.objects.filter(status="unconfirmed").exists()
        with provider.with_certificate("valid"):
            eventually(lambda: Campaign.objects.get(pk=made.pk).status == Campaign.Status.FINISHED)
    assert sorted(dial["to_number"] for dial in sandbox.journal()) == numbers
    assert not ProviderAccount.objects.get(pk=number.account_id).blocked_reason
