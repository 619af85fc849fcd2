"""The OpenID Connect provider: its documents, the address to send a browser to, and the token for a code."""

from __future__ import annotations

import base64
import hashlib
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Generic, TypeVar
from urllib.parse import parse_qsl, quote_plus, urlencode, urlsplit

from django.conf import settings

from tenants.egress.documents import NoDocument, read_json
from tenants.egress.policy import current
from tenants.sign_in.id_tokens import Claims, Expected, Refused, UnknownKey, claims_of
from tenants.sign_in.provider_settings import ProviderSettings

T = TypeVar("T")
KEPT = 3600.0  # seconds for which a document is kept
PAUSE = 10.0  # seconds after a document could not be read, in which nobody asks for it again
KEYS_PAUSE = 60.0  # seconds after an unknown key caused a reading, in which no other one does
WELL_KNOWN = "/.well-known/openid-configuration"


@dataclass(frozen=True)
class Attempt:
    """What a browser keeps while it is at the provider."""

    state: str
    nonce: str
    verifier: str  # of the code challenge (RFC 7636)
    redirect_uri: str
    to: str  # where to go afterwards

    @classmethod
    def new(cls, redirect_uri: str, to: str) -> Attempt:
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        return cls(state, nonce, verifier, redirect_uri, to)


class Kept(Generic[T]):
    """A document that is read when it is needed and kept for an hour. After a failure it is left alone for a while."""

    def __init__(self, read: Callable[[], T]) -> None:
        self._read = read
        self._lock = threading.Lock()  # one thread reads; others wait for it and take what it found
        self._found: tuple[float, T] | None = None
        self._closed_until = 0.0

    def get(self, *, besides: T | None = None) -> T:
        """Return the document. Raises NoDocument.

        `besides`: the document that is kept and does not serve. It is read anew, unless that was done a moment ago.
        """
        with self._lock:
            now = time.monotonic()
            held = self._found[1] if self._found and now < self._found[0] + KEPT else None
            if held is not None and (held is not besides or now < self._closed_until):
                return held
            if now < self._closed_until:
                raise NoDocument("It gave no answer a moment ago.")
            self._closed_until = now + (PAUSE if held is None else KEYS_PAUSE)
            found = self._read()
            self._found = (now, found)
            if held is None:
                self._closed_until = now
            return found


class Provider:
    """The provider of this process. It keeps the documents, and nothing of a user."""

    def __init__(self, given: ProviderSettings) -> None:
        self.settings = given
        self._document: Kept[dict[str, Any]] = Kept(self._read_document)
        self._keys: Kept[list[Any]] = Kept(self._read_keys)

    def address_for(self, attempt: Attempt) -> str:
        """Return where to send the browser. Raises NoDocument."""
        parts = urlsplit(str(self._document.get()["authorization_endpoint"]))
        challenge = base64.urlsafe_b64encode(hashlib.sha256(attempt.verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "response_type": "code",
            "client_id": self.settings.client_id,
            "redirect_uri": attempt.redirect_uri,
            "scope": self.settings.scopes,
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        if self.settings.two_step_acr:
            asked["acr_values"] = " ".join(sorted(self.settings.two_step_acr))
        return parts._replace(query=urlencode([*parse_qsl(parts.query), *asked.items()]), fragment="").geturl()

    def claims_for(self, code: str, attempt: Attempt) -> Claims:
        """Return who has signed in at the provider. Raises Refused or NoDocument."""
        token = self._token_for(code, attempt)
        expected = Expected(self.settings.issuer, self.settings.client_id, attempt.nonce)
        keys = self._keys.get()
        try:
            return claims_of(token, keys, expected, time.time())
        except UnknownKey:
            return claims_of(token, self._keys.get(besides=keys), expected, time.time())

    def _token_for(self, code: str, attempt: Attempt) -> Any:
        document, given = self._document.get(), self.settings
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": attempt.redirect_uri,
            "code_verifier": attempt.verifier,
        }
        headers = {}
        methods = document.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        if given.client_secret and "client_secret_basic" in methods:
            pair = f"{quote_plus(given.client_id)}:{quote_plus(given.client_secret)}"  # RFC 6749, section 2.3.1
            headers["authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            form["client_id"] = given.client_id
            form |= {"client_secret": given.client_secret} if given.client_secret else {}
        try:
            answer = read_json(document["token_endpoint"], form=form, headers=headers)
        except NoDocument as error:
            if error.refused:
                raise Refused("code") from error
            raise
        return answer.get("id_token") if isinstance(answer, dict) else None

    def _read_document(self) -> dict[str, Any]:
        found = read_json(self.settings.issuer.rstrip("/") + WELL_KNOWN)
        if not isinstance(found, dict) or found.get("issuer") != self.settings.issuer:
            raise NoDocument("Its document is about another issuer.")
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            if not _is_safe(found.get(name)):
                raise NoDocument(f"Its document has no usable {name}.")
        return found

    def _read_keys(self) -> list[Any]:
        found = read_json(self._document.get()["jwks_uri"])
        keys = found.get("keys") if isinstance(found, dict) else None
        if not isinstance(keys, list):
            raise NoDocument("Its keys are no list.")
        return keys


def _is_safe(address: Any) -> bool:
    """Return whether the address has a scheme that this installation uses with its host."""
    try:
        return current().admits_url(urlsplit(str(address)))
    except ValueError:
        return False


def provider() -> Provider | None:
    """Return the provider of the settings, the same one each time; None if there is none."""
    given: ProviderSettings | None = settings.SIGN_IN_PROVIDER
    return _provider(given) if given else None


_provider = lru_cache(1)(Provider)
