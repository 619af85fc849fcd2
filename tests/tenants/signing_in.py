"""Users and requests for the tests of signing in."""

from __future__ import annotations

import base64
import hashlib
import hmac
import struct
from typing import Any

from django.contrib.auth.models import User
from django.test import Client

PASSWORD = "a long and quiet river"
OLGA = "olga@example.org"


def a_user(name: str = OLGA, **fields: Any) -> User:
    return User.objects.create_user(username=name, email=name, password=PASSWORD, is_staff=True, **fields)


def sign_in(client: Client, password: str = PASSWORD, address: str = "192.0.2.1", name: str = OLGA) -> Any:
    return client.post("/admin/login/", {"username": name, "password": password}, REMOTE_ADDR=address)


def is_in(client: Client) -> bool:
    return client.get("/admin/").status_code == 200


def code_at(secret: str, moment: float) -> str:
    """Return the TOTP code of a moment, computed as RFC 6238 and RFC 4226 say (SHA-1, 6 digits, 30 seconds)."""
    digest = hmac.new(base64.b32decode(secret), struct.pack(">Q", int(moment) // 30), hashlib.sha1).digest()
    start = digest[-1] & 15
    return str((int.from_bytes(digest[start : start + 4], "big") & 0x7FFFFFFF) % 1_000_000).zfill(6)
