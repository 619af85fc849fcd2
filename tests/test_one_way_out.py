"""Only `tenants/egress/` opens connections: no other module of the product has the means to.

The sandbox stands for the providers, on the other side of the wire, and is left out. So is e-mail, which Django sends.
Named exceptions are the bucket of uploads and those who collect errors and traces: each has a library of its own, which
sends to the one server that the operator has named.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.tables import cases

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("tenants", "providers", "campaigns", "calls", "config")
LEFT_OUT = ("tenants/egress/", "providers/sandbox/", "providers/management/commands/sandbox.py")

# Modules that can open a connection, and the names of them that may be used: types, errors and readers of addresses.
MAY_BE_USED: dict[str, set[str]] = {
    "aiohttp": {
        *("ClientResponse", "ClientTimeout", "ClientError", "ClientPayloadError", "ServerDisconnectedError"),
        *("ClientConnectorError", "ConnectionTimeoutError", "InvalidURL", "ClientConnectorDNSError"),
        *("ClientConnectorCertificateError", "ClientSSLError", "ClientResponseError"),
    },
    "httpx": {"URL", "InvalidURL", "Request"},
    "socket": {"gethostname", "gaierror"},
    "urllib": {"parse"},
    **{
        name: set()
        for name in (
            *("requests", "urllib3", "httpcore", "aiohappyeyeballs", "http.client", "urllib.request", "anyio", "trio"),
            *("asyncore", "ftplib", "imaplib", "poplib", "smtplib", "telnetlib", "nntplib", "xmlrpc", "websockets"),
            *("websocket", "pycurl", "niquests", "aiosmtplib", "paramiko", "socketserver", "_socket", "curl_cffi"),
            *("boto3", "botocore", "s3transfer", "storages", "sentry_sdk", "opentelemetry.exporter"),
        )
    },
}
# Methods of event loops and of asyncio. One that is given the guard's connected socket opens nothing.
OPENERS = {"open_connection", "create_connection", "open_unix_connection", "sock_connect", "create_datagram_endpoint"}
# What opens no connection to another machine, by module.
BESIDES = {
    "config/demo/environment.py": {"socket.socket"},  # looks for a free port of this machine
    "config/bucket.py": {  # of the server in UPLOADS_URL alone
        *("boto3.s3.transfer.TransferConfig", "botocore.config.Config", "storages.backends.s3.S3Storage"),
        *(f"botocore.exceptions.{name}" for name in ("BotoCoreError", "ClientError", "HTTPClientError")),
    },
    "config/error_reports.py": {"sentry_sdk", "sentry_sdk.Client", "sentry_sdk.types.Event"},  # to SENTRY_DSN alone
    "config/traces.py": {
        "requests",
        "requests.Session",
        "opentelemetry.exporter.otlp.proto.http.trace_exporter.OTLPSpanExporter",
    },
    "tenants/failpoints.py": {"socket.socket", "socket.SHUT_RDWR"},  # closes the connections to the database in tests
}


def test_no_other_module_can_open_a_connection() -> None:
    found = {
        _name(path): sorted(used)
        for room in ROOMS
        for path in sorted((ROOT / room).rglob("*.py"))
        if not _name(path).startswith(LEFT_OUT)
        if (used := set(means(path.read_text("utf-8"))) - BESIDES.get(_name(path), set()))
    }
    assert found == {}


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def means(source: str) -> Iterator[str]:
    """Yield what a module uses to open connections."""
    tree = ast.parse(source)
    aliases: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for each in node.names:
                aliases[each.asname or each.name.partition(".")[0]] = each.name if each.asname else _top(each.name)
                if _is_forbidden(each.name):
                    yield each.name
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for each in node.names:
                yield from _judged(node.module, each.name)
                yield from {each.name} & OPENERS
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in aliases:
            yield from _judged(aliases[node.value.id], node.attr)
        if isinstance(node, ast.Call) and _is_opener(node):
            yield ast.unparse(node.func)
        if isinstance(node, ast.Constant) and node.value in OPENERS:  # getattr(loop, "create_connection")
            yield str(node.value)


def _top(module: str) -> str:
    return module.partition(".")[0]


def _is_forbidden(module: str) -> bool:
    """Return whether the import alone is too much."""
    return any(MAY_BE_USED.get(part) == set() for part in (module, _top(module)))


def _judged(module: str, name: str) -> Iterator[str]:
    used = f"{module}.{name}"
    known = next((part for part in (module, _top(module)) if part in MAY_BE_USED), "")
    unfit = known and name not in MAY_BE_USED[known] and not used.startswith("urllib.parse")
    if used in MAY_BE_USED or unfit:
        yield used


def _is_opener(node: ast.Call) -> bool:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    return name in OPENERS and not any(keyword.arg == "sock" for keyword in node.keywords)


@cases(
    "source",
    [
        "import requests",
        "import http.client",
        "from http import client",
        "from http.client import HTTPSConnection",
        "import urllib.request",
        "from urllib import request",
        "from urllib.request import urlopen as get",
        "import urllib\nurllib.request.urlopen(u)",
        "import httpx\nhttpx.get(u)",
        "import httpx as h\nh.AsyncClient()",
        "from httpx import Client",
        "import aiohttp\naiohttp.ClientSession()",
        "from aiohttp import TCPConnector",
        "from aiohttp.client import ClientSession",
        "import socket\nsocket.create_connection(a)",
        "import socket as s\ns.socket()",
        "from socket import socket",
        "import asyncio\nawait_ = asyncio.open_connection(h, p)",
        "from asyncio import open_connection",
        "loop.create_connection(f, h, p)",
        "getattr(loop, 'sock_connect')(s, a)",
        "from aiohappyeyeballs import start_connection",
        "import smtplib",
        "def f():\n    import urllib3",
    ],
)
def test_a_way_round_is_found(source: str) -> None:
    assert list(means(source))


def test_what_opens_nothing_is_left_alone() -> None:
    for source in (
        "from urllib.parse import urlsplit",
        "import urllib.parse\nurllib.parse.quote(x)",
        "import httpx\nhttpx.URL(u)",
        "import aiohttp\ntry: pass\nexcept aiohttp.ClientError: pass",
        "loop.create_connection(f, sock=s)",
        "import socket\nsocket.gethostname()",
        "from http import HTTPStatus",
        "from tenants.egress.sessions import plain_client",
    ):
        assert list(means(source)) == [], source
