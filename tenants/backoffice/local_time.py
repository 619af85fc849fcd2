"""Times as a member of staff reads and writes them: in the zone they chose, which is always named."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import models
from django.db.models import OuterRef, Subquery
from django.utils import timezone
from django.utils.functional import lazy
from django.utils.html import format_html

from tenants.models import Membership


def local_time(moment: datetime | None, empty: str = "-") -> str:
    """A moment as staff read it: always with its zone."""
    return _shown(moment, "%Y-%m-%d %H:%M:%S") if moment else empty


def local_minute(moment: datetime | None, empty: str = "-") -> str:
    """The same without its seconds, for tables and sentences."""
    return _shown(moment, "%Y-%m-%d %H:%M") if moment else empty


def local_time_column(name: str, title: str) -> Callable[..., str]:
    """A list column or read-only field showing a moment with its zone."""

    @admin.display(description=title)
    def shown(_: Any, row: models.Model) -> str:
        moment = getattr(row, name)
        return format_html('<span class="tl-nowrap">{}</span>', local_minute(moment)) if moment else "-"

    shown.moment = name  # type: ignore[attr-defined]  # files have it in full
    return shown


def time_in(zone: ZoneInfo, moment: datetime, clock: str = "%H:%M") -> str:
    """The time of day in another zone, with the date where that is another one than here."""
    same_day = moment.astimezone(zone).date() == timezone.localtime(moment).date()
    return _shown(moment, clock if same_day else f"%Y-%m-%d {clock}", zone)


def _shown(moment: datetime, spelling: str, zone: ZoneInfo | None = None) -> str:
    local = timezone.localtime(moment, zone)
    name = f"{local:%Z}"
    return f"{local:{spelling}} {f'UTC{name}' if name[:1] in '+-' else name}"


def with_zone(label: str) -> Any:
    """A form's label that names the zone in which the field is read and shown."""
    return lazy(lambda: f"{label} ({timezone.get_current_timezone_name()})", str)()


class LocalTimeField(forms.DateTimeField):
    """A moment written in the person's own zone, which the label names; UTC for the rest of the program."""

    def __init__(self, label: str, **kwargs: Any) -> None:
        widget = forms.DateTimeInput(attrs={"class": "tl-input", "type": "datetime-local"}, format="%Y-%m-%dT%H:%M")
        super().__init__(label=with_zone(label), widget=widget, **kwargs)

    def clean(self, value: Any) -> datetime | None:
        moment = super().clean(value)
        return moment.astimezone(UTC) if moment else None


def default_zone_of(user: Any) -> str:
    """Where somebody works who has chosen nothing: with their first organization."""
    return (
        Membership.objects.filter(user=user.pk).order_by("pk").values_list("organization__timezone", flat=True).first()
        or "UTC"
    )


def zone_of(user: Any) -> str:
    """The zone a member of staff chose, else that of their first organization, else UTC."""
    first = Membership.objects.filter(user=OuterRef("pk")).order_by("pk").values("organization__timezone")[:1]
    found = User.objects.filter(pk=user.pk).values_list("staff_settings__timezone", Subquery(first)).first()
    return next((name for name in found or () if name), "UTC")
