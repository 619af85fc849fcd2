"""What happens to API keys when their maker leaves: a maker's key stops, or the organization takes it over."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone

from tenants import audit_log
from tenants.models import ApiKey, ApiKeyQuerySet

THE_PROGRAM = "Trunkline"


def keys_of(user: Any) -> ApiKeyQuerySet:
    """Return the keys in use that belong to the user as their maker."""
    return ApiKey.objects.usable().with_maker().filter(owner=ApiKey.Owner.MAKER, maker=user)


def left_behind(user: Any, organization_id: int) -> ApiKeyQuerySet:
    """Return the organization's own keys in use that the user made, and may still know."""
    return ApiKey.objects.usable().filter(owner=ApiKey.Owner.ORGANIZATION, maker=user, organization_id=organization_id)


def revoke(key: ApiKey, actor: str, why: str = "") -> bool:
    """Revoke a key at once. Return False when it was revoked already."""
    with transaction.atomic():
        done = ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=timezone.now()) == 1
        if done:
            _note(key, actor, "revoke", {"reason": why} if why else {})
    return done


def hand_over(key: ApiKey, actor: str) -> None:
    """Give a maker's key to the organization, which keeps it when the maker leaves."""
    with transaction.atomic():
        held = ApiKey.objects.filter(pk=key.pk, revoked_at=None, owner=ApiKey.Owner.MAKER)
        if held.update(owner=ApiKey.Owner.ORGANIZATION) == 1:
            _note(key, actor, "hand_over", {"maker": str(key.maker)})


def note_left_behind(key: ApiKey, actor: str) -> None:
    """Record that the maker of an organization's key left, and may still know it."""
    _note(key, actor, "left_behind", {"maker": str(key.maker)})


def revoke_if_lost(key: ApiKey) -> bool:
    """Revoke a key, read `with_maker`, whose maker may do nothing any more. Return whether that is so."""
    if key.level is not None:
        return False
    revoke(key, THE_PROGRAM, "Its maker is not an active member of the organization.")
    return True


def revoke_lost(user: Any, actor: str) -> None:
    """Revoke the user's keys in every organization where the user may do nothing any more."""
    for key in keys_of(user):
        if key.level is None:
            revoke(key, actor, "Its maker is not an active member of the organization.")


def _note(key: ApiKey, actor: str, what: str, facts: dict[str, Any]) -> None:
    audit_log.record(
        key.organization_id,
        actor=actor,
        action=f"api_key.{what}",
        subject=str(key.uuid),
        detail={"name": key.name, "prefix": key.prefix, **facts},
    )
