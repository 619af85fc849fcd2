"""The calls of a campaign as CSV: one row for each call, in the order of their creation, in constant memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

from django.db.models import OuterRef, QuerySet, Subquery
from django.http import StreamingHttpResponse

from calls.models import Call, deciding_call
from calls.reports import campaign_files
from calls.reports.campaign_files import as_json
from campaigns.models import Campaign
from tenants.api.fields import money
from tenants.db import replica
from tenants.db.reading import by_key
from tenants.spreadsheets import lines, time_cell

CHUNK = 1_000
COLUMNS = (
    *("call", "recipient", "contact", "to_number", "from_number", "customer_name", "assistant", "account"),
    *("campaign_version", "attempt", "status", "ended_reason", "decides", "created_at", "dialed_at", "placed_at"),
    *("started_at", "answered_at", "ended_at", "duration_seconds", "answered_by", "provider_call_id"),
    *("cost", "currency", "cost_is_estimate", "result", "variables"),
)
MOMENTS = ("created_at", "dialed_at", "placed_at", "started_at", "answered_at", "ended_at")


def download(campaign: Campaign, calls: QuerySet[Call], actor: str) -> StreamingHttpResponse:
    """Return the rows of these calls of the campaign as a streamed file. Writes an entry to the audit log."""
    where = replica.source()
    return campaign_files.streamed(campaign, "calls.csv", text(calls.using(where.alias)), actor, where.as_of)


def text(calls: QuerySet[Call]) -> Iterator[str]:
    """Yield the file in pieces, with one query for each chunk of calls."""
    return lines(chain([COLUMNS], _rows(calls)))


def _rows(calls: QuerySet[Call]) -> Iterator[Sequence[str]]:
    deciding = Subquery(deciding_call(OuterRef("recipient")).values("pk"))
    related = ("recipient", "contact", "assistant", "account")
    needed = (*(f"{name}__uuid" for name in related), *_OWN)
    rows = calls.select_related(*related).only(*needed).annotate(decided_by=deciding)
    for call in chain.from_iterable(by_key(rows, CHUNK)):
        yield _row(call, decides=call.decided_by == call.pk)


_OWN = (
    *("uuid", "to_number", "from_number", "customer_name", "campaign_version", "attempt", "status", "ended_reason"),
    *(*MOMENTS, "duration_seconds", "answered_by", "provider_call_id", "cost_price", "cost_estimate", "cost_currency"),
    *("result", "result_text", "dynamic_variables"),
)


def _row(call: Call, *, decides: bool) -> list[str]:
    recipient = call.recipient.uuid if call.recipient else None
    cost = money(call.cost) or {"amount": "", "currency": ""}
    cells = [
        *(call.uuid, recipient, call.contact.uuid, call.to_number, call.from_number, call.customer_name),
        *(call.assistant.uuid, call.account.uuid, call.campaign_version, call.attempt, call.status),
        *(call.ended_reason, _word(decides), *(time_cell(getattr(call, name)) for name in MOMENTS)),
        *(call.duration_seconds, call.answered_by, call.provider_call_id, cost["amount"], cost["currency"]),
        *(_word(call.cost_is_estimate), as_json(call.result) or call.result_text, as_json(call.dynamic_variables)),
    ]
    return ["" if cell is None else str(cell) for cell in cells]


def _word(flag: bool) -> str:
    return "yes" if flag else "no"
