"""The buttons on a campaign's page. Each asks for confirmation and names its effect."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone

from calls.actions import campaign_edits, campaigns, held_recipients, quiescing
from calls.actions.held_recipients import Verdict
from calls.admin.campaigns import button_effects as effects
from calls.admin.campaigns.wizard_steps import findings_of
from calls.reports import preflight
from campaigns.copying import copy_of
from campaigns.models import Campaign
from campaigns.wording import recipients as counted
from tenants.backoffice.buttons import NotDone, Step
from tenants.backoffice.forms import LineField
from tenants.backoffice.local_time import local_time
from tenants.backoffice.roles import reach_of
from tenants.backoffice.scoped_admin import page_of
from tenants.policy import Action

S = Campaign.Status


class HeldForm(forms.Form):
    variable = LineField(
        label="Only recipients held for this value alone",
        required=False,
        max_length=64,
        widget=forms.TextInput(attrs={"class": "tl-input"}),
        help_text="The name of a variable, or customer_name for the contact's name. Empty: all held recipients.",
    )


def _held(verdict: Verdict, sentence: str) -> Callable[[HttpRequest, Any, Mapping[str, Any]], str]:
    def perform(request: HttpRequest, obj: Campaign, values: Mapping[str, Any]) -> str:
        try:
            n = held_recipients.decide_all(obj, verdict, actor=reach_of(request).actor, variable=values["variable"])
        except quiescing.IllegalTransition as error:
            raise NotDone(str(error)) from error
        if not n:
            what = "for this value alone. Leave the field empty for all" if values["variable"] else "any more"
            raise NotDone(f"No recipient is held {what}.")
        return f"{counted(n)} {'is' if n == 1 else 'are'} {sentence}"

    return perform


def _has_held(obj: Campaign) -> bool:
    """Return whether a campaign that its page has read holds recipients."""
    return obj.status in Campaign.STARTED and bool(getattr(obj, "has_held", False))


def _run(action: Callable[..., None], sentence: str) -> Callable[[HttpRequest, Any, Mapping[str, Any]], str]:
    def perform(request: HttpRequest, obj: Campaign, values: Mapping[str, Any]) -> str:
        try:
            action(obj, actor=reach_of(request).actor)
        except preflight.NotReady as error:
            raise NotDone(str(error)) from error
        except quiescing.IllegalTransition as error:
            raise NotDone(str(error)) from error
        obj.refresh_from_db()
        return sentence.format(name=obj.name, status=obj.get_status_display().lower(), starts=local_time(obj.starts_at))

    return perform


def _copy(request: HttpRequest, obj: Campaign, values: Mapping[str, Any]) -> HttpResponse:
    page = page_of(Campaign)
    with transaction.atomic():
        draft = copy_of(obj, timezone.now())
        page.audit(request, draft, "added", {"copy_of": str(obj.uuid)})
    messages.success(request, f"“{draft.name}” is a draft. Review its steps; it calls nobody until you start it.")
    return redirect(page.url("whom", draft.pk))


STEPS = (
    Step(
        "start",
        "Start calling",
        Action.RUN_CAMPAIGN,
        effects.start_effect,
        _run(campaigns.start, "“{name}” is {status}."),
        offered=lambda obj: obj.status == S.DRAFT,
        tone="primary",
        icon="play_arrow",
        findings=findings_of,
        blocked="Before it can start",
        part="forecast",
    ),
    Step(
        "pause",
        "Pause",
        Action.RUN_CAMPAIGN,
        effects.pause_effect,
        _run(campaigns.pause, "“{name}” is paused. It places no more calls."),
        offered=lambda obj: obj.status in {S.RUNNING, S.SCHEDULED},
        icon="pause",
        button="Pause the campaign",
        stops=True,
    ),
    Step(
        "resume",
        "Resume",
        Action.RUN_CAMPAIGN,
        effects.resume_effect,
        _run(campaigns.resume, "“{name}” is {status} again."),
        offered=lambda obj: obj.status == S.PAUSED,
        tone="primary",
        icon="play_arrow",
        button="Resume calling",
        part="forecast",
    ),
    Step(
        "reopen",
        "Reopen",
        Action.RUN_CAMPAIGN,
        effects.reopen_effect,
        _run(campaigns.reopen, "“{name}” is running again."),
        offered=lambda obj: obj.status == S.FINISHED,
        icon="restart_alt",
        button="Reopen the campaign",
        findings=findings_of,
        blocked="Before it can be reopened",
    ),
    Step(
        "refresh",
        "Add new contacts",
        Action.RUN_CAMPAIGN,
        effects.refresh_effect,
        _run(campaign_edits.refresh, "“{name}” is adding the new contacts of its lists."),
        offered=lambda obj: obj.status in {S.RUNNING, S.PAUSED},
        icon="group_add",
        button="Add them",
    ),
    Step(
        "send-held",
        "Call held recipients",
        Action.STEER_RECIPIENT,
        effects.send_held_effect,
        _held(Verdict.SEND, "called with the values as they are."),
        offered=_has_held,
        form=HeldForm,
        icon="record_voice_over",
        button="Send the values as they are",
    ),
    Step(
        "skip-held",
        "Skip held recipients",
        Action.STEER_RECIPIENT,
        effects.skip_held_effect,
        _held(Verdict.SKIP, "not called."),
        offered=_has_held,
        form=HeldForm,
        icon="voice_over_off",
        button="Skip them",
        stops=True,
    ),
    Step(
        "cancel",
        "Cancel campaign",
        Action.RUN_CAMPAIGN,
        effects.cancel_effect,
        _run(campaigns.cancel, "“{name}” is permanently canceled."),
        offered=lambda obj: obj.status in {S.DRAFT, S.SCHEDULED, S.RUNNING, S.PAUSED},
        tone="danger",
        icon="stop",
        button="Cancel the campaign permanently",
        stops=True,
    ),
    Step(
        "copy",
        "Copy as a new campaign",
        Action.CHANGE_CAMPAIGN,
        effects.copy_effect,
        _copy,
        icon="content_copy",
        button="Create the copy",
    ),
)
