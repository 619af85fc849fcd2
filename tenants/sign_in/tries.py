"""Limits of how often a secret may be tried: passwords, codes, reset requests, API keys.

A try is admitted before the secret is checked, by one conditional update: parallel requests do not get more tries.
After some free tries each failure closes the subject for a time that doubles up to a bound. Nothing is locked for good.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from tenants.models import SecretTries

FORGOTTEN_AFTER = timedelta(hours=1)  # without a further try
KEPT = timedelta(days=1)
PERSISTENCE = 5  # another request changed the row in between


@dataclass(frozen=True)
class Limit:
    """How many failures are free, and for how long a subject is closed at most after one more."""

    kind: str
    free: int
    longest: timedelta

    def closed_for(self, failures: int) -> timedelta:
        """Return how long a subject is closed after this many failures: 1 s, 2 s, 4 s, … once none is free."""
        beyond = failures - self.free
        return timedelta(0) if beyond <= 0 else min(timedelta(seconds=2 ** min(beyond - 1, 30)), self.longest)


MINUTE = timedelta(minutes=1)
PASSWORD_BY_USER = Limit("password-user", free=10, longest=MINUTE)  # over all addresses: see sign_in_limits
PASSWORD_BY_PLACE = Limit("password-place", free=5, longest=MINUTE)  # of one user from one address or known browser
PASSWORD_BY_ADDRESS = Limit("password-address", free=50, longest=MINUTE)  # of all users from one address
OLD_PASSWORD = Limit("old-password", free=5, longest=timedelta(minutes=15))
CODE = Limit("code", free=5, longest=timedelta(minutes=15))  # of a user at a known browser, or at all others
CODE_BY_USER = Limit("code-user", free=20, longest=timedelta(minutes=15))  # at all known browsers together
RESET_BY_ADDRESS = Limit("reset-address", free=10, longest=timedelta(minutes=15))
RESET_BY_EMAIL = Limit("reset-email", free=3, longest=timedelta(minutes=15))
INVITATION = Limit("invitation", free=50, longest=timedelta(minutes=15))  # from one organization
RESET_TOKEN = Limit("reset-token", free=10, longest=timedelta(minutes=15))
PROVIDER = Limit("provider", free=20, longest=MINUTE)  # sign-ins through the provider, of all users from one address
API_KEY = Limit("api-key", free=50, longest=MINUTE)


def _subject(limit: Limit, *parts: object) -> str:
    digest = hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()
    return f"{limit.kind}:{digest}"


def admit(limit: Limit, *parts: object, at_least: timedelta = timedelta(0)) -> int:
    """Count a try and return 0, or return the seconds until the next one is admitted.

    The try counts as a failure until `succeeded` is called. `at_least`: how long to wait before the
    first try and after each one, however few have failed here.
    """
    subject = _subject(limit, *parts)
    for _ in range(PERSISTENCE):
        now = timezone.now()
        row = SecretTries.objects.filter(subject=subject).first()
        if row is None or row.last_at < now - FORGOTTEN_AFTER:
            failures = 0 if at_least else 1
        elif row.closed_until > now:
            return _seconds(row.closed_until - now)
        else:
            failures = row.failures + 1
        closed_until = now + max(limit.closed_for(failures), at_least)
        if _stored(row, subject, failures, now, closed_until):
            return 0 if failures else _seconds(closed_until - now)
    return 1


def _stored(row: SecretTries | None, subject: str, failures: int, now: datetime, closed_until: datetime) -> bool:
    """Store a try. Return False when another request has stored one in between."""
    if row is not None:
        unchanged = SecretTries.objects.filter(pk=row.pk, failures=row.failures, last_at=row.last_at)
        return unchanged.update(failures=failures, last_at=now, closed_until=closed_until) == 1
    SecretTries.objects.filter(last_at__lt=now - KEPT).delete()
    try:
        with transaction.atomic():
            SecretTries.objects.create(subject=subject, failures=failures, last_at=now, closed_until=closed_until)
    except IntegrityError:
        return False
    return True


def failed(limit: Limit, *parts: object) -> None:
    """Count a failure of a subject that is never closed itself: it makes each place wait (`at_least` of `admit`)."""
    for _ in range(PERSISTENCE):
        now, subject = timezone.now(), _subject(limit, *parts)
        row = SecretTries.objects.filter(subject=subject).first()
        failures = 1 if row is None or row.last_at < now - FORGOTTEN_AFTER else row.failures + 1
        if _stored(row, subject, failures, now, now):
            return


def failures_of(limit: Limit, *parts: object) -> int:
    """Return how many tries in a row failed within the last hour."""
    since = timezone.now() - FORGOTTEN_AFTER
    found = SecretTries.objects.filter(subject=_subject(limit, *parts), last_at__gte=since)
    return found.values_list("failures", flat=True).first() or 0


def succeeded(limit: Limit, *parts: object) -> None:
    """Forget the failures: the secret was right."""
    SecretTries.objects.filter(subject=_subject(limit, *parts)).delete()


def withdraw(limit: Limit, *parts: object) -> None:
    """Take back a try that was admitted: the secret was not looked at. A wait that it began goes on."""
    SecretTries.objects.filter(subject=_subject(limit, *parts), failures__gt=0).update(failures=F("failures") - 1)


def _seconds(left: timedelta) -> int:
    return max(1, -int(-left.total_seconds() // 1))
