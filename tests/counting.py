"""What the tables of counts must say, counted in Python from the rows themselves."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from calls.models import Call, CallCount, PersonCount
from campaigns.models import ContactListMember, ContactTag, MemberCount, Recipient, RecipientCount, TagCount
from tenants.db.counters import Counts
from tests.oracle.figures import deciding

RANG = ("completed", "no_answer", "busy", "failed")


def kept(model: type[Counts]) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """Return the sums that a table of counts holds, by group."""
    groups, sums = list(model.counted.groups), list(model.counted.sums)
    found: defaultdict[tuple[Any, ...], list[Decimal]] = defaultdict(lambda: [Decimal(0)] * len(sums))
    for row in model._default_manager.values_list(*groups, *sums):
        key = row[: len(groups)]
        found[key] = [a + b for a, b in zip(found[key], row[len(groups) :], strict=True)]
    return {key: tuple(total) for key, total in found.items() if any(total)}


def true_counts() -> dict[type[Counts], dict[tuple[Any, ...], tuple[Any, ...]]]:
    """Return the sums by table of counts and group, from the rows."""
    recipients: defaultdict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0, 0, 0])
    for row in Recipient.objects.all():
        total = recipients[row.campaign_id, row.status, row.outcome, row.reason]
        total[:] = total[0] + 1, total[1] + bool(row.attempts), total[2] + row.attempts
    calls: defaultdict[tuple[Any, ...], list[Any]] = defaultdict(lambda: [0, 0, Decimal(0), Decimal(0)])
    of_person: defaultdict[Any, list[Call]] = defaultdict(list)
    for call in Call.objects.filter(campaign__isnull=False):
        rang = call.status in RANG and call.dialed_at is not None
        sums = calls[call.campaign_id, call.assistant_id, call.cost_currency, rang]
        sums[0] += 1
        sums[1] += call.cost_price is not None or call.cost_estimate is not None
        sums[2] += call.cost_price or 0
        sums[3] += 0 if call.cost_price is not None else call.cost_estimate or 0
        if call.recipient_id:
            of_person[call.recipient_id].append(call)
    members = Counter((row.contact_list_id,) for row in ContactListMember.objects.all())
    tags = Counter((row.tag_id,) for row in ContactTag.objects.all())
    return {
        RecipientCount: {key: tuple(total) for key, total in recipients.items()},
        CallCount: {key: tuple(total) for key, total in calls.items()},
        PersonCount: _people(of_person.values()),
        MemberCount: {key: (n,) for key, n in members.items()},
        TagCount: {key: (n,) for key, n in tags.items()},
    }


def _people(of_each: Iterable[list[Call]]) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """Return by campaign and assistant how many people their deciding calls rang, and how many they reached."""
    found: defaultdict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0, 0])
    for calls in of_each:
        facts = [{"id": row.pk, "status": row.status, "dialed_at": row.dialed_at, "call": row} for row in calls]
        decided = deciding(facts)
        if decided is None or decided["status"] not in RANG or decided["dialed_at"] is None:
            continue
        call = decided["call"]
        counts = found[call.campaign_id, call.assistant_id]
        counts[0] += 1
        counts[1] += call.status == "completed" and not call.is_voicemail
    return {key: tuple(counts) for key, counts in found.items()}


def counts_are_true() -> None:
    for model, expected in true_counts().items():
        assert kept(model) == expected, model.__name__
