"""Types of settings: each reads the text of an environment variable, or refuses it with the rest of a sentence.

What a type returns is parsed and normalised. Nothing else reads the text, so no rule depends on how it is written. No
sentence repeats a value: it may be a secret, or a secret that was given to the wrong setting.
"""

from __future__ import annotations

import ipaddress
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import getaddresses
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from cryptography.fernet import Fernet
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from tenants.egress.authorities import pem_of
from tenants.egress.policy import PORTS, Origin, origin

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
MASK = "••••"  # of a secret that is shown
TRUE, FALSE = frozenset({"true", "yes", "on", "1", "t", "y"}), frozenset({"false", "no", "off", "0", "f", "n"})
WIDEST_PROXIES = {4: 8, 6: 16}  # the shortest prefix of a network of proxies, by version of IP

_QUOTES = ("''", '""', "``", "\u201c\u201d", "\u2018\u2019", "\u201e\u201c", "\u00ab\u00bb")
_INVISIBLE = re.compile(r"[\x00-\x1f\x7f-\x9f\xad\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff]")
_NEXT_LINE = re.compile(r",\s*\n\s*")  # a list may go on there
_COMMENT = re.compile(r"\s#\s")  # an env file of Docker or systemd has no comments behind values
_UNREPLACED = re.compile(r"\$\{\w+\}|\$\(\w+\)|\{\{.*\}\}")
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


class Wrong(ValueError):
    """The setting does not take this text. The message completes the sentence that begins with its name."""


@dataclass(frozen=True)
class Type:
    """What a setting takes, in words for the documents; how it is read and shown; and what it is without a value."""

    words: str
    read: Callable[[str], Any]
    show: Callable[[Any], str] = str
    empty: Any = ""


def plain(text: str) -> str:
    """Return the text without white space around it. Refuse what only a mistake in a file or a shell leaves in it."""
    text = _NEXT_LINE.sub(",", text.strip().strip("\ufeff\u200b").strip())
    if len(text) > 1 and text[0] + text[-1] in _QUOTES:
        raise Wrong("has quotes around its value; write it without them.")
    if _INVISIBLE.search(text):
        raise Wrong("contains a line break or an invisible character; type it again.")
    if _UNREPLACED.search(text):
        raise Wrong("contains a placeholder that nothing has replaced with its value.")
    if _COMMENT.search(text):
        raise Wrong("has a comment behind its value; put the comment on a line of its own.")
    return text


def listed(text: str) -> list[str]:
    return [word for word in (plain(part) for part in text.split(",")) if word]


def _boolean(text: str) -> bool:
    if text.lower() not in TRUE | FALSE:
        raise Wrong("must be true or false.")
    return text.lower() in TRUE


BOOLEAN = Type("`true` or `false`", _boolean, lambda value: str(value).lower())


def whole(lowest: int, highest: int) -> Type:
    """Return the type of whole numbers in a range, without a unit."""

    def read(text: str) -> int:
        digits = text.isascii() and text.isdigit() and len(text) < 20
        if not digits or not lowest <= int(text) <= highest:
            raise Wrong(f"must be a whole number from {lowest} to {highest}, without a unit.")
        return int(text)

    return Type(f"a whole number from {lowest} to {highest}", read, empty=None)


def _secret_key(text: str) -> str:
    if any(character.isspace() for character in text):
        raise Wrong("must not contain spaces.")
    return text


SECRET = Type("a long random text", _secret_key)


def _field_keys(text: str) -> tuple[str, ...]:
    keys = tuple(dict.fromkeys(listed(text)))
    for key in keys:
        try:
            Fernet(key)
            known = re.fullmatch(r"[A-Za-z0-9_-]{43}=", key) is not None  # Python decodes around other characters
        except ValueError:
            known = False
        if not known:
            raise Wrong("must be a comma-separated list of Fernet keys (32 bytes, url-safe base64), newest first.")
    return keys


FIELD_KEYS = Type("Fernet keys, comma-separated, newest first", _field_keys, empty=())


