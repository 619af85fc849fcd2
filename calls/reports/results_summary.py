"""The fields of a campaign's results and their figures, as the API shows them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from calls.reports.figures.conditions import Share
from calls.reports.figures.results import FieldFigures, Results
from calls.reports.histogram import Spread


def fields_as_json(found: Results) -> list[dict[str, Any]]:
    """Return the fields in their order, as they are chosen and as they were found."""
    return [
        {
            "name": each.field.name,
            "title": each.field.title,
            "kind": each.field.kind,
            "shown": each.field.shown,
            "column": each.field.column,
            "found_kind": each.found or "",
            "values": each.shown.values,
        }
        for each in found.fields
    ]


def summary_as_json(found: Results) -> dict[str, Any]:
    """Return the figures of the fields that are shown."""
    return {
        "sample_every": found.every,
        "decided": found.decided,
        "results": found.results,
        "results_too_long": found.too_long,
        "further_fields": found.further,
        "fields": [_figures(each) for each in found.fields if each.field.shown],
    }


def _figures(each: FieldFigures) -> dict[str, Any]:
    shown = each.shown
    return {
        "name": each.field.name,
        "title": each.field.heading,
        "kind": shown.kind,
        "values": shown.values,
        "answers": [{"value": text, **_share(share)} for text, share in shown.parts],
        "spread": _spread(shown.spread) if shown.spread else None,
        "other": shown.other,
    }


def _share(share: Share) -> dict[str, Any]:
    return {"values": share.part, "share": None if share.rate is None else round(share.rate, 4)}


def _spread(spread: Spread) -> dict[str, Any]:
    return {
        "median": spread.median,
        "quartiles": [spread.middle_low, spread.middle_high],
        "least": spread.least,
        "most": spread.most,
        "bars": [{"from": _edge(bar.low), "to": _edge(bar.high), **_share(bar.share)} for bar in spread.bars],
    }


def _edge(edge: Decimal | None) -> float | None:
    return None if edge is None else float(edge)
