"""The session engine: sessions end after an idle time and after a day's work, and their owner can list and end them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import VALID_KEY_CHARS
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from tenants.client_address import client_address
from tenants.models import StaffSession

SIGNED_IN = "_signed_in"  # in the session's data: when, from which address, with which browser
KEY_LENGTH = 32  # as Django makes keys
TOUCHED_EVERY = timedelta(minutes=1)


class SessionStore(DatabaseStore):
    """Sessions in the table StaffSession. An expired one is never loaded, whatever its cookie says."""

    seen_at: datetime | None = None  # as loaded

    @classmethod
    def get_model_class(cls) -> Any:
        return StaffSession

    def _validate_session_key(self, key: Any) -> bool:
        """Return whether the cookie can be a key of ours. PostgreSQL refuses a question about a zero byte."""
        return isinstance(key, str) and len(key) == KEY_LENGTH and set(key) <= set(VALID_KEY_CHARS)

    def _get_session_from_db(self) -> StaffSession | None:
        found: StaffSession | None = in_force().filter(session_key=self.session_key).first()
        if found is None:
            self._session_key = None
            return None
        self.seen_at = found.seen_at
        return found

    def create_model_instance(self, data: dict[str, Any]) -> Any:
        row: Any = super().create_model_instance(data)
        row.user_id = data.get(SESSION_KEY)
        at, row.address, row.browser = data.get(SIGNED_IN) or ("", "", "")
        row.signed_in_at = datetime.fromisoformat(at) if at else timezone.now()
        return row

    def touch(self) -> None:
        """Store that the owner is active, at most once a minute: a write for every request would be too expensive."""
        now = timezone.now()
        if self.seen_at is not None and self.seen_at < now - TOUCHED_EVERY:
            StaffSession.objects.filter(session_key=self.session_key).update(seen_at=now)

    @classmethod
    def clear_expired(cls) -> None:
        expired(timezone.now()).delete()


def _in_force(now: datetime) -> Q:
    idle, whole = timedelta(seconds=settings.SESSION_IDLE_SECONDS), timedelta(seconds=settings.SESSION_COOKIE_AGE)
    return Q(expire_date__gt=now, seen_at__gt=now - idle, signed_in_at__gt=now - whole)


def in_force() -> QuerySet[Any]:
    return StaffSession.objects.filter(_in_force(timezone.now()))


def expired(now: datetime) -> QuerySet[Any]:
    return StaffSession.objects.exclude(_in_force(now))


def note_sign_in(sender: Any, request: HttpRequest, **_: Any) -> None:
    """Receive Django's signal of a sign-in: remember when and from where, and remove what has expired."""
    browser = request.META.get("HTTP_USER_AGENT", "")[:300]
    request.session[SIGNED_IN] = [timezone.now().isoformat(), client_address(request), browser]
    SessionStore.clear_expired()


def end_sessions(user_id: int, *, but: str | None = None) -> int:
    """End the sessions of a user, except one. Return how many ended."""
    return int(StaffSession.objects.filter(user_id=user_id).exclude(session_key=but or "").delete()[0])
