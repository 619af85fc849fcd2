"""The results of a campaign as CSV: one row for each recipient, in constant memory."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

from django.db import connections
from django.db.models import OuterRef, QuerySet, Subquery, Sum
from django.http import StreamingHttpResponse

from calls.models import Call
from calls.models.costing import COST, NOT_PRICED
from calls.reports import results_copy
from campaigns.models import Campaign, Recipient
from tenants import audit_log
from tenants.api.fields import money, utc_text
from tenants.money import Money
from tenants.spreadsheets import BYTE_ORDER_MARK, lines

CHUNK = 1_000  # PostgreSQL would compile the query of a much larger chunk, which takes longer than to run it
COLUMNS = (
    *("recipient", "contact", "phone", "name", "external_id", "status", "outcome", "reason", "attempts"),
    *("call", "call_status", "started_at", "answered_at", "ended_at", "duration_seconds", "answered_by"),
    *("cost", "currency", "result", "variables", "cost_estimated", "other_costs"),
)


def download(campaign: Campaign, recipients: QuerySet[Recipient], actor: str) -> StreamingHttpResponse:
    """Return the rows of these recipients as a streamed file. Writes an entry to the audit log."""
    audit_log.record(
        campaign.organization_id,
        actor=actor,
        action="campaign.exported",
        subject=str(campaign.uuid),
        detail={"file": "results.csv"},
    )
    return StreamingHttpResponse(
        text(recipients),
        content_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="campaign-{campaign.uuid}-results.csv"',
            "Cache-Control": "no-store",
        },
    )


def text(recipients: QuerySet[Recipient]) -> Iterator[str]:
    """Yield the file in pieces."""
    if connections[recipients.db].vendor != "postgresql":
        return lines(chain([COLUMNS], _rows(recipients)))
    return chain(lines([COLUMNS]), _copied(recipients))


def _copied(recipients: QuerySet[Recipient]) -> Iterator[str]:
    """Yield the lines as PostgreSQL writes them, with one query for each chunk of recipients."""
    after = 0
    while chunk := list(results_copy.lines_of(recipients.filter(pk__gt=after).order_by("pk")[:CHUNK])):
        after = chunk[-1].recipient
        odd = [line.recipient for line in chunk if line.text is None]
        written = iter(_rows(recipients.model._default_manager.filter(pk__in=odd)) if odd else ())
        texts = (line.text if line.text is not None else _line(next(written)) for line in chunk)
        yield b"\r\n".join([*texts, b""]).decode()


def _line(row: Sequence[str]) -> bytes:
    return "".join(lines([row])).removeprefix(BYTE_ORDER_MARK).removesuffix("\r\n").encode()


def _rows(recipients: QuerySet[Recipient]) -> Iterator[Sequence[str]]:
    """Yield the rows, with three queries for each chunk of recipients."""
    last = Call.objects.filter(recipient=OuterRef("pk")).order_by("-pk").values("pk")[:1]
    rows = recipients.select_related("contact").annotate(last_call=Subquery(last)).order_by("pk")
    after = 0
    while chunk := list(rows.filter(pk__gt=after)[:CHUNK]):
        after = chunk[-1].pk
        calls = Call.objects.defer("decision", "metadata").in_bulk([row.last_call for row in chunk if row.last_call])
        costs = _costs_of(chunk)
        for row in chunk:
            yield _row(row, calls.get(row.last_call), _cost_cells(costs.get(row.pk, ())))


Cost = tuple[Money, Money | None]  # what calls cost in a currency, and what of it is our estimate


def _costs_of(recipients: Sequence[Any]) -> dict[int, list[Cost]]:
    """Return what the calls of each recipient cost by currency, in the order of the currencies."""
    known = Call.objects.annotate(cost_known=COST).filter(recipient__in=recipients, cost_known__isnull=False)
    sums: Any = known.order_by("cost_currency").values_list("recipient", "cost_currency")
    found: defaultdict[int, list[Cost]] = defaultdict(list)
    for pk, currency, paid, guessed in sums.annotate(
        paid=Sum("cost_known"), guessed=Sum("cost_estimate", filter=NOT_PRICED)
    ):
        found[pk].append((Money(paid, currency), Money.known(guessed, currency)))
    return found


def _cost_cells(costs: Sequence[Cost]) -> tuple[str, str, str, str]:
    """Return the cells `cost`, `currency`, `cost_estimated` and `other_costs`.

    The first three are about the first currency. Amounts in others follow as text, because they have no sum.
    """
    if not costs:
        return "", "", "", ""
    (first, estimated), *others = costs
    rest = "; ".join(f"{_amount(cost)} {cost.currency}" for cost, _ in others)
    return _amount(first), first.currency, _amount(estimated), rest


def _amount(found: Money | None) -> str:
    return (money(found) or {"amount": ""})["amount"]


def _row(row: Any, call: Call | None, costs: tuple[str, str, str, str]) -> list[str]:
    contact = row.contact
    person = [row.uuid, contact.uuid, contact.number, contact.name, contact.external_id]
    cells = [*person, row.status, row.outcome, row.reason, row.attempts]
    if call is not None:
        cost, currency, estimated, others = costs
        cells += [call.uuid, call.status, *map(utc_text, (call.started_at, call.answered_at, call.ended_at))]
        cells += [call.duration_seconds, call.answered_by, cost, currency]
        cells += [_json(call.result) or call.result_text, _json(call.dynamic_variables), estimated, others]
    cells += [""] * (len(COLUMNS) - len(cells))
    return ["" if cell is None else str(cell) for cell in cells]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if value else ""
