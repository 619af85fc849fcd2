"""The address of a request, against httpx's own reading of it."""

from __future__ import annotations

from itertools import product

import httpx
import pytest

from providers.adapters.base import Request
from providers.adapters.encoding import encode
from providers.adapters.errors import Misconfigured

ORIGINS = (
    *("http://a.example", "https://A.Example", "https://a.example:443", "http://a.example:443", "http://a.example:80"),
    *("http://127.0.0.1:8000", "http://[::1]:8000", "https://[2001:DB8::1]", "HTTP://a.example"),
    *("https://münchen.example", "https://a_b.example", "http://a.example:", "http://a.example:00080"),
)
PATHS = (
    *("", "/", "/a", "/a/", "//a", "/a//b", "/a/./b", "/a/../b", "/..", "/a/..b", "/a/b.c..", "/.a", "/a/...", "/-_~9"),
    *("/a%2Fb", "/a%2fb", "/a%zz", "/a b", "/é", "/a?b=c", "/a?", "/a#b", "/a;b=c", "/a:b", "/a@b", "/a\\b", "/a\n"),
    *("/" + "x" * 301, "/x" * 21, "/api/outbound/0a9b8c7d-6e5f-4a3b-9c2d-1e0f9a8b7c6d/status"),
)
WRONG = ("ftp://a.example/a", "a.example/a", "http:///a", "http://a.example:65536/a", "http://a..b/a", "http://[::g]/a",
         "http://.../a", "http://[::1/a", "http://a:b:c/d", "https://u:p@a.example/a",
         "https://u@a.example")  # fmt: skip
QUERIES: tuple[dict[str, str], ...] = ({}, {"page": "2", "q": "a b&c"})


def test_a_request_goes_where_httpx_would_send_it(subtests: pytest.Subtests) -> None:
    for origin, path, query in product(ORIGINS, PATHS, QUERIES):
        with subtests.test(origin=origin, path=path, query=query):
            try:
                url = httpx.URL(origin + path)
            except httpx.InvalidURL:
                with pytest.raises(Misconfigured):
                    encode(Request("GET", origin + path, {}, query=query))
                continue
            url = url.copy_merge_params(query) if query else url
            found = encode(Request("GET", origin + path, {}, query=query)).address
            assert (found.text, found.scheme, found.port, found.target) == (
                str(url),
                url.scheme,
                url.port,
                url.raw_path,
            )
            assert (found.host.encode(), found.netloc.encode()) == (url.raw_host, url.netloc)


def test_what_is_no_web_address_is_refused(subtests: pytest.Subtests) -> None:
    for address in WRONG:
        with subtests.test(address=address), pytest.raises(Misconfigured):
            encode(Request("GET", address, {}))
