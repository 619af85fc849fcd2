"""The results of a campaign as CSV: one row for each recipient, with the call that decided its outcome.

The rows are in the order in which the campaign took its recipients on, and take constant memory.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any
from uuid import UUID

from django.db import connections
from django.db.models import OuterRef, QuerySet, Subquery, Sum
from django.http import StreamingHttpResponse

from calls.models import Call, deciding_call
from calls.models.costing import COST, NOT_PRICED
from calls.reports import campaign_files, results_copy
from calls.reports.campaign_files import as_json
from calls.reports.result_values import cells_of
from campaigns.models import Campaign, Recipient
from tenants.api.fields import money
from tenants.db import replica
from tenants.money import Money
from tenants.spreadsheets import BYTE_ORDER_MARK, lines, time_cell

CHUNK = 1_000  # PostgreSQL would compile the query of a much larger chunk, which takes longer than to run it
COLUMNS = (
    *("recipient", "contact", "phone", "name", "external_id", "status", "outcome", "reason", "attempts"),
    *("call", "call_status", "started_at", "answered_at", "ended_at", "duration_seconds", "answered_by"),
    *("cost", "currency", "result", "variables", "cost_estimated", "other_costs"),
    *("calls", "other_calls"),
)


def download(
    campaign: Campaign, recipients: QuerySet[Recipient], actor: str, fields: Sequence[str] = ()
) -> StreamingHttpResponse:
    """Return the rows of these recipients as a streamed file. Writes an entry to the audit log.

    `fields`: names of result fields, each of which is one more column.
    """
    where = replica.source()
    rows = text(recipients.using(where.alias), fields)
    return campaign_files.streamed(campaign, "results.csv", rows, actor, where.as_of)


def text(recipients: QuerySet[Recipient], fields: Sequence[str] = ()) -> Iterator[str]:
    """Yield the file in pieces. With result fields it comes from Python on every database."""
    if fields or connections[recipients.db].vendor != "postgresql":
        return lines(chain([(*COLUMNS, *(f"result.{name}" for name in fields))], _rows(recipients, fields)))
    return chain(lines([COLUMNS]), _copied(recipients))


def _copied(recipients: QuerySet[Recipient]) -> Iterator[str]:
    """Yield the lines as PostgreSQL writes them, with one query for each chunk of recipients."""
    after = 0
    while chunk := list(results_copy.lines_of(recipients.filter(pk__gt=after).order_by("pk")[:CHUNK])):
        after = chunk[-1].recipient
        odd = [line.recipient for line in chunk if line.text is None]
        written = iter(_rows(recipients.model._default_manager.using(recipients.db).filter(pk__in=odd)) if odd else ())
        texts = (line.text if line.text is not None else _line(next(written)) for line in chunk)
        yield b"\r\n".join([*texts, b""]).decode()


def _line(row: Sequence[str]) -> bytes:
    return "".join(lines([row])).removeprefix(BYTE_ORDER_MARK).removesuffix("\r\n").encode()


def _rows(recipients: QuerySet[Recipient], fields: Sequence[str] = ()) -> Iterator[Sequence[str]]:
    """Yield the rows, with four queries for each chunk of recipients."""
    deciding = Subquery(deciding_call(OuterRef("pk")).values("pk"))
    rows = recipients.select_related("contact").annotate(decided_by=deciding).order_by("pk")
    after = 0
    while chunk := list(rows.filter(pk__gt=after)[:CHUNK]):
        after = chunk[-1].pk
        known = Call.objects.using(recipients.db)
        calls = known.defer("decision", "metadata").in_bulk([row.decided_by for row in chunk if row.decided_by])
        every = _every_call(known.filter(recipient__in=chunk))
        costs = _costs_of(known.filter(recipient__in=chunk))
        for row in chunk:
            call = calls.get(row.decided_by)
            said = cells_of(call.result if call else None, fields)
            yield [*_row(row, call, every[row.pk], costs.get(row.pk, ())), *said]


@dataclass(frozen=True)
class _Listed:
    """What a row tells of each call of its recipient."""

    pk: int
    attempt: int
    status: str
    uuid: UUID


def _every_call(calls: QuerySet[Call]) -> defaultdict[int | None, list[_Listed]]:
    found: defaultdict[int | None, list[_Listed]] = defaultdict(list)
    rows = calls.order_by("pk").values_list("recipient", "pk", "attempt", "status", "uuid")
    for recipient, pk, attempt, status, uuid in rows:
        found[recipient].append(_Listed(pk, attempt, status, uuid))
    return found


Cost = tuple[Money, Money | None]  # what calls cost in a currency, and what of it is our estimate


def _costs_of(calls: QuerySet[Call]) -> dict[int, list[Cost]]:
    """Return what the calls cost, by recipient and currency, in the order of the currencies."""
    known = calls.annotate(cost_known=COST).filter(cost_known__isnull=False)
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


def _row(row: Any, call: Call | None, every: Sequence[_Listed], costs: Sequence[Cost]) -> list[str]:
    contact = row.contact
    person = [row.uuid, contact.uuid, contact.number, contact.name, contact.external_id]
    decided: list[Any] = [""] * 7
    said: list[Any] = ["", ""]
    if call is not None:
        times = map(time_cell, (call.started_at, call.answered_at, call.ended_at))
        decided = [call.uuid, call.status, *times, call.duration_seconds, call.answered_by]
        said = [as_json(call.result) or call.result_text, as_json(call.dynamic_variables)]
    cost, currency, estimated, other_costs = _cost_cells(costs)
    others = "; ".join(f"{each.attempt} {each.status} {each.uuid}" for each in every if each.pk != row.decided_by)
    cells = [*person, row.status, row.outcome, row.reason, row.attempts, *decided, cost, currency, *said]
    cells += [estimated, other_costs, len(every), others]
    return ["" if cell is None else str(cell) for cell in cells]
