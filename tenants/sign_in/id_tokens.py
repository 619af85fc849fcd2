"""Check an ID token as OpenID Connect Core 1.0, section 3.1.3.7, asks. Reads no database and fetches nothing."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from joserfc import jws


# Algorithm -> the kind of key that may be used with it, and its curve. Others do not exist here: neither `none` nor
# those with a shared secret, for which an attacker would use the public key.
ALGORITHMS: dict[str, tuple[str, str | None]] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), ("RSA", None)),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
}
LEEWAY = 60  # seconds by which clocks differ
OLDEST = 600  # seconds since a token was issued: it was made for this sign-in. Some providers date it 5 minutes back.
LONGEST = 32_768  # characters of a token
LEAST_BITS = 2048  # of an RSA key
LONGEST_SUBJECT = 255

Claims = Mapping[str, Any]


class Refused(Exception):
    """The token is not one that this sign-in may use. The text is for the log."""


class UnknownKey(Refused):
    """No key of the provider fits. It may have new ones."""


@dataclass(frozen=True)
class Expected:
    """What the token has to be about."""

    issuer: str
    client_id: str
    nonce: str


def claims_of(token: Any, keys: Sequence[Any], expected: Expected, now: float) -> Claims:
    """Return the claims of a token that is right in every respect. Raises Refused.

    `keys`: the provider's public keys as in its document (RFC 7517).
    """
    from joserfc import jwk, jws, jwt  # not above: many installations have no single sign-on
    from joserfc.errors import JoseError

    if not isinstance(token, str) or not token.isascii() or len(token) > LONGEST:
        raise Refused("not a token")
    try:
        header = jws.extract_compact(token.encode(), registry=_registry()).headers()
        key = jwk.import_key(_key_for(header, keys))
        claims = jwt.decode(token, key, algorithms=[header["alg"]], registry=_registry()).claims
    except (JoseError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise Refused(type(error).__name__) from error
    _check(claims, expected, now)
    return claims


@cache
def _registry() -> jws.JWSRegistry:
    from joserfc import jws

    return jws.JWSRegistry(algorithms=list(ALGORITHMS), strict_check_header=False)


def is_subject(subject: Any) -> bool:
    """Return whether this can be the name of an account at a provider (`sub`)."""
    named = isinstance(subject, str) and subject.isascii() and subject.isprintable() and subject.strip()
    return bool(named) and len(subject) <= LONGEST_SUBJECT


def _key_for(header: Mapping[str, Any], keys: Sequence[Any]) -> Any:
    """Return the one key for a token's header."""
    algorithm, name = header.get("alg"), header.get("kid")
    if algorithm not in ALGORITHMS:
        raise Refused("algorithm not allowed")
    if "crit" in header or str(header.get("typ", "JWT")).upper() != "JWT":
        raise Refused("not an ID token")
    fitting = [key for key in keys if isinstance(key, dict) and _fits(key, algorithm)]
    named = [key for key in fitting if key.get("kid") == name] if name is not None else fitting
    if len(named) != 1:  # without a name it must be the only one
        raise UnknownKey("no such key")
    return named[0]


def _fits(key: Mapping[str, Any], algorithm: str) -> bool:
    kind, curve = ALGORITHMS[algorithm]
    if key.get("kty") != kind or key.get("use", "sig") != "sig" or key.get("alg", algorithm) != algorithm:
        return False
    if "verify" not in key.get("key_ops", ["verify"]):
        return False
    return key.get("crv") == curve if curve else _bits(key.get("n")) >= LEAST_BITS


def _bits(modulus: Any) -> int:
    try:
        number = base64.urlsafe_b64decode(str(modulus) + "=" * (-len(str(modulus)) % 4))
    except (binascii.Error, ValueError):
        return 0
    return int.from_bytes(number, "big").bit_length()


def _check(claims: Claims, expected: Expected, now: float) -> None:
    from joserfc import jwt
    from joserfc.errors import JoseError

    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    parties = [claims["azp"]] if "azp" in claims else []
    if claims.get("iss") != expected.issuer:
        raise Refused("issuer")
    if expected.client_id not in audiences or not all(isinstance(each, str) for each in audiences):
        raise Refused("audience")
    if parties != [expected.client_id] and (parties or len(audiences) > 1):
        raise Refused("authorized party")
    if claims.get("nonce") != expected.nonce:
        raise Refused("nonce")
    if not is_subject(claims.get("sub")):
        raise Refused("subject")
    times = {"essential": True}
    try:
        rules = jwt.JWTClaimsRegistry(now=int(now), leeway=LEEWAY, exp=times, iat=times)  # type: ignore[arg-type]
        rules.validate({name: claims[name] for name in ("exp", "iat", "nbf") if name in claims})
    except JoseError as error:
        raise Refused("time") from error
    if claims["iat"] < now - OLDEST - LEEWAY:
        raise Refused("too old")
