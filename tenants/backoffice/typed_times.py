"""Times that people type: read in the user's time zone, also in the nights on which clocks change.

A time that does not exist is refused with its neighbours. For a time that occurs twice, the field asks which one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminSplitDateTimeWidget

from tenants.backoffice.local_time import with_zone
from tenants.clock_changes import ClockChange, change_over, in_range, readings

ONE_MINUTE = timedelta(minutes=1)
OFFSET = "offset"  # suffix of the name of the choice between two readings


@dataclass(frozen=True)
class Typed:
    """What a widget holds: a date and a time as text, and the UTC offset that the user chose, such as "+0200"."""

    day: str = ""
    clock: str = ""
    offset: str = ""

    @classmethod
    def of(cls, value: Any) -> Typed:
        """Return a widget's value: typed text, or a stored moment as the user's clock shows it."""
        if isinstance(value, Typed):
            return value
        if not isinstance(value, datetime):
            return cls()
        local = timezone.localtime(value)
        return cls(f"{local:%Y-%m-%d}", f"{local:%H:%M:%S}", f"{local:%z}")

    def __bool__(self) -> bool:
        return bool(self.day or self.clock)

    def local(self) -> datetime:
        """Return the naive time. Raises ValidationError."""
        try:
            day = forms.DateField(input_formats=["%Y-%m-%d"]).to_python(self.day)  # 12/05 is two days
        except ValidationError:
            day = None
        try:
            clock = forms.TimeField().to_python(self.clock)
        except ValidationError:
            clock = None
        faults = [] if day else ["Enter a date, like 2026-05-12."]
        faults += [] if clock is not None else ["Enter a time, like 09:30."]
        if day is None or clock is None:
            raise ValidationError(faults, code="invalid")
        local = datetime.combine(day, clock)
        if not in_range(local.replace(tzinfo=UTC)):
            raise ValidationError("This date is out of range. Enter a year from 2 to 9998.", code="out_of_range")
        return local

    def moment(self) -> datetime:
        """Return the moment in UTC. Raises ValidationError."""
        local, zone = self.local(), timezone.get_current_timezone()
        found = readings(local, zone)
        if len(found) == 1:
            return found[0]
        if chosen := [moment for moment in found if f"{moment.astimezone(zone):%z}" == self.offset]:
            return chosen[0]
        change = change_over(local, zone)
        assert change is not None  # noqa: S101 (only a change skips or repeats a time)
        raise ValidationError(_twice(local, change) if found else _never(local, change), code="clock_change")

    def first_moment(self) -> datetime:
        """Return the moment, for a form without the choice: of a time that occurs twice, the first."""
        found = readings(self.local(), timezone.get_current_timezone())
        return found[0] if found else self.moment()

    def choice(self) -> dict[str, Any] | None:
        """Return the question which of two readings is meant, with its options; None if there is no choice."""
        try:
            local = self.local()
        except ValidationError:
            return None
        zone = timezone.get_current_timezone()
        found = [moment.astimezone(zone) for moment in readings(local, zone)]
        if len(found) != 2:
            return None
        texts = [f"{which} clocks go back" for which in ("The first, before", "The second, after")]
        options = [
            {"value": f"{each:%z}", "label": f"{text} ({_offset_text(each)})", "checked": f"{each:%z}" == self.offset}
            for text, each in zip(texts, found, strict=True)
        ]
        return {"question": f"Which {_clock(local)} on {_day(local)}?", "options": options}


def _never(local: datetime, change: ClockChange) -> str:
    last = (change.shown - timedelta(seconds=1)).replace(second=0)
    first = change.instead if change.instead.second == 0 else change.instead.replace(second=0) + ONE_MINUTE
    return (
        f"{_clock(local)} does not exist on {_day(local)} in {timezone.get_current_timezone_name()}: clocks go from "
        f"{_near(change.shown, local)} to {_near(change.instead, local)}. "
        f"Write {_near(last, local)} or {_near(first, local)}."
    )


def _twice(local: datetime, change: ClockChange) -> str:
    return (
        f"{_clock(local)} occurs twice on {_day(local)} in {timezone.get_current_timezone_name()}: clocks go back from "
        f"{_near(change.shown, local)} to {_near(change.instead, local)}. Choose the first or the second."
    )


def _clock(local: datetime) -> str:
    return f"{local:%H:%M:%S}" if local.second else f"{local:%H:%M}"


def _day(local: date) -> str:
    return f"{local.day} {local:%B} {local.year}"


def _near(local: datetime, typed: datetime) -> str:
    """Return a time of day, with the date if it is not the one that was typed."""
    return _clock(local) if local.date() == typed.date() else f"{_clock(local)} on {_day(local)}"


def _offset_text(moment: datetime) -> str:
    """Return the zone's abbreviation and offset: "CEST, UTC+2", or "UTC-3" for a zone that has no letters."""
    seconds = int((moment.utcoffset() or timedelta()).total_seconds())
    hours, minutes = divmod(abs(seconds) // 60, 60)
    offset = f"UTC{'-' if seconds < 0 else '+'}{hours}{f':{minutes:02d}' if minutes else ''}"
    name = moment.tzname() or ""
    return f"{name}, {offset}" if name[:1].isalpha() else offset


class AsksWhichReading(forms.Widget):
    """Below its inputs, a widget of a local time offers the two readings of a time that occurs twice."""

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        typed = Typed.of(value)
        inputs = super().render(name, typed, attrs, renderer)
        if (choice := typed.choice()) is None:
            return inputs
        context = {"name": f"{name}_{OFFSET}", **choice}
        return format_html("{}{}", inputs, render_to_string("trunkline/which_reading.html", context))

    def chosen(self, data: Any, name: str) -> str:
        return str(data.get(f"{name}_{OFFSET}") or "")


class LocalTimeInput(AsksWhichReading, forms.DateTimeInput):
    """One input for date and time."""

    def __init__(self) -> None:
        super().__init__(attrs={"class": "tl-input", "type": "datetime-local"})

    def format_value(self, value: Typed) -> str | None:
        clock = value.clock.removesuffix(":00") if value.clock.count(":") == 2 else value.clock
        return f"{value.day}T{clock}" if value else None

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Typed:
        day, _, clock = str(data.get(name) or "").strip().replace(" ", "T").partition("T")
        return Typed(day, clock, self.chosen(data, name))


class SplitLocalTimeInput(AsksWhichReading, UnfoldAdminSplitDateTimeWidget):
    """An input for the date and one for the time."""

    def decompress(self, value: Typed) -> list[str]:
        return [value.day, value.clock]

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        day, clock = (str(text or "").strip() for text in super().value_from_datadict(data, files, name))
        return Typed(day, clock, self.chosen(data, name))


class LocalTimeField(forms.Field):
    """A time entered in the user's time zone, which the label names. The cleaned value is in UTC."""

    widget = LocalTimeInput

    def __init__(self, label: Any = "", **kwargs: Any) -> None:
        super().__init__(label=with_zone(label), **kwargs)

    def to_python(self, value: Any) -> datetime | None:
        typed = Typed.of(value)
        return typed.moment() if typed else None

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            moment = self.to_python(data)
        except ValidationError:
            return True
        return bool(moment != (initial.replace(microsecond=0) if isinstance(initial, datetime) else None))
