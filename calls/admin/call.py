"""Calls: the list, the page of one call, and what staff may decide about it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from unfold.decorators import display

from calls import outcomes, transcripts
from calls.admin import words
from calls.models import OPEN, Call, CallEvent, Status
from campaigns.admin.numbers import NumberedAdmin
from campaigns.import_pages import both_spellings
from campaigns.phones import national
from providers.adapters.errors import ProviderError
from providers.models import ProviderAccount
from tenants.staff import Level, NotDone, ScopedRelatedFilter, Step, reach_of, utc, utc_column

MASK = "••••"


class ConfirmForm(forms.Form):
    provider_call_id = forms.CharField(
        label="The provider's id of the call",
        max_length=200,
        widget=forms.TextInput(attrs={"class": "tl-input"}),
        help_text="As its dashboard shows it.",
    )
    reason = forms.CharField(
        label="How do you know?",
        max_length=400,
        widget=forms.Textarea(attrs={"rows": 3, "class": "tl-input"}),
        help_text="Kept with your name.",
    )


class ReleaseForm(forms.Form):
    reason = forms.CharField(
        label="How do you know that it was not placed?",
        max_length=400,
        widget=forms.Textarea(attrs={"rows": 3, "class": "tl-input"}),
        help_text="Kept with your name.",
    )


def _confirm(request: HttpRequest, obj: Call, values: Mapping[str, Any]) -> str:
    try:
        outcomes.confirm_placed(
            obj.pk, values["provider_call_id"].strip(), actor=reach_of(request).actor, reason=values["reason"]
        )
    except outcomes.NotPossible as error:
        raise NotDone(str(error)) from error
    return "The call counts as placed. Its outcome is read from the provider from now on."


def _release(request: HttpRequest, obj: Call, values: Mapping[str, Any]) -> str:
    try:
        outcomes.release(obj.pk, actor=reach_of(request).actor, reason=values["reason"])
    except outcomes.NotPossible as error:
        raise NotDone(str(error)) from error
    return "The call counts as never placed. The person may be called again."


def _cancel(request: HttpRequest, obj: Call, values: Mapping[str, Any]) -> str:
    if not outcomes.cancel(obj, "canceled_by_staff", "Canceled by staff.", actor=reach_of(request).actor):
        raise NotDone("The call is not queued any more: it has been placed, or has ended.")
    return "The call is canceled. Nobody was rung."


def _release_effect(obj: Call) -> list[str]:
    again = (
        "Its campaign may call the person again, within its rules."
        if obj.recipient_id
        else "Anybody may order another call to this number."
    )
    return [
        f"You say that {national(obj.to_number)} was not rung by this call.",
        again,
        "If the call was placed after all, the person is rung twice. Look in the provider's dashboard first.",
    ]


STEPS = (
    Step(
        "confirm-placed",
        "It was placed…",
        Level.OPERATOR,
        lambda obj: [
            "You found the call at the provider.",
            "It is followed by that id from now on, and is not placed again.",
        ],
        _confirm,
        offered=lambda obj: obj.status in (Status.UNCONFIRMED, Status.UNKNOWN),
        form=ConfirmForm,
        tone="primary",
        icon="check",
        button="It was placed",
    ),
    Step(
        "release",
        "It was not placed: release…",
        Level.OPERATOR,
        _release_effect,
        _release,
        offered=lambda obj: obj.status == Status.UNCONFIRMED,
        form=ReleaseForm,
        tone="danger",
        icon="undo",
        button="It was not placed: release",
    ),
    Step(
        "cancel",
        "Cancel",
        Level.OPERATOR,
        lambda obj: [
            f"{national(obj.to_number)} is not rung by this call.",
            "This cannot be undone; order a new call instead.",
        ],
        _cancel,
        offered=lambda obj: obj.status == Status.QUEUED,
        tone="danger",
        icon="call_end",
        button="Cancel the call",
    ),
)


@admin.register(Call)
class CallAdmin(NumberedAdmin):
    add_level = change_level = delete_level = Level.NOBODY
    empty_words = "No call yet. Launch a single call, or start a campaign."
    search_help_text = "Number (its beginning) or a whole id"
    list_display = ("number", "person", "state", "outcome", "of_campaign", "assistant", "ordered")
    list_filter: ClassVar[Sequence[Any]] = ("status", ("account", ScopedRelatedFilter))
    list_lookups = ("campaign", "contact", "status")
    list_select_related = ("campaign", "assistant", "organization")
    number_fields = ("to_number",)
    exact_fields = ("provider_call_id",)
    ordering = ("-id",)
    steps = STEPS
    panel_only = True
    panel_template = "trunkline/call.html"
    ordered = utc_column("created_at", "ordered")

    @admin.display(description="number")
    def number(self, row: Call) -> str:
        return both_spellings(row.to_number)

    @admin.display(description="person")
    def person(self, row: Call) -> str:
        return row.customer_name or "-"

    @display(description="status", label=words.CALL_LABELS)
    def state(self, row: Call) -> str:
        return Status(row.status).label

    @admin.display(description="detail")
    def outcome(self, row: Call) -> str:
        if row.status == Status.QUEUED:
            return f"waits: {words.reason(row.status_reason)}" if row.status_reason else "-"
        if row.status == Status.UNCONFIRMED and row.error_message:
            return row.error_message
        if row.duration_seconds:
            return words.duration(row.duration_seconds)
        return words.reason(row.ended_reason) or "-"

    @admin.display(description="campaign")
    def of_campaign(self, row: Call) -> str:
        return row.campaign.name if row.campaign else "single call"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        # The request as sent and the raw evidence are long, and only the page of one call shows them.
        rows = super().get_queryset(request)
        if request.resolver_match and "object_id" in request.resolver_match.kwargs:
            return rows.select_related("campaign", "account", "assistant", "phone_number", "organization")
        return rows.defer("decision", "result", "metadata", "dynamic_variables")

    def exactly(self, request: HttpRequest, name: str, term: str) -> Q:
        """A provider's id has an index by account."""
        accounts = ProviderAccount.objects.filter(organization__in=list(reach_of(request).levels))
        return Q(account__in=list(accounts.values_list("pk", flat=True)), **{name: term}) & ~Q(**{name: ""})

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        try:
            return queryset.filter(uuid=uuid.UUID(search_term.strip())), False
        except ValueError:
            return super().get_search_results(request, queryset, search_term)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return [(None, {"fields": []})]

    def get_urls(self) -> list[URLPattern]:
        from calls.admin import dashboard, evidence, launch, legal_hours

        wrap = self.admin_site.admin_view
        ours = [
            path("launch/", wrap(launch.view), name="calls_call_launch"),
            path("launch/fields/", wrap(launch.fields_view), name="calls_call_launch_fields"),
            path("evidence.csv", wrap(evidence.view), name="calls_call_evidence"),
            path("legal-hours/", wrap(legal_hours.view), name="calls_call_legal_hours"),
            path("overview/", wrap(dashboard.fragment_view), name="calls_call_overview"),
            path("<int:pk>/transcript/", wrap(self.transcript_view), name="calls_call_transcript"),
        ]
        return [*ours, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        extra = dict(extra_context or {})
        if request.GET.get("status__exact") == Status.UNCONFIRMED:
            extra["title"] = "Unconfirmed calls"
            extra["intro"] = (
                "The provider's answer to these calls was lost or unclear, so each of them may have rung. Look each "
                "one up in the provider's dashboard, then say here whether it was placed. Until then "
                "the person is not called again."
            )
        return super().changelist_view(request, extra)

    def words_for_nothing(self, request: HttpRequest) -> str:
        if request.GET.get("status__exact") == Status.UNCONFIRMED and len(request.GET) == 1:
            return "No call is unconfirmed: of every call we know whether it was placed."
        return super().words_for_nothing(request)

    def transcript_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """What was said, fetched when somebody asks."""
        obj = self.found(request, pk)
        if obj is None:
            return self.not_found(request)
        fault, turns = "", []
        try:
            turns = [(utc(turn.started_at, ""), turn.role, turn.text) for turn in transcripts.read(obj)]
        except (transcripts.NoTranscript, transcripts.TooMany, transcripts.Unreadable) as error:
            fault = str(error)
        back = self.url("change", pk)
        return self.page(
            request, "trunkline/transcript.html", f"{obj}: what was said", turns=turns, fault=fault, back=back
        )

    def panel_context(self, request: HttpRequest, obj: Call) -> dict[str, Any]:
        events = list(obj.events.all()[:200])
        from calls.admin import webhooks

        return {
            "call": obj,
            "live": obj.status in OPEN or obj.status == Status.QUEUED,
            "badge": words.badge(obj),
            "waits": words.reason(obj.status_reason) if obj.status == Status.QUEUED and obj.status_reason else "",
            "facts": _facts(obj),
            "times": _times(obj),
            "timeline": [_moment(event, obj) for event in events],
            "sent": _sent(obj),
            "variables": list((obj.dynamic_variables or {}).items()),
            "metadata": list((obj.metadata or {}).items()),
            "result": _result(obj),
            "checks": [
                {**check, "name": words.check_name(str(check.get("name", "")))}
                for check in (obj.decision or {}).get("checks", [])
            ],
            "checked_at": (obj.decision or {}).get("at", "").replace("T", " ")[:19],
            "decisions": list(obj.decisions.all()),
            "webhooks": webhooks.of_call(request, obj),
            "transcript_url": self.url("transcript", obj.pk) if transcripts.may_exist(obj) else "",
        }


def _facts(call: Call) -> list[tuple[str, Any]]:
    def link(name: str, pk: int, text: str) -> tuple[str, str]:
        return reverse(f"admin:{name}_change", args=[pk]), text

    cost = words.money(call.cost, call.cost_currency)
    if call.cost is None and call.cost_reserved:
        cost = f"{words.money(call.cost_reserved, call.cost_currency)} set aside"
    rows: list[tuple[str, Any]] = [
        ("To", f"{national(call.to_number)} ({call.to_number})"),
        ("Person", link("campaigns_contact", call.contact_id, call.customer_name or call.contact.name or "no name")),
        (
            "From",
            link("providers_phonenumber", call.phone_number_id, f"{national(call.from_number)} ({call.from_number})"),
        ),
        ("Assistant", link("providers_assistant", call.assistant_id, call.assistant.name)),
        (
            "Account",
            link(
                "providers_provideraccount",
                call.account_id,
                f"{call.account.name} ({call.account.get_provider_display()})",
            ),
        ),
    ]
    if call.campaign_id and call.campaign:
        rows.append(
            (
                "Campaign",
                link(
                    "campaigns_campaign", call.campaign_id, f"{call.campaign.name}, call {call.attempt} to this person"
                ),
            )
        )
    else:
        rows.append(("Ordered by", call.created_by or "-"))
    rows += [
        ("Provider's id", call.provider_call_id or "not known"),
        ("Provider's word", call.provider_status or "-"),
        ("Ended because", words.reason(call.ended_reason) or "-"),
        ("Provider's reason", call.provider_reason or "-"),
        ("Answered by", {"machine": "a machine", "human": "a person"}.get(call.answered_by, call.answered_by) or "-"),
        ("Duration", words.duration(call.duration_seconds)),
        ("Cost", cost),
        ("Our id", str(call.uuid)),
    ]
    if call.error_message:
        rows.append(("Error", f"{call.error_message} {f'({call.error_code})' if call.error_code else ''}".strip()))
    return rows


def _times(call: Call) -> list[tuple[str, str]]:
    named = (
        ("Ordered", call.created_at),
        ("Not before", call.not_before),
        ("Not after", call.not_after),
        ("Next try", call.due_at if call.status == Status.QUEUED else None),
        ("Sent to the provider", call.dialed_at),
        ("Placed", call.placed_at),
        ("Ringing", call.started_at),
        ("Answered", call.answered_at),
        ("Ended", call.ended_at),
        ("Next look", call.next_read_at),
    )
    return [(name, utc(moment)) for name, moment in named if moment]


EVENT_WORDS = {
    "queued": "Queued",
    "placing": "Claimed for placing",
    "status": "Status",
    "ended": "Ended",
    "unconfirmed": "Unconfirmed",
    "conflict": "Contradicting evidence",
    "unrecognised": "A word we do not know",
    "late_answer": "Late answer",
    "staff": "Decided by staff",
    "not_sent": "Not sent, queued again",
    "misconfigured": "Refused for our set-up, queued again",
    "deferred": "Put off",
    "opt_out": "Does not want to be called again",
}


def _moment(event: CallEvent, call: Call) -> dict[str, Any]:
    to = Status(event.to_status) if event.to_status in Status.values else None
    return {
        "at": utc(event.at),
        "title": EVENT_WORDS.get(event.type, event.type.replace("_", " ").capitalize()),
        "to": to.label if to else "",
        "colour": words.CALL_COLOURS[to] if to else "default",
        "source": CallEvent.Source(event.source).label if event.source in CallEvent.Source.values else event.source,
        "detail": event.detail,
        "raw": masked(event.raw, call),
    }


def masked(text: str, call: Call) -> str:
    """Text without the account's secrets and the call's own tokens."""
    secrets = [str(value) for value in (call.account.credentials or {}).values()]
    for secret in [*secrets, call.callback_token, call.account.hook_token]:
        if len(secret) >= 4:
            text = text.replace(secret, MASK)
    return text


def _sent(call: Call) -> dict[str, str]:
    """The request as it is built from the order; headers, which carry the key, are left out."""
    try:
        request = call.account.adapter.place(call.as_order())
    except ProviderError as error:
        return {"fault": str(error)}
    body = request.json if request.json is not None else dict(request.form or {})
    text = json.dumps(body, indent=2, ensure_ascii=False, default=str)
    return {"line": masked(f"{request.method} {request.url}", call), "body": masked(text, call)}


def _result(call: Call) -> list[tuple[str, str]]:
    if isinstance(call.result, dict):
        return [(str(name), _plain(value)) for name, value in call.result.items()]
    return [("Result", _plain(call.result))] if call.result else []


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return json.dumps(value, ensure_ascii=False, indent=1) if isinstance(value, dict | list) else str(value)
