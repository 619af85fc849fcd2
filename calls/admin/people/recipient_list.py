"""The recipients on a campaign's page: filters with counts, pages by key, and links to the explanations."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.text import slugify

from calls.admin.people.counts import label_of
from calls.admin.people.standing import moment_in, standing, zone_of
from calls.admin.shared import outcomes
from calls.reports.figures.recipients import DIMENSIONS, Counts, counts_of, having
from campaigns.admin.numbers import called_number
from campaigns.models import Campaign, Recipient
from campaigns.models.recipient import load_numbers

SHOWN = 25
CHIPS = 12  # only the most frequent reasons have a filter
MANY = 50_000  # with more recipients, the page refreshes less often
POSITIONS = ("before", "after")
ADDRESS = (*DIMENSIONS, *POSITIONS)  # parameters of the fragment's address
TITLES = {"status": "Status", "outcome": "Outcome", "reason": "Reason"}


def recipients_of(request: HttpRequest, campaign: Campaign) -> dict[str, Any]:
    """Return the context of the fragment. Its address has all filters and the position, so a refresh keeps them."""
    chosen = {name: request.GET.get(name, "")[:200] for name in DIMENSIONS}
    counts, now = counts_of([campaign.pk])[campaign.pk], timezone.now()
    rows, newer, older = page_by_key(campaign, chosen, request.GET)
    fragment = reverse("admin:campaigns_campaign_people", args=[campaign.pk])
    page = f"{reverse('admin:campaigns_campaign_change', args=[campaign.pk])}?tab=recipients"

    def link(**changes: str) -> dict[str, str]:
        """Return the addresses of the fragment and of the whole page with changed filters, from the first page on."""
        query = urlencode({name: value for name, value in {**chosen, **changes}.items() if value})
        return {"url": f"{fragment}?{query}" if query else fragment, "page": f"{page}&{query}" if query else page}

    position = {name: request.GET[name] for name in POSITIONS if _key(request.GET.get(name))}
    return {
        "here": link(**position),
        "every": refresh_seconds(counts.total),
        "total": f"{counts.total:,}",
        "filtered": any(chosen.values()),
        "all_link": link(**dict.fromkeys(DIMENSIONS, "")),
        "filters": [
            {"title": TITLES[name], "name": name, "chips": _chips(counts, name, chosen, link)} for name in DIMENSIONS
        ],
        "rows": [_row(row, campaign, now) for row in rows],
        "newer": link(after=str(rows[0].pk)) if newer else None,
        "older": link(before=str(rows[-1].pk)) if older else None,
        "list_url": f"{reverse('admin:campaigns_recipient_changelist')}?campaign__id__exact={campaign.pk}",
    }


def refresh_seconds(recipients: int) -> int:
    """Return after how many seconds the page of a campaign of this size refreshes."""
    return 3 if recipients <= MANY else 15


def _chips(counts: Counts, name: str, chosen: Mapping[str, str], link: Any) -> list[dict[str, Any]]:
    found = counts.by(name, chosen)
    del found[""]
    if chosen[name]:
        found.setdefault(chosen[name], 0)  # an active filter stays visible, so that it can be removed
    return [
        {
            "label": label_of(name, value),
            "count": f"{count:,}",
            "on": value == chosen[name],
            "id": f"{name}-{slugify(value) or number}",
            "link": link(**{name: "" if value == chosen[name] else value}),
        }
        for number, (value, count) in enumerate(found.most_common(CHIPS))
    ]


def _key(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) <= 18 else 0


def matching(rows: QuerySet[Recipient], chosen: Mapping[str, str]) -> QuerySet[Recipient]:
    """Return the recipients that match the filters."""
    for name in ("status", "outcome"):
        if chosen[name]:
            rows = rows.filter(**{name: chosen[name]})
    return rows.filter(having(chosen["reason"])) if chosen["reason"] else rows


def page_by_key(
    campaign: Campaign, chosen: Mapping[str, str], query: Mapping[str, str]
) -> tuple[list[Recipient], bool, bool]:
    """Return one page by key, newest first, and whether there are newer and older recipients.

    The range and the order make PostgreSQL read `recipient_list`. With an equal campaign and an order by key alone it
    reads all recipients of later campaigns first.
    """
    of_campaign = Recipient.objects.filter(campaign__gte=campaign.pk, campaign__lte=campaign.pk)
    rows = matching(of_campaign.select_related("contact"), chosen)
    before, after = _key(query.get("before")), _key(query.get("after"))
    if after:
        found = list(rows.filter(pk__gt=after).order_by("-campaign_id", "pk")[: SHOWN + 1])
        load_numbers(found)
        return found[:SHOWN][::-1], len(found) > SHOWN, True
    found = list((rows.filter(pk__lt=before) if before else rows).order_by("campaign_id", "-pk")[: SHOWN + 1])
    load_numbers(found)
    return found[:SHOWN], bool(before), len(found) > SHOWN


def _row(row: Recipient, campaign: Campaign, now: datetime) -> dict[str, Any]:
    found = outcomes.of_recipient(row)
    return {
        "pk": row.pk,
        "name": row.contact.name,
        "number": called_number(row),
        "url": reverse("admin:campaigns_recipient_change", args=[row.pk]),
        "explain_url": reverse("admin:campaigns_recipient_explain", args=[row.pk]),
        "label": found.label,
        "colour": found.colour,
        "standing": standing(row, campaign, now),
        "attempts": row.attempts,
        "next": moment_in(row.next_attempt_at, zone_of(row, campaign.zone_rule), now)
        if row.next_attempt_at and row.next_attempt_at > now
        else "",
    }
