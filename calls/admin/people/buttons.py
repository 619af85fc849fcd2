"""The buttons on the pages of contacts, recipients and scheduled callbacks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone

from calls.actions import erasure, held_recipients, recipients, scheduled_callbacks
from calls.actions.held_recipients import Verdict
from calls.actions.quiescing import IllegalTransition
from calls.actions.single_calls import Refused
from calls.models import CallBack
from campaigns.models import Campaign, Contact, Recipient
from campaigns.undoable import Kind, Undoable
from tenants.backoffice.buttons import Done, NotDone, ReasonForm, Step
from tenants.backoffice.forms import LineField
from tenants.backoffice.local_time import local_time
from tenants.backoffice.roles import reach_of
from tenants.backoffice.scoped_admin import page_of
from tenants.backoffice.typed_times import LocalTimeField
from tenants.policy import Action

CALLBACK_COLOURS = {"Scheduled": "info", "Kept": "success", "Missed": "danger", "Canceled": "default"}
INPUT = {"class": "tl-input"}
FINISHED = (Recipient.Status.DONE, Recipient.Status.SKIPPED, Recipient.Status.WITHDRAWN)


class HoldForm(forms.Form):
    until = LocalTimeField("Until", required=False, help_text="Empty: until a team member lifts the hold.")
    reason = LineField(required=False, max_length=200, widget=forms.TextInput(attrs=INPUT))

    def clean_until(self) -> Any:
        until = self.cleaned_data["until"]
        if until and until <= timezone.now():
            raise forms.ValidationError("This time is in the past.")
        return until


class CallbackForm(forms.Form):
    at = LocalTimeField("Time", help_text="The time the contact asked for.")
    tolerance = forms.IntegerField(
        label="Maximum delay (minutes)",
        min_value=1,
        max_value=24 * 60,
        initial=30,
        widget=forms.NumberInput(attrs=INPUT),
    )
    note = LineField(required=False, max_length=500, widget=forms.TextInput(attrs=INPUT))


class EraseForm(ReasonForm):
    never_again = forms.BooleanField(
        label="Put the number on the do-not-call list",
        required=False,
        initial=True,
        help_text="Otherwise the next import may create the contact again.",
    )


def _withdraw(request: HttpRequest, obj: Recipient, values: Mapping[str, Any]) -> str:
    try:
        recipients.withdraw(obj, actor=reach_of(request).actor)
    except IllegalTransition as error:
        raise NotDone(str(error)) from error
    return f"{obj.contact} is withdrawn. This campaign places no more calls to this recipient."


def _decide(verdict: Verdict, sentence: str) -> Callable[[HttpRequest, Recipient, Mapping[str, Any]], str]:
    def perform(request: HttpRequest, obj: Recipient, values: Mapping[str, Any]) -> str:
        try:
            held_recipients.decide(obj, verdict, actor=reach_of(request).actor)
        except IllegalTransition as error:
            raise NotDone(str(error)) from error
        return sentence.format(obj.contact)

    return perform


def _erase(request: HttpRequest, obj: Contact, values: Mapping[str, Any]) -> HttpResponse:
    name = str(obj)
    try:
        erasure.erase(obj, actor=reach_of(request).actor, reason=values["reason"], never_again=values["never_again"])
    except IllegalTransition as error:
        raise NotDone(str(error)) from error
    messages.success(request, f"{name} is erased.")
    return redirect(page_of(Contact).url("changelist"))


def _contact(obj: Recipient | Contact) -> Contact:
    return obj.contact if isinstance(obj, Recipient) else obj


def _hold(request: HttpRequest, obj: Recipient | Contact, values: Mapping[str, Any]) -> Done:
    contact, undoable = _contact(obj), Undoable(Kind.HOLD, request.user.pk or 0)
    actor = reach_of(request).actor
    recipients.hold(contact, actor=actor, until=values["until"], reason=values["reason"], undoable=undoable)
    return Done(f"{contact} is on hold. The organization does not call this contact.", undoable.token)


def _unhold(request: HttpRequest, obj: Recipient | Contact, values: Mapping[str, Any]) -> str:
    contact = _contact(obj)
    recipients.unhold(contact, actor=reach_of(request).actor)
    return f"{contact} may be called again."


def _schedule_callback(request: HttpRequest, obj: Recipient, values: Mapping[str, Any]) -> str:
    actor, tolerance = reach_of(request).actor, timedelta(minutes=values["tolerance"])
    try:
        found = scheduled_callbacks.schedule(obj, values["at"], actor=actor, note=values["note"], tolerance=tolerance)
    except Refused as error:
        raise NotDone(f"{error} Next allowed: {local_time(error.until)}." if error.until else str(error)) from error
    except IllegalTransition as error:
        raise NotDone(str(error)) from error
    return f"The callback to {obj.contact} is scheduled for {local_time(found.due_at)}."


def _cancel(request: HttpRequest, obj: Recipient | CallBack, values: Mapping[str, Any]) -> str:
    found = obj if isinstance(obj, CallBack) else _due(obj)
    if found is None:
        raise NotDone("No scheduled callback to this recipient is due.")
    try:
        scheduled_callbacks.cancel(found, actor=reach_of(request).actor)
    except IllegalTransition as error:
        raise NotDone(str(error)) from error
    return f"The scheduled callback to {found.contact} is canceled."


def latest_callback(recipient: Recipient) -> CallBack | None:
    """Return the recipient's latest scheduled callback, cached on the instance.

    A due callback is always the latest, because no other is scheduled beside it.
    """
    found: list[CallBack] | None = recipient.__dict__.get("_latest_callback")
    if found is None:
        found = recipient.__dict__["_latest_callback"] = list(recipient.call_backs.all()[:1])
    return found[0] if found else None


def _due(recipient: Recipient) -> CallBack | None:
    found = latest_callback(recipient)
    return found if found and found.status == CallBack.Status.DUE else None


def _may_be_scheduled(obj: Recipient) -> bool:
    started = obj.campaign.status in Campaign.STARTED
    return started and obj.status != Recipient.Status.WITHDRAWN and _due(obj) is None


CANCEL = Step(
    "cancel-call-back",
    "Cancel scheduled callback",
    Action.STEER_RECIPIENT,
    lambda obj: [
        "The contact will not be called at the time asked for.",
        "The campaign continues with this recipient as before.",
    ],
    _cancel,
    offered=lambda obj: bool(obj.status == CallBack.Status.DUE if isinstance(obj, CallBack) else _due(obj)),
    tone="danger",
    icon="phone_disabled",
    stops=True,
)
CALLBACK_STEPS = (CANCEL,)
ERASE = Step(
    "erase",
    "Erase…",
    Action.ERASE_CONTACT,
    lambda obj: [
        f"The name, the phone number, the variables and the external ID of {obj} are permanently deleted, here and on "
        "every call, together with results and raw payloads.",
        "The contact leaves all lists and campaigns. Queued calls are canceled.",
        "The records of its calls stay: when they were placed, under which rules, how they ended and what they cost.",
        "A do-not-call entry of the number stays in force. Without one, the number stays on the do-not-call list for "
        "as long as its last calls count (a day, or thirty). Only a keyed hash of the number is kept.",
        "Providers and your own systems keep their own records: ask them. Imported files are deleted automatically, "
        "rejected rows at the latest thirty days after the import.",
        "You cannot undo this.",
    ],
    _erase,
    form=EraseForm,
    tone="danger",
    icon="person_off",
    button="Erase this contact permanently",
)
CONTACT_STEPS = (
    Step(
        "hold",
        "Hold",
        Action.HOLD_CONTACT,
        lambda obj: [
            "The organization does not call this contact: no campaign, no single call, no call by API.",
            "A call under way continues to its end.",
        ],
        _hold,
        offered=lambda obj: not _contact(obj).held(timezone.now()),
        form=HoldForm,
        icon="pause",
        button="Put on hold",
        stops=True,
    ),
    Step(
        "unhold",
        "Lift the hold",
        Action.HOLD_CONTACT,
        lambda obj: ["Campaigns may call this contact again, within the calling windows and the rules."],
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
        Action.STEER_RECIPIENT,
        lambda obj: [
            "The contact is called at that time, before all other recipients. The callback replaces a retry.",
            "If no call can be placed in time, the callback counts as missed and raises an alert.",
        ],
        _schedule_callback,
        offered=_may_be_scheduled,
        form=CallbackForm,
        tone="primary",
        icon="phone_callback",
        button="Schedule the callback",
    ),
    CANCEL,
    Step(
        "send-as-is",
        "Send values as they are",
        Action.STEER_RECIPIENT,
        lambda obj: [
            f"{obj.contact} is called with the values as they are, now and in later attempts.",
            "To correct a value instead, edit the contact. The recipient is then called by itself.",
        ],
        _decide(Verdict.SEND, "{} is called with the values as they are."),
        offered=lambda obj: obj.held and obj.campaign.status in Campaign.STARTED,
        tone="primary",
        icon="record_voice_over",
    ),
    Step(
        "skip",
        "Skip",
        Action.STEER_RECIPIENT,
        lambda obj: ["This campaign does not call the recipient. Other campaigns may."],
        _decide(Verdict.SKIP, "{} will not be called by this campaign."),
        offered=lambda obj: obj.held and obj.campaign.status in Campaign.STARTED,
        icon="voice_over_off",
        button="Skip the recipient",
        stops=True,
    ),
    *CONTACT_STEPS,
    Step(
        "withdraw",
        "Withdraw",
        Action.STEER_RECIPIENT,
        lambda obj: [
            "This campaign does not call the recipient any more. Other campaigns may.",
            "A call under way continues to its end.",
            "You cannot undo this.",
        ],
        _withdraw,
        offered=lambda obj: obj.status not in FINISHED,
        tone="danger",
        icon="person_remove",
        button="Withdraw from the campaign",
        stops=True,
    ),
)


def callback_link(found: CallBack | None) -> Any:
    """Return a scheduled callback as a fact: its address and text, or a dash."""
    if found is None:
        return "-"
    text = f"{found.get_status_display()}: {local_time(found.due_at)}"
    return (reverse("admin:calls_callback_change", args=[found.pk]), text)


def hold_text(contact: Contact) -> str:
    """Return until when and why the contact is on hold, or a dash."""
    if not contact.held(timezone.now()):
        return "-"
    text = "The organization does not call this contact"
    if contact.hold_until:
        text += f" until {local_time(contact.hold_until)}"
    return f"{text}: {contact.hold_reason}" if contact.hold_reason else f"{text}."
