"""Segments: their conditions, how many contacts have them now, and a new campaign for these contacts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from campaigns import segments
from campaigns.admin.saved_filter import rows_from
from campaigns.admin.segment_rows import conditions_field, offer, read_rows, rows_of, sent
from campaigns.models import Segment
from campaigns.rules.conditions import sentence
from tenants.backoffice.forms import ScopedForm
from tenants.backoffice.local_time import local_time, local_time_column
from tenants.backoffice.scoped_admin import ScopedAdmin, page_of
from tenants.policy import Action

SEGMENT_FILTER = "segment"  # in the address of the list of contacts
HELP = "A contact must meet all of them. Calls that a voicemail answered count as answered."
MORE = "There are more tags or lists than can be offered: type the names of the others, with semicolons between them."


def contacts_url(segment: Segment) -> str:
    """Return the address of the list of the contacts that the segment has now."""
    return f"{reverse('admin:campaigns_contact_changelist')}?{SEGMENT_FILTER}={segment.pk}"


def campaign_url(segment: Segment) -> str:
    """Return the address that starts a new campaign for this segment."""
    query = urlencode({"organization": segment.organization_id, "segments": segment.pk})
    return f"{reverse('admin:campaigns_campaign_add')}?{query}"


def moment_shown(stored: str) -> str:
    """Return a moment of a condition as pages show moments."""
    return str(local_time(datetime.fromisoformat(stored)))


class SegmentFilter(admin.SimpleListFilter):
    """Filter contacts by segment. A segment's page links to it: the list itself offers no choice, and asks for none."""

    title = "segment"
    parameter_name = SEGMENT_FILTER

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        value = self.value()
        if value is None:
            return []
        if not (value.isascii() and value.isdigit() and len(value) < 19):
            raise IncorrectLookupParameters(value)
        self.chosen = list(page_of(Segment).get_queryset(request).filter(pk=int(value)))
        return [(str(row.pk), row.name) for row in self.chosen]

    def has_output(self) -> bool:
        """Return True also for a segment that the user may not see, so that the filter applies."""
        return self.value() is not None

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset if self.value() is None else queryset.filter(segments.matching(self.chosen))


class SegmentForm(ScopedForm):
    conditions = conditions_field()

    class Meta:
        model = Segment
        fields = ("name", "conditions")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.initial["conditions"] = rows_of(self.instance.conditions)
        field, rows = self.fields["conditions"], list(self.initial.get("conditions") or ())
        if self.is_bound:
            rows += sent(field, self.data, self.add_prefix("conditions"))
        more = offer(field, self.organization_id or 0, rows, self._stored)
        self.fields["conditions"].help_text = f"{HELP} {MORE}" if more else HELP

    @property
    def _stored(self) -> list[dict[str, Any]]:
        return list(self.instance.conditions) if self.instance.pk else []

    def clean_conditions(self) -> list[dict[str, Any]]:
        return read_rows(self.cleaned_data["conditions"], self.organization_id or 0, self._stored)


@admin.register(Segment)
class SegmentAdmin(ScopedAdmin):
    form = SegmentForm
    add_action = change_action = Action.CHANGE_LIST
    delete_action = Action.DELETE_LIST
    add_title = "New segment"
    empty_words = "A segment has the contacts that meet its conditions, also those that meet them later. Create one."
    list_display = ("name", "description", "created")
    list_select_related = ("organization",)
    text_fields = ("name",)
    panel_template = "trunkline/segment.html"
    created = local_time_column("created_at", "created")

    def prepare_rows(self, request: HttpRequest, rows: Sequence[Any]) -> None:
        names = segments.names_in(row.conditions for row in rows)
        for row in rows:
            row.sentence = sentence(row.conditions, names, moment_shown)

    @admin.display(description="conditions")
    def description(self, row: Any) -> str:
        return str(row.sentence)

    def get_urls(self) -> list[URLPattern]:
        count = self.admin_site.admin_view(self.count_view)
        return [path("<int:pk>/count/", count, name="campaigns_segment_count"), *super().get_urls()]

    def count_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show how many contacts the segment has. It loads after the page, so that the page opens at once."""
        segment: Segment | None = self.found(request, pk)
        if segment is None:
            return self.gone(request)
        size = segments.size(segment)
        count = f"{size:,}" if size <= segments.COUNTED else f"more than {segments.COUNTED:,}"
        return TemplateResponse(request, "trunkline/counted.html", {"counts": [(pk, count)]})

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Refuse while a campaign that is not over uses the segment."""
        using = [str(campaign) for obj in objs for campaign in segments.unfinished_of(obj)[:10]]
        others = sum(obj.campaigns.count() for obj in objs)
        return [], {"uses in campaigns; their recipients stay": others}, set(), using

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {**super().get_changeform_initial_data(request), "conditions": rows_from(request)}

    def panel_context(self, request: HttpRequest, obj: Segment) -> dict[str, Any]:
        return {
            "segment": obj,
            "sentence": segments.sentence_of(obj, moment_shown),
            "count_url": self.url("count", obj.pk),
            "people_url": contacts_url(obj),
            "export_url": f"{reverse('admin:campaigns_contact_export')}?{SEGMENT_FILTER}={obj.pk}",
            "campaign_url": campaign_url(obj) if self.holds(request, Action.CHANGE_CAMPAIGN, obj) else "",
        }
