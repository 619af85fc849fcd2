"""The list and page of recipients, with the explanation: every check of the gate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Q, QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.text import capfirst
from unfold.decorators import display

from calls.admin.people.buttons import FINISHED, RECIPIENT_STEPS, callback_link, hold_text, latest_callback
from calls.admin.people.counts import label_of
from calls.admin.people.standing import moment_in, standing, zone_of
from calls.admin.shared import labels, outcomes
from calls.gate.checks import CheckName
from calls.gate.decision import Check
from calls.models import Call, deciding_call
from calls.reports.explain import EXPLAINED, explain_loaded
from calls.reports.figures.recipients import having
from campaigns.admin.numbers import NumberedAdmin, both_formats, called_number
from campaigns.models import Campaign, Contact, Recipient, RecipientCount
from campaigns.models.recipient import load_numbers
from campaigns.name_search import named
from tenants.backoffice.lists import SEARCHED_AT_MOST, ScopedRelatedFilter
from tenants.backoffice.local_time import local_time
from tenants.backoffice.roles import reach_of
from tenants.backoffice.scoped_admin import ReadOnlyAdmin
from tenants.db.encrypted_fields import UndecryptableSecret
from tenants.db.first_keys import first_keys
from tenants.db.owners import OfEach

VERDICTS = {
    "allow": ("May be called now", "success"),
    "defer": ("Must wait", "warning"),
    "skip": ("Will not be called", "danger"),
}
ANSWERS = {"allow": "Yes", "defer": "Not yet", "skip": "No"}
REASONS = (
    *(name for name in CheckName if name.traits.is_filter and name.traits.defers),
    "call_back",
    *(name for name in CheckName if name.traits.is_filter and not name.traits.defers),
    *("missing_variables", "voicemail", "no_answer", "busy", "unconfirmed", "campaign_canceled"),
)

# The filters whose values `RecipientCount` tells apart: parameter of the address, lookup.
COUNTED = {
    "status__exact": "status",
    "outcome__exact": "outcome",
    "reason": "reason",
    "campaign__id__exact": "campaign",
}


class OutcomeFilter(admin.SimpleListFilter):
    """A filter with fixed choices: reading the existing outcomes would scan all rows."""

    title = "outcome"
    parameter_name = "outcome__exact"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(status.value, label) for status, label in labels.OUTCOME_LABELS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(outcome=self.value()) if self.value() else queryset


class ReasonFilter(admin.SimpleListFilter):
    title = "reason"
    parameter_name = "reason"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(code, label_of("reason", code)) for code in REASONS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not (reason := self.value()):
            return queryset
        # Almost every campaign has no recipient with most of the reasons.
        counts = RecipientCount.objects.filter(having(reason), campaign__organization__in=reach_of(request).grants)
        return queryset.filter(having(reason), campaign__in=campaigns_with(counts))


def campaigns_with(counts: QuerySet[RecipientCount]) -> list[int]:
    """Return the keys of the campaigns that have recipients by these counts."""
    some = counts.order_by().values_list("campaign").annotate(n=Sum("recipients")).filter(n__gt=0)
    return [pk for pk, _ in some]


@admin.register(Recipient)
class RecipientAdmin(ReadOnlyAdmin, NumberedAdmin):
    organization_path = "campaign__organization"
    list_display = ("number", "name", "state", "status_detail", "attempts", "of_campaign", "explanation")
    list_filter: ClassVar[Sequence[Any]] = ("status", OutcomeFilter, ReasonFilter, ("campaign", ScopedRelatedFilter))
    read_by = (("campaign",), ("campaign", "status"))
    list_lookups = ("campaign", "status", "outcome", "reason")
    number_fields = ("contact__phone",)
    ordering = ("-id",)
    empty_words = "No recipients yet. A campaign gets its recipients when it starts."
    panel_only = True
    panel_template = "trunkline/recipient.html"
    explains = True  # the list has the drawer
    steps = RECIPIENT_STEPS

    @admin.display(description="number")
    def number(self, row: Recipient) -> str:
        return both_formats("" if row.contact.erased_at else row.number)

    @admin.display(description="name")
    def name(self, row: Recipient) -> str:
        return row.contact.name or "-"

    @admin.display(description="campaign")
    def of_campaign(self, row: Recipient) -> str:
        return row.campaign.name

    @display(description="status", label=outcomes.RECIPIENT_COLOURS)
    def state(self, row: Recipient) -> str:
        return outcomes.of_recipient(row).label

    @admin.display(description="status detail")
    def status_detail(self, row: Recipient) -> str:
        return standing(row, row.campaign, timezone.now())

    @admin.display(description="explanation")
    def explanation(self, row: Recipient) -> str:
        return format_html(
            '<a id="explain-{}" class="tl-link tl-nowrap" href="{}" data-drawer aria-haspopup="dialog">Explain'
            '<span class="tl-sr"> {}</span></a>',
            row.pk,
            self.url("explain", row.pk),
            row.contact.name or called_number(row),
        )

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return [(None, {"fields": []})]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("campaign__organization", "contact")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Search the contacts first: their numbers and names have indexes by organization."""
        term = search_term.strip()
        if not term:
            return queryset, False
        organizations = list(reach_of(request).grants)
        wanted, further = named(term, organizations), Q(pk__in=[])
        for prefix in self.number_prefixes(request, term):
            wanted |= Q(phone__startswith=prefix)
            further |= Q(further_numbers__phone__startswith=prefix)
        contacts = Contact.objects.filter(wanted, organization__in=organizations)
        holders = Contact.objects.filter(further, further_numbers__organization__in=organizations)
        by_first, by_further = (self.keys_of_search(request, rows) for rows in (contacts, holders))
        found = queryset.filter(Q(contact__in=by_first) | Q(contact__in=by_further))
        # Keys once more: PostgreSQL would look for the contacts in the order of the list, from its end.
        return (
            found if self.exporting(request) else queryset.filter(pk__in=first_keys(found, SEARCHED_AT_MOST))
        ), False

    def kept_count(self, request: HttpRequest, chosen: Mapping[str, str]) -> int | None:
        if not set(chosen) <= set(COUNTED):
            return None
        counts = RecipientCount.objects.filter(_like(chosen), campaign__organization__in=reach_of(request).grants)
        found: int = counts.aggregate(n=Sum("recipients"))["n"] or 0
        return found

    def of_each(self, request: HttpRequest, chosen: Mapping[str, str]) -> OfEach | None:
        """Return them also for filters without an index: of the campaigns alone that have such recipients."""
        found = super().of_each(request, chosen)
        if found or not set(chosen) <= set(COUNTED):
            return found
        counts = RecipientCount.objects.filter(_like(chosen), campaign__organization__in=reach_of(request).grants)
        campaigns = Campaign.objects.filter(pk__in=campaigns_with(counts))
        return OfEach(Recipient.objects.filter(_like(chosen)), "campaign", campaigns)

    def prepare_rows(self, request: HttpRequest, rows: Sequence[Any]) -> None:
        load_numbers(rows)

    def get_urls(self) -> list[URLPattern]:
        ours = path(
            "<int:pk>/explain/", self.admin_site.admin_view(self.explain_view), name="campaigns_recipient_explain"
        )
        return [ours, *super().get_urls()]

    def explain_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Return every check and its answer: as a page, or as the part that the drawer or another page shows."""
        rows = self.get_queryset(request).select_related(*EXPLAINED).prefetch_related("campaign__windows")
        obj = rows.filter(pk=pk).first() if 0 < pk < 2**63 else None
        if obj is None:
            return self.not_found(request)
        context = explained(request, obj)
        if request.headers.get("HX-Request"):
            in_drawer = request.headers.get("HX-Target") == "drawer-body"
            name = "explained" if in_drawer else "explanation"
            return TemplateResponse(request, f"trunkline/{name}.html", context)
        return self.page(request, "trunkline/explain_page.html", f"{obj.contact}", **context)

    def panel_context(self, request: HttpRequest, obj: Recipient) -> dict[str, Any]:
        calls = Call.objects.filter(recipient=obj).select_related("account", "campaign")[:50]
        contact: Any = str(obj.contact)
        if not obj.contact.erased_at:
            contact = (reverse("admin:campaigns_contact_change", args=[obj.contact_id]), contact)
        return {
            "explain_url": self.url("explain", obj.pk),
            "facts": [
                ("Contact", contact),
                ("Campaign", (reverse("admin:campaigns_campaign_change", args=[obj.campaign_id]), obj.campaign.name)),
                ("Status detail", standing(obj, obj.campaign, timezone.now())),
                ("Outcome", outcomes.of_recipient(obj).line if obj.status == Recipient.Status.DONE else "-"),
                ("Attempts", obj.attempts),
                ("Next call not before", local_time(obj.next_attempt_at)),
                ("Scheduled callback", callback_link(latest_callback(obj))),
                ("Hold", hold_text(obj.contact)),
            ],
            "calls": call_rows(calls, deciding_call(obj.pk).values_list("pk", flat=True).first()),
        }


def _like(chosen: Mapping[str, str]) -> Q:
    """Return the condition of these filters, of recipients and of their counts. Each is one of `COUNTED`."""
    found = Q()
    for name, value in chosen.items():
        found &= having(value) if name == ReasonFilter.parameter_name else Q(**{COUNTED[name]: value})
    return found


def explained(request: HttpRequest, obj: Recipient) -> dict[str, Any]:
    """Return the context of the explanation: every check's answer, and the verdict in a sentence."""
    now = timezone.now()
    shown = {
        "recipient": str(obj.contact),
        "recipient_url": reverse("admin:campaigns_recipient_change", args=[obj.pk]),
        "explain_url": request.path,
        "live": obj.status not in FINISHED,
    }
    try:
        found = explain_loaded(obj, now)
    except UndecryptableSecret as error:
        return {**shown, "label": "No call is placed", "colour": "danger", "verdict": str(error), "checks": []}
    label, colour = VERDICTS[found.decision]
    return {
        **shown,
        "label": label,
        "colour": colour,
        "verdict": f"Until {moment_in(found.until, zone_of(obj, obj.campaign.zone_rule), now)}." if found.until else "",
        "checks": [
            {
                "name": labels.check_name(check.name),
                "result": check.result,
                "answer": ANSWERS[check.result],
                **_detail(check, obj),
            }
            for check in found.checks
        ],
    }


def _detail(check: Check, obj: Recipient) -> dict[str, Any]:
    """Return what a check says. That a recipient is over, the badge says as on every other page."""
    if check.name != CheckName.RECIPIENT or obj.status not in FINISHED:
        return {"detail": check.detail}
    badge = outcomes.of_recipient(obj)
    return {"badge": badge, "detail": badge.meaning or capfirst(labels.reason(obj.reason))}


def call_rows(calls: Any, decided_by: int | None = None) -> list[dict[str, Any]]:
    """Return the rows of the small table of calls on another object's page.

    `decided_by`: the call that decided the outcome of the recipient whose page it is.
    """
    return [
        {
            "url": reverse("admin:calls_call_change", args=[call.pk]),
            "at": local_time(call.created_at),
            "badge": outcomes.badge(call),
            "decides": call.pk == decided_by,
            "detail": outcomes.beside(call),
            "campaign": call.campaign.name if call.campaign_id and call.campaign else "single call",
        }
        for call in calls
    ]
