"""Keep what an action changes, so that its team member can undo it within a minute; forget it when others change it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from django.db.models import F
from django.db.models.functions import Now

from campaigns.models import UndoableAction, UndoableChange

Kind = UndoableAction.Kind
WITHIN = timedelta(seconds=60)
KEPT = timedelta(days=1)  # then an action is purged, so that a late *Undo* is told that it is late


class Undoable:
    """An action of a team member while it is done. It may take several transactions; each keeps its part."""

    def __init__(self, kind: Kind, user_id: int) -> None:
        self.kind, self.user_id, self.uuid, self.size = kind, user_id, uuid4(), 0
        self._action: UndoableAction

    @property
    def token(self) -> str:
        """Return what the button *Undo* names, or "" if the action changed nothing."""
        return str(self.uuid) if self.size else ""

    def keep(self, changes: Sequence[UndoableChange]) -> None:
        """Keep what a part of the action changed, in its transaction. The minute begins with the last part."""
        if not changes:
            return
        begun = UndoableAction.objects.filter(uuid=self.uuid)  # not if its part was rolled back
        if self.size == 0 or not begun.update(done_at=Now(), size=F("size") + len(changes)):
            values = {"kind": self.kind, "user_id": self.user_id, "done_at": Now(), "size": len(changes)}
            self._action = UndoableAction.objects.create(uuid=self.uuid, **values)
        for change in changes:
            change.action = self._action
        UndoableChange.objects.bulk_create(changes)
        self.size += len(changes)


def supersede(*, about: str, keys: Collection[int], **others: Any) -> None:
    """Forget what could be undone about these things: somebody decided about them again, perhaps the same.

    `about`: the field of UndoableChange that names them, `keys` their keys, `others` further fields. Call it with the
    things locked, in the transaction of the new decision.
    """
    UndoableChange.objects.filter(**{f"{about}__in": keys}, **others).delete()


def moment(value: datetime | None) -> str | None:
    """Return a time as a before-image holds it, whatever time zone it was given in."""
    return value.astimezone(UTC).isoformat() if value else None
