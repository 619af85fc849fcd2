"""News for the people of an organization, each told once."""

from __future__ import annotations

from django.utils import timezone

from tenants.models import Alert, Organization


def tell(organization: Organization, key: str, message: str, subject: str = "") -> bool:
    """Say something once for each `key`; True for whoever said it first.

    `key` begins with what it is about, like "account.blocked:<public id>"; `subject` is that public id.
    """
    words = {"message": message[:500], "subject": subject[:200]}
    return Alert.objects.get_or_create(organization=organization, key=key[:200], defaults=words)[1]


def mark_seen(alert: Alert, actor: str) -> bool:
    """A person has read it. The first one is remembered; False for those after."""
    unseen = Alert.objects.filter(pk=alert.pk, seen_at=None)
    return unseen.update(seen_at=timezone.now(), seen_by=actor[:200]) == 1
