"""Alerts: messages to the team members of an organization, each raised once."""

from __future__ import annotations

from django.utils import timezone

from tenants.models import Alert, Organization


def tell(organization: Organization, key: str, message: str, subject: str = "") -> bool:
    """Raise an alert once for each `key`. Return False if it exists already.

    `key` starts with the kind of alert and the public id it is about, like "account.blocked:<public id>". `subject`
    is that public id.
    """
    fields = {"message": message[:500], "subject": subject[:200]}
    return Alert.objects.get_or_create(organization=organization, key=key[:200], defaults=fields)[1]


def mark_seen(alert: Alert, actor: str) -> bool:
    """Mark the alert as seen by `actor`. Return False if it was marked before: only the first actor is stored."""
    unseen = Alert.objects.filter(pk=alert.pk, seen_at=None)
    return unseen.update(seen_at=timezone.now(), seen_by=actor[:200]) == 1
