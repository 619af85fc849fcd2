"""The search of the back office: contacts, calls, campaigns, lists, assistants, caller numbers and pages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.db.models import prefetch_related_objects
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from calls.admin.shared import labels, outcomes
from calls.models import Call
from calls.reports import search
from campaigns.do_not_call import persons
from campaigns.models import Campaign, Contact
from campaigns.phones import country_of, national
from config.admin_site import navigation
from tenants.backoffice.languages.catalog import speaker
from tenants.backoffice.languages.reader import language_of
from tenants.backoffice.local_time import local_time
from tenants.backoffice.roles import reach_of, regions_of


@dataclass(frozen=True)
class Hit:
    url: str
    title: str
    detail: str = ""
    state: str = ""
    colour: str = "default"


@dataclass(frozen=True)
class Group:
    """The results of one kind, and the address of the full list."""

    kind: str
    icon: str
    hits: list[Hit]
    more: str = ""


def view(request: HttpRequest) -> HttpResponse:
    """Return the results for the command palette, in groups. A term that is too short finds only pages."""
    term = request.GET.get("s", "")
    groups = [group for group in found(request, term) if group.hits]
    count = sum(len(group.hits) for group in groups)
    context = {"groups": groups, "term": term.strip(), "count": count}
    return TemplateResponse(request, "trunkline/search.html", context, headers={"Cache-Control": "no-store"})


def found(request: HttpRequest, term: str) -> Iterable[Group]:
    reach = reach_of(request)
    asked = search.read(term, reach.grants, lambda: regions_of(request))
    if not asked.term:
        return
    contacts = search.contacts(asked)
    yield _group("Contacts", "person", "campaigns_contact", asked.term, _contacts(contacts))
    calls = search.calls(asked, contacts)
    yield _group("Calls", "call", "calls_call", asked.term if asked.numbers else "", [_call(row) for row in calls])
    campaigns = search.campaigns(asked)
    yield _group("Campaigns", "campaign", "campaigns_campaign", asked.term, [_campaign(row) for row in campaigns])
    lists = [Hit(_url("campaigns_contactlist", row.pk), row.name) for row in search.lists(asked)]
    yield Group("Lists", "list_alt", lists)
    assistants = [
        Hit(_url("providers_assistant", row.pk), row.name, row.account.name) for row in search.assistants(asked)
    ]
    yield Group("Assistants", "support_agent", assistants)
    numbers = [
        Hit(_url("providers_phonenumber", row.pk), _number(row.e164), row.label or row.account.name)
        for row in search.caller_numbers(asked)
    ]
    yield Group("Caller numbers", "dialpad", numbers)
    yield Group("Pages", "web_asset", list(_pages(request, asked.term)))


def _url(name: str, pk: int) -> str:
    return reverse(f"admin:{name}_change", args=[pk])


def _group(kind: str, icon: str, name: str, term: str, hits: list[Hit]) -> Group:
    """Return the group, with a link to the whole list if there can be more results."""
    full = len(hits) == search.AT_ONCE and term
    return Group(kind, icon, hits, f"{reverse(f'admin:{name}_changelist')}?{urlencode({'q': term})}" if full else "")


def _number(e164: str) -> str:
    country = country_of(e164)
    return f"{national(e164)}{f' ({country})' if country else ''}" if e164 else "erased"


def _contacts(rows: list[Contact]) -> list[Hit]:
    now = timezone.now()
    prefetch_related_objects(rows, "further_numbers")
    listed = persons.listed(rows)
    hits = []
    for row in rows:
        state, colour = ("On the do-not-call list", "danger") if row.pk in listed else ("", "")
        if not state and row.held(now):
            state, colour = "On hold", "warning"
        hits.append(
            Hit(_url("campaigns_contact", row.pk), row.name or _number(row.phone), _number(row.phone), state, colour)
        )
    return hits


def _call(row: Call) -> Hit:
    found = outcomes.of_call(row)
    title = f"{row.customer_name}, {_number(row.to_number)}" if row.customer_name else _number(row.to_number)
    campaign = row.campaign.name if row.campaign else "single call"
    return Hit(
        _url("calls_call", row.pk),
        title,
        f"{local_time(row.created_at)}, {campaign}",
        found.label,
        found.colour,
    )


def _campaign(row: Campaign) -> Hit:
    status = Campaign.Status(row.status)
    return Hit(
        _url("campaigns_campaign", row.pk),
        row.name,
        f"created {local_time(row.created_at)}",
        str(status.label),
        labels.CAMPAIGN_COLOURS[status],
    )


def _pages(request: HttpRequest, term: str) -> Iterable[Hit]:
    """Yield the pages of the sidebar and of the user's menu whose title contains the term."""
    pages: list[dict[str, Any]] = [item for group in navigation(request) for item in group["items"]]
    pages.append({"title": "My settings", "link": reverse("my-settings")})
    say = speaker(language_of(request))
    for item in pages:
        if term.lower() in f"{item['title']}\n{say(item['title'])}".lower():
            yield Hit(item["link"], item["title"])
