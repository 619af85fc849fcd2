"""Pages of the audit log. They only read."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, ClassVar
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html

from tenants import audit_chain
from tenants.backoffice import audit_sentences
from tenants.backoffice.exports import Column
from tenants.backoffice.local_time import local_time, local_time_column
from tenants.backoffice.roles import reach_of
from tenants.backoffice.scoped_admin import ReadOnlyAdmin, ScopedAdmin
from tenants.models import AuditEntry
from tenants.policy import Action

DAYS = {"1": "Past 24 hours", "7": "Past 7 days", "30": "Past 30 days", "365": "Past year"}
SEALS_SHOWN = 3  # a team member of more organizations sees the seals in the output of `verify_audit`


class KindFilter(admin.SimpleListFilter):
    """Filter by the kind of object: the beginning of the action, for which there is an index."""

    title = "object"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(words, words.capitalize() if words[0].islower() else words) for words in audit_sentences.FILTERED]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() is None:
            return queryset
        found = Q(pk__in=[])
        for kind in audit_sentences.FILTERED.get(self.value() or "", ()):
            found |= Q(action__startswith=f"{kind}.")
        return queryset.filter(found)


class PeriodFilter(admin.SimpleListFilter):
    title = "period"
    parameter_name = "days"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(DAYS.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Find the last entry before the period, and those after it by their keys, which rise with the times."""
        if self.value() is None:
            return queryset
        if self.value() not in DAYS:
            raise IncorrectLookupParameters(self.value())
        since = timezone.now() - timedelta(days=int(self.value() or 0))
        before = AuditEntry.objects.filter(at__lt=since).order_by("-at").values_list("pk", flat=True).first()
        return queryset.filter(pk__gt=before or 0)


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    view_action = Action.SEE_AUDIT
    list_display = ("when", "what", "channel", "address")
    list_filter: ClassVar[Any] = (KindFilter, PeriodFilter, "channel")
    read_by = (("organization",), ("organization", "channel"))
    list_lookups = ("kind", "days")
    word_fields = ("actor", "action")
    exact_fields = ("subject",)
    list_select_related = ("organization",)
    plural = "Audit log"
    empty_words = "The audit log is empty."
    panel_only = True
    panel_template = "trunkline/audit_entry.html"
    search_help_text = "Who, an action such as campaign.paused, or a whole ID"
    when = local_time_column("at", "time")

    @admin.display(description="what")
    def what(self, row: AuditEntry) -> str:
        """Return the sentence. The actor is a link to all that they did, as far as the search knows them."""
        sentence, who = audit_sentences.sentence(row), audit_sentences.who(row)
        if not row.actor:
            return sentence
        rest = sentence.removeprefix(who)
        return format_html('<a class="tl-plain" href="?{}">{}</a>{}', urlencode({"q": row.actor}), who, rest)

    def prepare_rows(self, request: HttpRequest, rows: Sequence[Any]) -> None:
        audit_sentences.name_keys(rows)

    def title_of(self, obj: AuditEntry) -> str:
        audit_sentences.name_keys([obj])
        return audit_sentences.sentence(obj)

    def added_columns(self, rows: QuerySet[Any]) -> list[Column]:
        return [
            ("Actor", lambda row: str(row.actor)),
            ("Action", lambda row: str(row.action)),
            ("Subject", lambda row: str(row.subject)),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().changelist_view(request, {"intro": _last_seals(request), **(extra_context or {})})

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return [(None, {"fields": []})]

    def panel_context(self, request: HttpRequest, obj: AuditEntry) -> dict[str, Any]:
        who = audit_sentences.who(obj)
        listed, link, about = self.url("changelist"), _link(request, obj), []
        if link:
            about = [("Object", link)]
        if obj.subject:
            same = f"{listed}?{urlencode({'q': obj.subject})}"
            about.append(("Other entries", (same, "All entries about this object")))
        return {
            "facts": [
                ("Time", local_time(obj.at)),
                ("Who", (f"{listed}?{urlencode({'q': obj.actor})}", who) if obj.actor else who),
                ("From", f"{obj.get_channel_display()} {obj.address}".rstrip()),
                *about,
                ("Organization", obj.organization or "-"),
                *audit_sentences.details(obj),
            ],
            "codes": [("Action", obj.action), ("Subject", obj.subject or "-")],
        }


def _last_seals(request: HttpRequest) -> str:
    """Return the last seal of each organization, to be kept elsewhere: it shows later if the log was replaced."""
    homes = list(reach_of(request).organizations(Action.SEE_AUDIT)[: SEALS_SHOWN + 1])
    if len(homes) > SEALS_SHOWN:
        return ""
    last = [(home.name, audit_chain.last_seal(home.pk)) for home in homes]
    return " ".join(f"Last seal of {name}: {seal}." for name, seal in last if seal)


def _link(request: HttpRequest, entry: AuditEntry) -> tuple[str, str] | None:
    """Return the address of the object's page and its name, if the object is still there and the user may see it."""
    label = audit_sentences.KINDS.get(entry.action.partition(".")[0], ("", ""))[1]
    pages = next((pages for model, pages in admin.site._registry.items() if model._meta.label_lower == label), None)
    try:
        public = uuid.UUID(entry.subject.rpartition(" ")[2])
    except ValueError:
        return None
    if not isinstance(pages, ScopedAdmin):
        return None
    found = pages.get_queryset(request).filter(uuid=public).first()
    return None if found is None else (pages.url("change", found.pk), str(found))