def host_name(text: str) -> str:
    """Return a host name or IP address as browsers send it: in lower case, IPv6 in brackets. Raise ValueError."""
    bare = text.lower()
    if bare.startswith("[") or ":" in bare:
        found = ipaddress.IPv6Address(bare.removeprefix("[").removesuffix("]"))
        if found.scope_id:
            raise ValueError(text)
        return f"[{found}]"
    bare = bare.removesuffix(".")
    labels = bare.split(".")
    if labels[-1].isdigit() or labels[-1].startswith("0x"):
        return str(ipaddress.IPv4Address(bare))
    if len(bare) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError(text)
    return bare


def _hosts(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_allowed_host(word) for word in listed(text)))


def _allowed_host(word: str) -> str:
    below, name = (".", word[1:]) if word.startswith(".") else ("", word)
    try:
        return below + host_name(name)
    except ValueError as error:
        raise Wrong(
            "must be a comma-separated list of host names such as calls.example.org, without https://, port, path or "
            "*; .example.org stands for all hosts of a domain."
        ) from error


HOSTS = Type("host names, comma-separated", _hosts, ",".join, ())


def _networks(text: str) -> tuple[Network, ...]:
    try:
        return tuple(_unmapped(ipaddress.ip_network(word)) for word in listed(text))
    except ValueError as error:
        raise Wrong(
            "must be a comma-separated list of IP addresses or networks, such as 127.0.0.1,10.0.0.0/8."
        ) from error


def _unmapped(network: Network) -> Network:
    """Return an IPv4 network that is written as IPv6 as what it is: clients are compared so."""
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    if mapped is None or network.prefixlen < 96:
        return network
    return ipaddress.ip_network((mapped, network.prefixlen - 96))


def _show_networks(networks: tuple[Network, ...]) -> str:
    return ",".join(str(each.network_address) if each.num_addresses == 1 else str(each) for each in networks)


NETWORKS = Type("IP addresses and networks, comma-separated", _networks, _show_networks, ())


def _proxies(text: str) -> tuple[Network, ...]:
    networks = _networks(text)
    if any(network.prefixlen < WIDEST_PROXIES[network.version] for network in networks):
        raise Wrong("must name your own proxies, not all addresses.")
    return networks


PROXIES = Type(NETWORKS.words, _proxies, _show_networks, ())


def _origins(text: str) -> frozenset[Origin]:
    try:
        return frozenset(origin(word) for word in listed(text))
    except ValueError as error:
        raise Wrong(f"is a comma-separated list of hosts; {error}.") from error


def _show_origins(origins: frozenset[Origin]) -> str:
    return ",".join(sorted(f"{each.scheme}://{each.host}:{each.port}" for each in origins))


ORIGINS = Type("hosts, comma-separated", _origins, _show_origins, frozenset())


@dataclass(frozen=True)
class BaseUrl:
    """An address without a path, as browsers write it in `Origin`: no default port, the host in lower case."""

    scheme: str = ""
    host: str = ""
    port: int | None = None

    def __str__(self) -> str:
        return f"{self.scheme}://{self.place}" if self.host else ""

    @property
    def place(self) -> str:
        """Return the host, and the port where it is not the scheme's own."""
        return f"{self.host}{f':{self.port}' if self.port else ''}"

    @property
    def loopback(self) -> bool:
        try:
            return ipaddress.ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return self.host == "localhost"


def _base_url(text: str) -> BaseUrl:
    expected = "must be an https address such as https://calls.example.org"
    try:
        parts, port = split(text)
        if parts.scheme not in PORTS or not text.lower().startswith(f"{parts.scheme}://") or set(text) & set("@\\"):
            raise ValueError(text)
        host = host_name(parts.hostname or "")
    except ValueError as error:
        raise Wrong(f"{expected}, without user, query or fragment.") from error
    if parts.path.strip("/"):
        raise Wrong(f"{expected}, without a path: Trunkline is served at the root of its host alone.")
    if set(text) & set("?#"):
        raise Wrong(f"{expected}, without user, query or fragment.")
    return BaseUrl(parts.scheme, host, None if port == PORTS[parts.scheme] else port)


