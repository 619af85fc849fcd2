"""B9: compare the forecast of a campaign with one pass of the gate over the same recipients, in one run.

python -m benchmarks.forecast [--people 100000]

The benchmark creates its own test database and drops it at the end. It compares processor time.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import django

NOW = datetime(2026, 5, 13, 15, 0, tzinfo=UTC)
AREAS = ("205", "907", "602", "501", "415", "303", "203", "305", "404", "808", "208", "312", "317", "502", "617", "313")
AT_ONCE = 5_000


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--people", type=int, default=100_000)
    people = parser.parse_args().people
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    os.environ.setdefault("DEBUG", "true")
    django.setup()
    from django.db import connection, transaction

    old = connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        with transaction.atomic():
            compare(a_campaign(people), people)
    finally:
        connection.creation.destroy_test_db(old, verbosity=0)
    return 0


def compare(campaign: Any, people: int) -> None:
    passed, gate_cpu, gate_wall = timed(lambda: one_pass(campaign))
    found, cpu, wall = a_forecast(campaign)
    say(f"people                     {people:,}")
    say(f"one pass of the gate       {gate_cpu:6.2f} s of processor ({gate_wall:.2f} s): {dict(passed)}")
    outcome = f"{found.calls:,} calls until {found.finishes_at or 'no end'}"  # of those who can never be called
    say(f"forecast                   {cpu:6.2f} s of processor ({wall:.2f} s): {outcome}")
    say(f"ratio                      {cpu / gate_cpu:6.2f} (good: at most 3)")


def a_forecast(campaign: Any) -> tuple[Any, float, float]:
    """Return a forecast that starts with empty caches, its processor time and its time by the clock."""
    from calls.forecast.forecast import forecast

    forget()
    return timed(lambda: forecast(campaign, NOW))


def forget() -> None:
    """Clear the caches of phone numbers, so that the first run does not speed up the second."""
    from campaigns import phones
    from campaigns.rules import legal_hours, number_zones

    for cached in (phones.country_of, number_zones.number_zones, phones.is_toll_free, legal_hours.rule_for):
        cached.cache_clear()


def one_pass(campaign: Any) -> Counter[str]:
    """Decide about every recipient as the engine does: load recipients and contacts, then facts, then decide."""
    from calls.gate import facts
    from calls.gate.decision import decide
    from calls.gate.selection import Choices

    choices, verdicts = Choices(campaign, NOW), Counter[str]()
    rows: Iterator[Any] = campaign.recipients.select_related("contact").order_by("pk").iterator(AT_ONCE)
    while chunk := list(islice(rows, AT_ONCE)):
        calls = [choices.call_for(row) for row in chunk]
        for sheet in facts.load([call for call in calls if call], NOW):
            decision = decide(sheet, NOW)
            verdicts[decision.reason or decision.verdict] += 1
    return verdicts


def a_campaign(people: int) -> Any:
    """Create a campaign with contacts.

    Half are American, half European; a fifth have their own time zone; one in fifty is on the do-not-call list.
    """
    from campaigns.models import CallingWindow, Campaign, RetryRule
    from providers.models import Assistant, PhoneNumber, ProviderAccount
    from tenants.models import Organization, Tenant

    home = Organization.objects.create(
        tenant=Tenant.objects.create(name="B"),
        name="B",
        default_region="US",
        allowed_countries=["US", "FR", "GB", "DE"],
    )
    account = ProviderAccount.objects.create(
        organization=home,
        provider="allomia",
        name="A",
        base_url="https://example.org",
        calls_per_second=5,
        max_open_calls=300,
    )
    campaign = Campaign.objects.create(
        organization=home,
        name="B9",
        status=Campaign.Status.RUNNING,
        assistant=Assistant.objects.create(organization=home, account=account, name="A", external_id="a"),
        min_gap_minutes=60,
        launched_at=NOW,
    )
    campaign.phone_numbers.add(PhoneNumber.objects.create(organization=home, account=account, e164="+12125550100"))
    days = ["mon", "tue", "wed", "thu", "fri"]
    CallingWindow.objects.create(campaign=campaign, days=days, opens=9 * 60, closes=12 * 60)
    CallingWindow.objects.create(campaign=campaign, days=[*days, "sat"], opens=13 * 60, closes=19 * 60)
    for outcome, wait in (("no_answer", 120), ("busy", 15), ("failed", 60), ("voicemail", 24 * 60)):
        RetryRule.objects.create(campaign=campaign, outcome=outcome, wait_minutes=wait, max_attempts=3)
    _recipients(campaign, people)
    return Campaign.objects.select_related("organization", "assistant__account").prefetch_related("windows").get()


def _recipients(campaign: Any, people: int) -> None:
    from campaigns.models import Contact, DoNotCall, Recipient
    from campaigns.models.number_hash import number_hash

    home = campaign.organization
    rng = random.Random(9)  # noqa: S311
    numbers = _numbers(rng, people)
    zones = ["America/Chicago", "America/Phoenix", "Europe/Berlin", "Europe/Lisbon"]
    made = Contact.objects.bulk_create(
        [
            Contact(organization=home, phone=phone, timezone=rng.choice(zones) if rng.random() < 0.2 else "")
            for phone in numbers
        ],
        batch_size=2_000,
    )
    Recipient.objects.bulk_create(
        [Recipient(campaign=campaign, contact=row, next_attempt_at=NOW) for row in made], batch_size=2_000
    )
    DoNotCall.objects.bulk_create(
        [DoNotCall(organization=home, phone=row.phone, phone_hash=number_hash(row.phone)) for row in made[::50]],
        batch_size=2_000,
    )


def _numbers(rng: random.Random, count: int) -> list[str]:
    found: dict[str, None] = {}
    while len(found) < count:
        kind = rng.randrange(6)
        if kind < 3:
            found[f"+1{rng.choice(AREAS)}{rng.randint(2_000_000, 9_999_999)}"] = None
        else:
            prefix = {3: "+336", 4: "+4479", 5: "+49151"}[kind]
            found[prefix + str(rng.randint(10_000_000, 99_999_999))] = None
    return list(found)


def timed(work: Callable[[], Any]) -> tuple[Any, float, float]:
    cpu, wall = time.process_time(), time.perf_counter()
    found = work()
    return found, time.process_time() - cpu, time.perf_counter() - wall


def say(text: str) -> None:
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
