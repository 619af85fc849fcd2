"""The page that shows two campaigns beside each other, and the action of their list that leads to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IS_POPUP_VAR
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path

from calls.admin.campaigns.result_parts import KINDS, number_text
from calls.admin.campaigns.tabs import Tab
from calls.admin.shared.labels import spent_text
from calls.reports.campaign_comparison import CommonField, Comparison, Pair, Side, compare
from calls.reports.figures.conditions import Share, percent
from calls.reports.intervals import Difference
from campaigns.models import Campaign
from tenants.backoffice.scoped_admin import ScopedAdmin

OFFERED = 200  # campaigns to choose from, the newest
TWO = 2
CHOOSE = "Choose two campaigns of one organization."
FIGURES = {
    "called": "Called",
    "answered": "Answered",
    "reached": "Reached in person",
    "opted_out": "Opted out",
}
WHOLES = {
    "may_be_called": "of those who may be called",
    "called": "of those called",
    "decided": "of those with an ended call",
}


class ComparisonPages(ScopedAdmin):
    """The comparison, as a base class of the campaign's admin."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.compare_view)
        return [path("compare/", view, name="campaigns_campaign_compare"), *super().get_urls()]

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Return what the list offers for the chosen campaigns."""
        if IS_POPUP_VAR in request.GET:
            return {}
        return {"compare": (self.response_action, "compare", "Compare two campaigns")}

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse:
        """Show the comparison of the two campaigns chosen in the list."""
        chosen = list(self._visible(request, request.POST.getlist(ACTION_CHECKBOX_NAME))[: TWO + 1])
        if request.POST.get("action") != "compare" or len(chosen) != TWO:
            messages.error(request, CHOOSE)
            return redirect(request.get_full_path())
        older, newer = sorted(chosen, key=lambda campaign: campaign.pk)
        return redirect(self.compare_url(older, newer))

    def compare_url(self, a: Campaign, b: Campaign | None = None) -> str:
        """Return the address that compares two campaigns, or that asks for the second."""
        named = {"a": a.pk} | ({"b": b.pk} if b else {})
        return f"{self.url('compare')}?{urlencode(named)}"

    def compare_view(self, request: HttpRequest) -> HttpResponse:
        """Show two campaigns of one organization beside each other, and the choice of others."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        asked = [request.GET[name] for name in ("a", "b") if request.GET.get(name)]
        visible = {str(row.pk): row for row in self._visible(request, asked)}
        if any(key not in visible for key in asked):
            return self.not_found(request)
        a, b = [*(visible[key] for key in asked), None, None][:2]
        found = None
        if a is not None and b is not None:
            if a == b or a.organization_id != b.organization_id:
                messages.error(request, CHOOSE)
            else:
                found = compare(a, b)
        return self.page(
            request,
            "trunkline/compare.html",
            "Compare two campaigns",
            a=a,
            b=b,
            offered=self._offered(request, [each for each in (a, b) if each]),
            found=self._compared(found) if found else None,
        )

    def _compared(self, found: Comparison) -> dict[str, Any]:
        """Return what the page shows. The name of a campaign leads to its results."""
        sides = [
            {"name": side.campaign.name, "url": f"{self.url('change', side.campaign.pk)}?tab={Tab.RESULTS.slug}"}
            for side in (found.a, found.b)
        ]
        return {"sides": sides, **_shown(found)}

    def _visible(self, request: HttpRequest, keys: Sequence[str]) -> QuerySet[Campaign]:
        """Return those of the campaigns that the user may see."""
        usable = [int(key) for key in keys if key.isascii() and key.isdigit() and len(key) < 19]
        return self.get_queryset(request).filter(pk__in=usable)

    def _offered(self, request: HttpRequest, chosen: Sequence[Campaign]) -> list[Campaign]:
        """Return the campaigns to choose from: the chosen ones, and others of the first one's organization."""
        rows = self.get_queryset(request).order_by("-pk")
        newest = (rows.filter(organization=chosen[0].organization_id) if chosen else rows)[:OFFERED]
        return list(dict.fromkeys([*newest, *chosen]))


def _shown(found: Comparison) -> dict[str, Any]:
    return {
        "samples": [
            f"Of “{side.campaign.name}”, one in {side.results.every:,} recipients was read for its results."
            for side in (found.a, found.b)
            if side.results.every > 1
        ],
        "shares": [_pair(pair, FIGURES[pair.figure], WHOLES[pair.of]) for pair in found.shares],
        "others": _others(found.a, found.b),
        "fields": [_field(field, (found.a, found.b)) for field in found.fields],
    }


def _pair(pair: Pair, label: str, of: str = "") -> dict[str, Any]:
    return {"label": label, "of": of, "cells": [_share(share) for share in (pair.a, pair.b)], **_difference(pair)}


def _share(share: Share) -> dict[str, str]:
    return {"text": share.text, "counts": share.counts if share.whole else ""}


def _difference(pair: Pair) -> dict[str, Any]:
    found = pair.difference
    if found is None:
        return {"points": "-", "range": "", "shows": False}
    return {
        "points": points(found.by),
        "range": f"{points(found.low)} to {points(found.high)}",
        "shows": found.shows,
        "sentence": _sentence(found),
    }


def _sentence(found: Difference) -> str:
    if points(found.by) == "0":
        return "no difference"
    if not found.shows:
        return "chance may explain it"
    return "higher in the second" if found.by > 0 else "lower in the second"


def points(part: float) -> str:
    """Return a difference of shares in points with its sign, such as “+5.2”."""
    text = percent(abs(part)).removesuffix(" %")
    return text if text == "0" else f"{'+' if part > 0 else '−'}{text}"  # noqa: RUF001 (a minus sign)


def _others(a: Side, b: Side) -> list[dict[str, Any]]:
    """Return the figures that are no shares."""

    def row(label: str, note: str, of: Sequence[str]) -> dict[str, Any]:
        return {"label": label, "note": note, "cells": of}

    both = (a, b)
    return [
        row("Recipients", "", [f"{side.counts.total:,}" for side in both]),
        row("Attempts", "", [f"{side.counts.attempts:,}" for side in both]),
        row("Attempts per recipient", "of those called", [_number(side.attempts_each) for side in both]),
        row("Duration", "median of answered calls, in seconds", [_number(side.results.duration) for side in both]),
        row("Spent", "all calls", [spent_text(side.cost, side.counts.attempts) for side in both]),
    ]


def _number(number: float | None) -> str:
    return "-" if number is None else number_text(round(number, 2))


def _field(field: CommonField, sides: Sequence[Side]) -> dict[str, Any]:
    spreads = (field.a.spread, field.b.spread)
    medians = [
        (side.campaign.name, _number(spread.median if spread else None))
        for side, spread in zip(sides, spreads, strict=True)
    ]
    return {
        "title": field.heading,
        "kind": KINDS[field.kind],
        "values": [f"{shown.values:,}" for shown in (field.a, field.b)],
        "medians": medians if any(spreads) else [],
        "answers": [_pair(pair, pair.figure) for pair in field.answers],
    }
