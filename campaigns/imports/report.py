"""What an import did, or would do, as sentences for a terminal. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from campaigns.imports import readings, zone_notices
from campaigns.imports.dry_run import Forecast
from campaigns.models import ContactImport
from campaigns.wording import counted


def of_import(imp: ContactImport) -> Iterator[str]:
    """Yield what a completed import did."""
    yield (
        f"{imp.rows_read} rows: {imp.created} created, {imp.updated} updated, {imp.skipped} skipped, "
        f"{imp.rejected} rejected."
    )
    yield from _numbers(imp.listed, imp.numbers_left_out)
    yield from readings.sentences(imp.phone_readings, imp.default_region or imp.organization.default_region)
    yield from zone_notices.sentences(imp.zones_contradicting, imp.zones_interpreted).values()
    if imp.note:
        yield imp.note


def of_forecast(found: Forecast) -> Iterator[str]:
    """Yield what an import would do."""
    survey = found.survey
    which = "" if survey.whole else "first "
    yield f"Dry run: nothing is written. Of the {which}{counted(survey.read, 'row')}:"
    yield (
        f"{found.created} create a contact, {found.updated} change one, {found.unchanged} change nothing, "
        f"{found.skipped} are skipped, {survey.refused} are rejected."
    )
    yield from _numbers(found.listed, found.left_out)
    if found.on_do_not_call:
        yield f"On the do-not-call list already: {counted(found.on_do_not_call, 'row')}."
    yield from found.sentences
    yield from zone_notices.sentences(survey.zones.contradicting, survey.zones.interpreted).values()
    if survey.values.sentence:
        yield survey.values.sentence
    for name, kind, n, examples in survey.values.groups():
        line, value = examples[0]
        yield f"{name}, {kind.words}, {counted(n, 'row')}, first in line {line}: {value!r}"
    for column, target, why in found.columns:
        yield f"Column '{column}': {target or 'left out'} ({why})."
    for reason in survey.most_frequent():
        yield f"Rejected, {counted(reason.rows, 'row')}, first in line {reason.line}: {reason.example}"
    for each in found.examples:
        yield f"Line {each.line}, {each.phone}: {each.key} {each.before!r} becomes {each.after!r}."


def _numbers(listed: int, left_out: int) -> Iterator[str]:
    if listed:
        yield f"Put on the do-not-call list: {counted(listed, 'number')}."
    if left_out:
        yield f"Left out: {counted(left_out, 'further number')}."
