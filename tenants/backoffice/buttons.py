"""What people do to an object beside changing its fields: one button, one question, one effect."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse

from tenants.backoffice.roles import Level


class NotDone(Exception):
    """A step could not be taken. A sentence for the person."""


@dataclass(frozen=True)
class Step:
    """Something a person does to an object, confirmed on a page that names the effect.

    `perform(request, obj, values)` answers a sentence, or a page of its own; raises NotDone.
    """

    name: str  # in the URL
    label: str
    level: Level
    effect: Callable[[Any], Sequence[str]]
    perform: Callable[[HttpRequest, Any, Mapping[str, Any]], str | HttpResponse]
    offered: Callable[[Any], bool] = lambda _: True
    form: type[forms.Form] | None = None
    tone: str = "default"  # default, primary, danger
    icon: str = ""
    button: str = ""  # on the confirmation; the label when empty
    part: str = ""  # a page about the object, by the name of its address, that the confirmation shows once it is there


class ReasonForm(forms.Form):
    reason = forms.CharField(
        max_length=500, widget=forms.Textarea(attrs={"rows": 3, "class": "tl-input"}), help_text="Kept with your name."
    )


@dataclass(frozen=True)
class Option:
    """One choice of a page that comes before a form."""

    value: str
    title: str
    detail: str = ""
