"""The buttons about one person: withdraw, hold, call back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone

from calls.actions import erasure, recipients, scheduled_callbacks
from calls.actions.quiescing import IllegalTransition
from calls.actions.single_calls import Refused
from calls.models import CallBack
from campaigns.models import Campaign, Contact, Recipient
from tenants.backoffice.buttons import NotDone, ReasonForm, Step
from tenants.backoffice.local_time import LocalTimeField, local_time
from tenants.backoffice.roles import Level, reach_of
from tenants.backoffice.scoped_admin import page_of

CALL_BACK_COLOURS = {"Due": "info", "Kept": "success", "Missed": "danger", "Canceled": "default"}
INPUT = {"class": "tl-input"}
OVER = (Recipient.Status.DONE, Recipient.Status.SKIPPED, Recipient.Status.WITHDRAWN)


class HoldForm(forms.Form):
    until = LocalTimeField("Until", required=False, help_text="Empty: until somebody lifts it.")
    reason = forms.CharField(required=False, max_length=200, widget=forms.TextInput(attrs=INPUT))

    def clean_until(self) -> Any:
        until = self.cleaned_data["until"]
        if until and until <= timezone.now():
            raise forms.ValidationError("This is in the past.")
        return until


class PromiseForm(forms.Form):
    at = LocalTimeField("When", help_text="The time the person asked for.")
    tolerance = forms.IntegerField(
        label="At most so many minutes later",
        min_value=1,
        max_value=24 * 60,
        initial=30,
        widget=forms.NumberInput(attrs=INPUT),
    )
    note = forms.CharField(required=False, max_length=500, widget=forms.TextInput(attrs=INPUT))


class EraseForm(ReasonForm):
    never_again = forms.BooleanField(
        label="Put the number on the do-not-call list",
        required=False,
        initial=True,
        help_text="Otherwise the next import may bring the person back.",
    )


def _withdraw(request: HttpRequest, obj: Recipient, values: Mapping[str, Any]) -> str:
    try:
        recipients.withdraw(obj, actor=reach_of(request).actor)
    except IllegalTransition as error:
        raise NotDone(str(error)) from error
    return f"{obj.contact} is withdrawn. Nothing further of this campaign is placed to this person."


def _erase(request: HttpRequest, obj: Contact, values: Mapping[str, Any]) -> HttpResponse:
    who = str(obj)
    try:
        erasure.erase(obj, actor=reach_of(request).actor, reason=values["reason"], never_again=values["never_again"])
    except IllegalTransition as error:
        raise NotDone(str(error)) from error
    messages.success(request, f"{who} is erased.")
    return redirect(page_of(Contact).url("changelist"))


def _contact(obj: Recipient | Contact) -> Contact:
    return obj.contact if isinstance(obj, Recipient) else obj


def _hold(request: HttpRequest, obj: Recipient | Contact, values: Mapping[str, Any]) -> str:
    contact = _contact(obj)
    recipients.hold(contact, actor=reach_of(request).actor, until=values["until"], reason=values["reason"])
    return f"{contact} is on hold: nobody calls this person now."


def _unhold(request: HttpRequest, obj: Recipient | Contact, values: Mapping[str, Any]) -> str:
    contact = _contact(obj)
    recipients.unhold(contact, actor=reach_of(request).actor)
    return f"{contact} may be called again."


def _promise(request: HttpRequest, obj: Recipient, values: Mapping[str, Any]) -> str:
    actor, tolerance = reach_of(request).actor, timedelta(minutes=values["tolerance"])
    try:
        found = scheduled_callbacks.schedule(obj, values["at"], actor=actor, note=values["note"], tolerance=tolerance)
    except Refused as error:
        raise NotDone(f"{error} Next allowed: {local_time(error.until)}." if error.until else str(error)) from error
    except IllegalTransition as error:
        raise NotDone(str(error)) from error
    return f"{obj.contact} is called back at {local_time(found.due_at)}."


def _cancel(request: HttpRequest, obj: Recipient | CallBack, values: Mapping[str, Any]) -> str:
    found = obj if isinstance(obj, CallBack) else _due(obj)
    if found is None:
        raise NotDone("No call-back to this person is due.")
    try:
        scheduled_callbacks.cancel(found, actor=reach_of(request).actor)
    except IllegalTransition as error:
        raise NotDone(str(error)) from error
    return f"{found.contact} is not called back."


def latest_call_back(recipient: Recipient) -> CallBack | None:
    """Looked up once for a page; one that is due is the latest, because no other is promised beside it."""
    found: list[CallBack] | None = recipient.__dict__.get("_latest_call_back")
    if found is None:
        found = recipient.__dict__["_latest_call_back"] = list(recipient.call_backs.all()[:1])
    return found[0] if found else None


def _due(recipient: Recipient) -> CallBack | None:
    found = latest_call_back(recipient)
    return found if found and found.status == CallBack.Status.DUE else None


def _may_be_promised(obj: Recipient) -> bool:
    going = obj.campaign.status in (Campaign.Status.RUNNING, Campaign.Status.PAUSED)
    return going and obj.status != Recipient.Status.WITHDRAWN and _due(obj) is None


CANCEL = Step(
    "cancel-call-back",
    "Cancel call-back",
    Level.OPERATOR,
    lambda obj: ["The person is not called at the time they asked for.", "The campaign goes on with them as before."],
    _cancel,
    offered=lambda obj: bool(obj.status == CallBack.Status.DUE if isinstance(obj, CallBack) else _due(obj)),
    tone="danger",
    icon="phone_disabled",
)
CALL_BACK_STEPS = (CANCEL,)
ERASE = Step(
    "erase",
    "Erase…",
    Level.MANAGER,
    lambda obj: [
        f"The name, the number, the variables and your id of {obj} go for good, here and on every call, with what "
        "was said to them and what came back.",
        "The person leaves every list and campaign; calls that wait in the queue are canceled.",
        "That calls were made stays: when, by which rules, how they ended and what they cost.",
        "A do-not-call entry of the number stays in force; without one, the number rests for as long as its last calls "
        "count (a day, or thirty). Only a keyed hash of the number is kept.",
        "What providers and your own systems know is not touched: ask them. Imported files go by themselves, rejected "
        "rows last, thirty days after the import.",
        "This cannot be undone.",
    ],
    _erase,
    form=EraseForm,
    tone="danger",
    icon="person_off",
    button="Erase this person for good",
)
CONTACT_STEPS = (
    Step(
        "hold",
        "Hold",
        Level.OPERATOR,
        lambda obj: [
            "Nobody of the organization calls this person: no campaign, no single call, no program.",
            "A call under way goes on to its end.",
        ],
        _hold,
        offered=lambda obj: not _contact(obj).held(timezone.now()),
        form=HoldForm,
        icon="pause",
        button="Put on hold",
    ),
    Step(
        "unhold",
        "Lift the hold",
        Level.OPERATOR,
        lambda obj: ["Campaigns may call this person again, within the calling windows and the rules."],
        _unhold,
        offered=lambda obj: _contact(obj).held(timezone.now()),
        tone="primary",
        icon="play_arrow",
    ),
)
RECIPIENT_STEPS = (
    Step(
        "call-back",
        "Call back at…",
        Level.OPERATOR,
        lambda obj: [
            "The person is called at that time, before all other people. It takes the place of a retry.",
            "When nothing could be placed in time, the call-back counts as missed and you are told.",
        ],
        _promise,
        offered=_may_be_promised,
        form=PromiseForm,
        tone="primary",
        icon="phone_callback",
        button="Promise the call-back",
    ),
    CANCEL,
    *CONTACT_STEPS,
    Step(
        "withdraw",
        "Withdraw",
        Level.OPERATOR,
        lambda obj: [
            "This campaign does not call the person any more. Other campaigns may.",
            "A call under way goes on to its end.",
            "This cannot be undone.",
        ],
        _withdraw,
        offered=lambda obj: obj.status not in OVER,
        tone="danger",
        icon="person_remove",
        button="Withdraw from the campaign",
    ),
)


def call_back_link(found: CallBack | None) -> Any:
    """A call-back among the facts of a person."""
    if found is None:
        return "-"
    text = f"{found.get_status_display()}: {local_time(found.due_at)}"
    return (reverse("admin:calls_callback_change", args=[found.pk]), text)


def hold_words(contact: Contact) -> str:
    if not contact.held(timezone.now()):
        return "-"
    until = "Nobody calls this person"
    if contact.hold_until:
        until += f" until {local_time(contact.hold_until)}"
    return f"{until}: {contact.hold_reason}" if contact.hold_reason else f"{until}."
