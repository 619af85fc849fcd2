"""Times on pages: shown in the user's time zone, which is always named. `typed_times` reads those that people type."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import admin
from django.contrib.auth.models import User
from django.db import models
from django.db.models import OuterRef, Subquery
from django.utils import timezone
from django.utils.functional import lazy
from django.utils.html import format_html

from tenants.clock_changes import zone_name
from tenants.models import Membership


def local_time(moment: datetime | None, empty: str = "-") -> str:
    """Return the time in the user's time zone, with seconds and the zone's name."""
    return _shown(moment, "%Y-%m-%d %H:%M:%S") if moment else empty


def local_minute(moment: datetime | None, empty: str = "-") -> str:
    """Return the same without seconds, for tables and sentences."""
    return _shown(moment, "%Y-%m-%d %H:%M") if moment else empty


def local_time_column(name: str, title: str) -> Callable[..., str]:
    """Return a list column or read-only field that shows the column `name` as a time with its zone."""

    @admin.display(description=title)
    def shown(_: Any, row: models.Model) -> str:
        moment = getattr(row, name)
        return format_html('<span class="tl-nowrap">{}</span>', local_minute(moment)) if moment else "-"

    shown.moment = name  # type: ignore[attr-defined]  # exports write the column itself, in UTC
    return shown


def time_in(zone: ZoneInfo, moment: datetime, clock: str = "%H:%M") -> str:
    """Return the time of day in `zone`, with the date if it differs from the user's date."""
    same_day = moment.astimezone(zone).date() == timezone.localtime(moment).date()
    return _shown(moment, clock if same_day else f"%Y-%m-%d {clock}", zone)


def _shown(moment: datetime, spelling: str, zone: ZoneInfo | None = None) -> str:
    local = timezone.localtime(moment, zone)
    return f"{local:{spelling}} {zone_name(local)}"


def with_zone(label: str) -> Any:
    """Return a lazy form label with the name of the zone in which the field is read and shown."""
    return lazy(lambda: f"{label} ({timezone.get_current_timezone_name()})", str)()


def default_zone_of(user: Any) -> str:
    """Return the time zone of a user who has chosen none: that of the first organization, else UTC."""
    return (
        Membership.objects.filter(user=user.pk).order_by("pk").values_list("organization__timezone", flat=True).first()
        or "UTC"
    )


def zone_of(user: Any) -> str:
    """Return the time zone that the user chose, else that of the first organization, else UTC."""
    first = Membership.objects.filter(user=OuterRef("pk")).order_by("pk").values("organization__timezone")[:1]
    found = User.objects.filter(pk=user.pk).values_list("staff_settings__timezone", Subquery(first)).first()
    return next((name for name in found or () if name), "UTC")
