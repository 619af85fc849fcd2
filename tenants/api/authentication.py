"""Authentication of API requests: a program with an API key, or a team member signed in to the admin."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Q
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication, SessionAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed, NotFound, Throttled
from rest_framework.request import Request

from tenants import key_owners
from tenants.api.access import Access, access_of_key, access_of_user
from tenants.client_address import client_network
from tenants.db.compiled import Compiled
from tenants.models import ApiKey
from tenants.sign_in import tries

WRONG_KEY = "Invalid or missing API key"
UNUSED = ("organization__webhook_secret", "organization__old_webhook_secret")  # to decrypt them costs more than to read

_BY_DIGEST = Compiled(
    lambda digest, now: (
        ApiKey.objects.usable(now)
        .with_maker()
        .select_related("organization", "maker")
        .defer(*UNUSED)
        .filter(digest=digest)
    ),
    *("digest", datetime(1, 1, 1, tzinfo=UTC)),
)


class KeyUser:
    """A program, in the place where Django expects a user. It has no row in the table of users."""

    is_authenticated = True
    is_anonymous = False
    is_active = True
    is_staff = False
    pk = None

    def __init__(self, key: ApiKey) -> None:
        self.key = key

    def __str__(self) -> str:
        return f"key {self.key.prefix}"

    def get_username(self) -> str:
        return str(self)


class ApiKeyAuthentication(BaseAuthentication):
    """Authenticate `Authorization: Bearer <key>`. `request.auth` becomes the caller's Access."""

    def authenticate(self, request: Request) -> tuple[KeyUser, Access] | None:
        words = get_authorization_header(request).split()
        if not words:
            return None
        if len(words) != 2 or words[0].lower() != b"bearer":
            raise AuthenticationFailed(WRONG_KEY)
        digest = ApiKey.digest_of(words[1].decode("latin-1"))
        key = _BY_DIGEST.first(digest, timezone.now())
        if key is None:
            # A right key is never refused for the wrong keys of others at its address: 256 random bits are not guessed.
            if wait := tries.admit(tries.API_KEY, client_network(request._request)):
                raise Throttled(wait)
            raise AuthenticationFailed(WRONG_KEY)
        if key_owners.revoke_if_lost(key):
            raise AuthenticationFailed(WRONG_KEY)
        self._note_use(key)
        return KeyUser(key), narrowed(request, access_of_key(key))

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="api"'

    @staticmethod
    def _note_use(key: ApiKey) -> None:
        """Store the time of use, at most once a minute: a write for every request would be too expensive."""
        now = timezone.now()
        stale = Q(last_used_at=None) | Q(last_used_at__lt=now - timedelta(minutes=1))
        if key.last_used_at is None or key.last_used_at < now - timedelta(minutes=1):
            ApiKey.objects.filter(stale, pk=key.pk).update(last_used_at=now)


class StaffSessionAuthentication(SessionAuthentication):
    """Authenticate the admin's session, with CSRF, limited to the user's organizations."""

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        found = super().authenticate(request)
        if found is None:
            return None
        return found[0], narrowed(request, access_of_user(found[0]))

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="api"'


def narrowed(request: Request, reach: Access) -> Access:
    """Return the access, narrowed to the organization of the `X-Organization` header if it is sent.

    Raises NotFound for an organization that the caller cannot see, and for an empty header: a forgotten value must
    not mean all organizations.
    """
    name = request.headers.get("X-Organization")
    if name is None:
        return reach
    try:
        wanted = uuid.UUID(name.strip())
    except ValueError as error:
        raise NotFound("Organization not found") from error
    organization = reach.organizations().filter(uuid=wanted).first()
    if organization is None:
        raise NotFound("Organization not found")
    return replace(reach, grants={organization.pk: reach.grants[organization.pk]}, home=organization)


def caller_of(request: Request) -> str:
    """Return an identifier of the caller: one for each key and each team member, the same in all requests."""
    reach: Access = request.auth  # type: ignore[assignment]
    return f"key:{reach.key.pk}" if reach.key else f"user:{request.user.pk}"
