"""The call objects of a list, made from columns instead of models: exactly what `CallSerializer` makes of each call.

A page of calls needs eight tables. Models of all their columns, credentials included, cost ten times the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from calls.models.costing import own_currency
from calls.models.statuses import MAY_BE_OVERDUE
from calls.serializers.call import CallSerializer
from tenants.api.fields import money, utc_text
from tenants.money import Money

REFERENCES = ("organization", "account", "assistant", "phone_number", "contact", "campaign", "recipient")
MOMENTS = ("created_at", "placed_at", "started_at", "answered_at", "ended_at", "updated_at")
COMPUTED = ("id", "overdue", "provider", "cost", "cost_price", "cost_estimate", "callback_status")
NAMES: tuple[str, ...] = tuple(CallSerializer.Meta.fields)
AS_THEY_ARE = tuple(name for name in NAMES if name not in {*REFERENCES, *MOMENTS, *COMPUTED})
COLUMNS = (
    *AS_THEY_ARE,
    *MOMENTS,
    *(f"{name}__uuid" for name in REFERENCES),
    "pk",  # the cursor of the next page
    "uuid",
    "dialed_at",
    "cost_price",
    "cost_estimate",
    "cost_currency",
    "price_per_minute_currency",
    "callback_outcome",
    "callback_delivery",  # annotated
    "account__provider",
    "account__longest_call_minutes",
)


def objects(rows: Iterable[Mapping[str, Any]], now: datetime) -> list[dict[str, Any]]:
    """Return the objects of rows that have COLUMNS."""
    return [_object(row, now) for row in rows]


def _object(row: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    found = dict.fromkeys(NAMES)
    for name in AS_THEY_ARE:
        found[name] = row[name]
    for name in MOMENTS:
        found[name] = utc_text(row[name])
    for name in REFERENCES:
        uuid = row[f"{name}__uuid"]
        found[name] = None if uuid is None else str(uuid)
    found |= _computed(row, now)
    return found


def _computed(row: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    price, estimate, currency = row["cost_price"], row["cost_estimate"], row["cost_currency"]
    longest = timedelta(minutes=row["account__longest_call_minutes"])
    dialed = row["dialed_at"] if row["status"] in MAY_BE_OVERDUE else None
    sent = row["callback_delivery"] or row["callback_outcome"] or "pending"
    return {
        "id": str(row["uuid"]),
        "overdue": dialed is not None and dialed + longest <= now,
        "provider": row["account__provider"],
        "cost": money(Money.known(estimate if price is None else price, currency)),
        "cost_price": money(Money.known(price, currency)),
        "cost_estimate": money(Money.known(estimate, own_currency(row["price_per_minute_currency"], currency))),
        "callback_status": sent if row["callback_url"] else "none",
    }