BASE_URL = Type("an https address without a path", _base_url, empty=BaseUrl())


def split(text: str) -> tuple[SplitResult, int | None]:
    """Return the parts of an address and its port. Raise ValueError for what has spaces, or a port that is none."""
    if any(character.isspace() for character in text):
        raise ValueError("spaces")
    parts = urlsplit(text)
    port = parts.port
    _, colon, digits = parts.netloc.rpartition("@")[2].rpartition("]")[2].rpartition(":")
    if port == 0 or (colon and digits and not (digits.isascii() and digits.isdigit())):
        raise ValueError("port")
    if ("[" in parts.netloc) != (":" in (parts.hostname or "")):
        raise ValueError("only an IPv6 address stands in brackets")
    return parts, port


def decoded(text: str | None) -> str:
    """Return a percent-encoded part of an address. Raise ValueError for a percent sign that encodes nothing."""
    if _PERCENT.search(text or ""):
        raise ValueError("percent")
    return unquote(text or "", errors="strict")


def _email_from(text: str) -> str:
    addresses = [address for _, address in getaddresses([text])]
    try:
        validate_email(addresses[0] if len(addresses) == 1 else "")
    except ValidationError as error:
        raise Wrong("must be the sender's address, such as calls@example.org.") from error
    return text


EMAIL_FROM = Type("an e-mail address", _email_from)


TEXT = Type("a text", str)


def path(text: str) -> str:
    """Return a path as it is written. What only a shell understands would become the name of a folder."""
    if text.startswith("~") or "$" in text:
        raise Wrong("must be a path without ~ and $, which nothing replaces here.")
    return text


OFF = "off"


def _whole_path(text: str, words: str) -> str:
    """Return a path that does not depend on where a process was started. `words`: of what, with an example."""
    if not text.startswith("/"):
        raise Wrong(f"must be the whole path of {words}.")
    return path(text)


FOLDER = Type("the whole path of a folder", lambda text: _whole_path(text, "a folder, such as /mnt/trunkline/uploads"))


def _certificates(text: str) -> str:
    """Return the path of a file of certificates, after a look into it."""
    name = _whole_path(text, "a file of certificates, such as /etc/trunkline/authorities.pem")
    try:
        written = pem_of(name)
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=written)
    except (ssl.SSLError, ValueError) as error:  # ValueError: it is empty
        raise Wrong("names a file without certificates in PEM, which begin with BEGIN CERTIFICATE.") from error
    except OSError as error:
        raise Wrong(f"names a file that cannot be read: {error.strerror}.") from error
    if "PRIVATE KEY" in written:
        raise Wrong("names a file with a private key; it takes certificates alone.")
    return name


CERTIFICATES = Type("the whole path of a file of certificates (PEM)", _certificates)


def _folder_or_off(text: str) -> str:
    """Return the path of a folder, or `off`. Refuse words by which people mean one or the other."""
    word = text.lower()
    if word == OFF:
        return OFF
    if word in TRUE | FALSE | {"none", "null"} or ".." in text.split("/"):
        raise Wrong("must be a folder such as /var/lib/trunkline/journal, without .., or `off`.")
    return path(text)


JOURNAL = Type("a folder, or `off`", _folder_or_off)


def _words(text: str) -> frozenset[str]:
    return frozenset(listed(text))


WORDS = Type("words, comma-separated", _words, lambda words: ",".join(sorted(words)), frozenset())


@dataclass(frozen=True)
class Setting:
    """One row of the table. An empty value is as good as none: the default takes its place."""

    type: Type
    default: str  # as it would be given
    help: str
    secret: bool = False
    otherwise: str = ""  # what happens without a value, where `default` alone does not say it
    old_name: str = ""

    @property
    def value_without(self) -> Any:
        """Return the default as it is understood."""
        return self.type.read(self.default) if self.default else self.type.empty

    @property
    def without(self) -> str:
        """Return the default in words."""
        return self.otherwise or (f"`{self.default}`" if self.default else "none")


def setting(type: Type, default: str, help: str, **more: Any) -> Any:
    return field(metadata={"setting": Setting(type, default, help, **more)})
