"""What staff do to a campaign with one button, and what each button says it will do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone

from calls.actions import campaign_edits, campaigns, quiescing
from calls.admin.campaigns import button_effects as effects
from calls.reports import preflight
from campaigns.copying import copy_of
from campaigns.models import Campaign
from tenants.backoffice.buttons import NotDone, Step
from tenants.backoffice.local_time import local_time
from tenants.backoffice.roles import Level, reach_of
from tenants.backoffice.scoped_admin import page_of

S = Campaign.Status


def _do(action: Callable[..., None], sentence: str) -> Callable[[HttpRequest, Any, Mapping[str, Any]], str]:
    def perform(request: HttpRequest, obj: Campaign, values: Mapping[str, Any]) -> str:
        try:
            action(obj, actor=reach_of(request).actor)
        except preflight.NotReady as error:
            faults = [problem.message for problem in error.problems if problem.severity == "error"]
            raise NotDone(f"The campaign cannot start yet. {' '.join(faults)}") from error
        except quiescing.IllegalTransition as error:
            raise NotDone(str(error)) from error
        obj.refresh_from_db()
        return sentence.format(name=obj.name, status=obj.get_status_display().lower(), starts=local_time(obj.starts_at))

    return perform


def _copy(request: HttpRequest, obj: Campaign, values: Mapping[str, Any]) -> HttpResponse:
    page = page_of(Campaign)
    made = copy_of(obj, timezone.now())
    page.audit(request, made, "added", {"copy_of": str(obj.uuid)})
    messages.success(request, f"“{made.name}” is a draft: look through its steps, it calls nobody until you start it.")
    return redirect(page.url("whom", made.pk))


STEPS = (
    Step(
        "start",
        "Start",
        Level.OPERATOR,
        effects.start_effect,
        _do(campaigns.start, "“{name}” is {status}."),
        offered=lambda obj: obj.status == S.DRAFT,
        tone="primary",
        icon="play_arrow",
        button="Start calling",
        part="forecast",
    ),
    Step(
        "pause",
        "Pause",
        Level.OPERATOR,
        effects.pause_effect,
        _do(campaigns.pause, "“{name}” is paused. Nothing of it can be placed any more."),
        offered=lambda obj: obj.status in {S.RUNNING, S.SCHEDULED},
        icon="pause",
        button="Pause the campaign",
    ),
    Step(
        "resume",
        "Resume",
        Level.OPERATOR,
        effects.resume_effect,
        _do(campaigns.resume, "“{name}” is {status} again."),
        offered=lambda obj: obj.status == S.PAUSED,
        tone="primary",
        icon="play_arrow",
        button="Resume calling",
        part="forecast",
    ),
    Step(
        "refresh",
        "Take in new people",
        Level.OPERATOR,
        effects.refresh_effect,
        _do(campaign_edits.refresh, "“{name}” takes in the people added to its lists."),
        offered=lambda obj: obj.status in {S.RUNNING, S.PAUSED},
        icon="group_add",
        button="Take them in",
    ),
    Step(
        "cancel",
        "Cancel campaign",
        Level.OPERATOR,
        effects.cancel_effect,
        _do(campaigns.cancel, "“{name}” is canceled for good."),
        offered=lambda obj: obj.status in {S.DRAFT, S.SCHEDULED, S.RUNNING, S.PAUSED},
        tone="danger",
        icon="stop",
        button="Cancel the campaign for good",
    ),
    Step(
        "copy",
        "Copy as a new campaign",
        Level.MANAGER,
        effects.copy_effect,
        _copy,
        icon="content_copy",
        button="Make the copy",
    ),
)
