"""Filters of lists that every room uses: a range of dates, and the filters in use as chips that can be removed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import PAGE_VAR, SEARCH_VAR
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.text import capfirst

from tenants.backoffice.exports import NOT_FILTERS
from tenants.clock_changes import start_of_day
from tenants.db.key_ranges import created_between

DAY, FROM, TO = "day", "from", "to"
DAYS = {"today": "Today", "yesterday": "Yesterday", "7days": "Last 7 days"}
RANGES = {"today": (0, 0), "yesterday": (1, 1), "7days": (6, 0)}  # the first and the last day, in days before today


class CreatedFilter(admin.ListFilter):
    """Filter by the day of creation in the viewer's time zone: today, yesterday, the last seven days, or a range."""

    title = "date"
    column = "created_at"  # the keys of the table grow with it
    parameters = (DAY, FROM, TO)
    template = "trunkline/date_filter.html"

    def __init__(self, request: HttpRequest, params: dict[str, Any], model: Any, model_admin: Any) -> None:
        super().__init__(request, params, model, model_admin)
        self.model = model
        for name in self.parameters:
            given = params.pop(name, None)
            if given and given[-1]:
                self.used_parameters[name] = given[-1]
        mine = {*self.parameters, PAGE_VAR}
        self.others = [(name, value) for name, values in request.GET.lists() if name not in mine for value in values]

    def expected_parameters(self) -> list[str | None]:
        return list(self.parameters)

    def has_output(self) -> bool:
        return True

    def choices(self, changelist: Any) -> Iterator[dict[str, Any]]:
        chosen = self.used_parameters.get(DAY)
        yield {
            "selected": not self.used_parameters,
            "query_string": changelist.get_query_string(remove=list(self.parameters)),
            "display": "All",
        }
        for value, label in DAYS.items():
            query = changelist.get_query_string({DAY: value}, remove=[FROM, TO])
            yield {"selected": chosen == value, "query_string": query, "display": label}

    def chip(self) -> str:
        """Return the range in words."""
        if day := self.used_parameters.get(DAY):
            return DAYS.get(str(day), str(day))
        first, last = self.used_parameters.get(FROM), self.used_parameters.get(TO)
        return f"{first} to {last}" if first and last else f"from {first}" if first else f"to {last}"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not self.used_parameters:
            return queryset
        first, last = days_of(self.used_parameters)
        after_last = last + timedelta(days=1) if last else None
        return queryset.filter(created_between(self.model, _start(first), _start(after_last), self.column))


class ChosenFilter(admin.SimpleListFilter):
    """Filter by one of a few choices that are known beforehand."""

    offered: ClassVar[Mapping[str, str]] = {}

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(self.offered.items())

    def condition(self, value: str) -> Q:
        raise NotImplementedError

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if value is None:
            return queryset
        if value not in self.offered:
            raise IncorrectLookupParameters(value)
        return queryset.filter(self.condition(value))


def days_of(given: Mapping[str, Any]) -> tuple[date | None, date | None]:
    """Return the first and the last day that the parameters of a date filter choose, in the viewer's time zone.

    Raises IncorrectLookupParameters.
    """
    if not (day := given.get(DAY)):
        return _date(given.get(FROM)), _date(given.get(TO))
    if day not in RANGES:
        raise IncorrectLookupParameters(day)
    today = timezone.localdate()
    first, last = RANGES[day]
    return today - timedelta(days=first), today - timedelta(days=last)


def _start(day: date | None) -> datetime | None:
    return start_of_day(day, timezone.get_current_timezone()) if day else None


def _date(given: object) -> date | None:
    if not given:
        return None
    text = str(given)
    try:
        found = date.fromisoformat(text)
    except ValueError as error:
        raise IncorrectLookupParameters(text) from error
    if not 1970 <= found.year < 9000:  # a day that no time zone can show
        raise IncorrectLookupParameters(text)
    return found


def chips_of(changelist: Any) -> list[dict[str, str]]:
    """Return the filters in use: title, value, and the address of the list without each."""
    found, known = [], set()
    for spec in changelist.filter_specs:
        names = [name for name in spec.expected_parameters() if name in changelist.params]
        known.update(spec.expected_parameters())
        if names:
            found.append(_chip(changelist, str(spec.title), _label(spec, changelist), names))
    for name, value in changelist.params.items():
        if name not in known and name not in NOT_FILTERS and name != SEARCH_VAR:
            found.append(_chip(changelist, _title(changelist.model, name), str(value), [name]))
    return found


def _chip(changelist: Any, title: str, label: str, names: list[str]) -> dict[str, str]:
    return {"title": capfirst(title), "label": label, "remove": changelist.get_query_string(remove=names)}


def _label(spec: Any, changelist: Any) -> str:
    if isinstance(spec, CreatedFilter):
        return spec.chip()
    chosen = [choice for choice in list(spec.choices(changelist))[1:] if choice["selected"]]
    return str(chosen[0]["display"]) if chosen else "chosen"


def _title(model: Any, lookup: str) -> str:
    fields: Mapping[str, Any] = {field.name: field for field in model._meta.get_fields()}
    name = lookup.partition("__")[0]
    return str(getattr(fields.get(name), "verbose_name", name.replace("_", " ")))


def quick_days(changelist: Any) -> list[dict[str, Any]]:
    """Return the links to today, yesterday and the last seven days, if the list has a filter of dates."""
    dated = next((spec for spec in changelist.filter_specs if isinstance(spec, CreatedFilter)), None)
    return list(dated.choices(changelist))[1:] if dated else []
