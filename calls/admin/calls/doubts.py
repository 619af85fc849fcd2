"""What a provider said about a call and Trunkline does not believe, as sentences beside the fields of its page."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from calls.models import Call

# Fields of a reading, and the rows of the page where their doubts stand.
FACTS: Mapping[str, str] = {
    "duration_seconds": "Duration",
    "billed_duration_seconds": "Billed duration",
    "price": "Cost",
    "currency": "Cost",
    "to_number": "Phone number",
    "error_code": "Error",
    "error_message": "Error",
}
TECHNICAL: Mapping[str, str] = {
    "state": "Provider status",
    "provider_status": "Provider status",
    "ended_reason": "End reason",
    "provider_reason": "Provider reason",
    "answered_by": "Answered by",
    "provider_call_id": "Provider's ID",
}
TIMES: Mapping[str, str] = {
    "created_at": "Created",
    "started_at": "Ringing",
    "answered_at": "Answered",
    "ended_at": "Ended",
}
RESULT: Mapping[str, str] = {"result": "Result", "result_text": "Result", "result_status": "Result"}
ELSEWHERE: Collection[str] = {*FACTS, *TECHNICAL, *TIMES, *RESULT}
_LABELS = {**FACTS, **TECHNICAL, **TIMES, **RESULT}


def beside(rows: Sequence[tuple[str, Any]], call: Call, names: Mapping[str, str]) -> list[tuple[str, Any]]:
    """Return the rows of a card with the doubts about their fields after them."""
    told: dict[str, list[str]] = {}
    for doubt in call.doubts or []:
        if name := names.get(doubt.get("field", "")):
            told.setdefault(name, []).append(_sentence(doubt))
    return list(_after(rows, told))


def _after(rows: Sequence[tuple[str, Any]], told: dict[str, list[str]]) -> Iterator[tuple[str, Any]]:
    """Yield the rows; a doubt follows its row, and has one of its own where the field has no value."""
    for name, value in rows:
        sentences = told.pop(name, [])
        if sentences and isinstance(value, str):
            yield name, " ".join([f"{value}.", *sentences])
        else:
            yield name, value
            if sentences:
                yield f"{name}, not believed", " ".join(sentences)
    for name, sentences in told.items():
        yield name, " ".join(sentences)


def others(call: Call) -> list[tuple[str, str]]:
    """Return the doubts about fields that the page does not show."""
    return [
        (str(doubt.get("field")), _sentence(doubt))
        for doubt in call.doubts or []
        if doubt.get("field") not in ELSEWHERE
    ]


def _sentence(doubt: Mapping[str, Any]) -> str:
    said = str(doubt.get("said", ""))
    what = f"the provider said “{said}”" if said else "what the provider said"
    return f"Not believed: {what}. {doubt.get('why', '')}"


def named(detail: str) -> str:
    """Return the text of an event about oddities with the page's names for fields of a call."""
    lines = (line.partition(": ") for line in detail.splitlines())
    return "\n".join(f"{_LABELS.get(name, name)}{colon}{rest}" for name, colon, rest in lines)
