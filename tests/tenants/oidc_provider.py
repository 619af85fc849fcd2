"""A small OpenID Connect provider on 127.0.0.1, with keys of its own. It signs with `cryptography` alone."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlencode, urlsplit

from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384

CLIENT, SECRET = "trunkline", "s3cret/with+signs"
Answer = tuple[int, dict[str, str], bytes]


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def part(value: Any) -> str:
    return b64(json.dumps(value).encode())


@cache
def rsa_key(name: str = "first", bits: int = 2048) -> rsa.RSAPrivateKey:
    """Return a key. The same name has the same key: making one takes long."""
    return rsa.generate_private_key(65537, bits)


@cache
def ec_key(curve: type[ec.EllipticCurve] = ec.SECP256R1) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(curve())


def public(key: Any, kid: str | None = None, **fields: Any) -> dict[str, Any]:
    """Return a public key as RFC 7517 and RFC 7518, section 6, write it."""
    numbers = key.public_key().public_numbers()
    if isinstance(key, rsa.RSAPrivateKey):
        found = {"kty": "RSA", "n": b64(_bytes(numbers.n)), "e": b64(_bytes(numbers.e))}
    else:
        size = (key.curve.key_size + 7) // 8
        name = {256: "P-256", 384: "P-384"}[key.curve.key_size]
        found = {"kty": "EC", "crv": name, "x": b64(numbers.x.to_bytes(size)), "y": b64(numbers.y.to_bytes(size))}
    return found | ({"kid": kid} if kid else {}) | fields


def _bytes(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8)


def signature(algorithm: str, key: Any, signed: bytes) -> bytes:
    """Return a signature as RFC 7518, section 3, defines it."""
    if algorithm == "RS256":
        return bytes(key.sign(signed, padding.PKCS1v15(), SHA256()))
    if algorithm == "PS256":
        return bytes(key.sign(signed, padding.PSS(padding.MGF1(SHA256()), 32), SHA256()))
    if algorithm in ("ES256", "ES384"):
        r, s = decode_dss_signature(key.sign(signed, ec.ECDSA(SHA256() if algorithm == "ES256" else SHA384())))
        size = (key.curve.key_size + 7) // 8
        return bytes(r.to_bytes(size) + s.to_bytes(size))
    return hmac.new(key, signed, hashlib.sha256).digest()


def token(claims: Any, key: Any = None, algorithm: str = "RS256", **header: Any) -> str:
    """Return a signed token. `header`: further fields, or None for one that is left out."""
    fields = {"alg": algorithm, "typ": "JWT", "kid": "first"} | header
    signed = f"{part({name: value for name, value in fields.items() if value is not None})}.{part(claims)}"
    return f"{signed}.{b64(signature(algorithm, key or rsa_key(), signed.encode()))}"


class OidcProvider:
    """The provider. Everybody who is sent to it has signed in as `account`."""

    def __init__(self) -> None:
        self.account: dict[str, Any] = {"sub": "ada-1", "email": "olga@example.org", "email_verified": True}
        self.keys: list[Any] = [public(rsa_key(), "first", use="sig")]
        self.make: Callable[[dict[str, Any]], Any] = token
        self.document: dict[str, Any] = {}  # changes of the discovery document
        self.instead: dict[str, Answer] = {}  # other answers, by path
        self.asked: list[str] = []  # paths
        self._codes: dict[str, dict[str, str]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.port = self._server.server_port
        self.issuer = f"http://127.0.0.1:{self.port}/realms/acme"

    @contextmanager
    def running(self) -> Iterator[OidcProvider]:
        thread = threading.Thread(target=self._server.serve_forever, args=[0.02])
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(b"")

            def do_POST(self) -> None:
                self._answer(self.rfile.read(int(self.headers["content-length"])))

            def _answer(self, body: bytes) -> None:
                parts = urlsplit(self.path)
                path = parts.path.removeprefix("/realms/acme")
                provider.asked.append(path)
                given = {name: values[0] for name, values in parse_qs(parts.query or body.decode()).items()}
                status, headers, answer = provider.instead.get(path) or provider.answer(path, given, self.headers)
                self.send_response(status)
                for name, value in ({"content-length": str(len(answer))} | headers).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler

    def answer(self, path: str, given: dict[str, str], headers: Any) -> Answer:
        if path == "/.well-known/openid-configuration":
            return self._json(self._document())
        if path == "/keys":
            return self._json({"keys": self.keys})
        if path == "/authorize":
            return self._authorize(given)
        if path == "/token":
            return self._token(given, headers)
        return 404, {}, b""

    def _document(self) -> dict[str, Any]:
        found = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize?tenant=acme",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
        }
        return found | self.document

    def _authorize(self, given: dict[str, str]) -> Answer:
        assert given["response_type"] == "code" and "openid" in given["scope"].split()
        assert given["client_id"] == CLIENT and given["tenant"] == "acme"
        assert given["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(16)
        self._codes[code] = given
        back = f"{given['redirect_uri']}?{urlencode({'code': code, 'state': given['state'], 'iss': self.issuer})}"
        return 302, {"location": back}, b""

    def _token(self, given: dict[str, str], headers: Any) -> Answer:
        """Answer as RFC 6749, section 4.1.3, and RFC 7636, section 4.6, ask."""
        asked = self._codes.pop(given["code"], None)
        if not self._is_client(given, headers.get("authorization", "")) or asked is None:
            return 400, {"content-type": "application/json"}, b'{"error": "invalid_grant"}'
        challenge = b64(hashlib.sha256(given["code_verifier"].encode()).digest())
        if (challenge, given["redirect_uri"]) != (asked["code_challenge"], asked["redirect_uri"]):
            return 400, {"content-type": "application/json"}, b'{"error": "invalid_grant"}'
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT, "nonce": asked["nonce"], "iat": now, "exp": now + 300}
        return self._json({"access_token": "a", "token_type": "Bearer", "id_token": self.make(claims | self.account)})

    def _is_client(self, given: dict[str, str], authorization: str) -> bool:
        if not authorization:
            return (given.get("client_id"), given.get("client_secret")) == (CLIENT, SECRET)
        pair = base64.b64decode(authorization.removeprefix("Basic ")).decode().split(":")
        return [unquote_plus(each) for each in pair] == [CLIENT, SECRET]

    @staticmethod
    def _json(value: Any) -> Answer:
        return 200, {"content-type": "application/json"}, json.dumps(value).encode()
