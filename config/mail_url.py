"""EMAIL_URL: the mail server, as Django's settings of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote

from config.setting_types import BOOLEAN, MASK, Type, Wrong, decoded, host_name, split

BACKENDS = {
    "smtp": "config.mail_server.Backend",
    "submission": "config.mail_server.Backend",
    "console": "django.core.mail.backends.console.EmailBackend",
    "file": "django.core.mail.backends.filebased.EmailBackend",
    "dummy": "django.core.mail.backends.dummy.EmailBackend",
}
PORTS = {"smtp": 25, "submission": 587}
IMPLICIT_TLS = 465


@dataclass(frozen=True)
class Mail:
    """How e-mail is sent."""

    scheme: str = "dummy"
    host: str = ""
    port: int = 0
    user: str = ""
    password: str = field(default="", repr=False)
    starttls: bool = False
    tls: bool = False
    folder: str = ""

    @property
    def backend(self) -> str:
        return BACKENDS[self.scheme]

    def __bool__(self) -> bool:
        return self.scheme != "dummy"


def _read(text: str) -> Mail:
    try:
        return _mail(text)
    except ValueError as error:
        if isinstance(error, Wrong):
            raise
        raise Wrong(
            "must be an address such as submission://user:password@mail.example.org:587; "
            "write special characters of the password as %40 for @."
        ) from error


def _mail(text: str) -> Mail:
    parts, port = split(text)
    if parts.scheme not in BACKENDS or parts.fragment:
        raise ValueError("scheme")
    if parts.scheme == "file":
        if parts.netloc or parts.query or not parts.path.startswith("/"):
            raise ValueError("folder")
        return Mail("file", folder=decoded(parts.path))
    if parts.scheme not in PORTS:
        if parts.netloc or parts.path.strip("/") or parts.query:
            raise ValueError("nothing follows it")
        return Mail(parts.scheme)
    options = _encryption(parts.query)
    if parts.path.strip("/"):
        raise ValueError("path")
    port = port or PORTS[parts.scheme]
    tls = options.get("ssl", False)
    if port == IMPLICIT_TLS and not tls:
        raise Wrong("must end with ?ssl=true for port 465, which expects encryption from the first byte.")
    starttls = options.get("tls", parts.scheme == "submission") and not tls
    user, password = decoded(parts.username), decoded(parts.password)
    return Mail(parts.scheme, host_name(parts.hostname or "").strip("[]"), port, user, password, starttls, tls)


def _encryption(query: str) -> dict[str, bool]:
    """Return what the query says of encryption. A misspelt word must not turn it off."""
    given = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    if len(dict(given)) != len(given) or not dict(given).keys() <= {"ssl", "tls"}:
        raise Wrong("takes only ssl=true or tls=true after the question mark, once.")
    options = {name: bool(BOOLEAN.read(value)) for name, value in given}
    if options.get("ssl") and options.get("tls"):
        raise Wrong("takes either ssl=true or tls=true, not both.")
    return options


def _show(mail: Mail) -> str:
    if mail.scheme not in PORTS:
        return f"{mail.scheme}://{mail.folder}"
    sign_in = f"{quote(mail.user, '')}{f':{MASK}' if mail.password else ''}@" if mail.user else ""
    how = "?ssl=true" if mail.tls else f"?tls={str(mail.starttls).lower()}"
    return f"{mail.scheme}://{sign_in}{mail.host}:{mail.port}{how}"


EMAIL_URL = Type("the address of a mail server", _read, _show, Mail())
