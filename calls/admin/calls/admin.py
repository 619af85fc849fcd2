"""The list of calls, and the addresses of pages about calls."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.text import capfirst
from unfold.decorators import display

from calls.admin.calls import page
from calls.admin.calls.buttons import STEPS
from calls.admin.dashboard import onboarding, today
from calls.admin.dashboard import page as dashboard_page
from calls.admin.launch import page as launch_page
from calls.admin.people import evidence
from calls.admin.people.notes import NOTE
from calls.admin.setup import legal_hours
from calls.admin.shared import labels, outcomes
from calls.models import Call, Status
from calls.reports import search, transcripts
from campaigns.admin.numbers import NumberedAdmin, both_formats
from campaigns.phones import national
from providers.models import ProviderAccount
from tenants.backoffice.filters import CreatedFilter
from tenants.backoffice.lists import ScopedRelatedFilter
from tenants.backoffice.local_time import local_time, local_time_column
from tenants.backoffice.roles import reach_of, regions_of
from tenants.policy import Action

OVERDUE = "yes"  # the value of the filter


class OverdueFilter(admin.SimpleListFilter):
    """Show the overdue calls alone."""

    title = "overdue"
    parameter_name = "overdue"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(OVERDUE, "Overdue")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if value is None:
            return queryset
        if value != OVERDUE:
            raise IncorrectLookupParameters(value)
        # By key, so that the order of the list does not lead the search for these few rows.
        return queryset.filter(pk__in=Call.objects.overdue(timezone.now()).values("pk"))


class StatusFilter(admin.ChoicesFieldListFilter):
    """Show the calls of a status, under the label of its badge."""

    def choices(self, changelist: Any) -> Iterator[Any]:
        said = {str(status.label): label for status, label in labels.OUTCOME_LABELS.items()}
        for each in super().choices(changelist):
            yield {**each, "display": said.get(str(each["display"]), each["display"])}


@admin.register(Call)
class CallAdmin(NumberedAdmin):
    empty_words = "No calls yet. Launch a call or start a campaign."
    search_help_text = "Phone number (or its beginning), or a whole ID"
    list_display = ("number", "contact_name", "state", "outcome", "of_campaign", "assistant", "created")
    list_filter: ClassVar[Sequence[Any]] = (
        CreatedFilter,
        ("status", StatusFilter),
        OverdueFilter,
        *((name, ScopedRelatedFilter) for name in ("campaign", "assistant", "account", "phone_number")),
    )
    read_by = (
        *(("organization",), ("organization", "status")),
        *(("campaign",), ("campaign", "status"), ("assistant",), ("contact",)),
    )
    list_lookups = ("campaign", "contact", "status", "overdue")
    list_select_related = ("campaign", "assistant", "organization", "account")
    number_fields = ("to_number",)
    exact_fields = ("provider_call_id",)
    ordering = ("-id",)
    steps = (*STEPS, NOTE)
    panel_only = True
    panel_template = "trunkline/call.html"
    created = local_time_column("created_at", "created")

    def title_of(self, obj: Call) -> str:
        whom = national(obj.to_number) if obj.to_number else "an erased number"
        return f"Call to {whom}, {local_time(obj.created_at)}"

    @admin.display(description="number")
    def number(self, row: Call) -> str:
        return both_formats(row.to_number)

    @admin.display(description="contact")
    def contact_name(self, row: Call) -> str:
        return row.customer_name or "-"

    @display(description="status", label=outcomes.COLOURS)
    def state(self, row: Call) -> str:
        return outcomes.of_call(row).label

    @admin.display(description="detail")
    def outcome(self, row: Call) -> str:
        """Return what the status does not say: why, for how long, and whether the call is overdue."""
        if row.status == Status.QUEUED:
            return capfirst(labels.reason(row.status_reason)) or "-"
        if row.status == Status.UNCONFIRMED and row.error_message:
            return row.error_message
        if row.is_overdue(timezone.now()):
            return "Overdue"
        return outcomes.beside(row)

    @admin.display(description="campaign")
    def of_campaign(self, row: Call) -> str:
        return row.campaign.name if row.campaign else "single call"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)
        if request.resolver_match and request.resolver_match.url_name in {"calls_call_changelist", "calls_call_export"}:
            # These columns are long, and only the page of one call shows them.
            return rows.defer("decision", "result", "metadata", "dynamic_variables")
        return rows.select_related("campaign", "organization", "contact", "account", "assistant", "phone_number")

    def exactly(self, request: HttpRequest, name: str, term: str) -> Q:
        """Search by account, because the index of provider ids begins with the account."""
        accounts = ProviderAccount.objects.filter(organization__in=list(reach_of(request).grants))
        return Q(account__in=list(accounts.values_list("pk", flat=True)), **{name: term}) & ~Q(**{name: ""})

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Search by a whole id, by the beginning of the number or by name: through the indexes of contacts."""
        reach = reach_of(request)
        asked = search.read(search_term, reach.grants, lambda: regions_of(request))
        if not asked.term:
            return queryset, False
        found = search.by_id(asked)
        if asked.numbers:
            found |= Q(contact__in=search.of_numbers(asked.numbers, asked.organizations))
        if asked.names:
            found |= Q(contact__in=search.of_name(asked))
        return queryset.filter(found), False

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return [(None, {"fields": []})]

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        ours = [
            path("launch/", wrap(launch_page.view), name="calls_call_launch"),
            path("launch/fields/", wrap(launch_page.fields_view), name="calls_call_launch_fields"),
            path("launch/people/", wrap(launch_page.contacts_view), name="calls_call_launch_people"),
            path("launch/person/", wrap(launch_page.contact_view), name="calls_call_launch_person"),
            path("evidence.csv", wrap(evidence.view), name="calls_call_evidence"),
            path("legal-hours/", wrap(legal_hours.view), name="calls_call_legal_hours"),
            path("overview/", wrap(dashboard_page.fragment_view), name="calls_call_overview"),
            path("overview/today/", wrap(today.view), name="calls_call_today"),
            path("overview/sandbox/", wrap(onboarding.sandbox_view), name="calls_call_sandbox"),
            path("<int:pk>/transcript/", wrap(self.transcript_view), name="calls_call_transcript"),
        ]
        return [*ours, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        extra = dict(extra_context or {})
        if request.GET.get("status__exact") == Status.UNCONFIRMED:
            extra["title"] = "Unconfirmed calls"
            extra["intro"] = (
                "The provider's answer to these calls was lost or unclear, so each of them may have rung. Look up each "
                "call in the provider's dashboard, then settle it on its page. Until then the contact is not called "
                "again."
            )
        elif request.GET.get("overdue") == OVERDUE:
            extra["title"] = "Overdue calls"
            extra["intro"] = (
                "The provider has not reported the end of these calls within the longest call of its account. They "
                "hold no line, and their contacts are not called meanwhile. Look up each call in the provider's "
                "dashboard. If it is over, end it on its page."
            )
        return super().changelist_view(request, extra)

    def words_for_nothing(self, request: HttpRequest) -> str:
        if request.GET.get("overdue") == OVERDUE and len(request.GET) == 1:
            return "No call is overdue."
        if request.GET.get("status__exact") == Status.UNCONFIRMED and len(request.GET) == 1:
            return "No unconfirmed calls. For every call it is known whether it was placed."
        return super().words_for_nothing(request)

    def transcript_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show the transcript. It is read from the provider for each request and not stored."""
        obj = self.found(request, pk, Action.SEE_TRANSCRIPT)
        if obj is None:
            return self.not_found(request)
        error_text, turns = "", []
        try:
            found = transcripts.shown_to(reach_of(request).actor, obj)
            turns = [(local_time(turn.started_at, ""), turn.role, turn.text) for turn in found]
        except (transcripts.NoTranscript, transcripts.TooMany, transcripts.Unreadable) as error:
            error_text = str(error)
        back = self.url("change", pk)
        return self.page(
            request,
            "trunkline/transcript.html",
            f"{self.title_of(obj)}: transcript",
            turns=turns,
            error=error_text,
            back=back,
        )

    def panel_context(self, request: HttpRequest, obj: Call) -> dict[str, Any]:
        return page.panel(self, request, obj)
