"""Counts of a campaign's calls and their costs, kept by triggers (`tenants/db/counters.py`)."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from calls.models.call import Call
from calls.models.deciding import CANCELED_LAST, DECIDES
from calls.models.statuses import Status
from campaigns.models import Campaign, Recipient
from providers.models import Assistant
from tenants.db.counters import Counted, CountedByDecision, Counts

RANG = (Status.COMPLETED, Status.NO_ANSWER, Status.BUSY, Status.FAILED)  # the phone rang, or may have rung
_RANG_NAMES = ", ".join(f"'{status}'" for status in RANG)
_RANG = f"({{row}}.status IN ({_RANG_NAMES}) AND {{row}}.dialed_at IS NOT NULL)"
_REACHED = (
    f"({_RANG} AND {{row}}.status = '{Status.COMPLETED}' AND {{row}}.answered_by <> 'machine' "
    "AND {row}.ended_reason <> 'voicemail')"
)
_COSTED = "CASE WHEN {row}.cost_price IS NULL AND {row}.cost_estimate IS NULL THEN 0 ELSE 1 END"
_ESTIMATED = "CASE WHEN {row}.cost_price IS NULL THEN COALESCE({row}.cost_estimate, 0) ELSE 0 END"


class CallCount(Counts):
    """Calls of a campaign by assistant and currency, and what they cost as far as known.

    `rang`: the call was dialled and ended as calls end that rang. `costed`: calls with a price or an estimate.
    `estimated`: the estimates of calls without a price.
    """

    counted = Counted(
        Call._meta.db_table,
        groups={
            "campaign_id": "{row}.campaign_id",
            "assistant_id": "{row}.assistant_id",
            "currency": "{row}.cost_currency",
            "rang": _RANG,
        },
        sums={"calls": "1", "costed": _COSTED, "priced": "COALESCE({row}.cost_price, 0)", "estimated": _ESTIMATED},
        where="{row}.campaign_id IS NOT NULL",
    )
    owner = "campaign_id"

    # Without constraints: their checks would cost each writer a lookup.
    campaign = models.ForeignKey(
        Campaign, on_delete=models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False
    )
    assistant = models.ForeignKey(
        Assistant, on_delete=models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False
    )
    currency = models.CharField(max_length=3)
    rang = models.BooleanField()
    calls = models.IntegerField()
    costed = models.IntegerField()
    priced = models.DecimalField(max_digits=20, decimal_places=6)
    estimated = models.DecimalField(max_digits=20, decimal_places=6)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["campaign"], name="call_count"),
            models.Index(fields=["id"], name="call_count_unfolded", condition=Q(folded=False)),
        ]


class PersonCount(Counts):
    """Recipients of a campaign by the assistant of their deciding call: those it rang, those it reached in person."""

    counted = CountedByDecision(
        Call._meta.db_table,
        groups={"campaign_id": "{row}.campaign_id", "assistant_id": "{row}.assistant_id"},
        sums={"people": _RANG, "reached": _REACHED},
        where=f"{{row}}.campaign_id IS NOT NULL AND {{row}}.recipient_id IS NOT NULL AND {DECIDES}",
        rank=CANCELED_LAST,
        member="recipient_id",
        members=Recipient._meta.db_table,
    )
    owner = "campaign_id"

    campaign = models.ForeignKey(
        Campaign, on_delete=models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False
    )
    assistant = models.ForeignKey(
        Assistant, on_delete=models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False
    )
    people = models.IntegerField()
    reached = models.IntegerField()

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["campaign"], name="person_count"),
            models.Index(fields=["id"], name="person_count_unfolded", condition=Q(folded=False)),
        ]
