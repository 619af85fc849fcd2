"""Reading what the gate looks at, for many calls at once. For a placing, only after the persons are locked."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.db.models import Count, Sum
from django.db.models.functions import Coalesce

from calls.gate import Facts
from calls.models import OPEN, Call, Status
from campaigns import do_not_call
from campaigns.legal_hours import legal_hours
from campaigns.models import Campaign
from campaigns.phones import country_of
from campaigns.windows import Hours, candidate_zones
from tenants.models import Organization

HISTORY = timedelta(days=30)
# What a call is taken to cost before it is over, in minutes of the account's price.
RESERVED_MINUTES = Decimal(3)


def load(calls: Sequence[Call], now: datetime) -> list[Facts]:
    """The facts of each call, in the same order. Calls need `organization`, `account`, `assistant`, `phone_number`,
    `contact`, `campaign` and `recipient` loaded; they may be unsaved (a single call about to be ordered)."""
    listed = _listed(calls, now)
    open_numbers = _open_numbers(calls)
    history = _history(calls, now)
    campaigns = {call.campaign_id: call.campaign for call in calls if call.campaign}
    hours = {pk: _campaign_hours(campaign) for pk, campaign in campaigns.items()}
    lines = _open_by("phone_number_id", {call.phone_number_id for call in calls if call.phone_number.max_open_calls})
    open_campaign = _open_by("campaign_id", {c.campaign_id for c in calls if c.campaign and c.campaign.max_open_calls})
    spent = {pk: spent_on(campaign) for pk, campaign in campaigns.items() if campaign.budget is not None}
    return [
        _facts(
            call,
            now,
            listed=(call.organization_id, call.to_number) in listed,
            open_call=(call.organization_id, call.to_number) in open_numbers,
            dialed=history[call.contact_id],
            campaign_hours=hours.get(call.campaign_id),
            number_open=lines[call.phone_number_id],
            campaign_open=open_campaign[call.campaign_id],
            spent=spent.get(call.campaign_id, Decimal(0)),
        )
        for call in calls
    ]


def _facts(
    call: Call,
    now: datetime,
    *,
    listed: bool,
    open_call: bool,
    dialed: Sequence[datetime],
    campaign_hours: Hours | None,
    number_open: int,
    campaign_open: int,
    spent: Decimal,
) -> Facts:
    organization, account, campaign, recipient = call.organization, call.account, call.campaign, call.recipient
    gap = organization.min_gap_minutes
    if campaign and campaign.min_gap_minutes is not None:
        gap = campaign.min_gap_minutes
    ends = [moment for moment in (call.not_after, campaign.ends_at if campaign else None) if moment]
    return Facts(
        organization_active=organization.is_active,
        calls_stopped=organization.calls_stopped,
        account_active=account.is_active,
        account_blocked=account.blocked(now),
        account_blocked_until=account.blocked_until,
        account_blocked_reason=account.blocked_reason,
        assistant_active=call.assistant.is_active,
        number_active=call.phone_number.is_active,
        campaign_status=campaign.status if campaign else None,
        not_before=call.not_before,
        not_after=min(ends) if ends else None,
        do_not_call=listed,
        country=country_of(call.to_number),
        allowed_countries=organization.callable_countries,
        zones=candidate_zones(
            call.contact.timezone, call.to_number, campaign.zone if campaign else organization.timezone
        ),
        hours=hours_of(call, campaign_hours),
        open_call=open_call,
        attempts=recipient.attempts if recipient else 0,
        max_attempts=campaign.max_attempts if campaign else None,
        last_dialed_at=dialed[-1] if dialed else None,
        min_gap=timedelta(minutes=gap),
        dialed_in_a_day=tuple(moment for moment in dialed if moment > now - timedelta(days=1)),
        max_per_day=organization.max_attempts_per_day,
        spent=spent,
        reserve=reserve_of(call),
        budget=campaign.budget if campaign else None,
        number_open=number_open,
        number_max_open=call.phone_number.max_open_calls,
        campaign_open=campaign_open,
        campaign_max_open=campaign.max_open_calls if campaign else None,
    )


def hours_of(call: Call, campaign_hours: Hours | None) -> tuple[Hours, ...]:
    """The sets of hours that must all be open: the campaign's, and the law's unless it is lifted."""
    found = [campaign_hours] if campaign_hours is not None else []
    if call.campaign:
        lifted = bool(call.campaign.legal_override)
    else:
        lifted = call.organization.single_call_hours == Organization.SingleCallHours.ANY
    if not lifted:
        found.append(legal_hours(call.to_number))
    return tuple(found)


def _campaign_hours(campaign: Campaign) -> Hours:
    return Hours(
        windows=tuple(window.as_window() for window in campaign.windows.all()),
        holidays=frozenset(date.fromisoformat(day) for day in campaign.holidays),
    )


def reserve_of(call: Call) -> Decimal:
    """What is set aside when the call is placed."""
    price = call.account.price_per_minute
    return price * RESERVED_MINUTES if price is not None else Decimal(0)


def _listed(calls: Sequence[Call], now: datetime) -> set[tuple[int, str]]:
    numbers = defaultdict(set)
    for call in calls:
        numbers[call.organization_id].add(call.to_number)
    return {(org, phone) for org, phones in numbers.items() for phone in do_not_call.listed(org, phones, now)}


def _open_numbers(calls: Sequence[Call]) -> set[tuple[int, str]]:
    found = Call.objects.open().filter(
        organization_id__in={call.organization_id for call in calls}, to_number__in={call.to_number for call in calls}
    )
    return set(found.values_list("organization_id", "to_number"))


def _history(calls: Sequence[Call], now: datetime) -> defaultdict[int, list[datetime]]:
    """When each person was, or may have been, dialled; oldest first."""
    contacts = {call.contact_id for call in calls if call.contact_id}
    rows = Call.objects.filter(contact_id__in=contacts, dialed_at__gt=now - HISTORY).order_by("dialed_at")
    history: defaultdict[int, list[datetime]] = defaultdict(list)
    for contact_id, dialed_at in rows.values_list("contact_id", "dialed_at"):
        if dialed_at:
            history[contact_id].append(dialed_at)
    return history


def _open_by(column: str, keys: Iterable[int | None]) -> Counter[int | None]:
    rows = Call.objects.filter(**{f"{column}__in": list(keys)}, status__in=OPEN).values_list(column)
    return Counter(dict(rows.annotate(n=Count("pk")).order_by()))


def spent_on(campaign: Campaign) -> Decimal:
    """What a campaign has paid and set aside so far, in the account's currency."""
    total = campaign.calls.exclude(status=Status.QUEUED).aggregate(
        total=Sum(Coalesce("cost", "cost_reserved", output_field=Call._meta.get_field("cost_reserved")))
    )
    return total["total"] or Decimal(0)
