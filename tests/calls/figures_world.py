"""Generated organizations with campaigns, recipients and calls of every kind, around nights on which clocks change."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib.auth.models import User

from calls.models import Call
from campaigns.models import Campaign, CampaignVariant, Contact, Recipient
from providers.models import Assistant, PhoneNumber, ProviderAccount
from tenants.models import Membership, Organization, StaffSettings, Tenant, WebhookEndpoint
from tests.conftest import a_number, an_account, an_assistant
from tests.oracle import figures as by_hand

# Zones of whole and of broken hours, and days of 23, 24 and 25 hours in them.
DAYS = {
    "Europe/Paris": ((2026, 3, 29), (2026, 10, 25)),
    "America/St_Johns": ((2026, 3, 8), (2026, 11, 1)),
    "Australia/Lord_Howe": ((2026, 4, 5), (2026, 10, 4)),
    "Asia/Kolkata": ((2026, 6, 10),),
    "Asia/Kathmandu": ((2026, 1, 15),),
}
ENDS = ("completed", "no_answer", "busy", "failed", "canceled", "expired", "unknown")
PEOPLE = 10  # of each campaign
CURRENCIES = ("EUR", "JPY", "KWD", "USD")  # with two, none and three decimals


@dataclass
class World:
    """One organization at a moment, and the zone of the clock on which its viewer's pages are."""

    organization: Organization
    account: ProviderAccount
    number: PhoneNumber
    campaigns: list[Campaign]
    user: User
    zone: ZoneInfo
    now: datetime
    dice: random.Random

    def calls(self, **chosen: Any) -> list[dict[str, Any]]:
        rows: Any = Call.objects.filter(organization=self.organization, **chosen).order_by("pk").values()
        return list(rows)

    def recipients(self, campaign: Campaign) -> list[dict[str, Any]]:
        rows: Any = campaign.recipients.order_by("pk").values()
        return list(rows)


def make(seed: int) -> World:
    """Return a new organization, the same for the same seed."""
    dice = random.Random(seed)
    names = sorted(DAYS)
    home = names[seed % len(names)]
    tenant = Tenant.objects.create(name=f"Tenant {seed}")
    organization = Organization.objects.create(
        tenant=tenant, name=f"Organization {seed}", timezone=home, default_region="FR", allowed_countries=["FR"],
        daily_budget=dice.choice((None, "5", "1200")), daily_budget_currency=dice.choice(CURRENCIES),
    )  # fmt: skip
    user = User.objects.create(username=f"viewer-{seed}", is_staff=True)
    Membership.objects.create(user=user, organization=organization, role="viewer")
    shown = home
    if dice.random() < 0.4:
        shown = dice.choice(names)
        StaffSettings.objects.create(user=user, timezone=shown)
    WebhookEndpoint.objects.create(
        organization=organization,
        url="https://example.org/hook",
        events=["campaign.paused", "campaign.finished"],
        is_active=True,
    )
    zone = ZoneInfo(shown)
    day = dice.choice(DAYS[shown])
    now = datetime(*day, dice.randrange(9, 24), dice.randrange(60), dice.randrange(60), tzinfo=zone).astimezone(UTC)
    priced = {"price_per_minute": "0.1", "price_per_minute_currency": dice.choice(CURRENCIES)}
    limits = {"daily_budget": dice.choice((None, "5", "1200")), "longest_call_minutes": 30}
    account = an_account(organization, name=f"Account {seed}", **priced, **limits)
    number = a_number(account, e164=f"+3314{seed:07d}")
    found = World(organization, account, number, [], user, zone, now, dice)
    for place in range(2):
        _campaign(found, f"Campaign {place} of {seed}", seed * 2 + place)
    for place in range(dice.randrange(4)):  # ordered alone, or found again in the journal: without a recipient
        contact = Contact.objects.create(organization=organization, phone=f"+3367{seed:04d}{place:03d}"[:12])
        _call(found, contact, dice.choice(ENDS), attempt=1, assistant=account.assistants.order_by("pk")[0])
    return found


def _campaign(world: World, name: str, number: int) -> None:
    assistants = [an_assistant(world.account, name=f"{name} {n}", external_id=f"as_{number}_{n}") for n in range(2)]
    campaign = Campaign.objects.create(
        organization=world.organization, name=name, assistant=assistants[0], status="paused",
        started_at=world.now - timedelta(days=8), launched_at=world.now - timedelta(days=8),
        budget=world.dice.choice((None, "0.5", "3000")), budget_currency=world.dice.choice(CURRENCIES),
    )  # fmt: skip
    CampaignVariant.objects.create(campaign=campaign, assistant=assistants[1], weight=1)
    campaign.phone_numbers.add(world.number)
    world.campaigns.append(campaign)
    brief = world.dice.random() < 0.5  # all within two days, so that charts are by hour
    for place in range(PEOPLE):
        contact = Contact.objects.create(
            organization=world.organization, phone=f"+336{number:05d}{place:03d}", name=f"Person {place}"
        )
        _recipient(world, campaign, contact, assistants, brief)


