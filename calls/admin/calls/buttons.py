"""What staff may decide about one call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.http import HttpRequest

from calls.models import Call, Status
from calls.outcomes import staff_decisions
from campaigns.phones import national
from tenants.backoffice.buttons import NotDone, Step
from tenants.backoffice.roles import Level, reach_of


class ConfirmForm(forms.Form):
    provider_call_id = forms.CharField(
        label="The provider's id of the call",
        max_length=200,
        widget=forms.TextInput(attrs={"class": "tl-input"}),
        help_text="As its dashboard shows it.",
    )
    reason = forms.CharField(
        label="How do you know?",
        max_length=400,
        widget=forms.Textarea(attrs={"rows": 3, "class": "tl-input"}),
        help_text="Kept with your name.",
    )


class ReleaseForm(forms.Form):
    reason = forms.CharField(
        label="How do you know that it was not placed?",
        max_length=400,
        widget=forms.Textarea(attrs={"rows": 3, "class": "tl-input"}),
        help_text="Kept with your name.",
    )


def _confirm(request: HttpRequest, obj: Call, values: Mapping[str, Any]) -> str:
    try:
        staff_decisions.confirm_placed(
            obj.pk, values["provider_call_id"].strip(), actor=reach_of(request).actor, reason=values["reason"]
        )
    except staff_decisions.DecisionRefused as error:
        raise NotDone(str(error)) from error
    return "The call counts as placed. Its outcome is read from the provider from now on."


def _release(request: HttpRequest, obj: Call, values: Mapping[str, Any]) -> str:
    try:
        staff_decisions.release(obj.pk, actor=reach_of(request).actor, reason=values["reason"])
    except staff_decisions.DecisionRefused as error:
        raise NotDone(str(error)) from error
    return "The call counts as never placed. The person may be called again."


def _cancel(request: HttpRequest, obj: Call, values: Mapping[str, Any]) -> str:
    if not staff_decisions.cancel(obj, "canceled_by_staff", "Canceled by staff.", actor=reach_of(request).actor):
        raise NotDone("The call is not queued any more: it has been placed, or has ended.")
    return "The call is canceled. Nobody was rung."


def _release_effect(obj: Call) -> list[str]:
    again = (
        "Its campaign may call the person again, within its rules."
        if obj.recipient_id
        else "Anybody may order another call to this number."
    )
    return [
        f"You say that {national(obj.to_number)} was not rung by this call.",
        again,
        "If the call was placed after all, the person is rung twice. Look in the provider's dashboard first.",
    ]


STEPS = (
    Step(
        "confirm-placed",
        "It was placed…",
        Level.OPERATOR,
        lambda obj: [
            "You found the call at the provider.",
            "It is followed by that id from now on, and is not placed again.",
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
        Level.OPERATOR,
        _release_effect,
        _release,
        offered=lambda obj: obj.status == Status.UNCONFIRMED,
        form=ReleaseForm,
        tone="danger",
        icon="undo",
        button="It was not placed: release",
    ),
    Step(
        "cancel",
        "Cancel",
        Level.OPERATOR,
        lambda obj: [
            f"{national(obj.to_number)} is not rung by this call.",
            "This cannot be undone; order a new call instead.",
        ],
        _cancel,
        offered=lambda obj: obj.status == Status.QUEUED,
        tone="danger",
        icon="call_end",
        button="Cancel the call",
    ),
)
