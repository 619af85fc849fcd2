"""Alerts: messages to the team members of an organization, each raised once. A lasting alert ends with its cause."""

from __future__ import annotations

from collections.abc import Collection

from django.db.models import QuerySet
from django.utils import timezone

from tenants.models import Alert, Organization


def tell(organization: Organization, key: str, message: str, subject: str = "") -> bool:
    """Raise an alert once for each `key`. Return False if it exists already.

    `key` starts with the kind of alert and the public id it is about, like "account.blocked:<public id>". `subject`
    is that public id.
    """
    fields = {"message": message[:500], "subject": subject[:200]}
    return Alert.objects.get_or_create(organization=organization, key=key[:200], defaults=fields)[1]


def tell_while(organization: Organization, kind: str, subject: str, message: str) -> bool:
    """Raise a lasting alert, or bring the message of the one that lasts up to date. Return whether it was raised.

    Call it again while the cause lasts, and `end` or `end_others` when it is over. `kind` is like
    "campaign.no_opening", `subject` the public id it is about. An alert that was seen stays seen until its cause is
    over and returns.
    """
    told = Alert.objects.filter(organization=organization, key__startswith=f"{kind}:{subject}:")
    lasting = told.filter(ended_at=None).first()
    if lasting is None:
        # The number makes the key new. Two workers at once count alike, and the key is unique.
        fields = {"message": message[:500], "subject": subject[:200], "lasting": True}
        key = f"{kind}:{subject}:{told.count() + 1}"
        return Alert.objects.get_or_create(organization=organization, key=key, defaults=fields)[1]
    if lasting.message != message[:500]:
        told.filter(pk=lasting.pk).update(message=message[:500])
    return False


def lasting(kind: str) -> QuerySet[Alert]:
    """Return the alerts of this kind, of all organizations, whose cause was not over when it was last looked at."""
    return Alert.objects.filter(lasting=True, ended_at=None, key__startswith=f"{kind}:")


def end(organization: Organization, kind: str, subject: str) -> int:
    """End the lasting alert of this kind about `subject`. Return how many ended."""
    about = lasting(kind).filter(organization=organization, subject=subject)
    return about.update(ended_at=timezone.now())


def end_others(kind: str, subjects: Collection[str]) -> int:
    """End the lasting alerts of this kind except those about `subjects`. Return how many ended."""
    return lasting(kind).exclude(subject__in=subjects).update(ended_at=timezone.now())


def mark_seen(alert: Alert, actor: str) -> bool:
    """Mark the alert as seen by `actor`. Return False if it was marked before: only the first actor is stored."""
    unseen = Alert.objects.filter(pk=alert.pk, seen_at=None)
    return unseen.update(seen_at=timezone.now(), seen_by=actor[:200]) == 1
