"""What the preview of an import shows: what becomes of columns, rows and contacts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, BinaryIO

from campaigns.admin.import_forms import MappingForm, target_label
from campaigns.imports import dry_run, preview, rows, zone_notices
from campaigns.imports.columns import VARIABLES, UnreadableFile
from campaigns.imports.file_format import FileFormat
from campaigns.imports.options import Options
from campaigns.imports.readings import Opener
from campaigns.models import ImportMapping, NumberKind
from campaigns.phones import country_of, national
from campaigns.wording import counted
from tenants.models import Organization

VARIABLES_SHOWN = 8
TITLES = {"contradicting": "none of the number's", "interpreted": "read from another word"}


def preview_of(
    file: BinaryIO,
    form: FileFormat,
    known: ImportMapping | None,
    home: Organization,
    options: Options,
    opened: Opener,
    data: Any,
) -> dict[str, Any]:
    """Return the template context of the first rows."""
    saved = known.mapping if known and options.other_columns == VARIABLES else None
    fields = MappingForm(form, options, preview.samples(file, form), data, saved)
    mapping = fields.mapping
    context: dict[str, Any] = {"mapping_form": fields, "is_known": known is not None and mapping == known.mapping}
    if fields.undecided:
        return context | {"mapping_fault": undecided_words(fields.undecided)}
    try:
        found = dry_run.forecast(home, file, form, replace(options, mapping=mapping), opened)
    except UnreadableFile as error:
        return context | {"mapping_fault": str(error)}
    return context | _survey(found.survey, set(mapping.values())) | _forecast(found)


def undecided_words(columns: Sequence[str]) -> str:
    """Return the sentence about columns that may say who must not be called."""
    names = ", ".join(f"“{column}”" for column in columns)
    return (
        f"{names} may say who must not be called. Choose what it becomes, or leave it out. Nothing is imported before."
    )


def _survey(found: preview.Survey, targets: set[str]) -> dict[str, Any]:
    return {
        "survey": found,
        "read": f"{found.read:,}",
        "good": f"{found.read - found.refused:,}",
        "rows": [_row(row) for row in found.first],
        "reasons": [(f"{each.rows:,}", each.line, each.example) for each in found.most_frequent()],
        "unusable": found.unusable,
        "shows": {name: name in targets for name in ("name", "external_id", "language", "timezone")},
        "zone_notices": zone_notices_of(found.zones.contradicting, found.zones.interpreted, found.zones.examples),
        "value_notice": found.values.sentence,
        "value_rows": [
            (target_label(name), kind.words, f"{n:,}", examples) for name, kind, n, examples in found.values.groups()
        ],
        "has_variables": any(target.startswith("variables.") for target in targets),
    }


def _forecast(found: dry_run.Forecast) -> dict[str, Any]:
    same = found.unchanged + found.skipped
    tiles = [
        (found.created, "new contact", "new contacts", ""),
        (found.updated, "row changes a contact", "rows change a contact", ""),
        (same, "row changes nothing", "rows change nothing", ""),
        (found.survey.refused, "row rejected", "rows rejected", "danger"),
        (found.listed, "number put on the do-not-call list", "numbers put on the do-not-call list", "danger"),
        (found.on_do_not_call, "row on the do-not-call list already", "rows on the do-not-call list already", ""),
        (found.left_out, "further number left out", "further numbers left out", ""),
    ]
    return {
        "tiles": [(f"{n:,}", one if n == 1 else many, tone) for n, one, many, tone in tiles if n],
        "repeated": counted(found.repeated, "row is", "rows are") if found.repeated else "",
        "changes": [(_key_label(key), f"{count:,}") for key, count in found.changes.most_common()],
        "examples": [
            (each.line, national(each.phone), _key_label(each.key), _value(each.before), _value(each.after))
            for each in found.examples
        ],
        "readings": found.sentences,
    }


def _key_label(key: str) -> str:
    """Return what a value is called, like “Name”, “Variable city” or “Further number +33612345678”."""
    kind, _, name = key.partition(".")
    if kind == "numbers":
        return f"Further number {national(name)}" if name else "Further numbers"
    return "Kind of number" if key == "phone_kind" else target_label(key)


def _value(value: Any) -> str:
    return "(none)" if value in (None, "") else str(value)


def zone_notices_of(
    contradicting: int, interpreted: int, examples: Mapping[str, Any], url: str = ""
) -> list[dict[str, Any]]:
    """Return what a page says about the time zones of the accepted rows. `url` lists those that contradict."""
    lines = zone_notices.shown(examples)
    return [
        {
            "title": TITLES[kind],
            "sentence": sentence,
            "examples": lines[kind],
            "url": url if kind == "contradicting" else "",
        }
        for kind, sentence in zone_notices.sentences(contradicting, interpreted).items()
    ]


def _row(row: rows.ContactRow | rows.RejectedRow) -> dict[str, Any]:
    if isinstance(row, rows.RejectedRow):
        return {"line": row.line, "reason": row.reason}
    variables: Sequence[tuple[str, str]] = list(row.variables.items())
    return {
        "line": row.line,
        "contact": row,
        "phone": national(row.phone),
        "country": country_of(row.phone),
        "further": [(national(each.phone), _kind(each.kind)) for each in row.further_numbers],
        "variables": [(name, value) for name, value in variables[:VARIABLES_SHOWN]],
        "more": max(0, len(variables) - VARIABLES_SHOWN),
    }


def _kind(kind: str) -> str:
    return NumberKind(kind).label.lower() if kind else ""
