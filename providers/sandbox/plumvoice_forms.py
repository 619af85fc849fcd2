"""Strict parsers for Plum Voice Fuse's forms: the fields of the queue pages, their ranges, and the number formats."""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
from collections.abc import Mapping
from typing import Any

from aiohttp import web
from aiohttp.web_request import FileField

from providers.sandbox.forms import Form, Refused, reference_in
from providers.sandbox.world import Order

OPTIONS = ("start_timestamp", "end_timestamp", "max_attempts", "reattempt_wait", "result_url", "is_pci")
FIELDS = ("phone_number", "variables", *OPTIONS)
NUMBER = re.compile(r"(?:tel:)?(?P<to>\+?\d{7,15})(?:;ani=(?P<ani>\d{7,15}))?(?:;postd=[\d*#]+)?")
BULK_ROWS = 1000


async def fields(request: web.Request) -> dict[str, Any]:
    """Return the parts of a multipart form, files as bytes. Raise Refused for anything else, urlencoded forms too."""
    if request.content_type != "multipart/form-data":
        raise Refused(400, "Content-type must be multipart/form-data.")
    try:
        posted = await request.post()
    except (ValueError, AssertionError) as error:
        raise Refused(400, "The form is badly formed.") from error
    fields: dict[str, Any] = {}
    for name, value in posted.items():
        if name in fields:
            raise Refused(400, f"{name} was given twice.")
        if isinstance(value, FileField):
            fields[name] = value.file.read()
            value.file.close()
        else:
            fields[name] = value if isinstance(value, str) else bytes(value).decode("utf-8", "replace")
    return fields


def numbers(form: Form) -> tuple[str, str | None]:
    match = NUMBER.fullmatch(form.text("phone_number", required=True))
    if match is None:
        if form.body.get("phone_number"):
            form.complain("phone_number", "not a known shape of a phone number")
        return "", None
    to_number = _e164(match["to"])
    if to_number is None:
        form.complain("phone_number", "not a phone number")
    return to_number or "", _e164(match["ani"] or "") or (f"+{match['ani']}" if match["ani"] else None)


def _e164(digits: str) -> str | None:
    """Return E.164, or None if the number is in none of the formats on the Fuse pages.

    These are `+` and all digits, ten national digits, and eleven digits starting with 1.
    """
    if digits.startswith("+"):
        return digits if digits[1] != "0" else None
    if len(digits) == 10:
        return f"+1{digits}"
    return f"+{digits}" if len(digits) == 11 and digits[0] == "1" else None


def json_text(form: Form, name: str) -> dict[str, Any]:
    try:
        value = json.loads(form.text(name))
    except ValueError:
        value = None
    if not isinstance(value, dict):
        form.complain(name, "must be the text of a JSON object")
        return {}
    return value


def options(form: Form) -> dict[str, Any]:
    """Return schedule, attempts and result URL as keyword arguments of an order."""
    attempts = _whole(form, "max_attempts", 1, 10)
    wait = _whole(form, "reattempt_wait", 60, 86_400)
    if (attempts or 1) > 1 and wait is None and "reattempt_wait" not in form.body:
        form.complain("reattempt_wait", "is required with max_attempts above 1")
    _whole(form, "is_pci", 0, 1)
    return {
        "max_attempts": attempts or 1,
        "wait": float(wait or 0),
        "start_at": _whole(form, "start_timestamp", 0, 10**11),
        "end_at": _whole(form, "end_timestamp", 0, 10**11),
        "callback_url": form.url("result_url") or None,
    }


def _whole(form: Form, name: str, low: int, high: int) -> int | None:
    if name not in form.body:
        return None
    text = form.text(name)
    if not text.isdecimal() or not low <= int(text) <= high:
        form.complain(name, f"must be a whole number from {low} to {high}")
        return None
    return int(text)


def rows(file: Any) -> list[dict[str, str]]:
    if not isinstance(file, bytes):
        raise Refused(400, "csv: a CSV file is required.")
    reader = csv.DictReader(io.StringIO(file.decode("utf-8-sig", "replace")))
    rows = list(itertools.islice(reader, BULK_ROWS + 1))
    if "destination" not in (reader.fieldnames or ()) or not 1 <= len(rows) <= BULK_ROWS:
        raise Refused(400, f"csv: a destination column and 1 to {BULK_ROWS} rows are required.")
    return rows


def row(row: Mapping[str, str], deployment: str, options: Mapping[str, Any]) -> Order:
    form = Form({"phone_number": row["destination"]}, FIELDS)
    to_number, from_number = numbers(form)
    form.check()
    extra = {"deployment": deployment, "raw": row["destination"]}
    return Order(to_number, from_number, reference=reference_in(row), extra=extra, **options)
