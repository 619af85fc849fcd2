"""Undo what a team member did within the last minute: a hold, a change of a list, additions to the do-not-call list."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Coalesce, Now

from calls.actions import recipients
from campaigns import list_members
from campaigns.do_not_call import entries
from campaigns.list_members import Undone
from campaigns.models import UndoableAction, UndoableChange
from campaigns.undoable import WITHIN, Kind

AT_ONCE = recipients.AT_ONCE  # changes in one transaction, which locks their contacts


class NothingToUndo(Exception):
    """There is no such action of this team member, or it was undone before."""


class TooLate(Exception):
    """The minute is over."""


@dataclass(frozen=True)
class Result:
    """Of an undo: how many things are as before, how many stay because somebody changed them since."""

    restored: int
    stayed: int
    still_called: int  # contacts that started campaigns still call, though they are not on the list any more


def found(token: UUID, user_id: int) -> UndoableAction:
    """Return the action of this team member. Raises NothingToUndo."""
    action = UndoableAction.objects.filter(uuid=token, user=user_id).first()
    if action is None:
        raise NothingToUndo
    return action


def organizations(action: UndoableAction) -> set[int]:
    """Return the keys of the organizations in which the action changed something."""
    return set(action.changes.order_by().values_list("organization_id", flat=True).distinct())


def undo(action: UndoableAction, *, actor: str) -> Result:
    """Restore what the action changed and nobody changed since, some in each transaction.

    A change is deleted in the transaction that restores it. So two undos at once have one effect, and an undo that
    failed halfway continues when it is sent again within the minute. Raises NothingToUndo or TooLate.
    """
    # The clock of the database, not that of this machine, says when the minute is over.
    in_time = UndoableAction.objects.filter(pk=action.pk, done_at__gt=Now() - WITHIN)
    if not in_time.update(undone_at=Coalesce("undone_at", Now())):
        raise NothingToUndo if action.undone_at else TooLate
    restored = still_called = 0
    while keys := _next(action):
        with transaction.atomic():
            part = _UNDO[Kind(action.kind)](keys, actor)
            UndoableChange.objects.filter(pk__in=keys).delete()
        restored += part.contacts
        still_called += part.still_called
    if action.undone_at and not restored:
        raise NothingToUndo
    return Result(restored, action.size - restored, still_called)


def _next(action: UndoableAction) -> list[int]:
    """Return the next changes, all of one organization and list."""
    first = action.changes.order_by("pk").first()
    if first is None:
        return []
    alike = action.changes.filter(organization=first.organization_id, contact_list=first.contact_list_id)
    return list(alike.order_by("pk").values_list("pk", flat=True)[:AT_ONCE])


def _undo_hold(keys: Collection[int], actor: str) -> Undone:
    return Undone(recipients.undo_hold(keys, actor))


def _undo_listing(keys: Collection[int], actor: str) -> Undone:
    return Undone(entries.undo_addition(keys, actor))


_UNDO: dict[Kind, Callable[[Collection[int], str], Undone]] = {
    Kind.HOLD: _undo_hold,
    Kind.ADD: list_members.undo_addition,
    Kind.REMOVE: list_members.undo_removal,
    Kind.BAR: _undo_listing,
}
