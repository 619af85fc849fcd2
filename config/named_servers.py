"""Servers that only a setting names, and to which a library of their own connects."""

from __future__ import annotations

from collections.abc import Iterator

from tenants.egress.addresses import names_loopback
from tenants.egress.policy import Policy


def unfit(setting: str, scheme: str, host: str, port: int, policy: Policy) -> Iterator[str]:
    """Yield why the setting is refused: no TLS without leave, and nothing to this machine outside of development."""
    if not policy.admits_scheme(scheme, host, port):
        yield (
            f"{setting} leads to a server without TLS, which must be in ALLOWED_OUTGOING_HOSTS, such as "
            "http://minio.example.lan:9000."
        )
    elif names_loopback(host.strip("[]")) and not policy.loopback:
        yield f"{setting} leads to this machine, which needs ALLOW_LOOPBACK_URLS=true."
