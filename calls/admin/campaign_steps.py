"""What staff do to a campaign with one button, and what each button says it will do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone

from calls import campaign_actions, live_edits
from calls import forecast as forecasting
from calls.admin import words
from calls.admin.campaign_figures import FORECAST_AT_ONCE
from campaigns.copying import copy_of
from campaigns.models import Campaign, ContactListMember, Recipient
from tenants.local_time import local_time
from tenants.staff import (
    Level,
    NotDone,
    Step,
    page_of,
    reach_of,
)

S = Campaign.Status


def _do(action: Callable[..., None], sentence: str) -> Callable[[HttpRequest, Any, Mapping[str, Any]], str]:
    def perform(request: HttpRequest, obj: Campaign, values: Mapping[str, Any]) -> str:
        try:
            action(obj, actor=reach_of(request).actor)
        except campaign_actions.NotReady as error:
            faults = [problem.message for problem in error.problems if problem.severity == "error"]
            raise NotDone(f"The campaign cannot start yet. {' '.join(faults)}") from error
        except campaign_actions.IllegalNow as error:
            raise NotDone(str(error)) from error
        obj.refresh_from_db()
        return sentence.format(name=obj.name, status=obj.get_status_display().lower(), starts=local_time(obj.starts_at))

    return perform


def _start_effect(obj: Campaign) -> list[str]:
    people = ContactListMember.objects.filter(contact_list__campaigns=obj)[:100_001].count()
    shown = "more than 100,000" if people > 100_000 else f"{people:,}"
    found = [f"{shown} entries on its lists are called, each person once, within the calling windows and the rules."]
    if obj.starts_at:
        found.append(f"The first call is placed from {local_time(obj.starts_at)} on, or at once when that is past.")
    else:
        found.append("The first calls are placed within seconds.")
    problems = campaign_actions.problems(obj)
    if people <= FORECAST_AT_ONCE:
        seen = forecasting.forecast(obj, timezone.now())
        problems += forecasting.warnings(seen)
        if seen.finishes_at:
            found.append(f"It probably ends at {local_time(seen.finishes_at)}, after about {seen.calls:,} calls.")
        if seen.cost_high is not None:
            found.append(f"It costs {words.money(seen.cost_high, seen.currency)} at most.")
    return found + [problem.message for problem in problems]


def _open_calls(obj: Campaign) -> str:
    count = obj.calls.open().count()
    return (
        f"{count} call{'s' if count != 1 else ''} under way go{'es' if count == 1 else ''} on to the end."
        if count
        else "No call is under way."
    )


def _cancel_effect(obj: Campaign) -> list[str]:
    waiting = obj.recipients.filter(status__in=[Recipient.Status.PENDING, Recipient.Status.WAITING])[:100_001].count()
    return [
        f"{waiting:,} people who are still to be called are not called any more.",
        _open_calls(obj),
        "This cannot be undone. To stop for a while, pause the campaign instead.",
    ]


def _copy(request: HttpRequest, obj: Campaign, values: Mapping[str, Any]) -> HttpResponse:
    page = page_of(Campaign)
    made = copy_of(obj, timezone.now())
    page.audit(request, made, "added", {"copy_of": str(obj.uuid)})
    messages.success(request, f"“{made.name}” is a draft: look through its steps, it calls nobody until you start it.")
    return redirect(page.url("whom", made.pk))


def _copy_effect(obj: Campaign) -> list[str]:
    found = [
        "A new draft has the same lists, assistants, numbers, variables, windows, limits and budget.",
        "When it is started, everybody on these lists is called, those too whom this campaign has reached.",
        "Dates that have passed are left out.",
    ]
    lifted = "The reason to call outside the legal hours is not copied: give one again where it still holds."
    return [*found, lifted] if obj.legal_override else found


STEPS = (
    Step(
        "start",
        "Start",
        Level.OPERATOR,
        _start_effect,
        _do(campaign_actions.start, "“{name}” is {status}."),
        offered=lambda obj: obj.status == S.DRAFT,
        tone="primary",
        icon="play_arrow",
        button="Start calling",
    ),
    Step(
        "pause",
        "Pause",
        Level.OPERATOR,
        lambda obj: ["No further call of this campaign is placed until you resume it.", _open_calls(obj)],
        _do(campaign_actions.pause, "“{name}” is paused. Nothing of it can be placed any more."),
        offered=lambda obj: obj.status in {S.RUNNING, S.SCHEDULED},
        icon="pause",
        button="Pause the campaign",
    ),
    Step(
        "resume",
        "Resume",
        Level.OPERATOR,
        lambda obj: ["Calls go on within seconds, within the calling windows and the rules."],
        _do(campaign_actions.resume, "“{name}” is {status} again."),
        offered=lambda obj: obj.status == S.PAUSED,
        tone="primary",
        icon="play_arrow",
        button="Resume calling",
    ),
    Step(
        "refresh",
        "Take in new people",
        Level.OPERATOR,
        lambda obj: [
            "Whoever was put on one of its lists since it started is called, too. Nobody is called twice for it.",
            "Who was withdrawn stays withdrawn.",
        ],
        _do(live_edits.refresh, "“{name}” takes in the people added to its lists."),
        offered=lambda obj: obj.status in {S.RUNNING, S.PAUSED},
        icon="group_add",
        button="Take them in",
    ),
    Step(
        "cancel",
        "Cancel campaign",
        Level.OPERATOR,
        _cancel_effect,
        _do(campaign_actions.cancel, "“{name}” is canceled for good."),
        offered=lambda obj: obj.status in {S.DRAFT, S.SCHEDULED, S.RUNNING, S.PAUSED},
        tone="danger",
        icon="stop",
        button="Cancel the campaign for good",
    ),
    Step(
        "copy",
        "Copy as a new campaign",
        Level.MANAGER,
        _copy_effect,
        _copy,
        icon="content_copy",
        button="Make the copy",
    ),
)
