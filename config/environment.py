"""Settings from the environment: read once, typed and checked. No other module reads a setting from `os.environ`."""

from __future__ import annotations

import ipaddress
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import dj_email_url
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured
from environs import Env, EnvError

from tenants.egress.policy import Origin, origin

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
LOOPBACK = ["127.0.0.0/8", "::1"]


@dataclass(frozen=True)
class Environment:
    """The settings that an operator can give."""

    debug: bool
    secret_key: str
    field_keys: tuple[str, ...]
    database_url: str
    database_pooler: bool
    uploads_dir: str
    public_base_url: str
    allowed_hosts: list[str]
    engine_processes: int
    allow_loopback_urls: bool
    allowed_outgoing_hosts: frozenset[Origin]
    api_rate: int
    api_burst: int
    metrics_allow: tuple[Network, ...]
    trusted_proxies: tuple[Network, ...]
    session_idle_minutes: int
    email_url: str
    email_from: str

    @property
    def https(self) -> bool:
        return self.public_base_url.startswith("https://")


def read(var: Path) -> Environment:
    """Read all settings. Raises ImproperlyConfigured with the name of the variable and the expected value."""
    env = Env()
    try:
        debug = env.bool("DEBUG", False)
        found = Environment(
            debug=debug,
            secret_key=env.str("SECRET_KEY", "") or _generated(var / "secret-key", debug, "SECRET_KEY"),
            field_keys=_field_keys(env.list("FIELD_KEYS", []), var, debug),
            database_url=env.str("DATABASE_URL", "") or f"sqlite:///{var / 'trunkline.sqlite3'}",
            database_pooler=env.bool("DATABASE_POOLER", False),
            uploads_dir=env.str("UPLOADS_DIR", "").strip() or str(var / "uploads"),
            public_base_url=env.str("PUBLIC_BASE_URL", "").rstrip("/"),
            allowed_hosts=_words(env.list("ALLOWED_HOSTS", [])),
            engine_processes=env.int("ENGINE_PROCESSES", env.int("ENGINE_SLICES", 1)),  # the old name
            allow_loopback_urls=env.bool("ALLOW_LOOPBACK_URLS", False),
            allowed_outgoing_hosts=_origins(env.list("ALLOWED_OUTGOING_HOSTS", [])),
            api_rate=env.int("API_RATE", 50),
            api_burst=env.int("API_BURST", 100),
            metrics_allow=_networks("METRICS_ALLOW", env.list("METRICS_ALLOW", LOOPBACK)),
            trusted_proxies=_networks("TRUSTED_PROXIES", env.list("TRUSTED_PROXIES", LOOPBACK)),
            session_idle_minutes=env.int("SESSION_IDLE_MINUTES", 120),
            email_url=env.str("EMAIL_URL", ""),
            email_from=env.str("EMAIL_FROM", ""),
        )
    except EnvError as error:
        raise ImproperlyConfigured(str(error)) from error
    if not 1 <= found.engine_processes <= 32:
        raise ImproperlyConfigured("ENGINE_PROCESSES (ENGINE_SLICES) must be a whole number from 1 to 32.")
    for name, value in (("API_RATE", found.api_rate), ("API_BURST", found.api_burst)):
        if not 1 <= value <= 1_000_000:
            raise ImproperlyConfigured(f"{name} must be a whole number from 1 to 1000000.")
    if not Path(found.uploads_dir).is_absolute():
        raise ImproperlyConfigured("UPLOADS_DIR must be the whole path of a folder, such as /mnt/trunkline/uploads.")
    _check_sign_in(found)
    _check_public_base_url(found)
    return found


def _words(given: list[str]) -> list[str]:
    return [word.strip() for word in given if word.strip()]


def _networks(name: str, given: list[str]) -> tuple[Network, ...]:
    try:
        return tuple(ipaddress.ip_network(word) for word in _words(given))
    except ValueError as error:
        raise ImproperlyConfigured(
            f"{name} must be a comma-separated list of IP addresses or networks, such as 127.0.0.1,10.0.0.0/8."
        ) from error


def _origins(given: list[str]) -> frozenset[Origin]:
    try:
        return frozenset(origin(word) for word in _words(given))
    except ValueError as error:
        raise ImproperlyConfigured(f"ALLOWED_OUTGOING_HOSTS is a comma-separated list of hosts; {error}.") from error


def _generated(path: Path, debug: bool, name: str) -> str:
    """Return a random value stored in `var/`. For development only."""
    if not debug:
        raise ImproperlyConfigured(f"{name} is required. For development, DEBUG=true generates one.")
    path.parent.mkdir(parents=True, exist_ok=True)
    value = Fernet.generate_key().decode() if name == "FIELD_KEYS" else secrets.token_urlsafe(48)
    try:
        with open(path, "x", opener=_private) as file:
            file.write(value)
    except FileExistsError:
        value = path.read_text().strip()
    return value


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _field_keys(given: list[str], var: Path, debug: bool) -> tuple[str, ...]:
    keys = tuple(_words(given))
    if not keys:
        keys = (_generated(var / "field-key", debug, "FIELD_KEYS"),)
    for key in keys:
        try:
            Fernet(key)
        except ValueError as error:
            raise ImproperlyConfigured(
                "FIELD_KEYS must be a comma-separated list of Fernet keys (32 bytes, url-safe base64), newest first."
            ) from error
    return keys


def _check_sign_in(found: Environment) -> None:
    if any(network.prefixlen == 0 for network in found.trusted_proxies):
        raise ImproperlyConfigured("TRUSTED_PROXIES must name your own proxies, not all addresses.")
    if not 1 <= found.session_idle_minutes <= 720:
        raise ImproperlyConfigured("SESSION_IDLE_MINUTES must be a whole number from 1 to 720.")
    if not found.email_url:
        return
    try:
        known = "EMAIL_BACKEND" in dj_email_url.parse(found.email_url)
    except ValueError:
        known = False
    if not known:
        raise ImproperlyConfigured(
            "EMAIL_URL must be an address such as submission://user:password@mail.example.org:587. "
            "Write special characters of the password as %40 for @."
        )
    if "@" not in found.email_from:
        raise ImproperlyConfigured("EMAIL_FROM must be the sender's address, such as calls@example.org.")


def _check_public_base_url(found: Environment) -> None:
    if not found.public_base_url:
        return
    parts = urlsplit(found.public_base_url)
    if parts.scheme == "https" and parts.hostname and not (parts.query or parts.fragment or parts.username):
        return
    if parts.scheme == "http" and found.allow_loopback_urls and _is_loopback(parts.hostname or ""):
        return
    raise ImproperlyConfigured(
        "PUBLIC_BASE_URL must be an https address such as https://calls.example.org. "
        "With ALLOW_LOOPBACK_URLS it may be http://127.0.0.1… instead."
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
