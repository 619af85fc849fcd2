"""The buttons on the page of a call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.http import HttpRequest

from calls.models import Call, Status
from calls.models.statuses import MAY_BE_OVERDUE
from calls.outcomes import staff_decisions
from campaigns.phones import national
from tenants.backoffice.buttons import NotDone, Step
from tenants.backoffice.forms import LinesField
from tenants.backoffice.roles import reach_of
from tenants.policy import Action


class ConfirmForm(forms.Form):
    provider_call_id = forms.CharField(
        label="Provider's ID of the call",
        max_length=200,
        widget=forms.TextInput(attrs={"class": "tl-input"}),
        help_text="As shown in the provider's dashboard.",
    )
    reason = LinesField(
        label="How do you know?",
        max_length=400,
        widget=forms.Textarea(attrs={"rows": 3, "class": "tl-input"}),
        help_text="Recorded in the audit log.",
    )


class EndForm(forms.Form):
    reason = LinesField(
        label="How do you know that it is over?",
        max_length=400,
        widget=forms.Textarea(attrs={"rows": 3, "class": "tl-input"}),
        help_text="Recorded in the audit log.",
    )


class ReleaseForm(forms.Form):
    reason = LinesField(
        label="How do you know that it was not placed?",
        max_length=400,
        widget=forms.Textarea(attrs={"rows": 3, "class": "tl-input"}),
        help_text="Recorded in the audit log.",
    )


def _confirm(request: HttpRequest, obj: Call, values: Mapping[str, Any]) -> str:
    try:
        staff_decisions.confirm_placed(
            obj.pk, values["provider_call_id"].strip(), actor=reach_of(request).actor, reason=values["reason"]
        )
    except staff_decisions.DecisionRefused as error:
        raise NotDone(str(error)) from error
    return "The call counts as placed. Trunkline now follows it to its end."


def _release(request: HttpRequest, obj: Call, values: Mapping[str, Any]) -> str:
    try:
        staff_decisions.release(obj.pk, actor=reach_of(request).actor, reason=values["reason"])
    except staff_decisions.DecisionRefused as error:
        raise NotDone(str(error)) from error
    return "The call counts as not placed. The contact may be called again."


def _end(request: HttpRequest, obj: Call, values: Mapping[str, Any]) -> str:
    try:
        ended = staff_decisions.end(obj.pk, actor=reach_of(request).actor, reason=values["reason"])
    except staff_decisions.DecisionRefused as error:
        raise NotDone(str(error)) from error
    if not ended:
        raise NotDone("The call has ended meanwhile. Its page shows how.")
    return "The call counts as over. The contact may be called again."


def _cancel(request: HttpRequest, obj: Call, values: Mapping[str, Any]) -> str:
    if not staff_decisions.cancel(
        obj, "canceled_by_staff", "Canceled by a team member.", actor=reach_of(request).actor
    ):
        raise NotDone("The call is no longer queued: it was placed or has ended.")
    return "The call is canceled. No phone rang."


def _end_effect(obj: Call) -> list[str]:
    found = [
        f"You confirm that nobody is on the phone with {national(obj.to_number)} through this call any more.",
        "The outcome is unknown. If the provider still reports the end, the report replaces it.",
    ]
    if obj.recipient_id:
        found.append("The recipient is done with this campaign: an unknown outcome is never retried.")
    found.append("Other calls to the contact are allowed again, after the minimum gap from now.")
    return found


def _release_effect(obj: Call) -> list[str]:
    again = (
        "Its campaign may call the recipient again, within its rules."
        if obj.recipient_id
        else "Team members and programs may call this number again."
    )
    return [
        f"You confirm that this call did not ring {national(obj.to_number)}.",
        again,
        "If the call was placed after all, the contact is rung twice. First look in the provider's dashboard.",
    ]


STEPS = (
    Step(
        "confirm-placed",
        "It was placed…",
        Action.SETTLE_CALL,
        lambda obj: [
            "You confirm that the provider placed the call.",
            "Trunkline follows it by the provider's ID and does not place it again.",
        ],
        _confirm,
        offered=lambda obj: obj.status in (Status.UNCONFIRMED, Status.UNKNOWN),
        form=ConfirmForm,
        tone="primary",
        icon="check",
        button="It was placed",
    ),
    Step(
        "release",
        "It was not placed: release…",
        Action.SETTLE_CALL,
        _release_effect,
        _release,
        offered=lambda obj: obj.status == Status.UNCONFIRMED,
        form=ReleaseForm,
        tone="danger",
        in_sight=True,
        icon="undo",
        button="It was not placed: release",
    ),
    Step(
        "end",
        "This call is over…",
        Action.END_CALL,
        _end_effect,
        _end,
        offered=lambda obj: obj.status in MAY_BE_OVERDUE,
        form=EndForm,
        tone="danger",
        in_sight=True,
        icon="call_end",
        button="This call is over",
    ),
    Step(
        "cancel",
        "Cancel call",
        Action.CANCEL_CALL,
        lambda obj: [
            f"This call will not ring {national(obj.to_number)}.",
            "You cannot undo this. Launch a new call instead.",
        ],
        _cancel,
        offered=lambda obj: obj.status == Status.QUEUED,
        tone="danger",
        in_sight=True,
        icon="call_end",
        button="Cancel the call",
        stops=True,
    ),
)