def _recipient(world: World, campaign: Campaign, contact: Contact, assistants: list[Assistant], brief: bool) -> None:
    dice = world.dice
    row = Recipient.objects.create(campaign=campaign, contact=contact)
    statuses = [dice.choice(ENDS) for _ in range(dice.choice((0, 1, 1, 2, 3)))]
    if dice.random() < 0.3:
        statuses.append(dice.choice((*by_hand.OPEN, "queued")))
    calls = [
        _call(world, contact, status, attempt=n, assistant=dice.choice(assistants), of=row, brief=brief)
        for n, status in enumerate(statuses, 1)
    ]
    facts = [
        {"id": call.pk, "status": call.status, "dialed_at": call.dialed_at, "reason": call.ended_reason,
         "machine": call.answered_by == "machine"} for call in calls
    ]  # fmt: skip
    decided = by_hand.deciding(facts)
    row.attempts = sum(call.dialed_at is not None for call in calls)
    if decided is not None:
        row.outcome = decided["status"]
        row.reason = "voicemail" if decided["machine"] or decided["reason"] == "voicemail" else decided["reason"]
    ended = dice.choice(("done", "done", "waiting")) if decided else dice.choice(("pending", "skipped", "withdrawn"))
    row.status = ended if not calls or calls[-1].status in ENDS else "calling"
    if row.status == "waiting":
        row.next_attempt_at = world.now + timedelta(days=1)
    row.save()


def _call(
    world: World,
    contact: Contact,
    status: str,
    *,
    attempt: int,
    assistant: Assistant,
    of: Recipient | None = None,
    brief: bool = False,
) -> Call:
    dice = world.dice
    dialed = _moment(world, brief)
    ended = min(dialed + timedelta(seconds=dice.randrange(5, 4000)), world.now)
    open_call = status in by_hand.OPEN
    never = status == "queued" or (status == "canceled" and dice.random() < 0.5) or dice.random() < 0.05
    given: dict[str, Any] = {"next_read_at": world.now} if open_call else {}
    if status == "completed":
        given["answered_by"] = dice.choice(("human", "", "machine"))
        given["result"] = {"said": dice.choice(("yes", "no"))}
    if dice.random() < 0.1:
        given["id_shared_with"] = world.organization.uuid  # the provider gave its ID to two calls
    return Call.objects.create(
        organization=world.organization,
        campaign=of.campaign if of else None,
        recipient=of,
        contact=contact,
        account=world.account,
        assistant=assistant,
        phone_number=world.number,
        to_number=contact.phone,
        from_number=world.number.e164,
        attempt=attempt,
        status=status,
        created_at=dialed - timedelta(seconds=2),
        due_at=world.now,
        lease_until=world.now + timedelta(minutes=1),
        dialed_at=None if never and not open_call else dialed,
        started_at=dialed if dice.random() < 0.5 else None,
        ended_at=ended.replace(microsecond=0) if status in ENDS else None,
        terminal_at=ended if status in ENDS else None,
        ended_reason="voicemail" if status == "completed" and dice.random() < 0.2 else "",
        **given,
        **_money(world, dialed=not never, ended=status in ENDS),
    )


def _money(world: World, *, dialed: bool, ended: bool) -> dict[str, Any]:
    """Return what a call cost and what is set aside: mostly in one currency, which the provider need not share."""
    dice = world.dice
    usual = world.account.price_per_minute_currency
    # "": claimed by a version that did not keep the price. An ended one was estimated in the currency of its day.
    own = dice.choice((usual, usual, *CURRENCIES, ""))
    found: dict[str, Any] = {"price_per_minute_currency": own, "cost_currency": own or usual}
    if ended:
        found["cost_estimate"] = dice.choice((None, "0", "0.2", "0.004321", "41.5"))
    if dialed and dice.random() < 0.4:
        found |= {"cost_price": dice.choice(("0", "0.25", "0.1", "1234.5")), "cost_currency": dice.choice(CURRENCIES)}
    if dialed and not ended:
        found["cost_reserved"] = dice.choice(("0", "0.3", "90", "0.0003"))
    elif dialed and dice.random() < 0.2:  # its price may still change
        read = {"next_read_at": world.now, "settle_until": world.now + timedelta(hours=1)}
        found |= {"cost_reserved": "0.3", **read}
    return found


def _moment(world: World, brief: bool) -> datetime:
    """Return a moment before now: mostly of today or, for a long campaign, of a week ago, and often near a change."""
    start, _ = by_hand.day_of(world.now, world.zone)
    dice, span = world.dice, (world.now - start).total_seconds()
    moment = start + timedelta(seconds=dice.uniform(0, span))
    if dice.random() < 0.5:
        moment = start + timedelta(seconds=dice.uniform(0, min(span, 4.5 * 3600)))
    if not brief and dice.random() < 0.4:
        moment -= timedelta(days=dice.choice((1, 3, 7, 7, 7, 8)))
    return moment
