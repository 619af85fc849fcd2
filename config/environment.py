"""Settings from the environment: one table, read once. No other module reads a setting from `os.environ`."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

from config import collectors, extras
from config import setting_types as types
from config.collectors import Collectors
from config.database_url import DATABASE_URL, REPLICA_URL, Database
from config.mail_url import EMAIL_URL, Mail
from config.setting_types import MASK, BaseUrl, Network, Setting, Wrong, plain, setting
from config.sign_in_provider import SignInProvider, contradictions, without_issuer
from config.uploads_url import UPLOADS_URL, Bucket, where_uploads_go
from tenants.egress.policy import Origin, Policy

LOCAL_HOSTS = ("127.0.0.1", "localhost", "[::1]")
SHORTEST_KEY, FEWEST_CHARACTERS = 32, 10  # of SECRET_KEY outside of development


@dataclass(frozen=True, repr=False)  # no error page shows the secrets
class Environment(Collectors, SignInProvider):
    """The settings that an operator can give: the table."""

    secret_key: str = setting(
        types.SECRET,
        "",
        "Django's key for sessions and signed tasks: at least 32 random characters",
        secret=True,
        otherwise="required (generated in `var/` with `DEBUG`)",
    )
    field_keys: tuple[str, ...] = setting(
        types.FIELD_KEYS,
        "",
        "the keys that encrypt stored credentials ([how to make and change them](deploying.md#settings))",
        secret=True,
        otherwise="required (generated in `var/` with `DEBUG`)",
    )
    database_url: Database = setting(
        DATABASE_URL,
        "sqlite:///var/trunkline.sqlite3",
        "the database; the path of an SQLite file begins at the project's folder, or is absolute with four slashes; "
        "parameters of PostgreSQL follow a question mark, also `options` and `currentSchema`",
    )
    replica_database_url: Database | None = setting(
        REPLICA_URL,
        "",
        "a streaming replica of PostgreSQL, for files of many rows ([a replica](scaling.md#a-replica-for-files))",
        otherwise="none: everything is read from `DATABASE_URL`",
    )
    database_pooler: bool = setting(
        types.BOOLEAN,
        "false",
        "a pooler in transaction mode, such as PgBouncer, is between Trunkline and PostgreSQL",
    )
    public_base_url: BaseUrl = setting(
        types.BASE_URL,
        "",
        "where browsers and providers reach you, like `https://calls.example.org`; https turns on the redirect to "
        "https, HSTS and Secure cookies. `http://127.0.0.1…` is taken with `ALLOW_LOOPBACK_URLS`",
        otherwise="none: Trunkline asks for no status callbacks and follows calls by polling alone",
    )
    allowed_hosts: tuple[str, ...] = setting(
        types.HOSTS,
        "",
        "host names to which the web process answers",
        otherwise="the host of `PUBLIC_BASE_URL`, and with `DEBUG` this machine",
    )
    debug: bool = setting(types.BOOLEAN, "false", "development mode: never where strangers can reach it")
    allow_public_debug: bool = setting(
        types.BOOLEAN, "false", "needed for `DEBUG` with a public `PUBLIC_BASE_URL`: error pages show data to everyone"
    )
    engine_processes: int | None = setting(
        types.whole(1, 32),
        "",
        "how many engine processes one worker has. Its old name, `ENGINE_SLICES`, still works",
        otherwise="as many as cores, at most 2; on SQLite, which has one writer, 1",
        old_name="ENGINE_SLICES",
    )
    wait_for_migrations: int = setting(
        types.whole(0, 86_400),
        "0",
        "seconds for which web and worker wait at their start for the tables of this version; `0`: they end at once",
    )
    api_rate: int = setting(
        types.whole(1, 1_000_000),
        "50",
        "requests a second of each API key, and of each team member over the API",
    )
    api_burst: int = setting(types.whole(1, 1_000_000), "100", "requests of each of them at once after a rest")
    trusted_proxies: tuple[Network, ...] = setting(
        types.PROXIES,
        "127.0.0.0/8,::1",
        "your own proxies, whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed",
    )
    session_idle_minutes: int = setting(
        types.whole(1, 720), "120", "minutes without activity after which a team member signs in again"
    )
    email_url: Mail = setting(
        EMAIL_URL,
        "",
        "the mail server for links to set a new password, like `submission://user:password@mail.example.org:587`",
        otherwise="none: no e-mail is sent",
    )
    email_from: str = setting(
        types.EMAIL_FROM, "", "the sender of these e-mails", otherwise="required with `EMAIL_URL`"
    )
    uploads_dir: str = setting(
        types.FOLDER,
        "",
        "the folder of uploaded files; web and workers on several machines share it",
        otherwise="`var/uploads`",
    )
    uploads_url: Bucket = setting(
        UPLOADS_URL,
        "",
        "a bucket of an S3 server for uploaded files, which web and workers on several machines share "
        "([several machines](deploying.md#several-machines))",
        otherwise="none: uploads are in the folder `UPLOADS_DIR`",
    )
    dial_journal: str = setting(
        types.JOURNAL,
        "var/journal",
        "the folder of the dial journal, on a disk that stays; `off`: none ([backup.md](backup.md))",
    )
    dial_journal_days: int = setting(types.whole(1, 3650), "35", "days for which its files are kept")
    metrics_allow: tuple[Network, ...] = setting(types.NETWORKS, "127.0.0.0/8,::1", "who may read `/metrics`")
    allowed_outgoing_hosts: frozenset[Origin] = setting(
        types.ORIGINS,
        "",
        "hosts to which Trunkline may send though they are not public: `pbx.example.lan`, `pbx.example.lan:8443`, "
        "`http://10.0.0.5:8080`. See [security.md](security.md#outgoing-connections)",
    )
    extra_ca_file: str = setting(
        types.CERTIFICATES,
        "",
        "certificate authorities of your own, believed beside the public ones by every outgoing connection but that to "
        "PostgreSQL, which has `sslrootcert` ([private authorities](deploying.md#private-certificate-authorities))",
        otherwise="none: the public ones alone",
    )
    allow_loopback_urls: bool = setting(
        types.BOOLEAN,
        "false",
        "allow `http://127.0.0.1…` as provider and callback addresses, for the sandbox",
    )

    @property
    def processes(self) -> int:
        """Return how many engine processes one worker has."""
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return self.engine_processes or (1 if self.database_url.kind == "sqlite" else min(2, cores))

    @property
    def https(self) -> bool:
        return self.public_base_url.scheme == "https"

    def cookie_name(self, purpose: str, *, host_only: bool = True) -> str:
        """Return the name of a cookie of ours. `host_only`: its path is `/`.

        Browsers send cookies to every port of a host, and Django's own names are those of every other program made with
        it: whichever of two was used last would sign people out of the first. With https, browsers keep `__Host-` from
        being set by anything but this host.
        """
        port = self.public_base_url.port
        return f"{'__Host-' if self.https and host_only else ''}trunkline_{f'{port}_' if port else ''}{purpose}"

    @property
    def hosts(self) -> list[str]:
        """Return the hosts to which the web process answers."""
        public = [self.public_base_url.host] if self.public_base_url.host else []
        return list(self.allowed_hosts) or [*public, *(LOCAL_HOSTS if self.debug else ())]

    @property
    def warnings(self) -> list[str]:
        """Return what is understood, but hardly meant."""
        host, found = self.public_base_url.host, []
        if host and not any(host == each or (each[0] == "." and f".{host}".endswith(each)) for each in self.hosts):
            found.append(
                "ALLOWED_HOSTS does not contain the host of PUBLIC_BASE_URL: what comes there is answered 400."
            )
        if not self.hosts:
            found.append("Neither ALLOWED_HOSTS nor PUBLIC_BASE_URL is set: every page is answered 400.")
        if alone := without_issuer(self):
            found.append(f"Without OIDC_ISSUER single sign-on is off. These have no effect: {', '.join(alone)}.")
        return found


def _rows() -> dict[str, Setting]:
    """Return the settings of this class before those that it inherits."""
    own = sorted(fields(Environment), key=lambda each: each.name not in Environment.__annotations__)
    return {each.name.upper(): each.metadata["setting"] for each in own}


TABLE = _rows()


def read(var: Path, given: Mapping[str, str] = os.environ) -> Environment:
    """Read all settings. Raise ImproperlyConfigured with one sentence that names the setting."""
    debug = _value("DEBUG", given)
    found = {name: _value(name, given) for name in TABLE}
    for name, generate in GENERATED.items():
        if not found[name]:
            found[name] = _parsed(name, _generated(var / FILES[name], debug, name, generate))
    environment = Environment(**{name.lower(): value for name, value in found.items()})
    for wrong in _contradictions(environment, var):
        raise ImproperlyConfigured(wrong)
    return environment


def shown(environment: Environment) -> Iterator[tuple[str, str]]:
    """Yield each setting with its value. Secrets are masked, also the passwords inside of addresses."""
    for name, row in TABLE.items():
        value = getattr(environment, name.lower())
        given = value != row.type.empty
        yield name, (MASK if row.secret else row.type.show(value)) if given else ""


def _value(name: str, given: Mapping[str, str]) -> Any:
    row = TABLE[name]
    for spelling in filter(None, (name, row.old_name)):
        if text := _refusing(spelling, plain, given.get(spelling, "")):
            return _refusing(spelling, row.type.read, text)
    return _parsed(name, row.default)


def _parsed(name: str, text: str) -> Any:
    return _refusing(name, TABLE[name].type.read, text) if text else TABLE[name].type.empty


def _refusing(name: str, read: Callable[[str], Any], text: str) -> Any:
    try:
        return read(text)
    except Wrong as wrong:
        raise ImproperlyConfigured(f"{name} {wrong}") from None


GENERATED: dict[str, Callable[[], str]] = {
    "SECRET_KEY": lambda: secrets.token_urlsafe(48),
    "FIELD_KEYS": lambda: Fernet.generate_key().decode(),
}
FILES = {"SECRET_KEY": "secret-key", "FIELD_KEYS": "field-key"}


def _generated(path: Path, debug: bool, name: str, generate: Callable[[], str]) -> str:
    """Return a random value stored in `var/`. For development only."""
    if not debug:
        raise ImproperlyConfigured(f"{name} is required; for development, DEBUG=true generates one.")
    path.parent.mkdir(parents=True, exist_ok=True)
    value = generate()
    try:
        with open(path, "x", opener=_private) as file:
            file.write(value)
    except FileExistsError:
        value = path.read_text().strip()
    return value


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _contradictions(found: Environment, var: Path) -> Iterator[str]:
    """Yield what is wrong with settings that are each well written."""
    public = found.public_base_url
    if public.scheme == "http" and not (public.loopback and found.allow_loopback_urls):
        yield (
            "PUBLIC_BASE_URL must be an https address such as https://calls.example.org, "
            "or with ALLOW_LOOPBACK_URLS one like http://127.0.0.1:8000."
        )
    exposed = bool(public.host) and not public.loopback
    if found.debug and exposed and not found.allow_public_debug:
        yield (
            "DEBUG must be off with a public PUBLIC_BASE_URL, because error pages show data to everyone; "
            "set ALLOW_PUBLIC_DEBUG=true as well if you want that."
        )
    if exposed or not found.debug:
        yield from _weak_key(found.secret_key, var / FILES["SECRET_KEY"])
    policy = Policy(found.allow_loopback_urls, found.allowed_outgoing_hosts)
    yield from contradictions(found, policy)
    yield from collectors.contradictions(found, policy)
    if found.replica_database_url and found.database_url.kind == "sqlite":
        yield "REPLICA_DATABASE_URL needs PostgreSQL in DATABASE_URL: a file of SQLite has no replica."
    if found.uploads_url:
        yield from where_uploads_go(found.uploads_url, found.uploads_dir, policy)
    yield from extras.missing(lambda name: getattr(found, name.lower()))
    if found.email_url and not found.email_from:
        yield "EMAIL_FROM must be the sender's address, such as calls@example.org, when EMAIL_URL is set."


def _weak_key(key: str, development: Path) -> Iterator[str]:
    if len(key) < SHORTEST_KEY or len(set(key)) < FEWEST_CHARACTERS or key.startswith("django-insecure-"):
        yield f"SECRET_KEY must be at least {SHORTEST_KEY} random characters."
    elif development.is_file() and development.read_text().strip() == key:
        yield "SECRET_KEY is the one that development or the demo generated in var/secret-key; make another one."
