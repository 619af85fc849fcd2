"""Actions on an object besides editing its fields: one button, one confirmation page, one effect."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse

from tenants.backoffice.forms import LinesField
from tenants.policy import Action

UNDO = "undo:"  # of a message's tags; the token follows


class NotDone(Exception):
    """The step was refused. The message is a sentence for the user."""


@dataclass(frozen=True)
class Done:
    """What was done, in a sentence for the user. `undo`: the token of the button *Undo* beside it, or ""."""

    sentence: str
    undo: str = ""


def say(request: HttpRequest, done: str | Done) -> None:
    """Show what was done on the next page. `templates/trunkline/done.html` makes the button."""
    if isinstance(done, str):
        done = Done(done)
    messages.success(request, done.sentence, extra_tags=f"{UNDO}{done.undo}" if done.undo else "")


@dataclass(frozen=True)
class Finding:
    """What a team member should know before a step, and the page that fixes it, if there is one."""

    message: str
    url: str = ""
    where: str = ""  # the title of that page
    prevents: bool = True  # the step is refused meanwhile


@dataclass(frozen=True)
class Found:
    """What prevents a step, and what does not."""

    blockers: Sequence[Finding] = ()
    notes: Sequence[Finding] = ()


def sorted_out(findings: Sequence[Finding]) -> Found:
    blockers = [each for each in findings if each.prevents]
    return Found(blockers, [each for each in findings if not each.prevents])


@dataclass(frozen=True)
class Step:
    """An action on an object, confirmed on a page that states its effect.

    `perform(request, obj, values)` returns what was done, or a response of its own. It raises NotDone.
    """

    name: str  # part of the URL
    label: str
    action: Action
    effect: Callable[[Any], Sequence[str]]
    perform: Callable[[HttpRequest, Any, Mapping[str, Any]], str | Done | HttpResponse]
    offered: Callable[[Any], bool] = lambda _: True
    form: type[forms.Form] | None = None
    tone: str = "default"  # default, primary, danger
    icon: str = ""
    button: str = ""  # on the confirmation page; the label if empty
    in_sight: bool = False  # a destructive step that stays beside the others: it decides the page or prevents a call
    part: str = ""  # URL name of a page about the object, which the confirmation page loads below
    findings: Callable[[Any], Sequence[Finding]] = lambda _: ()  # while one prevents the step, its button is off
    blocked: str = ""  # the title of the box with what prevents the step
    stops: bool = False  # it only keeps calls from being placed: sent again, it is done again (`once`)

    @property
    def in_menu(self) -> bool:
        """Whether the button is in the menu “More”, so that nobody presses it in passing."""
        return self.tone == "danger" and not self.in_sight


class ReasonForm(forms.Form):
    reason = LinesField(
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 3, "class": "tl-input"}),
        help_text="Recorded in the audit log with your name.",
    )


@dataclass(frozen=True)
class Option:
    """One option on a page that is shown before a form."""

    value: str
    title: str
    detail: str = ""
