"""The structured results on a campaign's page: a card for each field, and the recipients with the chosen columns."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from calls.admin.people.recipient_list import page_by_key
from calls.admin.shared import outcomes
from calls.models import Status, deciding_calls
from calls.reports.figures.conditions import Share
from calls.reports.figures.results import FieldFigures, Results, results_of
from calls.reports.histogram import Bar
from calls.reports.result_values import Shown, as_text, values_of
from campaigns.admin.numbers import called_number
from campaigns.models import Campaign, Recipient
from campaigns.rules import result_fields
from campaigns.rules.result_fields import Field, Kind
from campaigns.wording import counted

KINDS = {Kind.YES_NO: "Yes or no", Kind.CHOICE: "Choice", Kind.NUMBER: "Number", Kind.TEXT: "Text"}
FEW = 3  # with fewer values there is no chart
LONGEST_CELL = 120  # characters
ANSWERED = {"status": "", "outcome": Status.COMPLETED.value, "reason": ""}


def number_text(number: float | Decimal) -> str:
    """Return a number without zeros at its end, such as “1,250” or “3.5”, with six digits at most after the point."""
    text = f"{number:,.6f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def result_figures_of(campaign: Campaign, may_choose: bool) -> dict[str, Any]:
    """Return a card for each field that is shown. It loads after the page."""
    found = results_of(campaign)
    return {
        "cards": [_card(each) for each in found.fields if each.field.shown],
        "notes": list(_notes(found)),
        "fields_url": reverse("admin:campaigns_campaign_result_fields", args=[campaign.pk]) if may_choose else "",
    }


def _notes(found: Results) -> list[str]:
    notes = [f"{counted(found.results, 'result')} of {counted(found.decided, 'recipient')} with an ended call."]
    if found.every > 1:
        notes.append(f"This campaign has many recipients: one in {found.every:,} of them was read.")
    if found.too_long:
        notes.append(f"{counted(found.too_long, 'result')} too long to be read.")
    if found.further:
        notes.append(f"{counted(found.further, 'further field')} not shown.")
    return notes


def _card(each: FieldFigures) -> dict[str, Any]:
    shown = each.shown
    few = shown.values < FEW
    return {
        "title": each.field.heading,
        "kind": KINDS[shown.kind],
        "values": counted(shown.values, "value"),
        "few": few,
        "rows": [] if few else _rows(shown),
        "facts": [] if few else _facts(shown),
    }


def _rows(shown: Shown) -> list[dict[str, Any]]:
    """Return the bars of a chart, with the numbers beside them."""
    bars = [(text, share) for text, share in shown.parts]
    bars += [(bar_label(bar), bar.share) for bar in shown.spread.bars] if shown.spread else []
    if shown.other:
        bars.append(("other", Share(shown.other, shown.values)))
    return [
        {"label": label, "count": f"{share.part:,}", "share": share.text, "part": share.part, "whole": share.whole}
        for label, share in bars
    ]


def bar_label(bar: Bar) -> str:
    """Return which numbers are in a bar. The upper bound is not in it."""
    if bar.low is None:
        return f"under {number_text(bar.high or 0)}"
    if bar.high is None:
        return f"{number_text(bar.low)} and more"
    return number_text(bar.low) if bar.low == bar.high else f"{number_text(bar.low)} to {number_text(bar.high)}"


def _facts(shown: Shown) -> list[tuple[str, str]]:
    if shown.spread is None:
        return []
    middle = f"{number_text(shown.spread.middle_low)} to {number_text(shown.spread.middle_high)}"
    ends = f"{number_text(shown.spread.least)} to {number_text(shown.spread.most)}"
    return [("Median", number_text(shown.spread.median)), ("Middle half", middle), ("All", ends)]


def result_rows_of(request: HttpRequest, campaign: Campaign) -> dict[str, Any]:
    """Return a page of the recipients who answered, newest first, with the columns that were chosen."""
    columns = [field for field in _fields_of(campaign) if field.column]
    rows, newer, older = page_by_key(campaign, ANSWERED, request.GET) if columns else ([], False, False)
    results = dict(deciding_calls([row.pk for row in rows]).values_list("recipient_id", "result"))
    url = reverse("admin:campaigns_campaign_result_rows", args=[campaign.pk])
    return {
        "columns": [field.heading for field in columns],
        "rows": [_row(row, columns, results.get(row.pk)) for row in rows],
        "newer": f"{url}?after={rows[0].pk}" if newer else "",
        "older": f"{url}?before={rows[-1].pk}" if older else "",
    }


def _fields_of(campaign: Campaign) -> list[Field]:
    """Return the fields as they were chosen. Only where nobody has chosen any are the results read for them."""
    return result_fields.read(campaign.result_fields) or [each.field for each in results_of(campaign).fields]


def _row(row: Recipient, columns: Sequence[Field], result: Any) -> dict[str, Any]:
    values, outcome = values_of(result), outcomes.of_recipient(row)
    return {
        "name": row.contact.name,
        "number": called_number(row),
        "url": reverse("admin:campaigns_recipient_change", args=[row.pk]),
        "label": outcome.label,
        "colour": outcome.colour,
        "cells": [_cell(values, field) for field in columns],
    }


def _cell(values: dict[str, Any], field: Field) -> str:
    """Return one value as text. A dash: the result does not have the field."""
    if field.name not in values:
        return "-"
    value = values[field.name]
    if value is None:
        return "several values"
    text = value if isinstance(value, str) else as_text(value) or str(value)
    return text if len(text) <= LONGEST_CELL else f"{text[: LONGEST_CELL - 1]}…"
