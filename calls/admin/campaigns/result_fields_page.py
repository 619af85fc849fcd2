"""The page on which a manager names the fields of a campaign's results, orders and hides them, and chooses columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from calls.actions import result_fields
from calls.admin.campaigns.result_parts import KINDS
from calls.reports.figures.results import FieldFigures, results_of
from campaigns.models import Campaign
from campaigns.rules.result_fields import LONGEST_TITLE, MOST_COLUMNS, Field
from tenants.backoffice.forms import Column, RowsField
from tenants.backoffice.roles import reach_of
from tenants.backoffice.scoped_admin import page_of
from tenants.policy import Action
from tenants.texts import NotText, one_line

AS_FOUND = ("", "As found")


class ResultFieldsForm(forms.Form):
    """The fields as rows. The order is a number, so that it needs no script."""

    rows = RowsField(
        [
            Column("name", "Field", "fixed"),
            Column("place", "Order"),
            Column("title", "Title"),
            Column(
                "kind", "Kind", "select", choices=(AS_FOUND, *((kind.value, label) for kind, label in KINDS.items()))
            ),
            Column("shown", "Card", "check"),
            Column("column", "Column", "check"),
        ],
        most=0,
        label="Fields",
    )

    def clean_rows(self) -> list[Field]:
        given: list[Mapping[str, Any]] = self.cleaned_data["rows"]
        placed = [(_place(row["place"], number), number, _field(row)) for number, row in enumerate(given, 1)]
        return [field for _, _, field in sorted(placed, key=lambda each: each[:2])]


def _place(text: str, otherwise: int) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 5 else otherwise


def _field(row: Mapping[str, Any]) -> Field:
    """Return the field of a row. Raises ValidationError."""
    try:
        title = one_line(row["title"])
    except NotText as error:
        raise ValidationError(f"{row['name']}: {error}") from error
    if len(title) > LONGEST_TITLE:
        raise ValidationError(f"The title of {row['name']} is too long. It has {LONGEST_TITLE} characters at most.")
    if row["kind"] not in {"", *KINDS}:
        raise ValidationError(f"Choose a kind for {row['name']}.")
    return Field(row["name"], title, row["kind"], row["shown"], row["column"])


def _initial(fields: Sequence[FieldFigures]) -> list[dict[str, Any]]:
    return [
        {
            "name": each.field.name,
            "place": number,
            "title": each.field.title,
            "kind": each.field.kind,
            "shown": each.field.shown,
            "column": each.field.column,
        }
        for number, each in enumerate(fields, 1)
    ]


def view(request: HttpRequest, pk: int) -> HttpResponse:
    page = page_of(Campaign)
    campaign: Campaign | None = page.found(request, pk, Action.CHANGE_CAMPAIGN)
    if campaign is None:
        return page.not_found(request)
    found = results_of(campaign).fields
    back = f"{page.url('change', pk)}?tab=results"
    form = ResultFieldsForm(request.POST or None, initial={"rows": _initial(found)})
    if request.method == "POST" and form.is_valid():
        try:
            as_shown = [each.field for each in found]
            result_fields.choose(campaign, form.cleaned_data["rows"], as_shown, actor=reach_of(request).actor)
        except result_fields.NotChosen as error:
            form.add_error("rows", str(error))
        else:
            messages.success(request, "The fields of the results are saved.")
            return redirect(back)
    return page.page(
        request,
        "trunkline/result_fields.html",
        "Fields of the results",
        campaign=campaign,
        form=form,
        any=bool(found),
        back=back,
        most=MOST_COLUMNS,
    )
