"""Times on pages, in the user's time zone, which each page names once. `typed_times` reads those that people type."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import admin
from django.contrib.auth.models import User
from django.db import models
from django.db.models import OuterRef, Subquery
from django.utils import timezone
from django.utils.functional import lazy
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst

from tenants.models import Membership


class Shown(str):
    """A moment as text: “today 17:13” within a sentence, and on a page of its own a <time> with the full stamp.

    A template writes `__html__`; an f-string takes the plain text.
    """

    __slots__ = ("full", "stamp")
    stamp: str
    full: str

    def __html__(self) -> SafeString:
        return format_html('<time datetime="{}" title="{}">{}</time>', self.stamp, self.full, capfirst(self))


def local_time(moment: datetime | None, empty: str = "-", *, seconds: bool = False) -> str:
    """Return the moment as people say it, in the user's time zone: “today 17:13”, “28 Nov 17:13”, “28 Nov 2025 17:13”.

    The page names the zone once. An hour that occurs twice shows which one it is.
    """
    return shown_in(None, moment, seconds=seconds) if moment else empty


def shown_in(zone: ZoneInfo | None, moment: datetime, *, seconds: bool = False) -> Shown:
    """Return the same in another zone than the user's."""
    local, today = timezone.localtime(moment, zone), timezone.localdate(timezone=zone)
    clock = f"{local:%H:%M:%S}" if seconds else f"{local:%H:%M}"
    twice = f" {offset_of(local)}" if _occurs_twice(local) else ""
    return _stamped(f"{_day(local.date(), today)} {clock}{twice}", local)


def shown_as(text: str, moment: datetime) -> Shown:
    """Return a text for a moment, such as “3 min ago”, with the full stamp in the user's time zone."""
    return _stamped(text, timezone.localtime(moment))


def _stamped(text: str, local: datetime) -> Shown:
    found = Shown(text)
    found.stamp = local.isoformat(timespec="seconds")
    name = getattr(local.tzinfo, "key", "") or f"{local:%Z}"
    offset = "" if name == "UTC" else f" ({offset_of(local)})"
    found.full = f"{local:%A} {local.day} {local:%B %Y, %H:%M:%S}, {name}{offset}"
    return found


def local_time_column(name: str, title: str) -> Callable[..., str]:
    """Return a list column or read-only field that shows the column `name` as a time."""

    @admin.display(description=title)
    def shown(_: Any, row: models.Model) -> str:
        moment = getattr(row, name)
        return format_html('<span class="tl-nowrap">{}</span>', local_time(moment)) if moment else "-"

    shown.moment = name  # type: ignore[attr-defined]  # exports write the column itself, in UTC
    return shown


def time_in(zone: ZoneInfo, moment: datetime, clock: str = "%H:%M") -> str:
    """Return the time of day in `zone` with its name, and with the date if it differs from the user's date."""
    local = moment.astimezone(zone)
    same_day = local.date() == timezone.localtime(moment).date()
    day = "" if same_day else f"{_date(local.date(), timezone.localdate(timezone=zone))} "
    name = f"{local:%Z}"
    return f"{day}{local:{clock}} {offset_of(local) if name[:1] in '+-' else name}"


def offset_of(local: datetime) -> str:
    """Return the offset of a local time: UTC+2, UTC-3:30, UTC."""
    minutes = int((local.utcoffset() or timedelta()).total_seconds() // 60)
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{'-' if minutes < 0 else '+'}{hours}{f':{rest:02d}' if rest else ''}" if minutes else "UTC"


def _occurs_twice(local: datetime) -> bool:
    """Return whether the clock shows this time twice. A local time that was read from UTC exists."""
    return local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()


def _day(day: date, today: date) -> str:
    names = {0: "today", -1: "yesterday", 1: "tomorrow"}
    return names.get((day - today).days) or _date(day, today)


def day_shown(day: date) -> str:
    """Return a day as people say it, with its year: “21 Nov 2026”."""
    return f"{day.day} {day:%b %Y}"


def _date(day: date, today: date) -> str:
    return f"{day.day} {day:%b}" if day.year == today.year else day_shown(day)


def with_zone(label: str) -> Any:
    """Return a lazy form label with the name of the zone in which the field is read and shown."""
    return lazy(lambda: f"{label} ({timezone.get_current_timezone_name()})", str)()


def default_zone_of(user: Any) -> str:
    """Return the time zone of a user who has chosen none: that of the first organization, else UTC."""
    return (
        Membership.objects.filter(user=user.pk).order_by("pk").values_list("organization__timezone", flat=True).first()
        or "UTC"
    )


def zone_and_language_of(user: Any) -> tuple[str, str]:
    """Return the time zone that the user chose, else that of the first organization, else UTC; and the language."""
    first = Membership.objects.filter(user=OuterRef("pk")).order_by("pk").values("organization__timezone")[:1]
    own = ("staff_settings__timezone", "staff_settings__language")
    zone, language, home = User.objects.filter(pk=user.pk).values_list(*own, Subquery(first)).first() or ("", "", "")
    return zone or home or "UTC", language or ""
