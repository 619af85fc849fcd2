"""CSV exports of admin lists: the rows of the list's filters and search, in its order, in constant memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from html import unescape
from itertools import chain
from typing import Any, ClassVar

from django.contrib.admin.options import IS_POPUP_VAR, IncorrectLookupParameters
from django.contrib.admin.utils import label_for_field, lookup_field
from django.contrib.admin.views.main import ALL_VAR, ERROR_FLAG, PAGE_VAR
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import strip_tags
from django.utils.safestring import SafeString
from django.utils.text import capfirst, slugify
from unfold.admin import ModelAdmin

from tenants import audit_changes, audit_log
from tenants.audit_origin import Origin, acting, current_origin
from tenants.backoffice.audited_pages import AuditedPages
from tenants.backoffice.roles import reach_of
from tenants.db.reading import by_key, in_order
from tenants.policy import Action
from tenants.spreadsheets import lines, time_cell

CHUNK = 1_000
NOT_FILTERS = (PAGE_VAR, ALL_VAR, ERROR_FLAG, IS_POPUP_VAR)
Column = tuple[str, Callable[[Any], str]]


class ExportedList(AuditedPages):
    """A list that its viewers can download. The file contains the columns of the list and nothing more."""

    number_fields: ClassVar[tuple[str, ...]] = ()  # phone numbers; the file adds them in E.164
    change_list_template: Any = "trunkline/change_list.html"

    def prepare_rows(self, request: HttpRequest, rows: Sequence[Any]) -> None:
        """Fetch for a whole page what its rows show besides their own columns."""

    def prepare_export(self, request: HttpRequest, rows: Sequence[Any]) -> None:
        """Fetch the same for a chunk of the export, which cannot load anything later as a page does."""
        self.prepare_rows(request, rows)

    def list_links(self, request: HttpRequest) -> Sequence[tuple[str, str, str]]:
        """Return the buttons above the list: address, label, icon."""
        return ()

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_export"
        return [path("export.csv", self.admin_site.admin_view(self.export_view), name=name), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        query = request.GET.copy()
        for name in NOT_FILTERS:
            query.pop(name, None)
        url = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_export")
        extra = {
            "export_url": f"{url}?{query.urlencode()}" if query else url,
            **(extra_context or {}),
        }
        found: HttpResponse = super().changelist_view(request, extra)
        return found

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """Stream the list of this address as CSV. Redirects to the list when a filter is not valid."""
        if not (self.has_view_permission(request) and reach_of(request).may(Action.EXPORT)):
            raise PermissionDenied
        try:
            rows = self._rows_of_list(request)
        except IncorrectLookupParameters:
            changelist = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")
            return redirect(f"{changelist}?{ERROR_FLAG}=1")  # as Django leads there from the list itself
        columns = self._columns(request, rows)
        title = [name for name, _ in columns]
        name = slugify(str(self.opts.verbose_name_plural))
        return StreamingHttpResponse(
            lines(chain([title], self._lines(request, rows, columns, current_origin()))),
            content_type="text/csv; charset=utf-8",
            headers={
                "Content-Disposition": f'attachment; filename="{name}-{timezone.now():%Y-%m-%d}.csv"',
                "Cache-Control": "no-store",
            },
        )

    def _rows_of_list(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the queryset behind the list, not evaluated. Raises IncorrectLookupParameters."""

        class Unpaged(super().get_changelist(request)):  # type: ignore[misc]
            def get_results(self, request: HttpRequest) -> None:
                """Query neither a page nor a count."""

        request._all_rows = Unpaged  # type: ignore[attr-defined]
        found: QuerySet[Any] = ModelAdmin.get_changelist_instance(self, request).queryset
        return found

    def exporting(self, request: HttpRequest) -> bool:
        """Return whether this request is an export."""
        return hasattr(request, "_all_rows")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        return getattr(request, "_all_rows", None) or super().get_changelist(request, **kwargs)

    def _lines(
        self, request: HttpRequest, rows: QuerySet[Any], columns: Sequence[Column], origin: Origin
    ) -> Iterator[list[str]]:
        recorded: set[int | None] = set()
        actor = reach_of(request).actor
        for chunk in chunks(rows):
            self.prepare_export(request, chunk)
            for row in chunk:
                organization_id = self.organization_id_of(row)
                if organization_id not in recorded:  # before the first row of the organization is sent
                    recorded.add(organization_id)
                    with acting(origin):  # the middleware has returned when rows are streamed
                        self._record_export(request, actor, organization_id)
                yield [text(row) for _, text in columns]

    def _record_export(self, request: HttpRequest, actor: str, organization_id: int | None) -> None:
        """Record the names of the filters, never their values: a value can be a phone number."""
        audit_log.record(
            organization_id,
            actor=actor,
            action=f"{audit_changes.kind_of(self.model)}.exported",
            subject=str(self.opts.verbose_name_plural),
            detail={"filters": sorted(set(request.GET) - set(NOT_FILTERS))},
        )

    def added_columns(self, rows: QuerySet[Any]) -> list[Column]:
        """Return the columns of what the list does not show, and the file needs to be read back."""
        return []

    def _columns(self, request: HttpRequest, rows: QuerySet[Any]) -> list[Column]:
        shown = list(self.get_list_display(request))
        numbers = [name for name in self.number_fields if name not in shown]
        found = [self._column(name, numbers) for name in shown]
        found += [("Number (E.164)", _reader(name)) for name in numbers]
        found += self.added_columns(rows)
        if any(field.name == "uuid" for field in self.opts.fields):
            found.append(("Id", _reader("uuid")))
        return found

    def _column(self, name: str, numbers: Sequence[str]) -> Column:
        title = capfirst(str(label_for_field(name, self.model, self)))
        if moment := getattr(getattr(self, name, None), "moment", ""):
            return f"{title} (UTC)", _reader(moment)

        def text(row: Any) -> str:
            field, _, value = lookup_field(name, row, self)
            if field is not None and getattr(field, "flatchoices", None):
                value = getattr(row, f"get_{field.name}_display")()
            shown = as_text(value)
            for number in numbers if isinstance(value, SafeString) else ():  # the number has its own column
                shown = shown.removesuffix(_reader(number)(row)).rstrip() or shown
            return shown

        return title, text


def chunks(rows: QuerySet[Any]) -> Iterator[list[Any]]:
    """Yield the rows in their order, CHUNK at a time."""
    first = next(iter(rows.query.order_by), "")
    if first in {"pk", "-pk", "id", "-id"}:
        return by_key(rows, CHUNK, falling=first.startswith("-"))
    return in_order(rows, CHUNK)


def as_text(value: Any) -> str:
    """Return the value of a list's cell as plain text. The dash for "no value" becomes an empty string."""
    if value is None or value == "-":
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return time_cell(value)
    if isinstance(value, SafeString):
        return " ".join(unescape(strip_tags(value)).split())
    return " ".join(map(as_text, value)) if isinstance(value, list | tuple) else str(value)


def _reader(path: str) -> Callable[[Any], str]:
    def text(row: Any) -> str:
        for name in path.split("__"):
            row = getattr(row, name)
        return as_text(row)

    return text
