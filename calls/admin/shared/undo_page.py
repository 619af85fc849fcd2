"""The button *Undo* beside the message about a hold, a change of a list, or an addition to the do-not-call list."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme

from calls.actions import undo
from calls.actions.undo import NothingToUndo, Result, TooLate
from campaigns.undoable import Kind
from campaigns.wording import contacts, counted
from tenants.backoffice.roles import reach_of
from tenants.policy import Action

ACTIONS = {
    Kind.HOLD: Action.HOLD_CONTACT,
    Kind.ADD: Action.CHANGE_LIST,
    Kind.REMOVE: Action.CHANGE_LIST,
    Kind.BAR: Action.BAR_NUMBER,
}
LATE = "It is too late to undo this: a minute is over."
INSTEAD = {
    Kind.HOLD: "Lift the hold on the contact's page instead.",
    Kind.ADD: "Remove the contacts from the list instead.",
    Kind.REMOVE: "Add the contacts to the list again instead.",
    Kind.BAR: "A manager can choose “Allow calls again” on the number's page in the do-not-call list instead.",
}
NOTHING = "There is nothing to undo: it was undone before, or another team member did it."


def view(request: HttpRequest, token: UUID) -> HttpResponse:
    """Undo an action of the user, once, and return to the page."""
    if request.method != "POST":  # such as after a sign-in, when the form was sent without a session
        return redirect("admin:index")
    _undo(request, token)
    back = request.POST.get("next", "")
    return redirect(back if url_has_allowed_host_and_scheme(back, None) else "admin:index")


def _undo(request: HttpRequest, token: UUID) -> None:
    try:
        action = undo.found(token, request.user.pk or 0)
    except NothingToUndo:
        messages.warning(request, NOTHING)
        return
    kind, reach = Kind(action.kind), reach_of(request)
    if not all(reach.may(ACTIONS[kind], home) for home in undo.organizations(action)):
        raise PermissionDenied
    try:
        result = undo.undo(action, actor=reach.actor)
    except TooLate:
        messages.warning(request, f"{LATE} {INSTEAD[kind]}")
    except NothingToUndo:
        messages.warning(request, NOTHING)
    else:
        said = _sentence(kind, result)
        (messages.success if result.restored else messages.warning)(request, said)


def _sentence(kind: Kind, result: Result) -> str:
    things, were = _things(kind, result.restored), "was" if result.restored == 1 else "were"
    done = {
        Kind.HOLD: f"Undone: the hold of {things} is as it was before. Recipients that waited wait again, within the "
        "calling rules. Calls that ended meanwhile are not started again.",
        Kind.ADD: f"Undone: {things} {were} taken off the list.",
        Kind.REMOVE: f"Undone: {things} {were} put on the list again.",
        Kind.BAR: f"Undone: {things} {were} taken off the do-not-call list. Calls and recipients that ended because of "
        "it are not started again.",
    }
    said = done[kind] if result.restored else "Nothing was undone."
    if still := result.still_called:
        said += f" Campaigns that have started still call {contacts(still)} of these: hold or withdraw those who must "
        said += "not be called."
    if result.stayed == 1:
        said += f" {_things(kind, 1)} stays as it is, because it was changed or confirmed since."
    elif result.stayed:
        said += f" {_things(kind, result.stayed)} stay as they are, because they were changed or confirmed since."
    return said


def _things(kind: Kind, count: int) -> str:
    return counted(count, "number") if kind is Kind.BAR else contacts(count)
