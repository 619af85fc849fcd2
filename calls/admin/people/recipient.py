"""One person of a campaign: where they stand, and every check the gate makes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from unfold.decorators import display

from calls.admin.people.buttons import OVER, RECIPIENT_STEPS, call_back_link, hold_words, latest_call_back
from calls.admin.people.counts import having, label_of
from calls.admin.people.standing import moment_in, standing, zone_of
from calls.admin.shared import labels
from calls.gate.checks import CheckName
from calls.models import TERMINAL, Call
from calls.reports.explain import EXPLAINED, explain_loaded
from campaigns.admin.numbers import NumberedAdmin, both_formats, called_number
from campaigns.models import Contact, Recipient
from tenants.backoffice.lists import ScopedRelatedFilter
from tenants.backoffice.local_time import local_minute, local_time
from tenants.backoffice.roles import reach_of
from tenants.backoffice.scoped_admin import ReadOnlyAdmin

VERDICTS = {
    "allow": ("May be called now", "success"),
    "defer": ("Has to wait", "warning"),
    "skip": ("Is not called", "danger"),
}
SAID = {"allow": "Yes", "defer": "Not yet", "skip": "No"}
REASONS = (
    *(name for name in CheckName if name.traits.is_filter and name.traits.defers),
    "call_back",
    *(name for name in CheckName if name.traits.is_filter and not name.traits.defers),
    *("missing_variables", "voicemail", "no_answer", "busy", "unconfirmed", "campaign_canceled"),
)


class OutcomeFilter(admin.SimpleListFilter):
    """The outcomes there are; asking the rows which of them they have would walk through all."""

    title = "outcome"
    parameter_name = "outcome__exact"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(status.value, str(status.label)) for status in TERMINAL]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(outcome=self.value()) if self.value() else queryset


class ReasonFilter(admin.SimpleListFilter):
    title = "reason"
    parameter_name = "reason"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(code, label_of("reason", code)) for code in REASONS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(having(self.value() or "")) if self.value() else queryset


@admin.register(Recipient)
class RecipientAdmin(ReadOnlyAdmin, NumberedAdmin):
    organization_path = "campaign__organization"
    list_display = ("number", "name", "state", "stands", "attempts", "of_campaign", "why")
    list_filter: ClassVar[Sequence[Any]] = ("status", OutcomeFilter, ReasonFilter, ("campaign", ScopedRelatedFilter))
    list_lookups = ("campaign", "status", "outcome", "reason")
    number_fields = ("contact__phone",)
    ordering = ("-id",)
    empty_words = "Nobody here. A campaign's people appear when it starts."
    panel_only = True
    panel_template = "trunkline/recipient.html"
    explains = True  # its list has the drawer
    steps = RECIPIENT_STEPS

    @admin.display(description="number")
    def number(self, row: Recipient) -> str:
        return both_formats(row.contact.number)

    @admin.display(description="name")
    def name(self, row: Recipient) -> str:
        return row.contact.name or "-"

    @admin.display(description="campaign")
    def of_campaign(self, row: Recipient) -> str:
        return row.campaign.name

    @display(description="state", label=labels.RECIPIENT_LABELS)
    def state(self, row: Recipient) -> str:
        return str(row.get_status_display())

    @admin.display(description="where they stand")
    def stands(self, row: Recipient) -> str:
        return standing(row, row.campaign, timezone.now())

    @admin.display(description="why")
    def why(self, row: Recipient) -> str:
        return format_html(
            '<a id="explain-{}" class="tl-link tl-nowrap" href="{}" data-drawer aria-haspopup="dialog">Explain'
            '<span class="tl-sr"> {}</span></a>',
            row.pk,
            self.url("explain", row.pk),
            row.contact.name or called_number(row.contact),
        )

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return [(None, {"fields": []})]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("campaign__organization", "contact")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """People are found first: their numbers and names have indexes by organization."""
        term = search_term.strip()
        if not term:
            return queryset, False
        wanted = Q(name__istartswith=term)
        for prefix in self.number_prefixes(request, term):
            wanted |= Q(phone__startswith=prefix)
        contacts = Contact.objects.filter(wanted, organization__in=list(reach_of(request).levels))
        return queryset.filter(contact__in=self.keys_of_search(request, contacts)), False

    def get_urls(self) -> list[URLPattern]:
        ours = path(
            "<int:pk>/explain/", self.admin_site.admin_view(self.explain_view), name="campaigns_recipient_explain"
        )
        return [ours, *super().get_urls()]

    def explain_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Every check and its answer: a page of its own, or what the drawer or another page shows of it."""
        rows = self.get_queryset(request).select_related(*EXPLAINED).prefetch_related("campaign__windows")
        obj = rows.filter(pk=pk).first() if 0 < pk < 2**63 else None
        if obj is None:
            return self.not_found(request)
        shown = explained(request, obj)
        if request.headers.get("HX-Request"):
            whole = request.headers.get("HX-Target") == "drawer-body"
            return TemplateResponse(request, f"trunkline/{'explained' if whole else 'explanation'}.html", shown)
        return self.page(request, "trunkline/explain_page.html", f"{obj.contact}", **shown)

    def panel_context(self, request: HttpRequest, obj: Recipient) -> dict[str, Any]:
        calls = Call.objects.filter(recipient=obj).select_related("account", "campaign")[:50]
        promised = latest_call_back(obj)
        person: Any = str(obj.contact)
        if not obj.contact.erased_at:
            person = (reverse("admin:campaigns_contact_change", args=[obj.contact_id]), person)
        return {
            "explain_url": self.url("explain", obj.pk),
            "facts": [
                ("Person", person),
                ("Campaign", (reverse("admin:campaigns_campaign_change", args=[obj.campaign_id]), obj.campaign.name)),
                ("Where they stand", standing(obj, obj.campaign, timezone.now())),
                ("State", obj.get_status_display()),
                ("Outcome", label_of("outcome", obj.outcome) or "-"),
                ("Calls made", obj.attempts),
                ("Next call from", local_time(obj.next_attempt_at)),
                ("Call-back", call_back_link(promised)),
                ("Hold", hold_words(obj.contact)),
            ],
            "calls": call_rows(calls),
        }


def explained(request: HttpRequest, obj: Recipient) -> dict[str, Any]:
    """What every check answers, with a verdict in a sentence."""
    now = timezone.now()
    found = explain_loaded(obj, now)
    label, colour = VERDICTS[found.decision]
    return {
        "person": str(obj.contact),
        "person_url": reverse("admin:campaigns_recipient_change", args=[obj.pk]),
        "explain_url": request.path,
        "live": obj.status not in OVER,
        "label": label,
        "colour": colour,
        "verdict": f"Until {moment_in(found.until, zone_of(obj, obj.campaign.zone), now)}." if found.until else "",
        "checks": [
            {
                "name": labels.check_name(check.name),
                "result": check.result,
                "detail": check.detail,
                "said": SAID[check.result],
            }
            for check in found.checks
        ],
    }


def call_rows(calls: Any) -> list[dict[str, Any]]:
    """Calls as a small table on another object's page."""
    return [
        {
            "url": reverse("admin:calls_call_change", args=[call.pk]),
            "at": local_minute(call.created_at),
            "badge": labels.badge(call),
            "what": labels.duration(call.duration_seconds)
            if call.duration_seconds
            else labels.reason(call.ended_reason) or "-",
            "campaign": call.campaign.name if call.campaign_id and call.campaign else "single call",
        }
        for call in calls
    ]
