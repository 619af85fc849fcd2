"""DATABASE_URL: which database, as Django's settings of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, quote

from psycopg import pq

from config.setting_types import MASK, Type, Wrong, decoded, host_name, split

ROOT = Path(__file__).resolve().parent.parent
MEMORY = ":memory:"
POSTGRESQL = ("postgresql", "postgres", "pgsql")
# Parameters that have a place in the address as well.
PLACES = {"user": "user", "password": "password", "host": "host", "port": "port", "dbname": "name"}
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_SHAPE = (
    "must be an address such as postgresql://user:password@host:5432/name, or sqlite:///file; "
    "write special characters of the password as %40 for @."
)


@dataclass(frozen=True)
class Database:
    """A database. `name` is the absolute path of the file of SQLite."""

    kind: str
    name: str
    user: str = ""
    password: str = field(default="", repr=False)
    host: str = ""
    port: str = ""
    options: dict[str, str] = field(default_factory=dict, repr=False)  # of libpq


def _read(text: str) -> Database:
    if text.lower() in ("sqlite://", f"sqlite://{MEMORY}", f"sqlite:///{MEMORY}"):
        return Database("sqlite", MEMORY)
    scheme, _, rest = text.partition("://")
    try:
        if scheme.lower() == "sqlite":
            return _sqlite(rest)
        parts, port = split(text)
        if scheme.lower() in POSTGRESQL and not parts.fragment:
            return _postgresql(parts, port)
    except ValueError as error:
        if isinstance(error, Wrong):
            raise
    raise Wrong(_SHAPE)


def _sqlite(rest: str) -> Database:
    path = decoded(rest[1:])
    if not rest.startswith("/") or not path or path.startswith("~") or path.endswith("/") or set(rest) & set("?#"):
        raise Wrong("of SQLite must have three slashes and a file: sqlite:///var/name.sqlite3, or sqlite:////srv/name.")
    file = (ROOT / path).resolve()  # of web and worker alike, wherever they were started
    if not file.parent.is_dir() and file.parent != ROOT / "var":
        raise Wrong("names a file of SQLite in a folder that does not exist.")
    if file.is_dir():
        raise Wrong("names a folder, not a file of SQLite.")
    return Database("sqlite", str(file))


def _postgresql(parts: SplitResult, port: int | None) -> Database:
    query = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query), errors="strict")
    options = dict(query)
    if len(options) != len(query):
        raise Wrong("has the same parameter twice after the question mark.")
    found = {
        "user": decoded(parts.username),
        "password": decoded(parts.password),
        "host": _host(parts),
        "port": str(port or ""),
        "name": decoded(parts.path[1:]),
    }
    for parameter, place in PLACES.items():
        if parameter in options and found[place]:
            raise Wrong(f"has two values for {parameter}: in the address, and after the question mark.")
        found[place] = options.pop(parameter, found[place])
    if not found["name"] or (found["port"] and not 1 <= int(found["port"]) <= 65535):
        raise ValueError("name or port")
    return Database("postgresql", **found, options=_options(options))


def _host(parts: SplitResult) -> str:
    given = parts.netloc.rpartition("@")[2]
    if given[:3].lower() == "%2f":  # the folder of a Unix socket, in whose name capitals count
        return decoded(given.partition(":")[0])
    if not given.partition(":")[0]:
        return ""
    name = parts.hostname or ""
    bare = host_name(name.replace("_", "-")).strip("[]")
    return name if "_" in name else bare  # Compose names hosts with underscores


def _options(given: dict[str, str]) -> dict[str, str]:
    """Return the parameters of libpq. `currentSchema`, which other programs write, is where tables are."""
    schema = given.pop("currentSchema", "")
    known = {option.keyword.decode() for option in pq.Conninfo.get_defaults()}
    if set(given) - known:
        raise Wrong("has a parameter after the question mark that PostgreSQL does not know.")
    if given.get("sslmode", "prefer") not in SSL_MODES:
        raise Wrong(f"has an sslmode that is none of {', '.join(SSL_MODES)}.")
    if schema:
        if not schema.replace("_", "").isalnum():
            raise Wrong("must name one schema of letters, digits and _ as currentSchema.")
        given["options"] = f"{given.get('options', '')} -c search_path={schema}".strip()
    return given


def _show(database: Database) -> str:
    if database.kind == "sqlite":
        return f"sqlite:///{quote(database.name, '/:')}"
    sign_in = f"{quote(database.user, '')}{f':{MASK}' if database.password else ''}@" if database.user else ""
    host = f"[{database.host}]" if ":" in database.host else quote(database.host, "")
    options = {name: MASK if "password" in name else quote(value, "") for name, value in database.options.items()}
    kept = "&".join(f"{name}={value}" for name, value in options.items())
    port = f":{database.port}" if database.port else ""
    return f"postgresql://{sign_in}{host}{port}/{quote(database.name, '')}{'?' if kept else ''}{kept}"


DATABASE_URL = Type("`postgresql://user:password@host/name` or `sqlite:///file`", _read, _show)


def _read_replica(text: str) -> Database:
    found = _read(text)
    if found.kind == "sqlite":
        raise Wrong("must be a replica of PostgreSQL, such as postgresql://user:password@host:5432/name.")
    return found


REPLICA_URL = Type("`postgresql://user:password@host/name`", _read_replica, _show, None)
